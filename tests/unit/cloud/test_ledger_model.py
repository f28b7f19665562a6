"""Pure rules of the books: canonical positions sort as they count, every set of amounts sums to zero."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.books import WASHES
from tallystick_cloud.ledger.model import (
    Account,
    Line,
    amounts,
    check_zero,
    difference,
    position_of,
    total,
)
from tallystick_cloud.settlement.pairs import pairs_json, pairs_of
from tallystick_protocol.errors import InvariantError
from tallystick_protocol.ids import H32, PartyId
from tallystick_protocol.money.contract import Mode
from tallystick_protocol.money.contract_toml import load_contract
from tallystick_protocol.money.rating import Usage, UsageForm

NAMES = ("Coop", "Repairer", "Bank", "Fund", "Anna", "Ben")
IDS = {name: PartyId(bytes([index] * 16)) for index, name in enumerate(NAMES)}
CONTRACT = load_contract(WASHES, IDS)
CHAIN = b"c" * 32

Place = tuple[int, bytes, int]
places = st.tuples(st.integers(0, 2**62), st.binary(min_size=32, max_size=32), st.integers(-(2**63), 2**63 - 1))
fees = st.lists(st.integers(0, 10**15), min_size=1, max_size=6)


def usage(place: Place) -> Usage:
    end_ms, channel, number = place
    return Usage(H32(b"u" * 32), H32(channel), number, 0, end_ms, 0, 1, "a", IDS["Anna"], form=UsageForm.EVENT)


@given(places, places)
def test_stored_position_sorts_as_the_canonical_order(
    left: tuple[int, bytes, int], right: tuple[int, bytes, int]
) -> None:
    a, b = usage(left), usage(right)
    assert (position_of(a) < position_of(b)) == (a.position < b.position)
    assert len(position_of(a)) == 48


@pytest.mark.parametrize("mode", list(Mode))
@given(fees)
def test_every_use_posts_zero_in_sum(mode: Mode, parts: list[int]) -> None:
    contract = replace(CONTRACT, mode=mode)
    shares = list(zip(IDS.values(), parts, strict=False))
    found = amounts(contract, CHAIN, IDS["Anna"], sum(parts), shares)
    assert sum(found.values()) == 0
    holders = {line.holder for line in found}
    assert holders == ({party for party, _ in shares} if mode is Mode.DIRECT else {IDS["Coop"]})


def test_share_of_a_fund_stands_on_its_fund_account() -> None:
    found = amounts(CONTRACT, CHAIN, IDS["Anna"], 5, [(IDS["Fund"], 5)])
    assert {line.account: amount for line, amount in found.items()} == {Account.RECEIVABLE: 5, Account.FUND: -5}


def test_fee_that_its_shares_do_not_make_up_is_never_posted() -> None:
    with pytest.raises(InvariantError, match="does not sum to zero"):
        amounts(CONTRACT, CHAIN, IDS["Anna"], 6, [(IDS["Coop"], 5)])


@given(fees, fees)
def test_before_plus_the_difference_is_after(before: list[int], after: list[int]) -> None:
    one = amounts(CONTRACT, CHAIN, IDS["Anna"], sum(before), list(zip(IDS.values(), before, strict=False)))
    two = amounts(CONTRACT, CHAIN, IDS["Anna"], sum(after), list(zip(IDS.values(), after, strict=False)))
    change = difference(two, one)
    check_zero(change)
    assert total([one, change]) == {line: amount for line, amount in two.items() if amount}
    assert 0 not in change.values()


@given(st.lists(st.tuples(st.binary(min_size=16, max_size=16), st.integers(0, 2**63 - 1)), max_size=5))
def test_what_a_settlement_said_survives_its_json(shares: list[tuple[bytes, int]]) -> None:
    assert list(pairs_of(pairs_json(shares))) == shares


def test_units_are_never_mixed() -> None:
    line = Line(b"h", Account.PAYABLE, b"p", b"c", "EUR")
    with pytest.raises(InvariantError):
        check_zero({line: 5, line._replace(unit="cycle"): -5})
