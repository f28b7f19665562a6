"""The aggregator's path of one upload without a database: the same pure steps, on state that stays in memory.

It never stores a row; it makes them, for making them is part of the path.
"""

from dataclasses import replace

from sqlalchemy import Connection, select
from support.books import Books
from support.load import LATER, House
from tallystick_cloud import schema
from tallystick_cloud.contracts import store as contracts
from tallystick_cloud.contracts.model import Book
from tallystick_cloud.gateways.store import keys_of, lock_head
from tallystick_cloud.ingest import keyring
from tallystick_cloud.ingest.channel_row import values_of, work_of
from tallystick_cloud.ingest.model import Origin
from tallystick_cloud.ingest.order import Known, Place, place_of
from tallystick_cloud.ingest.work import ChannelWork
from tallystick_cloud.ledger.model import (
    FreshUse,
    Kind,
    Line,
    amounts,
    check_rated,
    check_zero,
    counter_scope,
    position_of,
    total,
)
from tallystick_cloud.ledger.rows import frame_id, frame_of, use_rows
from tallystick_cloud.ledger.store import posting_rows
from tallystick_protocol import cose, merkle
from tallystick_protocol.batch import LogView, open_upload
from tallystick_protocol.codes import LogType, ReceiptStatus
from tallystick_protocol.ids import H32, Gid
from tallystick_protocol.money.rating import rate
from tallystick_protocol.part import Part
from tallystick_protocol.receipt import Receipt
from tallystick_protocol.records import log_leaf


class Paper:
    """Heads, channels, counters, balances and the log of these houses as the books hold them now."""

    def __init__(self, books: Books, houses: list[House]) -> None:
        self.uses = 0
        self._context = books.aggregator.of(books.community)
        self._houses = houses
        self._counters: dict[H32, int] = {}
        self._balances: dict[Line, int] = {}
        self._tree = merkle.CompactRange()
        books.database.write_now(self._load)

    def _load(self, conn: Connection) -> None:
        gids = [house.gateway.gid for house in self._houses]
        self._book: Book = contracts.book(conn, self._context.community)
        self._versions = self._book.by_h()
        self._heads = {gid: head for gid in gids if (head := lock_head(conn, gid)) is not None}
        self._keys = {gid: keys_of(conn, gid) for gid in gids}
        self._works: dict[tuple[bytes, int], ChannelWork] = {}
        for row in conn.execute(select(schema.channel)):
            terms = self._book.of_channel(row.asset, row.quantity)
            work = work_of(row, terms, [], Origin(bytes(32), 1, LATER))
            self._works[bytes(row.gid), row.channel] = work
        for key, value in conn.execute(select(schema.counter.c.counter, schema.counter.c.value)):
            self._counters[H32(bytes(key))] = value

    def take(self, gid: bytes, upload: bytes) -> bytes:
        """The signed receipt."""
        opened = open_upload(upload)
        head, header, h = self._heads[gid], opened.header, opened.unverified.hash
        key = keyring.find(self._keys[gid], opened.unverified.kid)
        assert key is not None
        opened.unverified.verify(keyring.public_key(key.spki))
        assert place_of(header.epoch, header.seq, header.prev, head, Known(False, False, True, False)) is Place.NEXT
        self._heads[gid] = replace(head, next_seq=header.seq + 1, head=h)
        fresh: list[FreshUse] = []
        for part in opened.parts:
            assert isinstance(part, Part)
            work = self._works[gid, part.channel]
            work.origin = Origin(h, 1, LATER)
            for segment in part.segments:
                assert work.take_segment(segment, explained=False) is None
            for event in part.events:
                assert work.take_event(event) is None
        for (owner, _), work in self._works.items():
            if owner == gid and work.changed:
                work.cut_intervals()
                fresh += work.uses
                work.uses, work.changed = [], False
                work.open_uses = {number: use for number, use in work.open_uses.items() if not use.is_done}
                values_of(work)
        self._book_all(fresh)
        leaf = merkle.leaf_hash(log_leaf(LogType.BATCH, h))
        self._tree = self._tree.append(leaf)
        self._tree.encode()
        return self._receipt(gid, h, header.epoch, header.seq)

    def _book_all(self, fresh: list[FreshUse]) -> None:
        self.uses += len(fresh)
        chains = {one.chain for one in fresh}
        of = {one.usage.use_id: one for one in fresh}
        for chain in chains:
            usages = sorted((one.usage for one in fresh if one.chain == chain), key=position_of)
            scope = counter_scope(chain, Kind.LIVE)
            rated = rate(lambda use: self._versions[of[use.use_id].contract].contract, scope, usages, self._counters)
            lines = []
            for one in rated:
                check_rated(one)
                self._counters.update(one.after)
                contract = self._versions[of[one.usage.use_id].contract].contract
                lines.append(amounts(contract, chain, one.usage.payer, one.fee, one.shares))
                fresh_use = of[one.usage.use_id]
                use_rows([one], frame_id(frame_of("load", fresh_use)), fresh_use.batch, 1, LATER)
            summed = total(lines)
            check_zero(summed)
            posting_rows("load", 1, summed, LATER)
            for line, amount in summed.items():
                self._balances[line] = self._balances.get(line, 0) + amount

    def _receipt(self, gid: bytes, h: H32, epoch: int, seq: int) -> bytes:
        view = LogView(self._context.log_id, self._tree.size, H32(self._tree.root()))
        status, head = ReceiptStatus.ACCEPTED, self._heads[gid]
        receipt = Receipt(
            gid=Gid(gid), epoch=epoch, from_seq=seq, to_seq=seq, hash=h, status=status, leaf_index=self._tree.size - 1,
            server_ms=LATER, next_seq=head.next_seq, head=H32(head.head), log=view, reason=None, quarantined=(),
        )  # fmt: skip
        return cose.sign(self._context.keys.receipt, cose.ContentType.RECEIPT, receipt.encode())
