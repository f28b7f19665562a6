"""Hello: a gateway says where it stands and hears where the books do.

It never moves money; declared lost batches are the one thing here that changes the books.
"""

from dataclasses import dataclass, replace

from sqlalchemy import Connection, insert
from tallystick_protocol import cose
from tallystick_protocol.codes import LogType
from tallystick_protocol.errors import BadValue
from tallystick_protocol.hello import Hello, LostBatches
from tallystick_protocol.ids import Kid
from tallystick_protocol.keys import PublicKey

from tallystick_cloud.alarms import Alarm, Severity, raise_alarm
from tallystick_cloud.context import Aggregator
from tallystick_cloud.errors import Forbidden
from tallystick_cloud.log import service as log
from tallystick_cloud.log import store as log_store
from tallystick_cloud.schema import exception

from . import store
from .errors import GatewayUnknown
from .model import Head, Key
from .state import signed_state


@dataclass(frozen=True, slots=True)
class Greeted:
    gid: bytes
    community: str
    state: bytes  # envelope


def hello(
    conn: Connection, aggregator: Aggregator, gid: bytes, envelope: bytes, transport: str, now_ms: int
) -> Greeted:
    """The signed State that answers this boot's nonce. Raises ProtocolError, GatewayUnknown or Forbidden (revoked)."""
    head = store.lock_head(conn, gid)
    if head is None:
        raise GatewayUnknown("gateway", f"{gid.hex()} is not enrolled here; enrol it with a new claim")
    if not head.is_active:
        raise Forbidden("gateway", f"{gid.hex()} is revoked; ask the community why before enrolling another")
    keys = store.keys_of(conn, gid)
    opened = cose.open_envelope(envelope, cose.ContentType.HELLO, lambda kid: _key(keys, kid))
    said = Hello.decode(opened.payload)
    if said.gid != gid:
        raise BadValue("hello.gid", "is another gateway's than the connection's")
    context = aggregator.of(head.community)
    before = head
    for lost in said.lost:
        head = _declare_lost(conn, head, lost, now_ms)
    if head is not before and log_store.leaf_of(conn, head.community, opened.hash) is None:
        # a Hello of one boot is the same message each time: it may declare its second span when it comes again
        log.append(conn, head.community, [log.Entry(LogType.FORK, opened.hash)], now_ms)
    _note_contact(conn, head, said, transport, now_ms)
    return Greeted(gid, head.community, signed_state(conn, context, head, said.nonce, now_ms))


def _key(keys: list[Key], kid: Kid) -> PublicKey | None:
    for key in keys:
        if key.kid == kid and key.revoked_from is None:
            return PublicKey.from_spki(key.spki)
    return None


def _declare_lost(conn: Connection, head: Head, lost: LostBatches, now_ms: int) -> Head:
    """Open the span of lost batches when it begins at our next; a replay finds another next and changes nothing."""
    if (lost.epoch, lost.from_seq) != (head.epoch, head.next_seq):
        return head
    detail = f"batches {lost.from_seq} to {lost.to_seq} of epoch {lost.epoch}"
    row = {"community": head.community, "gid": head.gid, "state": "open", "reason": "lost", "opened_ms": now_ms}
    conn.execute(insert(exception), row)
    text = f"{detail} cannot be read any more on the gateway's card; the next reading closes the gap. Check the card."
    key = f"lost:{head.gid.hex()}:{lost.epoch}:{lost.from_seq}"
    raise_alarm(conn, head.community, Alarm("batches-lost", Severity.CRITICAL, text, key, gid=head.gid), now_ms)
    store.update_head(conn, head.gid, {"next_seq": lost.to_seq + 1, "head": lost.hash})
    return replace(head, next_seq=lost.to_seq + 1, head=lost.hash)


def _note_contact(conn: Connection, head: Head, said: Hello, transport: str, now_ms: int) -> None:
    # books that were set back must not give a command a number that this gateway has obeyed already
    last_command = max(head.last_command, said.last_cmd_seq)
    store.update_head(conn, head.gid, {"hello_nonce": said.nonce, "last_command": last_command})
    seen = {"last_seen_ms": now_ms, "last_hello_ms": now_ms, "boot": said.boot, "transport": transport}
    store.seen(conn, head.gid, seen)
    store.update_gateway(conn, head.gid, {"software": said.software})
