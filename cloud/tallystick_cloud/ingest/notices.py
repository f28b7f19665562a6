"""Which events and quarantined parts become alarms, and in which words.

It never decides about money.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from tallystick_protocol.codes import EventCode, Reason
from tallystick_protocol.part import Event

from tallystick_cloud.alarms import Alarm, Severity, clear_alarm, is_open, raise_alarm
from tallystick_cloud.gateways import store as gateways
from tallystick_cloud.gateways.model import Head

from .copies import Copies
from .model import Trouble

_WORDS: Mapping[EventCode, tuple[str, Severity, str]] = {
    EventCode.QUARANTINED: ("reading-set-aside", Severity.INFO, "a reading was set aside and is not billed"),
    EventCode.GAP: ("gap", Severity.WARNING, "no readings came for a while; the next total closes the gap"),
    EventCode.EXCHANGE: ("meter-exchanged", Severity.WARNING, "the meter was exchanged; confirm the exchange"),
    EventCode.RESET: ("meter-reset", Severity.CRITICAL, "the register began anew; look at the meter"),
    EventCode.RESTORED: ("card-restored", Severity.WARNING, "the gateway came back with an older card"),
    EventCode.BATCH_LOST: ("batch-lost", Severity.CRITICAL, "sealed batches cannot be read; check the card"),
    EventCode.STORE_FULL: ("store-full", Severity.CRITICAL, "the gateway's store is full; free its card"),
    EventCode.COMMAND_REFUSED: ("command-refused", Severity.WARNING, "the gateway refused a command"),
    EventCode.TAMPER: ("tamper", Severity.CRITICAL, "the meter reports tampering; go and look"),
}
UNTOLD = (EventCode.USE_STARTED, EventCode.USE_BILLABLE, EventCode.USE_ENDED, EventCode.USE_ABORTED)
"""Events of a channel that `tell` has nothing to say about, which are nearly all that come."""
_REFUSED: Mapping[Reason, tuple[str, Severity, str]] = {
    Reason.REPLAYED: ("replay-refused", Severity.WARNING, "an old message came again and was refused"),
    Reason.SERIAL_UNEXPECTED: ("wrong-meter", Severity.WARNING, "another meter answers in its place; nothing is read"),
}
"""Readings set aside for these reasons are nobody's accident: somebody should go and look."""


@dataclass(frozen=True, slots=True)
class Note:
    channel: int
    event: Event


def tell(
    conn: Connection,
    head: Head,
    rows: Mapping[int, Any],
    notes: Sequence[Note],
    troubles: Mapping[int, Trouble],
    now_ms: int,
) -> None:
    """Raise what people should know of this batch, in one alarm per cause."""
    for note in notes:
        row = rows.get(note.channel)
        if note.event.code is EventCode.STORE_FREE:
            clear_alarm(conn, head.community, f"store-full:{head.gid.hex()}:0", now_ms)
        if note.event.code is EventCode.RESTORED and is_open(conn, head.community, clone_key(head.gid)):
            continue  # it says so each time a copy leaves the other behind
        words = _words(note.event)
        if words is not None:
            raise_alarm(conn, head.community, _of_event(head, row, note, *words), now_ms)
    for trouble in troubles.values():
        if trouble.reason is Reason.HELD:
            continue  # the part it waits behind has its own alarm
        raise_alarm(conn, head.community, _of_trouble(head, trouble), now_ms)


def tell_copies(conn: Connection, head: Head, epoch: int, found: Copies, now_ms: int) -> None:
    """`epoch`: the one that its beginning gave away. What was taken for a restored card was one of the copies."""
    how = {
        Copies.AT_ONCE: f"epoch {epoch} was begun by a run that was going before another run began the one before it",
        Copies.IN_TURN: f"epoch {epoch} goes on from a card that had been left behind, and not for the first time",
    }
    text = f"Two cards or copies sign as one gateway: {how[found]}. Nothing is billed twice. Find both devices and "
    text += "switch one off; move the data folder of the other away and start it with a new claim, for a new key."
    raised = Alarm("clone", Severity.CRITICAL, text, clone_key(head.gid), head.gid)
    raise_alarm(conn, head.community, raised, now_ms)
    clear_alarm(conn, head.community, f"card-restored:{head.gid.hex()}:0", now_ms)


def tell_deadly(conn: Connection, gid: bytes, ended: int, now_ms: int) -> None:
    """An upload of the gateway ended so many processes by itself; nothing of it was ever read to its end."""
    head = gateways.read_head(conn, gid)
    if head is None:
        return
    text = f"An upload of gateway {gid.hex()} ended {ended} processes of the server, each time alone. It is tried "
    text += "again by itself, the gateway keeps everything, and no other gateway waits. Update the server; if it goes "
    text += "on, send the makers the server's log."
    alarm = Alarm("upload-ends-process", Severity.CRITICAL, text, f"upload-ends-process:{gid.hex()}", gid)
    raise_alarm(conn, head.community, alarm, now_ms)


def clone_key(gid: bytes) -> str:
    """One open alarm per gateway, however it was found out."""
    return f"clone:{gid.hex()}"


def _words(event: Event) -> tuple[str, Severity, str] | None:
    refused = None if event.reason is None else _REFUSED.get(event.reason)
    return refused if event.code is EventCode.QUARANTINED and refused is not None else _WORDS.get(event.code)


def _of_event(head: Head, row: Any, note: Note, code: str, severity: Severity, text: str) -> Alarm:
    why = note.event.reason
    because = "" if why is None else f" ({why.name.lower().replace('_', ' ')})"
    where = "gateway" if row is None else row.asset
    key = f"{code}:{head.gid.hex()}:{note.channel}"
    channel_hash = None if row is None else bytes(row.channel_hash)
    asset = None if row is None else row.asset
    return Alarm(code, severity, f"{where}: {text}{because}.", key, head.gid, channel_hash, asset)


def _of_trouble(head: Head, trouble: Trouble) -> Alarm:
    name = trouble.reason.name.lower().replace("_", "-")
    text = f"A part waits in quarantine: {trouble.detail}."
    return Alarm(f"quarantine-{name}", Severity.WARNING, text, quarantine_key(head.gid, trouble.reason), head.gid)


def of_bug(head: Head, number: int | None, what: str) -> Alarm:
    """Our own program failed on a part: nobody at the gateway can do anything about it."""
    where = "a part" if number is None else f"a part of channel {number}"
    text = f"The server's program failed on {where} ({what}). It is kept; later ones of its channel wait behind it. "
    text += "Update the server, then `tallystick quarantine retry`."
    return Alarm("quarantine-internal", Severity.CRITICAL, text, quarantine_key(head.gid, Reason.INTERNAL), head.gid)


def quarantine_key(gid: bytes, reason: Reason) -> str:
    """One open alarm per gateway and reason."""
    return f"quarantine:{gid.hex()}:{reason.name.lower().replace('_', '-')}"
