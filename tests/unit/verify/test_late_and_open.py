"""What comes late, what stays open and what people decide: the books go on and the verifier follows."""

from dataclasses import replace
from typing import Any

import pytest
from support import evidence_builder as b
from support import evidence_world as w
from support.cheats import honest, in_period, only_first_version
from support.evidence_late import Late, decided, with_minimum, with_rebate, with_standing
from support.protocol_samples import fixed
from tallystick_protocol.codes import ResolutionAction
from tallystick_protocol.evidence import USER_KEY, Evidence
from tallystick_protocol.ids import H32
from tallystick_protocol.policy import KnownVersion
from tallystick_protocol.verify import VALID, VALID_SPLIT_AS_COMMITTED, verify_evidence


@pytest.mark.parametrize("party", [w.BANK, w.OWNER, w.ANNA, w.BRUNO])
def test_a_late_wash_and_what_it_changes_are_verified_again(party: w.PartyId) -> None:
    scene = b.scene(Late())
    report = verify_evidence(b.evidence(scene, party), w.policy(party))
    assert report.verdict in (VALID, VALID_SPLIT_AS_COMMITTED), report.verdict
    late, punctual = scene.built[1].statements, honest().built[1].statements
    assert {s.party: s.closing for s in late} == {s.party: s.closing for s in punctual}


def test_a_correction_that_hides_the_old_line_is_refused() -> None:
    class Hidden(Late):
        def scene_hash(self) -> H32:
            return H32(fixed("another settlement", 32))

    report = verify_evidence(b.evidence(b.scene(Hidden()), w.BANK), w.policy(w.BANK))
    assert "corrects a line of an earlier settlement that is not in the file" in report.verdict


def test_counts_that_people_waive_add_up() -> None:
    report = verify_evidence(b.evidence(decided(ResolutionAction.WAIVE), w.BANK), w.policy(w.BANK))
    assert report.verdict == VALID


def test_counts_that_people_bill_need_no_part() -> None:
    report = verify_evidence(b.evidence(decided(ResolutionAction.BILL), w.BANK), w.policy(w.BANK))
    assert report.verdict == VALID
    assert "1 billed by a decision of people" in next(c.words for c in report.checks if c.name == "meters")


def test_a_decision_about_more_than_was_open_is_refused() -> None:
    scene = decided(ResolutionAction.WAIVE, from_total=0)
    report = verify_evidence(b.evidence(scene, w.BANK), w.policy(w.BANK))
    assert "closes more of open span 90 than was open" in report.verdict


@pytest.mark.parametrize("party", [w.BANK, w.OWNER, w.ANNA, w.BRUNO])
def test_a_months_minimum_is_verified_like_any_use(party: w.PartyId) -> None:
    scene = with_minimum()
    report = verify_evidence(b.evidence(scene, party), w.policy(party))
    assert report.verdict in (VALID, VALID_SPLIT_AS_COMMITTED), report.verdict
    closing = next(s.closing for s in scene.built[1].statements if s.party == w.ANNA)
    assert closing <= -18 * 10**9


def test_a_minimum_is_charged_to_users_of_the_contract_only() -> None:
    """Anna does not wash: her place in the contract alone says that she owes the minimum."""
    evidence = Evidence.decode(b.evidence(with_minimum(machines=(1,)), w.ANNA))
    assert verify_evidence(evidence.encode(), w.policy(w.ANNA)).verdict == VALID_SPLIT_AS_COMMITTED
    closed = replace(evidence, pieces=tuple(piece for piece in evidence.pieces if piece.key != USER_KEY))
    verdict = verify_evidence(closed.encode(), w.policy(w.ANNA)).verdict
    assert verdict.startswith("minimum of the period")
    assert "makes you its user" in verdict


def test_a_minimum_before_the_end_of_its_month_is_refused() -> None:
    report = verify_evidence(b.evidence(with_minimum(w.HOUR), w.BANK), w.policy(w.BANK))
    assert "does not stand at the end of its period" in report.verdict


@pytest.mark.parametrize("party", [w.BANK, w.OWNER, w.ANNA, w.BRUNO])
def test_a_rebate_is_verified_like_any_use(party: w.PartyId) -> None:
    """Bruno washes warm three times in January: the first two are EUR 0.199999999 too dear each."""
    scene = with_rebate()
    report = verify_evidence(b.evidence(scene, party), w.policy(party))
    assert report.verdict in (VALID, VALID_SPLIT_AS_COMMITTED), report.verdict
    fees = [one.use.fee for one in scene.built[0].uses if one.use.channel_hash.startswith(b"\xff\xff")]
    assert sorted(fees) == [-399_999_998, -399_999_998]


