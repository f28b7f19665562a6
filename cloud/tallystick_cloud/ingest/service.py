"""Ingest: one upload, one transaction: verify, order, store, cut, rate, post, log, commit; the receipt comes after.

It never lets anything inside a signed and chained batch stop the batches after it, and a refusal changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection
from tallystick_protocol import cose
from tallystick_protocol.batch import BatchHeader, LogView, OpenedUpload, first_prev, open_upload, read_batch
from tallystick_protocol.checkpoint import epoch_of
from tallystick_protocol.codes import LogType, Reason, ReceiptStatus
from tallystick_protocol.errors import BadSignature
from tallystick_protocol.ids import H32, Gid
from tallystick_protocol.receipt import Receipt

from tallystick_cloud.alarms import Alarm, Severity, raise_alarm
from tallystick_cloud.context import Directory, Identity
from tallystick_cloud.gateways import store as gateways
from tallystick_cloud.gateways.errors import GatewayUnknown
from tallystick_cloud.gateways.model import FORK_WINDOW_MS, Head, Key
from tallystick_cloud.gateways.state import log_view, view_of
from tallystick_cloud.log import service as log
from tallystick_cloud.log import store as log_store

from . import keyring, notices, store
from .bench import Sheet
from .copies import LOOK_BACK, Begun, copies_of
from .order import Known, Place, place_of
from .outcome import LiveEvent, Outcome
from .parts import Posted, post_parts, quarantine_all
from .pending import Pending
from .retry import take_missing


@dataclass(frozen=True, slots=True)
class Arrival:
    """One upload at the books' door, its signature checked."""

    context: Identity
    head: Head
    opened: OpenedUpload
    h: H32
    now_ms: int

    @property
    def header(self) -> BatchHeader:
        return self.opened.header


def ingest(
    conn: Connection,
    directory: Directory,
    gid: bytes,
    upload: bytes,
    now_ms: int,
    path: tuple[int, int] | None = None,
) -> Outcome:
    """What became of the upload. Raises ProtocolError (not an upload) or GatewayUnknown; then nothing changed."""
    opened = open_upload(upload)
    head = gateways.lock_head(conn, gid)
    if head is None:
        raise GatewayUnknown("gateway", f"{gid.hex()} is not enrolled here; enrol it with a new claim")
    arrival = Arrival(directory.of(head.community), head, opened, opened.unverified.hash, now_ms)
    keys = gateways.keys_of(conn, gid)
    refusal = refusal_of(arrival, gid, path, keys)
    if refusal is not None:
        return _refused(conn, arrival, *refusal)
    header = opened.header
    rows = store.neighbours(conn, gid, [arrival.h, header.prev], header.epoch, header.seq)
    known = known_of(arrival, rows, keys)
    match place_of(header.epoch, header.seq, header.prev, head, known):
        case Place.DUPLICATE:
            return _duplicate(conn, arrival)
        case Place.NEXT:
            after = replace(head, next_seq=header.seq + 1, head=arrival.h)
            return _accept(conn, arrival, after, ReceiptStatus.ACCEPTED)
        case Place.NEW_EPOCH:
            _look_for_copies(conn, arrival)
            after = replace(head, epoch=header.epoch, next_seq=2, head=arrival.h, hello_nonce=None)
            return _accept(conn, arrival, after, ReceiptStatus.ACCEPTED)
        case Place.FORK:
            return _fork(conn, arrival)
        case Place.OUT_OF_ORDER:
            return _refused(conn, arrival, ReceiptStatus.OUT_OF_ORDER, None)
        case Place.WRONG_PREV:
            return _refused(conn, arrival, ReceiptStatus.REFUSED, Reason.WRONG_PREV)
        case Place.WRONG_EPOCH:
            return _refused(conn, arrival, ReceiptStatus.REFUSED, Reason.WRONG_EPOCH)


def busy(
    conn: Connection, directory: Directory, gid: bytes, upload: bytes, now_ms: int, retry_after_ms: int
) -> Outcome:
    """The answer to a gateway that sends too much: come back later; nothing of the upload is checked or kept."""
    opened = open_upload(upload)
    head = gateways.read_head(conn, gid)
    if head is None:
        raise GatewayUnknown("gateway", f"{gid.hex()} is not enrolled here; enrol it with a new claim")
    arrival = Arrival(directory.of(head.community), head, opened, opened.unverified.hash, now_ms)
    refused = _refused(conn, arrival, ReceiptStatus.BUSY, None)
    return replace(refused, receipt=replace(refused.receipt, retry_after_ms=retry_after_ms))


