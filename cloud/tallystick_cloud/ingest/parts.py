"""The parts of one batch: worked in at once, or channel by channel when one of them meets a bug; stored either way.

It never lets an exception that a part's content caused stop the batch: that part is set aside and the chain goes on.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection
from tallystick_protocol.batch import OpenedUpload
from tallystick_protocol.codes import Reason
from tallystick_protocol.ids import Gid, channel_hash
from tallystick_protocol.part import Part

from tallystick_cloud.alarms import raise_alarm
from tallystick_cloud.db import savepoint
from tallystick_cloud.gateways.model import Head
from tallystick_cloud.ledger.lot import Booked

from . import notices, store
from .bench import GATEWAY_CHANNEL, Bench, Numbered, Piece, Sheet, clocks_of, exception_row, held
from .faults import is_of_content
from .model import Trouble

DETAIL_CHARS_MAX = 400  # what an operator needs to find the line in the log
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Posted:
    """What the parts of a batch became: rows to store, uses booked, what the receipt names."""

    parts: list[tuple[object, ...]] = field(default_factory=list)
    booked: Sequence[Booked] = ()
    quarantined: list[tuple[int, int, int]] = field(default_factory=list)
    readings: int = 0


def quarantine_all(head: Head, opened: OpenedUpload, h: bytes, reason: Reason) -> Posted:
    """Store every part unread."""
    trouble = Trouble(reason, "both branches of a fork grow")
    return posted(head, opened, h, Piece(dict.fromkeys(range(len(opened.parts)), trouble)))


def post_parts(conn: Connection, sheet: Sheet, opened: OpenedUpload) -> Posted:
    """Work every part into its channel and book its uses. Raises only what is no part's fault (see `faults`)."""
    parts = list(enumerate(opened.parts))
    piece = Piece()
    if parts:
        found = attempt(conn, sheet, parts, f"batch:{sheet.h.hex()}")
        piece = found if isinstance(found, Piece) else _by_channel(conn, sheet, parts)
    return posted(sheet.head, opened, sheet.h, piece)


def attempt(
    conn: Connection,
    sheet: Sheet,
    parts: Numbered,
    key: str,
    *,
    offsets: Mapping[bytes, int] | None = None,
    only: int | None = None,
    late: bool = False,
    keep: bool = True,
) -> Piece | Exception:
    """All of them or, when their content makes something raise, none: then the exception. `keep` False: only try."""
    try:
        with savepoint(conn):
            clocks = clocks_of(parts) if offsets is None else offsets
            piece = Bench(conn, sheet, only, late).work_in(parts, clocks, key)
            if not keep:
                raise _Undone
            return piece
    except _Undone:
        return Piece()
    except Exception as error:  # the border of what a batch says: whatever is its own fault must not stop the chain
        if not is_of_content(error):
            raise
        return error


class _Undone(Exception):
    """Takes a trial back."""


def _by_channel(conn: Connection, sheet: Sheet, parts: Numbered) -> Piece:
    """Each channel by itself; a bug in one leaves the others whole."""
    store.lock_all_chains(conn, sheet.head.community)  # many bookings follow; the global order is kept by taking all
    offsets = clocks_of(parts)
    piece = Piece()
    for number, mine in _groups(conn, sheet, parts, with_all=bool(offsets)).items():
        key = f"batch:{sheet.h.hex()}:{'' if number is None else number}"
        piece.add(work_channel(conn, sheet, number, mine, key, offsets=offsets))
    return piece


def _groups(conn: Connection, sheet: Sheet, parts: Numbered, with_all: bool) -> dict[int | None, Numbered]:
    """Parts by channel; None: those that cannot be read."""
    found: dict[int | None, list[tuple[int, Part | object]]] = {}
    rows = store.channels_of(conn, sheet.head.gid)
    if with_all:
        found |= {number: [] for number in sorted(rows) if rows[number].held_ms is None}
    for position, part in parts:
        number = part.channel if isinstance(part, Part) else None
        found.setdefault(number, []).append((position, part))
    return found  # type: ignore[return-value]


