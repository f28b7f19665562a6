"""Uploads of several gateways in one transaction: read together, worked in by themselves, booked and written together.

It takes only what is usual, and never more than one upload of a gateway: whatever is not the next batch of its
gateway's chain, and everything as soon as one of them fails, is `service.ingest`'s, which knows what to do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection
from tallystick_protocol.batch import OpenedUpload, open_upload
from tallystick_protocol.codes import LogType, ReceiptStatus
from tallystick_protocol.errors import ProtocolError

from tallystick_cloud.context import Directory
from tallystick_cloud.contracts import store as contracts
from tallystick_cloud.contracts.model import Book
from tallystick_cloud.gateways import store as gateways
from tallystick_cloud.gateways.model import Head
from tallystick_cloud.ledger.lot import Booked, Cause, Lot
from tallystick_cloud.ledger.service import book_lots
from tallystick_cloud.log import service as log

from . import store
from .bench import Bench, Piece, Sheet, Worked, channels_in, clocks_of
from .order import continues
from .outcome import Outcome
from .parts import posted
from .pending import Pending
from .service import Arrival, accepted, keep_batch, keep_head, refusal_of


@dataclass(frozen=True, slots=True)
class Sent:
    """An upload as it came. `path`: (epoch, seq) that the address named."""

    gid: bytes
    upload: bytes
    now_ms: int
    path: tuple[int, int] | None = None


@dataclass(slots=True)
class _Item:
    """An upload of the group that is the next of its chain."""

    number: int
    arrival: Arrival
    after: Head
    worked: Worked


def ingest_group(conn: Connection, directory: Directory, group: Sequence[Sent]) -> list[Outcome | None]:
    """What became of each; None: it is unusual, nothing of it is written, and `service.ingest` is to take it.

    Raises what any of them raises; then nothing of the group counts.
    """
    outcomes: list[Outcome | None] = [None] * len(group)
    items = _next_ones(conn, directory, group)
    pending = Pending()
    by_community: dict[str, list[_Item]] = {}
    for item in items:
        by_community.setdefault(item.arrival.head.community, []).append(item)
    contracts.lock_versions(conn, by_community)
    books = {name: contracts.book(conn, name) for name in by_community}
    _work(conn, by_community, books, pending)
    pending.write_work(conn)
    booked = {name: _book(conn, books[name], mine) for name, mine in sorted(by_community.items())}
    pending.write_heads(conn)
    for name, mine in sorted(by_community.items()):
        entries = [log.Entry(LogType.BATCH, item.arrival.h) for item in mine]
        leaves, shown = log.append_and_show(conn, name, entries, mine[-1].arrival.now_ms)
        for item, leaf, uses in zip(mine, leaves, booked[name], strict=True):
            arrival, worked = item.arrival, item.worked
            found = posted(arrival.head, arrival.opened, arrival.h, Piece(worked.troubles, uses, worked.readings))
            keep_batch(pending, arrival, ReceiptStatus.ACCEPTED, found, leaf)
            outcomes[item.number] = accepted(conn, arrival, item.after, ReceiptStatus.ACCEPTED, found, leaf, shown)
    pending.write_batches(conn)
    return outcomes


def _next_ones(conn: Connection, directory: Directory, group: Sequence[Sent]) -> list[_Item]:
    """Those that are signed by their gateways and next in their chains; heads are locked in the order of ids."""
    opened: dict[int, OpenedUpload] = {}
    for number, sent in enumerate(group):
        try:
            opened[number] = open_upload(sent.upload)
        except ProtocolError:
            continue
    heads = gateways.lock_heads(conn, [group[number].gid for number in opened])
    if not heads:
        return []
    keys = gateways.keys_of_all(conn, list(heads))
    items: list[_Item] = []
    for number, one in opened.items():
        sent, header = group[number], one.header
        head = heads.get(sent.gid)
        if head is None or one.batch is None or not continues(header.epoch, header.seq, header.prev, head):
            continue
        arrival = Arrival(directory.of(head.community), head, one, one.unverified.hash, sent.now_ms)
        if refusal_of(arrival, sent.gid, sent.path, keys[sent.gid]) is None:
            after = replace(head, next_seq=header.seq + 1, head=arrival.h)
            items.append(_Item(number, arrival, after, Worked({}, [], 0)))
    return items


def _work(
    conn: Connection, by_community: Mapping[str, list[_Item]], books: Mapping[str, Book], pending: Pending
) -> None:
    arrivals = [item.arrival for mine in by_community.values() for item in mine]
    clocks = {one.head.gid: clocks_of(enumerate(one.opened.parts)) for one in arrivals}
    named = {one.head.gid: channels_in(one.opened.parts) for one in arrivals}
    stocks = store.stocks(conn, {gid: None if clocks[gid] else numbers for gid, numbers in named.items()})
    for name, mine in by_community.items():
        for item in mine:
            arrival = item.arrival
            gid = arrival.head.gid
            parts = list(enumerate(arrival.opened.parts))
            sheet = Sheet(arrival.head, arrival.h, arrival.now_ms, arrival.now_ms)
            bench = Bench(conn, sheet, stock=stocks[gid], book=books[name])
            item.worked = bench.work(parts, clocks[gid], pending)
            keep_head(pending, arrival, item.after, item.worked.readings)


def _book(conn: Connection, book: Book, items: Sequence[_Item]) -> list[list[Booked]]:
    lots = [
        Lot(item.worked.uses, Cause(f"batch:{item.arrival.h.hex()}", "batch", item.arrival.h, item.arrival.now_ms))
        for item in items
    ]
    return book_lots(conn, items[0].arrival.head.community, lots, book.by_h())
