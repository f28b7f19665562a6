"""What a builder of messages may rely on: illegal values cannot be built, and the helpers do what they say."""

from dataclasses import replace

import pytest
from support import protocol_samples as s
from tallystick_protocol import cbor, cose
from tallystick_protocol.batch import BadPart, SealedPart, Upload, first_prev, open_upload, pad_hashes, part_hash
from tallystick_protocol.codes import EventCode, MeterState, Reason, ReceiptStatus, TimeQuality
from tallystick_protocol.errors import (
    BadEnvelope,
    BadType,
    BadValue,
    MissingField,
    ProtocolError,
    TooLarge,
    UnknownKey,
    Unsupported,
)
from tallystick_protocol.ids import channel_hash, gid_from_spki, sha256, use_id
from tallystick_protocol.keys import public_key_of
from tallystick_protocol.part import Part, Segment
from tallystick_protocol.records import Grant


def test_segment_readings_are_spelled_out() -> None:
    readings = s.SEGMENT.readings()
    assert [r.total for r in readings] == [12_000, 12_000, 12_025, 12_055, 12_056]
    assert [r.t_ms - s.T0 for r in readings] == [0, 60_000, 120_000, 180_000, 240_000]
    assert [r.uptime_ms for r in readings] == [5_000, 65_000, 125_000, 185_000, 245_000]
    assert [r.pagination for r in readings] == [1, 2, 3, 4, 5]
    assert [r.quality for r in readings] == [TimeQuality.U] * 2 + [TimeQuality.S] * 3
    assert {r.state for r in readings} == {MeterState.OK}
    assert (s.SEGMENT.first_total, s.SEGMENT.last_total, s.SEGMENT.last_pagination) == (12_000, 12_056, 5)


def test_base_is_added_to_every_total() -> None:
    shifted = replace(s.SEGMENT, base=-12_000)
    assert [r.total for r in shifted.readings()] == [0, 0, 25, 55, 56]


def test_a_segment_of_one_reading_has_no_steps() -> None:
    one = replace(s.SEGMENT, dt=(), dv=(), quality=TimeQuality.S, marks=())
    assert [r.total for r in one.readings()] == [12_000]


def test_gauge_values_may_fall() -> None:
    assert s.GAUGE.values() == ((s.T0, -5), (s.T0 + 1_000, -2), (s.T0 + 2_000, -11))


@pytest.mark.parametrize(
    ("change", "error", "field"),
    [
        ({"dv": (-1, 0, 0, 0)}, BadValue, "segment.dv"),
        ({"dv": (1, 2)}, BadValue, "segment.dv"),
        ({"dv": [0, 25, 30, 1]}, BadType, "segment.dv"),
        ({"dt": (0.5, 1, 1, 1)}, BadType, "segment.dt"),
        ({"dt": (0,) * 4097, "dv": (0,) * 4097}, TooLarge, "segment.dt"),
        ({"v0": -1}, BadValue, "segment.v0"),
        ({"pagination": True}, BadType, "segment.pagination"),
        ({"quality": ((0, 2),)}, BadValue, "segment.quality"),
        ({"quality": 9}, Unsupported, "segment.quality"),
        ({"marks": ((9, Reason.END),)}, BadValue, "segment.marks"),
        ({"serial": "x" * 65}, BadValue, "segment.serial"),
        ({"at": 5}, BadType, "segment.at"),
    ],
)
def test_an_illegal_segment_cannot_be_built(change: dict[str, object], error: type[ProtocolError], field: str) -> None:
    with pytest.raises(error) as caught:
        replace(s.SEGMENT, **change)  # type: ignore[arg-type]
    assert caught.value.field == field
    assert str(caught.value) == f"{field}: {caught.value.reason}"


def test_an_event_without_what_its_code_needs_cannot_be_built() -> None:
    with pytest.raises(MissingField, match=r"event\.total"):
        s.event(1, EventCode.USE_ENDED, use=1)
    with pytest.raises(MissingField, match=r"event\.clock"):
        s.event(1, EventCode.CLOCK_CORRECTED)


def test_a_part_never_holds_two_uses() -> None:
    other = s.event(4, EventCode.USE_ENDED, use=2, total=2)
    with pytest.raises(BadValue, match="at most one"):
        replace(s.PARTS["an ended use"], events=(s.ENDED, other))


def test_a_total_never_falls_within_a_part() -> None:
    later = replace(s.SEGMENT, pagination=6, v0=12_055, generation=1, marks=())
    with pytest.raises(BadValue, match="falls"):
        replace(s.PARTS["interval readings"], segments=(s.SEGMENT, later))
    raised = replace(later, base=1)
    assert len(replace(s.PARTS["interval readings"], segments=(s.SEGMENT, raised)).segments) == 2


def test_a_final_receipt_has_a_leaf_and_another_need_not() -> None:
    with pytest.raises(BadValue, match=r"receipt\.leaf_index"):
        replace(s.RECEIPT, leaf_index=None)
    assert not replace(s.RECEIPT, status=ReceiptStatus.REFUSED, leaf_index=None).is_final


