"""Cutting and sealing: one channel, at most one use, money apart from personal; numbers that never repeat; sizes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.edge import BOOT_2, CountedEntropy, moment
from tallystick_edge.batching import SealContext, seal
from tallystick_edge.items import GaugeReading, Happening, Item, Reading
from tallystick_edge.journal import Chain
from tallystick_edge.metering.channel import ChannelState
from tallystick_edge.parts import cut, number, uncut
from tallystick_protocol.batch import first_prev, open_upload
from tallystick_protocol.cbor import UPLOAD_BYTES_MAX
from tallystick_protocol.codes import EventCode, Reason, Sensitivity
from tallystick_protocol.ids import H32, ZERO_H32
from tallystick_protocol.keys import P256Signer, public_key_of
from tallystick_protocol.part import Part

SIGNER = P256Signer.generate()


def reading(index: int, channel: int = 1, use: int | None = None, **changes: object) -> Reading:
    return Reading(channel, moment(index * 5_000), 0, 0, 100 + index, serial="A", use=use)._replace(**changes)


def event(code: EventCode, use: int, channel: int = 11, personal: bool = False) -> Happening:
    return Happening(channel, moment(use * 1_000), code, total=use, use=use, personal=personal)


def parts_of(items: list[Item]) -> list[Part]:
    return list(cut(number(items, {})[0], {}))


def context() -> SealContext:
    return SealContext(SIGNER, moment(0), "test 1", CountedEntropy().bytes, {1: H32(bytes([7]) * 32)})


def chain() -> Chain:
    return Chain(1, 1, first_prev(SIGNER.spki))


def test_readings_of_a_channel_are_one_segment() -> None:
    [part] = parts_of([reading(index) for index in range(60)])
    [segment] = part.segments
    assert (segment.pagination, len(segment.readings())) == (1, 60)
    assert len(part.encode()) < 400


@pytest.mark.parametrize(
    "changes",
    [
        {"at": moment(10_000, BOOT_2)},
        {"at": replace(moment(10_000), utc_ms=moment(10_000).utc_ms + 60_000)},
        {"generation": 1},
        {"base": 5},
        {"serial": "B"},
    ],
)
def test_a_segment_never_spans(changes: dict[str, object]) -> None:
    [part] = parts_of([reading(0), reading(1), reading(2, **changes)])
    assert [segment.pagination for segment in part.segments] == [1, 3]


def test_readings_inside_a_use_are_personal_and_apart_from_those_outside() -> None:
    items = [reading(0), reading(1, use=1), reading(2, use=1), reading(3, use=2), reading(4)]
    parts = parts_of(items)
    assert [part.sensitivity for part in parts] == [Sensitivity.MONEY, Sensitivity.PERSONAL, Sensitivity.PERSONAL]
    assert [[s.pagination for s in part.segments] for part in parts] == [[1, 5], [2], [4]]


def test_no_part_holds_two_uses() -> None:
    items = [event(EventCode.USE_STARTED, 1, personal=True), event(EventCode.USE_BILLABLE, 1)]
    items += [event(EventCode.USE_ENDED, 1), event(EventCode.USE_STARTED, 2, personal=True)]
    items += [event(EventCode.USE_ABORTED, 2)]
    parts = parts_of(list(items))
    assert [{each.use for each in part.events} for part in parts] == [{1}, {1}, {2}, {2}]
    assert [part.sensitivity for part in parts] == [1, 0, 1, 0]
    assert sorted(each.number for part in parts for each in part.events) == [1, 2, 3, 4, 5]


def test_gauges_have_parts_of_their_own() -> None:
    parts = parts_of([reading(0), GaugeReading(1, moment(0), -40), GaugeReading(1, moment(5_000), 12)])
    assert [bool(part.gauges) for part in parts] == [False, True]
    assert [value for _, value in parts[1].gauges[0].values()] == [-40, 12]


def test_a_total_that_starts_lower_begins_a_new_part() -> None:
    parts = parts_of([reading(5), reading(1)])
    assert len(parts) == 2


def test_numbers_go_on_from_the_channel_state() -> None:
    numbered, states = number([reading(0), reading(1)], {1: ChannelState(1, pagination=41)})
    assert [each.number for each in numbered] == [42, 43]
    assert states[1].pagination == 43


def test_sealing_chains_signs_and_pads() -> None:
    first = seal([reading(0)], {}, chain(), context())
    second = seal([reading(1)], first.channels, first.chain, context())
    one, two = (open_upload(each.batches[0].upload) for each in (first, second))
    one.unverified.verify(public_key_of(SIGNER))
    assert one.batch is not None
    assert two.batch is not None
    assert one.header.prev == first_prev(SIGNER.spki)
    assert two.header.prev == one.unverified.hash == first.batches[0].hash
    assert (len(one.batch.part_hashes), len(one.parts)) == (8, 1)
    [part] = one.parts
    assert isinstance(part, Part)
    assert part.descriptor == bytes([7]) * 32


def test_a_channel_without_descriptor_says_so() -> None:
    sealing = seal([reading(0, channel=5)], {}, chain(), context())
    [part] = open_upload(sealing.batches[0].upload).parts
    assert isinstance(part, Part)
    assert part.descriptor == ZERO_H32


def test_a_heartbeat_is_a_batch_without_parts() -> None:
    [batch] = seal([], {}, chain(), context()).batches
    assert open_upload(batch.upload).parts == ()


def test_weeks_of_readings_become_many_batches_in_order_that_each_fit() -> None:
    items: list[Item] = [reading(index, channel=index % 3 + 1, value=index * 10**9) for index in range(9_000)]
    sealing = seal(items, {}, chain(), context())
    pages: dict[int, list[int]] = {}
    for batch in sealing.batches:
        assert len(batch.upload) <= UPLOAD_BYTES_MAX
        for part in open_upload(batch.upload).parts:
            assert isinstance(part, Part)
            for segment in part.segments:
                pages.setdefault(part.channel, []).extend(each.pagination for each in segment.readings())
    assert pages == {channel: list(range(1, 3_001)) for channel in (1, 2, 3)}
    assert [batch.seq for batch in sealing.batches] == list(range(1, len(sealing.batches) + 1))


def test_sealed_parts_give_their_items_back() -> None:
    items: list[Item] = [
        reading(0, mark=Reason.BEGIN),
        GaugeReading(2, moment(1_000), -3),
        replace(event(EventCode.USE_ENDED, 4), programme="30", samples_hash=bytes(32)),
    ]
    back = uncut(parts_of(items), -1)
    numbered = [replace(each, number=None) if isinstance(each, Happening) else each for each in back]
    assert sorted(numbered, key=repr) == sorted(items, key=repr)


steps = st.tuples(st.integers(1, 3), st.sampled_from([None, None, 1, 2]), st.booleans())


@given(st.lists(steps, max_size=60))
def test_whatever_is_cut_is_valid_and_complete(story: list[tuple[int, int | None, bool]]) -> None:
    items: list[Item] = [
        reading(index, channel, use, at=moment(index * 5_000, BOOT_2 if other_boot else b"boot-1"))
        for index, (channel, use, other_boot) in enumerate(story)
    ]
    parts = [Part.decode(part.encode()) for part in parts_of(items)]
    read = [r.total for part in parts for segment in part.segments for r in segment.readings()]
    assert sorted(read) == [item.total for item in items if isinstance(item, Reading)]
