"""State snapshots as CBOR rows and back: the journal's own formats, each beginning with a version.
It opens nothing; bytes that do not fit raise JournalError, because then the store is damaged."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import cast

from tallystick_protocol import cbor
from tallystick_protocol.codes import MeterState, Reason, TimeQuality
from tallystick_protocol.errors import ProtocolError

from tallystick_edge.errors import InvariantError, JournalError
from tallystick_edge.items import Item, Moment, Reading, from_row, to_row
from tallystick_edge.metering.channel import CONFIRM_COUNT, Break, ChannelState, Suspect
from tallystick_edge.usage.wash import Phase, WashSample, WashState

VERSION = 1
ZLIB_LEVEL = 1  # rows of one flush are much alike: a third of the size for 2 us a value
ROW_LENGTH = 9  # places of a reading of which nothing is as usual; the last is its meter's state, usually 0
ROW_BYTES_MAX = 16 * 1024 * 1024  # one flush holds at most the app's buffer limit, about 100 bytes an item


def encode_items(items: Sequence[Item]) -> bytes:
    """Items with their moments and serials in tables: samples of one meter share theirs, and cards wear by bytes."""
    moments: dict[Moment, int] = {}
    serials: dict[str, int] = {}
    rows: list[list[object]] = []
    last, at = None, 0
    for item in items:
        if item.at is not last:  # the items of one sample come together and share the very same moment
            last, at = item.at, moments.setdefault(item.at, len(moments))
        rows.append(_row(item, at, serials))
    table = [_moment(moment) for moment in moments]
    return zlib.compress(cbor.encode([VERSION, table, list(serials), rows]), ZLIB_LEVEL)


def decode_items(data: bytes) -> list[Item]:
    with _damage():
        return _items(data)


def _items(data: bytes) -> list[Item]:
    match _versioned(_unpacked(data), 3):
        case [list(table), list(texts), list(found)]:
            moments = [_to_moment(each) for each in table]
            return [_item(row, moments, cast("list[str]", texts)) for row in found]
        case _:
            raise JournalError("pending items have an unknown shape: run `tallystick-edge status` and keep the file")


@contextmanager
def _damage() -> Iterator[None]:
    """Rows whose CBOR is sound and whose values are not: a flipped bit is damage, never a bug of the agent."""
    try:
        yield
    except (ValueError, TypeError, IndexError, InvariantError) as error:
        raise JournalError(f"the journal holds damaged bytes ({error}): keep the file, start with a new one") from None


def _unpacked(data: bytes) -> bytes:
    unpacker = zlib.decompressobj()
    try:
        plain = unpacker.decompress(data, ROW_BYTES_MAX)
    except zlib.error as error:
        raise JournalError(f"the journal holds damaged bytes ({error}): keep the file, start with a new one") from None
    if not unpacker.eof:
        raise JournalError("the journal holds damaged bytes (cut short): keep the file, start with a new one")
    return plain


def _row(item: Item, at: int, serials: dict[str, int]) -> list[object]:
    """A reading is [at, channel, generation, base, value], and after it only what is not as usual."""
    if not isinstance(item, Reading):
        return [at, to_row(item)]
    row: list[object] = [at, item.channel, item.generation, item.base, item.value]
    serial = None if item.serial is None else serials.setdefault(item.serial, len(serials))
    if item.use is None and item.mark is None and item.state == 0:
        return row if serial is None else [*row, serial]
    row += serial, item.use, None if item.mark is None else int(item.mark), int(item.state)
    while row[-1] is None or (len(row) == ROW_LENGTH and row[-1] == 0):
        row.pop()
    return row


def _item(row: object, moments: list[Moment], serials: list[str]) -> Item:
    match row:
        case [int(at), list(other)]:
            return from_row(other, moments[at])
        case [int(at), int(channel), int(generation), int(base), int(value), *tail]:
            serial, use, mark, state = cast("list[int | None]", [*tail, None, None, None, None][:4])
            return Reading(
                channel,
                moments[at],
                generation,
                base,
                value,
                MeterState(state or 0),
                None if serial is None else serials[serial],
                None if mark is None else Reason(mark),
                use,
            )
        case _:
            raise InvariantError("a pending item of the journal has an unknown shape")


def encode_channel(state: ChannelState) -> bytes:
    aside = None if state.suspect is None else _aside(state.suspect)
    at = None if state.at is None else _moment(state.at)
    level = [state.generation, state.base, state.value, at, state.serial]
    if state.is_young:
        level.append(state.readings)
    elif state.after_break is not None:
        level += _moment(state.after_break.before), state.after_break.told
    return cbor.encode([VERSION, state.number, level, [state.pagination, state.event], aside])


def _aside(suspect: Suspect) -> list[object]:
    level = [int(suspect.reason), suspect.first, suspect.last, _moment(suspect.at), suspect.count]
    older = None if suspect.older is None else _aside(suspect.older)
    return [*level, _moment(suspect.since), suspect.begun, older]


def decode_channel(data: bytes) -> ChannelState:
    with _damage():
        return _channel(data)


def _channel(data: bytes) -> ChannelState:
    match _versioned(data, 4):
        case [int(number), [int(generation), int(base), value, at, serial, *history], [int(page), int(event)], aside]:
            return ChannelState(
                number,
                generation,
                base,
                cast("int | None", value),
                None if at is None else _to_moment(at),
                cast("str | None", serial),
                page,
                event,
                _suspect(aside),
                *_history(history),
            )
        case _:
            raise JournalError("a channel's state has an unknown shape: run `tallystick-edge status` and keep the file")


def _history(row: list[object]) -> tuple[int, Break | None]:
    """How many readings there were, and the break after which the last ones are in doubt; a young channel has none."""
    match row:
        case [int(readings)]:
            return readings, None
        case [before, int(told)]:
            return CONFIRM_COUNT + 1, Break(_to_moment(before), told)
        case []:  # also from an agent of before breaks were doubted
            return CONFIRM_COUNT + 1, None
        case _:
            raise InvariantError("a channel's history has an unknown shape")


def _suspect(row: object) -> Suspect | None:
    match row:
        case [int(reason), int(first), int(last), at, int(count), since, int(begun), older]:
            times = _to_moment(at), count, _to_moment(since)
            return Suspect(Reason(reason), first, last, *times, begun, _suspect(older))
        case [int(reason), int(first), int(last), at, int(count)]:  # an agent of before levels had a company
            return Suspect(Reason(reason), first, last, _to_moment(at), count, _to_moment(at), first)
        case _:
            return None


def encode_wash(state: WashState) -> bytes:
    low_at = None if state.low_at is None else _moment(state.low_at)
    last = state.last and [_moment(state.last.at), state.last.power_mw, state.last.energy_mwh]
    spans = [state.start_mwh, state.heat_mwh, state.heat_off_ms, state.low_ms]
    spans += [state.maybe_mwh, state.before_mwh] if state.maybe_mwh else []
    counts = [int(state.phase), state.count, state.number]
    return cbor.encode([VERSION, counts, last, spans, low_at, state.samples_hash, state.gap_seen])


def decode_wash(data: bytes) -> WashState:
    with _damage():
        return _wash(data)


def _wash(data: bytes) -> WashState:
    match _versioned(data, 6):
        case [[int(phase), int(count), int(use)], last, [int(start), int(heat), int(off), int(low), *more], at, *rest]:
            low_at = None if at is None else _to_moment(at)
            seen, gap = cast("tuple[bytes, bool]", rest)
            known = start, heat, off, low, low_at, seen, gap
            return WashState(Phase(phase), count, use, _wash_sample(last), *known, *_maybe(more))
        case _:
            raise JournalError("a usage snapshot has an unknown shape: run `tallystick-edge status` and keep the file")


def _maybe(spans: list[object]) -> tuple[int, int]:
    """The fifth and sixth span, which stand there where they are not 0."""
    match spans:
        case []:
            return 0, 0
        case [int(maybe), int(before)]:
            return maybe, before
        case _:
            raise InvariantError("the spans of a use have an unknown shape")


def _wash_sample(row: object) -> WashSample | None:
    match row:
        case [at, int(power), int(energy)]:
            return WashSample(_to_moment(at), power, energy)
        case _:
            return None


def _moment(at: Moment) -> list[object]:
    return [at.boot, at.uptime_ms, at.utc_ms, int(at.quality)]


def _to_moment(row: object) -> Moment:
    match row:
        case [bytes(boot), int(uptime), int(utc), int(quality)]:
            return Moment(boot, uptime, utc, TimeQuality(quality))
        case _:
            raise InvariantError("an instant of the journal has an unknown shape")


def _versioned(data: bytes, length: int) -> list[object]:
    try:
        value = cbor.decode(data, ROW_BYTES_MAX, field="journal row")
    except ProtocolError as error:
        raise JournalError(f"the journal holds damaged bytes ({error}): keep the file, start with a new one") from None
    if not isinstance(value, list) or len(value) != length + 1 or value[0] != VERSION:
        raise JournalError("the journal holds a row of another version: start the agent that wrote it")
    return cast("list[object]", value[1:])
