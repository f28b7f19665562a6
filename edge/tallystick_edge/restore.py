"""What a restored (or forked) card goes on from: the aggregator's State joined with what this card still holds.
Pure; it never throws a reading away, and never lets an old count or base be billed a second time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tallystick_protocol.batch import open_upload
from tallystick_protocol.codes import EventCode, Reason, TimeQuality
from tallystick_protocol.hello import ChannelState as BookedChannel
from tallystick_protocol.hello import State
from tallystick_protocol.part import Part

from tallystick_edge.items import GATEWAY_CHANNEL, Happening, Item, Moment, Reading
from tallystick_edge.journal import Chain
from tallystick_edge.metering.channel import ChannelState, Suspect
from tallystick_edge.parts import uncut
from tallystick_edge.usage.wash import WashRule, WashState, close_restored, forgetful

BEGINS_LEVEL = frozenset((EventCode.RESET, EventCode.EXCHANGE, EventCode.WRAP))
LONG_AGO = Moment(bytes(6), 0, 0, TimeQuality.U)  # when the books' last value was read, nobody here knows
TAG_STEP = 4_096  # more parts than a batch can hold, so that tags of different batches never meet


@dataclass(frozen=True, slots=True)
class Restored:
    """The new epoch's beginning."""

    chain: Chain
    items: tuple[Item, ...]
    channels: Mapping[int, ChannelState]
    machines: Mapping[int, WashState]


@dataclass(frozen=True, slots=True)
class Card:
    """What this card holds: pending items, states, and the uploads no receipt came for, oldest first.

    `rules` of the channels that count uses; None for those whose uses come whole (a charging session)."""

    chain: Chain
    pending: Sequence[Item]
    unreceipted: Sequence[bytes]
    channels: Mapping[int, ChannelState]
    machines: Mapping[int, WashState]
    rules: Mapping[int, WashRule | None]


def restore(card: Card, state: State, common: bytes, forked: bool, now: Moment) -> Restored:
    """Join a card and the books. `common`: hash of the last batch that both sides have, prev of the new epoch."""
    booked = {each.channel: each for each in state.channels}
    sealed = [item for index, data in enumerate(card.unreceipted) for item in _unsealed(data, index)]
    own = (*(_renumbered(item, booked.get(item.channel)) for item in sealed), *card.pending)
    lifts = {number: _lift(each, booked.get(number), own, now.boot) for number, each in card.channels.items()}
    items = [_lifted(item, lifts.get(item.channel)) for item in own]
    machines, closing = _machines(card, booked, now)
    reason = Reason.FORK if forked else Reason.RESTORED
    told = Happening(GATEWAY_CHANNEL, now, EventCode.RESTORED, reason=reason)
    raised = {number: _raised(each, lifts[number]) for number, each in card.channels.items()}
    channels = {
        number: _with_fallen(_join(each, booked.get(number)), each, card.channels[number].generation, own, now.boot)
        for number, each in raised.items()
    }
    for number, each in booked.items():
        channels.setdefault(number, _join(ChannelState(number), each))
    chain = Chain(state.epoch + 1, 1, common, max(card.chain.last_command, state.last_cmd_seq), card.chain.log_view)
    return Restored(chain, (*items, *closing, told), channels, machines)


@dataclass(frozen=True, slots=True)
class _Lift:
    """Levels of a channel from `generation` on lie this much higher than the card believed, and are so many generations
    later."""

    generation: int
    by: int
    later: int = 0


def _lift(own: ChannelState, books: BookedChannel | None, items: Sequence[Item], boot: bytes) -> _Lift | None:
    """The card saw a meter begin anew and joined its values on to an older total than the card whose copy it is had
    told the books: what was counted since then belongs on top of theirs, not below.

    Books that know this register know its base. To books that do not, its first value joins on where they stand."""
    if books is None or books.billed_to is None:
        return None
    events = [each for each in items if isinstance(each, Happening) and each.channel == own.number]
    begun = [each for each in events if each.code in BEGINS_LEVEL]
    if own.generation <= books.generation:
        if own.serial is not None and books.serial is not None and own.serial != books.serial:
            return _behind(own, books, books.billed_to, begun, boot)
        is_same = own.generation == books.generation and own.serial is not None and own.base < books.base
        return _Lift(own.generation, books.base - own.base) if is_same else None
    fresh = begun[books.generation - own.generation :]  # those that the books have not heard of
    for index, event in enumerate(fresh):
        is_new_register = event.code is EventCode.EXCHANGE or event.reason is Reason.FELL
        if is_new_register and event.total is not None:
            by = books.billed_to - event.total
            return _Lift(own.generation - len(fresh) + 1 + index, by) if by > 0 else None
    return None


