"""Any bytes give a reason and never a traceback; no single byte of an honest file can be changed unseen."""

import time
from dataclasses import replace

import cbor2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import evidence_builder as b
from support import evidence_world as w
from support.cheats import honest
from tallystick_protocol.evidence import EVIDENCE_BYTES_MAX, Evidence
from tallystick_protocol.verify import verify_evidence

STRIDE = 199  # every byte was tried when this was written (28,212 and 27,636 of them); a run tries one in so many
SECONDS_MAX = 2.0  # of the processor


@pytest.mark.parametrize(("party", "start"), [(w.BANK, 0), (w.BANK, 17), (w.ANNA, 5)])
def test_a_changed_byte_is_refused(party: w.PartyId, start: int) -> None:
    data, policy = b.evidence(honest(), party, b.View(witnesses=(0,))), w.policy(party)
    for at in range(start, len(data), STRIDE):
        bent = bytearray(data)
        bent[at] ^= 1 << (at % 8)
        assert not verify_evidence(bytes(bent), policy).ok, at


@pytest.mark.parametrize("cut", [0, 1, 7, 1000, -1])
def test_a_file_that_is_cut_short_says_so(cut: int) -> None:
    report = verify_evidence(b.evidence(honest(), w.ANNA)[:cut], w.policy(w.ANNA))
    assert "is not a readable evidence file" in report.verdict


def test_bytes_after_the_file_are_refused() -> None:
    assert not verify_evidence(b.evidence(honest(), w.ANNA) + b"\0", w.policy(w.ANNA)).ok


@given(st.binary(max_size=300))
@settings(max_examples=40, deadline=None)
def test_any_bytes_get_a_reason(data: bytes) -> None:
    report = verify_evidence(data, w.policy(w.ANNA))
    assert not report.ok
    assert report.verdict


@given(st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_unsigned_values_bent_together_get_a_reason(data: st.DataObject) -> None:
    """What no signature holds is changed and encoded again, so that the file is well-formed."""
    party = data.draw(st.sampled_from((w.BANK, w.ANNA)))
    value = cbor2.loads(b.evidence(honest(), party))
    kind = data.draw(st.sampled_from((3, 4, 5)))
    row = value[kind][data.draw(st.integers(0, len(value[kind]) - 1))]
    place = data.draw(st.integers(0, len(row) - 1))
    new = data.draw(st.integers(0, 2**63 - 1) | st.integers(0, 60) | st.binary(max_size=40) | st.just([]))
    if row[place] == new:
        return
    row[place] = new
    assert not verify_evidence(cbor2.dumps(value, canonical=True), w.policy(party)).ok


def test_pieces_in_another_order_say_the_same() -> None:
    evidence = Evidence.decode(b.evidence(honest(), w.BANK))
    turned = replace(evidence, pieces=tuple(reversed(evidence.pieces)))
    assert verify_evidence(turned.encode(), w.policy(w.BANK)).ok


@pytest.mark.parametrize(
    "data",
    [
        b"\xa1" * 22 + b"\x00" * 23,
        b"\x81" * 100_000,
        b"\x9b" + b"\xff" * 8,
        b"\x00" * (EVIDENCE_BYTES_MAX + 1),
        bytes.fromhex("d81c85" + "d81d00" * 5),
    ],
    ids=["nested keys", "nested arrays", "a giant array", "too long", "an array in itself"],
)
def test_hostile_bytes_cost_no_time(data: bytes) -> None:
    started = time.process_time()
    assert not verify_evidence(data, w.policy(w.ANNA)).ok
    assert time.process_time() - started < SECONDS_MAX
