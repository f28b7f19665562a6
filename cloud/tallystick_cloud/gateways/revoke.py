"""Revocation: from now on nothing a gateway signs is taken, and the log says since which batch.

It never takes back what was accepted before, and a revoked gateway only comes back with a new key and a new claim.
"""

from dataclasses import dataclass

from sqlalchemy import Connection
from tallystick_protocol.codes import KeyAction, StorageClass

from tallystick_cloud.alarms import Alarm, Severity, clear_alarm, raise_alarm
from tallystick_cloud.context import Context
from tallystick_cloud.errors import Conflict, NotFound
from tallystick_cloud.log import service as log
from tallystick_cloud.ports import Entropy

from . import records, store
from .model import second_key


@dataclass(frozen=True, slots=True)
class Revoked:
    """What was done: the first batch that is refused, and where the log says so."""

    gid: bytes
    name: str
    site: str
    from_epoch: int
    from_seq: int
    leaves: tuple[int, ...]


def revoke(conn: Connection, context: Context, entropy: Entropy, gid: bytes, by: str, why: str, now_ms: int) -> Revoked:
    """A logged key event per key, the gateway's state, an alarm that tells the others. Raises NotFound, Conflict."""
    head = store.lock_head(conn, gid)
    row = store.gateway_row(conn, gid)
    if head is None or row is None or head.community != context.community:
        raise NotFound("GID", f"{gid.hex()} is no gateway of {context.community}; see `tallystick gateway list`")
    if not head.is_active:
        raise Conflict("GID", f"{row.name} is revoked already; nothing is left to do")
    since = (head.epoch, head.next_seq)
    leaves = []
    for key in store.keys_of(conn, gid):
        if key.revoked_from is None:
            storage = StorageClass[row.storage_class.upper()]
            event = records.key_revoked(conn, context.community, context.keys.root, entropy, gid, key, storage, since)
            (leaf,) = log.append(conn, context.community, [event.entry], now_ms)
            records.store_key_event(
                conn, context.community, gid, key.spki, event, leaf, now_ms, action=KeyAction.REVOKE
            )
            store.revoke_key(conn, gid, key.kid, since)
            leaves.append(leaf)
    store.update_gateway(conn, gid, {"state": "revoked"})
    clear_alarm(conn, context.community, f"no-contact:{gid.hex()}", now_ms)
    if len(store.active_at(conn, context.community, row.site)) < 2:
        clear_alarm(conn, context.community, second_key(row.site), now_ms)
    text = f"{row.name} was revoked by {by}: {why}. Nothing of it is taken from batch {head.next_seq} on."
    told = Alarm("gateway-revoked", Severity.INFO, text, f"revoked:{gid.hex()}", gid=gid)
    raise_alarm(conn, context.community, told, now_ms)
    return Revoked(gid, row.name, row.site, *since, tuple(leaves))
