"""Everything a host may try is refused with the object and the reason named; honest files of all parties are valid."""

import pytest
from support import evidence_builder as b
from support import evidence_world as w
from support.cheats import CHEATS, Cheat, honest
from tallystick_protocol.verify import VALID, VALID_SPLIT_AS_COMMITTED, verify_evidence


@pytest.mark.parametrize("cheat", CHEATS, ids=[cheat.name for cheat in CHEATS])
def test_a_cheat_is_named(cheat: Cheat) -> None:
    report = verify_evidence(cheat.make(), cheat.policy(w.policy(cheat.party)))
    assert not report.ok, report.verdict
    assert cheat.named in report.verdict
    assert [check.ok for check in report.checks] == [True] * (len(report.checks) - 1) + [False]


def test_the_catalogue_has_no_entry_twice() -> None:
    assert len({cheat.name for cheat in CHEATS}) == len(CHEATS) >= 40


@pytest.mark.parametrize("party", [w.BANK, w.OWNER, w.FUND])
def test_a_party_to_the_split_finds_the_honest_file_valid(party: w.PartyId) -> None:
    assert verify_evidence(b.evidence(honest(), party), w.policy(party)).verdict == VALID


@pytest.mark.parametrize("party", [w.ANNA, w.BRUNO])
def test_a_payer_finds_the_honest_file_valid_with_the_split_as_committed(party: w.PartyId) -> None:
    assert verify_evidence(b.evidence(honest(), party), w.policy(party)).verdict == VALID_SPLIT_AS_COMMITTED