def _behind(
    own: ChannelState, books: BookedChannel, billed_to: int, begun: Sequence[Happening], boot: bytes
) -> _Lift | None:
    """The card exchanged its meter for one that the books do not know, and they have as many levels or more: the new
    register begins where they stand, after all of theirs. Only when the exchange is news to them: it took away the very
    meter they know, or this boot saw it."""
    for back, event in enumerate(reversed(begun)):
        if event.exchange is not None and event.total is not None:
            generation = own.generation - back
            if event.exchange[0] == books.serial or event.at.boot == boot:
                return _Lift(generation, max(0, billed_to - event.total), books.generation + 1 - generation)
            return None
    return None


def _raised(own: ChannelState, lift: _Lift | None) -> ChannelState:
    if lift is None:
        return own
    return own._replace(generation=own.generation + lift.later, base=own.base + lift.by)


def _lifted(item: Item, lift: _Lift | None) -> Item:
    if lift is None or not isinstance(item, Reading) or item.generation < lift.generation:
        return item
    return item._replace(generation=item.generation + lift.later, base=item.base + lift.by)


def _unsealed(data: bytes, index: int) -> list[Item]:
    """Items of an own sealed batch, with their boots and times; they get new numbers, and totals decide about money."""
    parts = [part for part in open_upload(data).parts if isinstance(part, Part)]
    return uncut(parts, -1 - index * TAG_STEP)


def _renumbered(item: Item, books: BookedChannel | None) -> Item:
    """An event of a use that the books know keeps its number, so that they can tell the same event from another one."""
    if not isinstance(item, Happening) or item.number is None:
        return item
    known = books is not None and item.number <= books.last_event and (item.use or 0) <= books.last_use
    return item if known and item.use is not None else replace(item, number=None)


def _machines(
    card: Card, booked: Mapping[int, BookedChannel], now: Moment
) -> tuple[dict[int, WashState], list[Happening]]:
    machines: dict[int, WashState] = {}
    closing: list[Happening] = []
    for channel in sorted({*card.machines, *card.rules}):
        machine, rule = card.machines.get(channel) or WashState(), card.rules.get(channel)
        if rule is not None:
            machine, events = close_restored(machine, rule, now)
            closing.extend(events)
        machine = forgetful(machine)
        books = booked.get(channel)
        if books is not None:
            count, number = max(machine.count, books.billed_to or 0), max(machine.number, books.last_use)
            machine = replace(machine, count=count, number=number)
        machines[channel] = machine
    return machines, closing


def _join(own: ChannelState, books: BookedChannel | None) -> ChannelState:
    """Numbers go on from the higher; generation and base are the books' when the card's own are older."""
    if books is None:
        return own
    joined = own._replace(pagination=max(own.pagination, books.last_pagination), event=max(own.event, books.last_event))
    if (own.generation, own.base) < (books.generation, books.base):
        joined = joined._replace(generation=books.generation, base=books.base, serial=books.serial)
        joined = joined._replace(value=None, at=LONG_AGO, suspect=None, after_break=None)
    if books.billed_to is None:
        return joined
    return joined._replace(value=max(joined.value or 0, books.billed_to - joined.base, 0))


def _with_fallen(
    joined: ChannelState, own: ChannelState, generation: int, items: Sequence[Item], boot: bytes
) -> ChannelState:
    """What this boot read may lie below where the books believe the register to stand. It is set aside as a level that
    fell, from its first value on, and needs company as any other: either side may have read a wrong value.

    Only what this boot read came surely after all that the books know. `generation`: of the card's newest level."""
    goes_on = (joined.generation, joined.base, joined.value) == (own.generation, own.base, own.value)
    is_other = None not in (own.serial, joined.serial) and own.serial != joined.serial
    if goes_on or is_other or joined.value is None:
        return joined
    levels = [_read(own.number, generation, items, boot), own.suspect and own.suspect.older, own.suspect]
    fallen: Suspect | None = None
    for level in levels:
        if level is None or level.reason in (Reason.DECODE, Reason.SERIAL_CHANGED):
            continue  # what no register shows is no level; another meter's is none of this one
        if level.at.boot == boot and level.last < joined.value:
            older = fallen and replace(fallen, older=None)
            fallen = replace(level, reason=Reason.FELL, first=level.begun, older=older)
    if own.suspect is not None and own.suspect.reason is Reason.SERIAL_CHANGED:
        return joined._replace(suspect=replace(own.suspect, older=fallen and replace(fallen, older=None)))
    return joined if fallen is None else joined._replace(suspect=fallen)


def _read(channel: int, generation: int, items: Sequence[Item], boot: bytes) -> Suspect | None:
    """The readings of this boot on a level of the card, as values that need company."""
    place = channel, generation, boot
    read = [
        each for each in items if isinstance(each, Reading) and (each.channel, each.generation, each.at.boot) == place
    ]
    if not read:
        return None
    first, last = read[0], read[-1]
    return Suspect(Reason.FELL, first.value, last.value, last.at, len(read), first.at, first.value)
