"""Giving up a part that no program will ever read: a person's decision, after which its channel goes on without it.

It keeps the part's bytes, and loses no count: readings after the hole carry its totals, and uses in the hole stay open
with a reason, as after a batch that was lost.
"""

from dataclasses import dataclass

from sqlalchemy import Connection
from tallystick_protocol.codes import Reason

from tallystick_cloud.alarms import Alarm, Severity, raise_alarm
from tallystick_cloud.errors import Conflict, NotFound
from tallystick_cloud.gateways import store as gateways

from . import quarantine
from .retry import Retried, retry


@dataclass(frozen=True, slots=True)
class Address:
    """A part as `tallystick quarantine list` names it."""

    gid: bytes
    epoch: int
    seq: int
    part: int

    def __str__(self) -> str:
        return f"{self.gid.hex()} {self.epoch}/{self.seq} {self.part}"


def skip(conn: Connection, community: str, where: Address, by: str, why: str, now_ms: int) -> Retried:
    """What the channel took once the part was out of its way. Raises NotFound, Conflict; then nothing changed."""
    head = gateways.lock_head(conn, where.gid)
    found = quarantine.at(conn, where.gid, where.epoch, where.seq, where.part)
    if head is None or head.community != community or found is None:
        raise NotFound("PART", f"{where} is no part of {community}; see `tallystick quarantine list`")
    if found.standing != "quarantined":
        raise Conflict("PART", f"{where} does not wait: it is {found.standing}")
    if found.reason == Reason.HELD.name:
        reason = "only waits behind another part of its channel; skip that one, or nothing"
        raise Conflict("PART", f"{where} {reason}")
    h = bytes(found.batch)
    quarantine.give_up(conn, h, where.part, f"given up by {by}: {why}", now_ms)
    name = gateways.gateway_row(conn, where.gid).name
    text = f"Part {where.part} of batch {where.epoch}/{where.seq} of {name} was given up by {by}: {why}."
    told = Alarm("part-given-up", Severity.INFO, text, f"given-up:{h.hex()}:{where.part}", gid=where.gid)
    raise_alarm(conn, community, told, now_ms)
    return retry(conn, head, now_ms)
