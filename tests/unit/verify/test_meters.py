"""A continuous meter: the payer's slices are cut again from signed readings; others see sums and no curve."""

from dataclasses import replace
from typing import Any

import pytest
from support import evidence_builder as b
from support import evidence_meters as e
from support import evidence_world as w
from tallystick_protocol import cbor
from tallystick_protocol.money.settle import Built
from tallystick_protocol.money.user import commit_user
from tallystick_protocol.part import Segment
from tallystick_protocol.verify import VALID, VALID_SPLIT_AS_COMMITTED, verify_evidence


def _report(made: e.Metered, party: w.PartyId = w.ANNA, **more: Any) -> Any:
    return verify_evidence(e.evidence(made, party, **more), w.policy(party))


def test_a_payer_finds_the_day_valid_slice_by_slice() -> None:
    made = e.metered()
    report = _report(made)
    assert report.verdict == VALID_SPLIT_AS_COMMITTED
    words = next(check.words for check in report.checks if check.name == "readings")
    slices = sum(one.use.slices.n for one in made.built.uses if one.use.slices)
    assert words == f"{slices} slices cut again from the readings that the gateway signed"
    assert slices > 80


def test_slices_are_joined_by_band_and_price_step() -> None:
    uses = [one.use for one in e.metered().built.uses]
    assert sorted(use.programme or "" for use in uses) == ["day", "day", "night"]
    total = e.metered().built.covers[0]
    assert sum(use.to_total - use.from_total for use in uses) == total.to_total - total.from_total


@pytest.mark.parametrize("party", [w.BANK, w.OWNER])
@pytest.mark.parametrize("loan", [True, False])
def test_a_party_to_the_split_finds_it_valid_without_a_curve(party: w.PartyId, loan: bool) -> None:
    made = e.metered(e.electricity(loan=loan))
    if party == w.BANK and not loan:
        return
    data = e.evidence(made, party)
    assert verify_evidence(data, w.policy(party)).verdict == VALID
    for sealed in made.batches:
        assert sealed.parts[0].data not in data
    for one in made.built.uses:
        assert one.slices is not None
        assert [leaf for leaf in one.slices.leaves if leaf.data in data] == []
    assert cbor.encode([e.QUARTER] * 24) not in data


def test_a_meter_that_the_contract_gives_to_somebody_else_is_not_a_payers() -> None:
    contract = e.electricity()
    others = (replace(contract.assets[0], user=commit_user(e.SALT, w.BRUNO)),)
    assert "is not you" in _report(e.metered(replace(contract, assets=others))).verdict
    openly = (replace(contract.assets[0], user=w.MEMBERS),)
    assert "the contract names it openly" in _report(e.metered(replace(contract, assets=openly))).verdict
    assert "makes you its user" in _report(e.metered(), place=False).verdict


def test_readings_left_out_are_noticed() -> None:
    assert "flat 3" in _report(e.metered(), skip_batch=1).verdict
    assert "was settled further than its readings" in _report(e.metered(), skip_batch=3).verdict


def _bent(**changes: Any) -> e.Metered:
    def change(_: int, built: Built) -> Built:
        rows = list(built.uses)
        rows[0] = replace(rows[0], use=replace(rows[0].use, **changes))
        return b.rebuilt(built, uses=rows)

    return e.metered(built=change)


def test_a_fee_that_is_a_nano_more_is_refused() -> None:
    use = e.metered().built.uses[0].use
    shares = tuple((party, share + (n == 0)) for n, (party, share) in enumerate(use.shares))
    assert "by the contract" in _report(_bent(fee=use.fee + 1, shares=shares)).verdict
    assert "by the contract" in _report(_bent(fee=use.fee + 1, shares=shares), w.BANK).verdict


def test_a_loan_past_its_cap_is_refused() -> None:
    def change(_: int, built: Built) -> Built:
        return b.rebuilt(built, counters=[replace(c, closing=c.closing + (c.period is None)) for c in built.counters])

    assert "past its cap" in _report(e.metered(built=change), w.BANK).verdict


def test_counts_that_were_never_used_are_refused() -> None:
    use = e.metered().built.uses[0].use
    assert "does not add up" in _report(_bent(to_total=use.to_total + 1), w.BANK).verdict


def test_a_new_generation_needs_the_event_that_explains_it() -> None:
    def change(number: int, segment: Segment) -> Segment:
        if number < 3:
            return segment
        return replace(segment, generation=1, base=segment.base + segment.v0, v0=0)

    assert "began to count anew, and no event in the file says why" in _report(e.metered(segments=change)).verdict


def test_a_scale_factor_that_is_not_the_contracts_is_refused() -> None:
    assert "the scale was bent" in _report(e.metered(exponent=-1)).verdict
    assert "the scale was bent" in _report(e.metered(exponent=-1), w.BANK).verdict