@pytest.mark.parametrize("party", [w.BANK, w.OWNER, w.ANNA])
def test_a_rebate_that_is_kept_back_is_noticed_by_its_payer_and_by_every_party_to_the_split(party: w.PartyId) -> None:
    report = verify_evidence(b.evidence(with_rebate(payers=(w.BRUNO,)), party), w.policy(party))
    assert "has no rebate beside it, but its period is over" in report.verdict


def test_the_rebate_of_somebody_else_is_no_misfit_of_mine() -> None:
    report = verify_evidence(b.evidence(with_rebate(payers=(w.BRUNO,)), w.BRUNO), w.policy(w.BRUNO))
    assert report.verdict == VALID_SPLIT_AS_COMMITTED


def test_a_rebate_by_another_moments_version_is_refused() -> None:
    report = verify_evidence(b.evidence(with_rebate(bent=w.HOUR), w.BANK), w.policy(w.BANK))
    assert report.verdict.startswith("rebate of the period")
    assert "does not stand at the end of its period" in report.verdict


@pytest.mark.parametrize("party", [w.BANK, w.OWNER, w.ANNA, w.BRUNO])
def test_a_standing_charge_is_verified_like_any_use(party: w.PartyId) -> None:
    scene = with_standing()
    report = verify_evidence(b.evidence(scene, party), w.policy(party))
    assert report.verdict in (VALID, VALID_SPLIT_AS_COMMITTED), report.verdict
    fees = [one.use.fee for one in scene.built[0].uses if one.use.channel_hash.startswith(b"\xff\xff")]
    assert fees == [2_000_000_000, 2_000_000_000]


@pytest.mark.parametrize("party", [w.BANK, w.OWNER])
def test_a_standing_charge_that_is_kept_back_is_noticed_by_every_party_to_the_split(party: w.PartyId) -> None:
    report = verify_evidence(b.evidence(with_standing(payers=(w.BRUNO,)), party), w.policy(party))
    assert "has no standing charge beside it, but its period is over" in report.verdict


def test_who_was_not_charged_has_nothing_to_object_to() -> None:
    report = verify_evidence(b.evidence(with_standing(payers=(w.BRUNO,)), w.ANNA), w.policy(w.ANNA))
    assert report.verdict == VALID_SPLIT_AS_COMMITTED


@pytest.mark.parametrize("party", [w.BANK, w.BRUNO])
def test_a_standing_charge_for_other_days_than_the_versions_is_refused(party: w.PartyId) -> None:
    late = verify_evidence(b.evidence(with_standing(late_ms=w.HOUR), party), w.policy(party))
    assert late.verdict.startswith("standing charge of the period")
    assert "does not begin with a version of its contract" in late.verdict
    more = verify_evidence(b.evidence(with_standing(extra_days=1), party), w.policy(party))
    assert "is for days 0 to 32, not those in which its version stood" in more.verdict


def test_a_base_shows_only_what_later_lines_correct() -> None:
    scene = b.scene(Late())
    replaced = [one.use.replaces for one in scene.built[1].uses if one.use.replaces]

    def also(draft: Any) -> None:
        built, (envelope, leaf, _) = scene.built[0], scene.envelopes[0]
        for one in replaced:
            draft.open_leaf(draft.add(envelope, leaf), 7, one.leaf, built.use_tree)

    assert replaced
    assert verify_evidence(b.evidence(scene, w.BANK, b.View(also=also)), w.policy(w.BANK)).verdict == VALID


def test_a_version_from_the_very_end_of_a_period_on_is_none_of_it() -> None:
    """Also for who knows of it: January lists the first version alone."""
    found = lambda: w.found(second={"effective_from_ms": w.FEBRUARY})  # noqa: E731
    host = b.Host(found=found, washes=lambda rows: rows[:2], books=in_period(0, lambda one: only_first_version(0, one)))
    scene = b.scene(host)
    (chain, _), (second, _) = scene.world.versions
    policy = w.policy(w.BANK, contracts=(KnownVersion(chain, second, w.FEBRUARY),))
    assert verify_evidence(b.evidence(scene, w.BANK), policy).verdict == VALID
    earlier = w.policy(w.BANK, contracts=(KnownVersion(chain, second, w.FEBRUARY - 1),))
    assert "that your policy knows to be agreed" in verify_evidence(b.evidence(scene, w.BANK), earlier).verdict
