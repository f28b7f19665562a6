"""A user's payment over what is owed: every nano goes somewhere once, the oldest contract first."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from tallystick_cloud.bank.model import Claim, allocated, payment_lines
from tallystick_cloud.money import CENT_NANO

nano = st.integers(-(10**12), 10**12)
claims = st.lists(nano, min_size=1, max_size=6).map(
    lambda all_: [Claim(bytes([i]) * 32, n) for i, n in enumerate(all_)]
)


@given(st.integers(1, 10**9), claims)
def test_all_of_a_payment_is_allocated_and_nothing_twice(cents: int, owed: list[Claim]) -> None:
    parts = allocated(cents, owed)
    assert sum(part.nano for part in parts) == cents * CENT_NANO
    assert all(part.nano > 0 for part in parts)
    assert len({part.chain for part in parts}) == len(parts)


@given(st.integers(1, 10**9), claims)
def test_the_oldest_contract_is_filled_before_the_next_gets_anything(cents: int, owed: list[Claim]) -> None:
    got = {part.chain: part.nano for part in allocated(cents, owed)}
    positive = [claim for claim in owed if claim.nano > 0]
    for claim, after in pairwise(positive):
        assert after.chain not in got or got[claim.chain] >= claim.nano
    paid = sum(max(0, claim.nano) for claim in owed)
    over = [claim for claim in owed if got.get(claim.chain, 0) > max(0, claim.nano)]
    assert len(over) == (1 if cents * CENT_NANO > paid else 0)


@given(st.integers(1, 10**9), claims, st.booleans())
def test_its_journal_sums_to_zero(cents: int, owed: list[Claim], from_suspense: bool) -> None:
    lines = payment_lines(b"h" * 16, b"p" * 16, "EUR", allocated(cents, owed), from_suspense=from_suspense)
    assert sum(lines.values()) == 0
    assert sum(amount for amount in lines.values() if amount > 0) == cents * CENT_NANO


def test_without_a_claim_nothing_is_allocated() -> None:
    assert allocated(5, []) == []
