"""Which reads to make for the registers wanted: as few as pay, never across a hole that must not be read.
Pure arithmetic over spans; it neither reads nor knows what the registers mean."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from tallystick_edge.profile import Limits, ModbusWire, Register, Span

BITS_PER_CHAR = 11  # Modbus over serial line V1.02, 2.5.1: start, 8 data, parity or second stop, stop
OVERHEAD_CHARS = 13  # 8 of the request and 5 around the registers of its answer
FIXED_GAP_US = 1_750  # 2.5.1.1: above 19200 baud the silence between frames is fixed
FIXED_GAP_ABOVE_BAUD = 19_200


def gap_us(baud: int) -> int:
    """Silence between two frames on a serial line, in microseconds: 3.5 characters."""
    if baud > FIXED_GAP_ABOVE_BAUD:
        return FIXED_GAP_US
    return 7 * BITS_PER_CHAR * 1_000_000 // (2 * baud)


def hole_max(baud: int, turnaround_us: int) -> int:
    """Most unwanted registers worth reading along: those that cost less than one more transaction.
    18 at 9600 baud with 20 ms turnaround."""
    char_us = BITS_PER_CHAR * 1_000_000 // baud
    return (OVERHEAD_CHARS * char_us + 2 * gap_us(baud) + turnaround_us) // (2 * char_us)


def wanted_spans(registers: Iterable[Register]) -> list[Span]:
    """The span of each register with what it needs beside it; those of one atomic group, and both parts of a split
    counter, become one, so that they are read at one instant."""
    spans: list[Span] = []
    groups: dict[tuple[str, int], Span] = {}
    for register in registers:
        wire = register.wire
        if not isinstance(wire, ModbusWire):
            continue
        spans += [power.wire.span for power in wire.powers]
        whole = wire.span if wire.plus is None else _join(wire.span, wire.plus.wire.span)
        if wire.atomic is None:
            spans.append(whole)
        else:
            key = (wire.atomic, whole.function)
            groups[key] = _join(groups[key], whole) if key in groups else whole
    return sorted({*spans, *groups.values()})


def plan_reads(
    wanted: Iterable[Span], holes: int, limits: Limits, learned: Sequence[Span] = (), apart: Collection[Span] = ()
) -> list[Span]:
    """Requests that cover all wanted spans, in order of function and address.

    Two are merged when at most `holes` registers lie between them, the whole fits the meter's limit, the hole touches
    neither a forbidden one nor one `learned` from a refusal, and the second is none that a unit gives `apart` only."""
    refused = (*limits.forbidden, *learned)
    plan: list[Span] = []
    for span in sorted(wanted):
        if plan and span not in apart and _mergeable(plan[-1], span, holes, limits.registers_max, refused):
            plan[-1] = _join(plan[-1], span)
        else:
            plan.append(span)
    return plan


def holes_in(read: Span, wanted: Iterable[Span]) -> list[Span]:
    """The stretches of `read` that nobody wanted."""
    holes, place = [], read.address
    for span in sorted(span for span in wanted if read.covers(span)):
        if span.address > place:
            holes.append(Span(read.function, place, span.address - place))
        place = max(place, span.end)
    return holes


def _mergeable(before: Span, after: Span, holes: int, registers_max: int, refused: Iterable[Span]) -> bool:
    if before.function != after.function or after.address - before.end > holes:
        return False
    hole = Span(before.function, before.end, max(0, after.address - before.end))
    if hole.count and any(hole.overlaps(other) for other in refused):
        return False
    return _join(before, after).count <= registers_max


def _join(one: Span, other: Span) -> Span:
    start = min(one.address, other.address)
    return Span(one.function, start, max(one.end, other.end) - start)