def refusal_of(
    arrival: Arrival, gid: bytes, path: tuple[int, int] | None, keys: Sequence[Key]
) -> tuple[ReceiptStatus, Reason] | None:
    """Why this is not the gateway's own batch at the address it names, or None. Consumes nothing."""
    header = arrival.header
    if header.gid != gid:
        return ReceiptStatus.REFUSED, Reason.WRONG_GATEWAY
    if path is not None and path != (header.epoch, header.seq):
        return ReceiptStatus.REFUSED, Reason.WRONG_PATH
    if not arrival.head.is_active:
        return ReceiptStatus.KEY_UNKNOWN, Reason.KEY_REVOKED
    key = keyring.find(keys, arrival.opened.unverified.kid)
    if key is None:
        return ReceiptStatus.KEY_UNKNOWN, Reason.BAD_SIGNATURE
    if not key.may_sign(header.epoch, header.seq):
        return ReceiptStatus.KEY_UNKNOWN, Reason.KEY_REVOKED
    try:
        arrival.opened.unverified.verify(keyring.public_key(key.spki))
    except BadSignature:
        return ReceiptStatus.REFUSED, Reason.BAD_SIGNATURE
    batch = arrival.opened.batch
    if batch is not None and batch.log_for is not None and batch.log_for != arrival.context.log_id:
        return ReceiptStatus.REFUSED, Reason.WRONG_LOG
    return None


def known_of(arrival: Arrival, rows: Sequence[store.Neighbour], keys: Sequence[Key]) -> Known:
    """`rows`: stored batches of the gateway with this batch's hash, its prev's, or its number."""
    header, head = arrival.header, arrival.head
    prev = [row for row in rows if row.hash == header.prev]
    return Known(
        same_hash=any(row.hash == arrival.h for row in rows),
        same_number=any((row.epoch, row.seq) == (header.epoch, header.seq) for row in rows),
        prev_stored=bool(prev) or header.prev == head.head or _is_first_prev(keys, header.prev),
        prev_is_sibling=any((row.epoch, row.seq) == (head.epoch, head.next_seq - 1) for row in prev),
    )


def _is_first_prev(keys: Sequence[Key], prev: bytes) -> bool:
    """What a gateway's first epoch began with: an empty card begins its epoch there again."""
    return any(key.valid_from == (1, 1) and first_prev(key.spki) == prev for key in keys)


def _accept(conn: Connection, arrival: Arrival, after: Head, status: ReceiptStatus, twice: bool = False) -> Outcome:
    """Store, post and log the batch; `twice`: both branches of a fork grow, so its parts wait for a person."""
    posted = _post(conn, arrival, twice)
    pending = Pending()
    keep_head(pending, arrival, after, posted.readings)
    pending.write_heads(conn)
    kind = LogType.FORK if status is ReceiptStatus.FORK else LogType.BATCH
    (leaf,), shown = log.append_and_show(conn, after.community, [log.Entry(kind, arrival.h)], arrival.now_ms)
    keep_batch(pending, arrival, status, posted, leaf)
    pending.write_batches(conn)
    return accepted(conn, arrival, after, status, posted, leaf, shown)


def keep_head(pending: Pending, arrival: Arrival, after: Head, readings: int) -> None:
    """Where the gateway's chain stands after the batch, and that it was heard."""
    batch, now_ms = arrival.opened.batch, arrival.now_ms
    error_ms = None if batch is None else batch.error_ms
    pending.heads.append(gateways.moved(after))
    pending.contacts.append((after.gid, now_ms, now_ms, 1, readings, error_ms))


def keep_batch(pending: Pending, arrival: Arrival, status: ReceiptStatus, posted: Posted, leaf: int) -> None:
    """The batch and its parts, byte for byte."""
    fork = status is ReceiptStatus.FORK
    standing = "fork" if fork else "posted" if arrival.opened.batch is not None else "unsupported"
    pending.batches.append(_batch_row(arrival, standing, posted.readings, leaf))
    pending.parts += posted.parts


def accepted(
    conn: Connection,
    arrival: Arrival,
    after: Head,
    status: ReceiptStatus,
    posted: Posted,
    leaf: int,
    shown: log_store.Head,
) -> Outcome:
    """What the gateway and live pages hear of it."""
    view = view_of(arrival.context, shown)
    _tell_set_back(conn, arrival, view)
    return Outcome(
        after.community, _receipt(arrival, after, status, leaf, posted.quarantined, view), _live(arrival, posted)
    )


def _tell_set_back(conn: Connection, arrival: Arrival, mine: LogView) -> None:
    """The gateway checked a checkpoint of a log larger than this one, or of a later epoch: say so aloud.

    It may lie, so nothing else comes of it; a checkpoint with the log's own signature stops the signing.
    """
    seen = None if arrival.opened.batch is None else arrival.opened.batch.log
    if seen is None:
        return
    first = arrival.context.log_id
    if (epoch_of(seen.log, first), seen.size) <= (epoch_of(mine.log, first), mine.size):
        return
    name = arrival.head.gid.hex()
    text = f"Gateway {name} was shown a log of {seen.size} entries, and this database has {mine.size}. If it came back "
    text += (
        "from a copy, stop the server and run `tallystick log begin-epoch`. If not, the gateway says what is not so."
    )
    alarm = Alarm("log-set-back", Severity.CRITICAL, text, f"log-set-back:{name}", gid=arrival.head.gid)
    raise_alarm(conn, arrival.head.community, alarm, arrival.now_ms)