def work_channel(
    conn: Connection,
    sheet: Sheet,
    number: int | None,
    parts: Numbered,
    key: str,
    *,
    offsets: Mapping[bytes, int],
    again: bool = False,
) -> Piece:
    """As many parts of one channel as go, in their order; the first that does not is set aside, the rest waits.

    `again`: they came before, and a hold is what they are taken out of.
    """
    row = None if number is None else store.channels_of(conn, sheet.head.gid).get(number)
    only = number if row is not None and (again or row.held_ms is None) else None
    offsets = {} if only is None else offsets  # only a channel that is worked in hears of the time

    def go(n: int, keep: bool) -> Piece | Exception:
        return attempt(conn, sheet, parts[:n], key, offsets=offsets, only=only, late=again, keep=keep)

    whole = go(len(parts), keep=True)
    if isinstance(whole, Piece):
        return whole
    good, bad = 0, len(parts)
    error = whole
    while bad - good > 1:
        middle = (good + bad) // 2
        tried = go(middle, keep=False)
        if isinstance(tried, Exception):
            bad, error = middle, tried
        else:
            good = middle
    piece = go(good, keep=True) if good or offsets else Piece()
    if isinstance(piece, Exception):
        error, piece = piece, Piece()
    piece.is_stuck = True
    piece.troubles |= _set_aside(conn, sheet, number, row is not None, parts[good:], error)
    return piece


def _set_aside(
    conn: Connection, sheet: Sheet, number: int | None, is_channel: bool, parts: Numbered, error: Exception
) -> dict[int, Trouble]:
    """The part that our program failed on, and those behind it; the channel waits for a mended program."""
    what = f"{type(error).__name__}: {error}".replace("\n", " ")[:DETAIL_CHARS_MAX]
    where = f"batch {sheet.h.hex()} of gateway {sheet.head.gid.hex()}, channel {number}"
    _log.error("a part is set aside: %s, part %s", where, parts[0][0] if parts else "none", exc_info=error)
    waits = held(number or 0) if is_channel else Trouble(Reason.INTERNAL, what)
    troubles = {position: waits if at else Trouble(Reason.INTERNAL, what) for at, (position, _) in enumerate(parts)}
    h = channel_hash(Gid(sheet.head.gid), number) if number not in (None, GATEWAY_CHANNEL) and is_channel else None
    rows = [exception_row(sheet, one, h, position, "quarantined") for position, one in troubles.items()]
    store.insert_exceptions(conn, rows)
    if h is not None:
        store.hold(conn, h, sheet.came_ms)
    raise_alarm(conn, sheet.head.community, notices.of_bug(sheet.head, number, what), sheet.now_ms)
    return troubles


def posted(head: Head, opened: OpenedUpload, h: bytes, piece: Piece) -> Posted:
    found = Posted(booked=piece.booked, readings=piece.readings)
    for position in range(len(opened.parts)):
        trouble = piece.troubles.get(position)
        found.parts.append(part_row(head, opened, h, position, trouble))
        if trouble is not None:
            found.quarantined.append((opened.header.seq, position, int(trouble.reason)))
    return found


def part_row(head: Head, opened: OpenedUpload, h: bytes, position: int, trouble: Trouble | None) -> tuple[object, ...]:
    """A part as it is kept, byte for byte; in the order of the table's columns."""
    sealed, part = opened.sealed[position], opened.parts[position]
    channel, sensitivity = (part.channel, int(part.sensitivity)) if isinstance(part, Part) else (None, None)
    salt, data = (None, None) if sealed is None else (sealed.salt, sealed.data)
    where = h, position, head.community, head.gid, channel, sensitivity, salt, data
    if trouble is not None:
        return *where, "quarantined", trouble.reason.name
    return *where, "read" if isinstance(part, Part) else "quarantined", None
