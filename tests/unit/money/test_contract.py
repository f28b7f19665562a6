"""The contract as a value: one canonical form, and every rule that makes a version valid."""

from typing import Any

import pytest
from hypothesis import given
from support.money import (
    BANK,
    CHAIN,
    CONTI,
    ELENA,
    FUND,
    PARTIES,
    T0,
    contract,
    cycles,
    energy,
    flat,
    loan,
    price,
    rest,
    splits,
    tariffs,
)
from tallystick_protocol import cbor
from tallystick_protocol.errors import BadValue, MissingField, ProtocolError, Unsupported
from tallystick_protocol.ids import PartyId
from tallystick_protocol.money.contract import AssetTerms, Contract, PartyRef, Terms, read_contract, version_at
from tallystick_protocol.money.numbers import Exact, Ratio
from tallystick_protocol.money.rule import rule_is_met
from tallystick_protocol.money.split import Scope, Step
from tallystick_protocol.money.tariff import Band, Form, Tariff, Window

STRANGER = PartyId(bytes(16))


def falling(programme: str) -> Band:
    """Volume tiers for one programme."""
    return Band(programme, (price("2", 5), price("1")), programmes=(programme,), volume=True)


@given(tariffs(), splits())
def test_a_contract_comes_back_from_its_bytes(tariff: Tariff, steps: tuple[Step, ...]) -> None:
    version = contract(tariff, *steps)
    assert Contract.decode(version.encode()) == version
    assert read_contract(version.encode()) is read_contract(version.encode())


def test_equal_contracts_have_equal_bytes_and_every_field_shows_in_them() -> None:
    assert contract().encode() == contract().encode()
    variants = {
        contract(**more).encode()
        for more in (
            {},
            {"nonce": bytes(15) + b"1"},
            {"name": "b"},
            {"zone": "UTC"},
            {"effective_to_ms": T0 + 1},
            {"decision_ref": "minutes of 3 May"},
            {"terms": Terms(late_days=91)},
        )
    }
    assert len(variants) == 7


@pytest.mark.parametrize(
    ("text", "form"),
    [("1.50", (15, -1)), ("0", (0, 0)), ("0.00", (0, 0)), ("1000", (1, 3)), ("1e2", (1, 2)), ("-0.25", (-25, -2))],
)
def test_one_number_has_one_form(text: str, form: tuple[int, int]) -> None:
    exact = Exact.of(text)
    assert (exact.mantissa, exact.exponent) == form


@pytest.mark.parametrize("text", ["NaN", "Infinity", "1e-19", "1e13", "9" * 30])
def test_numbers_without_an_exact_form_are_refused(text: str) -> None:
    with pytest.raises(BadValue):
        Exact.of(text)


def test_amounts_finer_than_a_nano_or_larger_than_64_bits_are_refused() -> None:
    assert Exact.of("0.000000001").nano() == 1
    for text in ("0.0000000001", "9223372037"):
        with pytest.raises(BadValue):
            Exact.of(text).nano()


def test_forms_that_are_not_canonical_are_refused() -> None:
    for make in (lambda: Exact(10, 0), lambda: Exact(0, 1), lambda: Ratio(2, 4)):
        with pytest.raises(BadValue):
            make()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"prev": CHAIN}, "version 1 has none"),
        ({"version": 2}, "version 1 has none"),
        ({"effective_to_ms": T0}, "not after effective_from"),
        ({"collector": STRANGER}, "collector: is not one of the parties"),
        ({"assets": (AssetTerms("a", "energy", STRANGER),)}, r"assets\[0\].user: is not one of the parties"),
        ({"assets": (AssetTerms("a", "q", CONTI), AssetTerms("a", "q", ELENA))}, "lists one channel twice"),
        ({"assets": (AssetTerms("a", "q", CHAIN), AssetTerms("b", "q", CHAIN))}, "which links the two assets"),
        ({"parties": (PartyRef("a", ELENA, "owner"),) * 2}, "names one party twice"),
        ({"split": (rest((STRANGER, 1)),)}, "names somebody who is not one of the parties"),
        ({"split": (rest((FUND, 1), (ELENA, 1)),)}, "in contract order, each once"),
        ({"split": (rest((ELENA, 1), (ELENA, 1)),)}, "in contract order, each once"),
        ({"split": (loan("5"),)}, "does not sum to the fee"),
        ({"split": (rest(), rest())}, "so nothing reaches the steps after it"),
        ({"split": (Step(((BANK, 1),), fixed=Exact.of(1)), rest())}, 'write per = "period"'),
        ({"change_rule": "sometimes"}, "is not readable"),
        ({"change_rule": "2 of 3"}, "does not fit 6 parties"),
        ({"change_rule": "7 of 6"}, "does not fit 6 parties"),
        ({"change_rule": "decision"}, "decision_ref: is missing"),
    ],
)
def test_a_version_that_breaks_a_rule_cannot_be_made(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadValue, match=reason):
        contract(**change)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: Band("a", (price("1", 5),)), "last tier must be open"),
        (lambda: Band("a", (price("1", 5), price("1", 5), price("1"))), "up_to values that rise"),
        (lambda: Band("a", (price("-1"),)), "negative price"),
        (lambda: Band("a", (price("1"),), 0, (Window(1, 0, 1),), ("x",)), "windows and programmes"),
        (lambda: energy(flat(), flat()), "two bands of one name"),
        (lambda: energy(flat(name="a"), flat(name="b")), "two bands for everything else"),
        (lambda: energy(flat(windows=(Window(1, 0, 1),))), "leaves times without a price"),
        (lambda: energy(flat(programmes=("x",))), "intervals have none"),
        (lambda: cycles(flat(name="a", programmes=("x",)), flat(name="b", programmes=("x",))), "in two bands"),
        (lambda: cycles(flat(name="a", programmes=("x",)), flat(name="b", windows=(Window(1, 0, 1),))), "mixes bands"),
        (lambda: energy(start_fee=Exact.of(1)), "belongs to event uses"),
        (lambda: energy(step=2), "belongs to event uses"),
        (lambda: energy(minimum=Exact.of(3), cap=Exact.of(2)), "above the cap"),
        (lambda: energy(minimum=Exact.of(3), shared=True), "who owes"),
        (lambda: flat("1", volume=True), "needs tiers whose prices fall"),
        (lambda: Band("a", (price("1", 5), price("1")), volume=True), "needs tiers whose prices fall"),
        (lambda: energy(Band("a", (price("2", 5), price("1")), volume=True), shared=True), "whose rebate"),
        (lambda: cycles(*(falling(f"{n}") for n in range(17)), flat()), "more than 16 bands"),
        (lambda: energy(cap=Exact.of(-3)), "is negative"),
        (lambda: Step(((BANK, 1),), Ratio(1, 2), Exact.of(1)), "a portion and a fixed amount"),
        (lambda: Step(((BANK, 1),), Ratio(3, 2)), "more than all"),
        (lambda: Step(((BANK, 1),), cap=Exact.of(1), cap_per=Scope.LIFETIME), "needs a named counter"),
        (lambda: Step(((BANK, 1),), counter="x"), "needs a named counter"),
        (lambda: Step(((BANK, 1),), cap=Exact.of(1), counter="x"), "say which"),
        (lambda: Step(((BANK, 1),), cap=Exact.of(1), cap_per=Scope.USE, counter="x"), "say which"),
        (lambda: Step(((BANK, 1),), fixed=Exact.of(-1)), "is negative"),
        (lambda: Step(((BANK, 0),)), "must be 1"),
        (lambda: Terms(interval_ms=7 * 60_000), "must divide a day"),
    ],
)
def test_parts_that_break_a_rule_cannot_be_made(make: Any, reason: str) -> None:
    with pytest.raises(BadValue, match=reason):
        make()