def _post(conn: Connection, arrival: Arrival, twice: bool) -> Posted:
    if twice:
        return quarantine_all(arrival.head, arrival.opened, arrival.h, Reason.FORK)
    return post_parts(conn, Sheet(arrival.head, arrival.h, arrival.now_ms, arrival.now_ms), arrival.opened)


def _look_for_copies(conn: Connection, arrival: Arrival) -> None:
    """A new epoch tells whether a card came back or copies leave each other behind: then say so aloud."""
    head, header = arrival.head, arrival.header
    before = store.stored_batch(conn, head.gid, header.prev)
    earlier = store.beginnings(conn, head.gid, range(header.epoch - LOOK_BACK, header.epoch))
    begun = [Begun(one.epoch, _boot_of(one.envelope), one.after or 0, one.received_ms) for one in earlier]
    boot = None if arrival.opened.batch is None else arrival.opened.batch.boot
    begun.append(Begun(header.epoch, boot, 0 if before is None else before.epoch, arrival.now_ms))
    found = copies_of(begun, None if before is None else _boot_of(before.envelope))
    if found is not None:
        notices.tell_copies(conn, head, header.epoch, found, arrival.now_ms)


def _boot_of(envelope: bytes) -> bytes | None:
    """Which run of the gateway sealed a stored batch; None when this program cannot read it."""
    _, found, _ = read_batch(cose.parse(bytes(envelope)).payload)
    return None if found is None else found.boot


def _fork(conn: Connection, arrival: Arrival) -> Outcome:
    """Another batch for a number that is taken: keep both, post from the mark on, say so aloud."""
    head, header, now_ms = arrival.head, arrival.header, arrival.now_ms
    again = head.fork_ms is not None and now_ms - head.fork_ms < FORK_WINDOW_MS
    name = head.gid.hex()
    if again:
        text = f"batch {header.seq} of epoch {header.epoch} exists twice, and not for the first time: two cards or "
        text += "copies sign as one gateway. Find the copy, then resolve what is in quarantine."
        raised = Alarm("clone", Severity.CRITICAL, text, notices.clone_key(head.gid), gid=head.gid)
    else:
        text = f"batch {header.seq} of epoch {header.epoch} exists twice: the card lost a write. Nothing is billed "
        text += "twice; replace the card."
        raised = Alarm("card-lost-a-write", Severity.WARNING, text, f"fork:{name}", gid=head.gid)
    raise_alarm(conn, head.community, raised, now_ms)
    gateways.update_head(conn, head.gid, {"forks": head.forks + 1, "fork_ms": now_ms})
    return _accept(conn, arrival, head, ReceiptStatus.FORK, twice=again)


def _duplicate(conn: Connection, arrival: Arrival) -> Outcome:
    """The batch is here already: only parts that were missing or spoilt are taken, then the same answer as before."""
    take_missing(conn, arrival.head, arrival.opened, arrival.h, arrival.now_ms)
    leaf = store.batch_leaf(conn, arrival.h)
    quarantined = [
        (arrival.header.seq, position, int(Reason[reason]))
        for position, (standing, reason) in sorted(store.parts_of(conn, arrival.h).items())
        if standing == "quarantined" and reason is not None
    ]
    view = log_view(conn, arrival.context)
    receipt = _receipt(arrival, arrival.head, ReceiptStatus.DUPLICATE, leaf, quarantined, view)
    return Outcome(arrival.head.community, receipt)


def _refused(conn: Connection, arrival: Arrival, status: ReceiptStatus, reason: Reason | None) -> Outcome:
    view = log_view(conn, arrival.context)
    receipt = _receipt(arrival, arrival.head, status, None, (), view, reason)
    return Outcome(arrival.head.community, receipt)


def _receipt(
    arrival: Arrival,
    head: Head,
    status: ReceiptStatus,
    leaf: int | None,
    quarantined: Sequence[tuple[int, int, int]],
    view: LogView,
    reason: Reason | None = None,
) -> Receipt:
    header = arrival.header
    return Receipt(
        gid=Gid(head.gid),
        epoch=header.epoch,
        from_seq=header.seq,
        to_seq=header.seq,
        hash=arrival.h,
        status=status,
        leaf_index=leaf,
        server_ms=arrival.now_ms,
        next_seq=head.next_seq,
        head=H32(head.head),
        log=view,
        reason=reason,
        quarantined=tuple(quarantined),
    )


def _batch_row(arrival: Arrival, standing: str, readings: int, leaf: int) -> tuple[object, ...]:
    """In the order of the table's columns."""
    header, batch, now_ms = arrival.header, arrival.opened.batch, arrival.now_ms
    place = arrival.h, arrival.head.community, header.gid, header.epoch, header.seq, header.prev
    nonce, created_ms, software = (b"", now_ms, "") if batch is None else (batch.nonce, batch.created, batch.software)
    return *place, nonce, created_ms, now_ms, software, arrival.opened.envelope, standing, readings, leaf


def _live(arrival: Arrival, posted: Posted) -> tuple[LiveEvent, ...]:
    data = {"community": arrival.head.community, "gid": arrival.head.gid.hex(), "readings": posted.readings}
    return (LiveEvent("batch", {**data, "seq": arrival.header.seq, "uses": len(posted.booked)}),)
