"""A user's file holds nothing of another person, an owner's no subject; what is erased leaves every other proof."""

import pytest
from support import evidence_builder as b
from support import evidence_world as w
from support.cheats import honest
from tallystick_protocol import cbor
from tallystick_protocol.verify import ERASED, VALID, VALID_SPLIT_AS_COMMITTED, verify_evidence

BYTES_MAX = 100_000  # issue: a per-cycle payout for a month of one machine


def _traces(party: w.PartyId) -> list[bytes]:
    """What would give a person away: id, pseudonym, tags, and the lines and leaves that are theirs."""
    found = [party, w.SUBJECTS[party]]
    for number, built in enumerate(honest().built):
        found.append(b.tag(party, b.PERIODS[number][0]))
        found += [one.use.encode() for one in built.uses if one.payer == party]
        found += [s.encode() for s in built.statements if s.party == party]
        found += [s.nonce for s in built.statements if s.party == party]
    for wash, _, _, first, second in honest().world.washes:
        if wash.payer == party:
            found += [part.data for sealed in (first, second) for part in sealed.parts]
    return found


@pytest.mark.parametrize(("mine", "other"), [(w.ANNA, w.BRUNO), (w.BRUNO, w.ANNA)])
def test_a_users_file_holds_no_trace_of_another_user(mine: w.PartyId, other: w.PartyId) -> None:
    data = b.evidence(honest(), mine)
    assert [trace for trace in _traces(other) if trace in data] == []
    assert all(trace in data for trace in _traces(mine)[2:6])


def test_a_users_file_holds_no_cover_of_a_shared_machine() -> None:
    data = b.evidence(honest(), w.ANNA)
    assert [c for built in honest().built for c in built.covers if c.encode() in data] == []


@pytest.mark.parametrize("party", [w.BANK, w.OWNER])
def test_a_file_of_a_party_to_the_split_holds_no_payer(party: w.PartyId) -> None:
    data = b.evidence(honest(), party)
    for payer in (w.ANNA, w.BRUNO):
        assert payer not in data
        assert w.SUBJECTS[payer] not in data
    others = [s for built in honest().built for s in built.statements if s.party != party]
    assert [s for s in others if s.nonce in data] == []


def test_no_fee_of_another_user_stands_in_a_users_file() -> None:
    fees = {one.use.fee for built in honest().built for one in built.uses if one.payer == w.BRUNO}
    fees -= {one.use.fee for built in honest().built for one in built.uses if one.payer == w.ANNA}
    data = b.evidence(honest(), w.ANNA)
    assert [fee for fee in fees if fee and cbor.encode(fee) in data] == []


def test_erasing_one_use_leaves_its_line_and_every_other_proof() -> None:
    gone = b.View(erased=frozenset({(0, 1)}))
    report = verify_evidence(b.evidence(honest(), w.ANNA, gone), w.policy(w.ANNA))
    assert report.verdict == ERASED
    assert "1 erased" in next(check.words for check in report.checks if check.name == "meters")
    assert verify_evidence(b.evidence(honest(), w.BANK, gone), w.policy(w.BANK)).verdict == ERASED
    assert verify_evidence(b.evidence(honest(), w.BRUNO), w.policy(w.BRUNO)).verdict == VALID_SPLIT_AS_COMMITTED


def test_the_second_month_alone_begins_from_what_the_first_left() -> None:
    for party, verdict in ((w.BANK, VALID), (w.ANNA, VALID_SPLIT_AS_COMMITTED)):
        view = b.View(periods=(0,))
        assert verify_evidence(b.evidence(honest(), party, view), w.policy(party)).verdict == verdict


def test_a_file_of_a_month_is_small() -> None:
    data = b.evidence(honest(), w.OWNER, b.View(periods=(0,)))
    assert len(data) < BYTES_MAX


def test_two_witnesses_are_counted() -> None:
    data = b.evidence(honest(), w.BANK, b.View(witnesses=(0, 2)))
    report = verify_evidence(data, w.policy(w.BANK, witnesses_needed=2))
    assert report.verdict == VALID
    assert next(check for check in report.checks if check.name == "witnesses").words == "seen by 2 witnesses"


def test_nobody_witnessed_is_said() -> None:
    report = verify_evidence(b.evidence(honest(), w.BANK), w.policy(w.BANK))
    assert next(check for check in report.checks if check.name == "witnesses").words == "not witnessed"