def test_bytes_with_an_unknown_field_word_or_version_are_unsupported() -> None:
    value = cbor.decode(contract().encode())
    assert isinstance(value, dict)
    for change in ({30: 1}, {0: 2}, {8: "frozen"}):
        with pytest.raises(Unsupported):
            Contract.decode(cbor.encode(value | change))
    with pytest.raises(MissingField, match="split"):
        Contract.decode(cbor.encode({key: item for key, item in value.items() if key != 18}))


def test_hostile_bytes_raise_protocol_errors_only() -> None:
    good = contract(energy(flat("0.30", quota=3)), loan("5"), rest()).encode()
    refused = 0
    for position in range(len(good)):
        for change in (b"\x00", b"\xff", b"\x81"):
            try:
                Contract.decode(good[:position] + change + good[position + 1 :])
            except ProtocolError:
                refused += 1
    assert refused > len(good), "most changes are refused; whatever else one raises ends the test"


def test_change_rules_count_parties_once_and_only_those_of_the_contract() -> None:
    parties = list(PARTIES.values())
    assert not rule_is_met("all", parties, parties[:5], None)
    assert rule_is_met("all", parties, parties, None)
    assert not rule_is_met("majority", parties, parties[:3], None)
    assert rule_is_met("majority", parties, parties[:4], None)
    assert not rule_is_met("2 of 6", parties, [parties[0], parties[0], STRANGER], None)
    assert rule_is_met("2 of 6", parties, parties[:2], None)
    assert rule_is_met("decision", parties, parties[:1], "minutes of 3 May")
    assert not rule_is_met("decision", parties, parties[:1], None)
    assert contract().is_agreed(parties)


def test_the_version_in_force_is_the_newest_that_holds_the_moment() -> None:
    old = contract(effective_to_ms=T0 + 100)
    new = contract(version=2, prev=CHAIN, effective_from_ms=T0 + 50, effective_to_ms=T0 + 80)
    found = [version_at([new, old], T0 + t) for t in (-1, 0, 50, 79, 80, 100)]
    assert found == [None, old, new, new, old, None]


def test_a_contract_names_its_parties_and_channels() -> None:
    version = contract()
    assert version.party_name(BANK) == "Bank"
    with pytest.raises(BadValue):
        version.party_name(STRANGER)
    assert version.asset_terms("meter", "energy") == AssetTerms("meter", "energy", CONTI)
    assert version.asset_terms("meter", "water") is None
    assert version.tariff.form is Form.INTERVAL


def test_a_machine_of_single_uses_is_listed_once_for_each_who_shares_it() -> None:
    places = AssetTerms("washer", "cycles", ELENA), AssetTerms("washer", "cycles", CONTI)
    shared = contract(cycles(flat("1.50")), rest(), assets=places)
    assert Contract.decode(shared.encode()) == shared
    assert shared.asset_indexes("washer", "cycles") == (0, 1)
    assert shared.asset_indexes("washer", "water") == ()
    assert shared.asset_terms("washer", "cycles") == places[0]
    with pytest.raises(BadValue, match="lists one user of a channel twice"):
        contract(cycles(flat("1.50")), rest(), assets=(*places, places[1]))
    with pytest.raises(BadValue, match="lists one channel twice; only an asset of single uses can be shared"):
        contract(energy(flat()), rest(), assets=places)