def test_every_upload_opens_and_verifies_under_its_gateways_key() -> None:
    opened = open_upload(s.UPLOAD.encode())
    opened.unverified.verify(public_key_of(s.GATEWAY))
    assert opened.batch == s.BATCH
    assert opened.header == s.BATCH.header
    assert opened.batch_error is None
    assert [type(part) for part in opened.parts] == [Part, Part, Part, type(None)]


def test_a_bad_part_says_why_and_leaves_its_neighbours() -> None:
    parts = (SealedPart(bytes(16), s.SEALED[0].data), *s.SEALED[1:])
    opened = open_upload(Upload(s.BATCH_ENVELOPE, parts).encode())
    bad, *rest = opened.parts
    assert isinstance(bad, BadPart)
    assert bad.reason is Reason.PART_HASH
    assert all(isinstance(part, Part) for part in rest)


def test_an_upload_above_64_kib_is_not_encoded() -> None:
    with pytest.raises(TooLarge, match="seal earlier"):
        Upload(s.BATCH_ENVELOPE, (SealedPart(bytes(16), bytes(65_536)),)).encode()


def test_hashes_are_padded_to_a_multiple_of_eight() -> None:
    for count in range(20):
        padded = pad_hashes([s.h32(str(n)) for n in range(count)], lambda size: s.fixed("pad", size))
        assert len(padded) % 8 == 0
        assert 0 <= len(padded) - count < 8
        assert padded[:count] == tuple(s.h32(str(n)) for n in range(count))


def test_first_prev_is_the_hash_of_the_first_key() -> None:
    assert first_prev(s.GATEWAY.spki) == sha256(s.GATEWAY.spki)
    assert gid_from_spki(s.GATEWAY.spki) == first_prev(s.GATEWAY.spki)[:16]


def test_wrong_lengths_are_refused_by_the_id_functions() -> None:
    with pytest.raises(BadValue, match="gid"):
        channel_hash(b"short", 1)
    with pytest.raises(BadValue, match="channel"):
        channel_hash(s.GID, -1)
    with pytest.raises(BadValue, match="channel hash"):
        use_id(b"short", 1)
    with pytest.raises(BadValue, match="salt"):
        part_hash(b"short", b"")


@pytest.mark.parametrize("size", [0, 5, 8, 16, 32, 63])
def test_the_short_way_to_a_number_gives_the_same_bytes(size: int) -> None:
    for n in (0, 1, 22, 23, 24, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32, 2**size - 1, min(2**size, cbor.INT_MAX)):
        for number in (n, -1 - n):
            assert cbor.encode_int(number) == cbor.encode(number)
            assert use_id(bytes(range(32)), number) == sha256(cbor.encode([bytes(range(32)), number]))
    for number in (2**63, -(2**63) - 1, 2**64):
        with pytest.raises(BadValue, match="outside"):
            use_id(bytes(32), number)


def test_the_kind_that_is_expected_must_be_the_kind_that_was_signed() -> None:
    key = public_key_of(s.GATEWAY)
    with pytest.raises(BadEnvelope, match="expected receipt"):
        cose.open_envelope(s.BATCH_ENVELOPE, cose.ContentType.RECEIPT, lambda _: key)
    with pytest.raises(UnknownKey):
        cose.open_envelope(s.BATCH_ENVELOPE, cose.ContentType.BATCH, lambda _: None)
    opened = cose.open_envelope(s.BATCH_ENVELOPE, cose.ContentType.BATCH, lambda _: key)
    assert opened.hash == cose.parse(s.BATCH_ENVELOPE).hash
    assert opened.hash != sha256(s.BATCH_ENVELOPE)


def test_grants_are_kinds_and_command_types() -> None:
    may: tuple[Grant, ...] = (cose.ContentType.KEY_EVENT.kind, 2)
    event = replace(s.KEY_EVENT, may=may)
    assert type(event).decode(event.encode()).may == ("key-event", 2)


def test_sizes_are_those_that_the_design_counts_on() -> None:
    sixty = Segment(1, s.AT, s.T0, 0, 0, 5_000_000, (60_000,) * 59, (17,) * 59, TimeQuality.S, MeterState.OK)
    readings = replace(s.PARTS["interval readings"], segments=(sixty,)).encode()
    use = s.PARTS["an ended use"].encode()
    assert len(_upload_of(readings)) <= 1_000
    assert len(use) <= 260


def _upload_of(part: bytes) -> bytes:
    sealed = SealedPart(bytes(16), part)
    hashes = pad_hashes([part_hash(sealed.salt, part)], lambda size: s.fixed("pad", size))
    batch = replace(s.BATCH, part_hashes=hashes)
    return Upload(cose.sign(s.GATEWAY, cose.ContentType.BATCH, batch.encode()), (sealed,)).encode()
