"""Bugs planted on purpose, by name: each takes one rule out of the product while a world runs, and must be found.
A planted bug that is not found says that the simulation is too weak, never that the bug is harmless."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from sim import server, store
from sim.chance import Chance
from sim.patches import Patches
from sim.rates import Rates, draw
from sqlalchemy import Connection, select
from tallystick_cloud import schema
from tallystick_cloud.ingest import group
from tallystick_cloud.ingest import service as ingest
from tallystick_cloud.ingest.work import ChannelWork
from tallystick_cloud.ledger import reversal
from tallystick_cloud.ledger import service as ledger
from tallystick_cloud.ledger.chain import ChainWork
from tallystick_cloud.log import service as log
from tallystick_edge import core as edge_core
from tallystick_edge import journal as edge_journal
from tallystick_edge import restore as edge_restore
from tallystick_edge.core import Core
from tallystick_edge.journal import Journal
from tallystick_edge.metering import counter
from tallystick_edge.uplink.sync import NewEpoch, Reopen, Sync
from tallystick_edge.uplink.worker import Uplink
from tallystick_protocol.ids import sha256


@dataclass(frozen=True, slots=True)
class Bug:
    """`name` is what `--bug` takes; `what` says which rule is gone; `plant` takes it out. `shows`: whether the faults
    that it hurts under are frequent in a world of these rates; the others are not worth their time."""

    name: str
    what: str
    plant: Callable[[Patches], None]
    shows: Callable[[Rates], bool] = lambda rates: True

    def may_show(self, seed: int) -> bool:
        """Whether the world of a seed is rough where this bug hurts."""
        return self.shows(draw(Chance(seed).stream("rates")))


@contextmanager
def planted(name: str | None) -> Iterator[None]:
    """The product with this bug in it, for as long as the body runs."""
    patches = Patches()
    try:
        if name is not None:
            BUGS[name].plant(patches)
        yield
    finally:
        patches.undo()


# --- the gateway -----------------------------------------------------------------------------------------------------


def _sent_before_durable(patches: Patches) -> None:
    """A sealed batch is on the disk with whatever is committed next; until then it is sent from memory."""

    def make(real: Any) -> Any:
        def seal(self: Journal, *args: Any) -> None:
            db = self._db
            assert isinstance(db, store.CardConnection)
            assert db.disk is not None
            db.disk.commit_late()
            real(self, *args)

        return seal

    patches.put(Journal, "seal", make)


def _normal_instead_of_full(patches: Patches) -> None:
    def make(real: Any) -> Any:
        def prepare(db: sqlite3.Connection, *args: Any) -> None:
            real(db, *args)
            db.execute("PRAGMA synchronous = NORMAL")

        return prepare

    patches.put(store, "prepare", make)


def _sequence_reuse(patches: Patches) -> None:
    """A restored card goes on counting where its copy stood."""

    def make(real: Any) -> Any:
        def on_state(self: Sync, state: Any, chain: Any, hash_of: Any) -> Any:
            effects = real(self, state, chain, hash_of)
            return [Reopen(chain.epoch, chain.next_seq) if isinstance(each, NewEpoch) else each for each in effects]

        return on_state

    patches.put(Sync, "on_state", make)


def _receipt_without_hash(patches: Patches) -> None:
    def make(real: Any) -> Any:
        def on_final(self: Sync, receipt: Any, own_hash: Any, epoch: int, now_ms: int) -> Any:
            return real(self, receipt, receipt.hash, epoch, now_ms)

        return on_final

    patches.put(Sync, "_on_final", make)


def _ack_by_transport(patches: Patches) -> None:
    """What the operating system took from us counts as delivered."""

    def make(real: Any) -> Any:
        async def send(self: Uplink, batch: Any, session: Any) -> None:
            await real(self, batch, session)
            self._core.finalise(batch.epoch, batch.seq, batch.seq, b"", 0)

        return send

    patches.put(Uplink, "_send", make)


def _delete_before_seal(patches: Patches) -> None:
    """Pending items are deleted in a transaction of their own before the batch that carries them is written."""

    def make(real: Any) -> Any:
        def seal(self: Journal, *args: Any) -> None:
            with self._transaction() as db:
                db.execute("DELETE FROM pending")
            real(self, *args)

        return seal

    patches.put(Journal, "seal", make)


def _failed_commit_ignored(patches: Patches) -> None:
    """A group commit that failed is taken for done."""

    def make(real: Any) -> Any:
        def flush(self: Journal, flush: Any) -> None:
            try:
                real(self, flush)
            except edge_journal.JournalError:
                return

        return flush

    patches.put(store.CardJournal, "flush", make)


def _failed_is_not_happened(patches: Patches) -> None:
    """After a commit whose answer was lost, everything is written a second time."""

    def make(real: Any) -> Any:
        def take(self: Core, loaded: Any, flush_id: int) -> None:
            self._flush_in_doubt = 1 << 60
            real(self, loaded, flush_id)

        return take

    patches.put(Core, "_take", make)


def _no_plausibility(patches: Patches) -> None:
    """Any value above the last one is believed."""
    patches.put(counter, "_at_rated", lambda real: lambda rule, elapsed_ms, value: None)


def _dark_is_believed(patches: Patches) -> None:
    """The first value after a boot is a reading at once, and a level out of reach comes into reach."""
    patches.put(counter, "_is_soon", lambda real: lambda rule, seen, before, risen: True)
    patches.put(counter, "_is_other_level", lambda real: lambda suspect, rule, seen: False)


def _old_value_is_believed(patches: Patches) -> None:
    """Where the first value after an outage says that nothing was used, a rise behind it cannot be."""
    patches.put(counter, "_after_break", lambda real: lambda state, good, doubted: good)


def _below_the_books(patches: Patches) -> None:
    """A restored card counts a new register on from its own old total; either rule alone would bill most of it."""
    patches.put(edge_restore, "_lift", lambda real: lambda own, books, items, boot: None)
    patches.put(edge_restore, "_with_fallen", lambda real: lambda joined, *what: joined)


def _base_from_own_card(patches: Patches) -> None:
    """A restored card counts washes on from its own count instead of the aggregator's."""

    def make(real: Any) -> Any:
        def restore(card: Any, state: Any, common: bytes, forked: bool, now: Any) -> Any:
            old = replace(state, channels=())
            return real(card, old, common, forked, now)

        return restore

    patches.put(edge_core, "restore", make)


# --- the aggregator --------------------------------------------------------------------------------------------------


def _receipt_before_commit(patches: Patches) -> None:
    """The receipt goes out although the commit did not come to its end."""

    def make(real: Any) -> Any:
        async def write(self: server.InlineDatabase, fn: Any, *args: Any, **kwargs: Any) -> Any:
            answers: list[Any] = []

            def keep(conn: Connection, *more: Any, **named: Any) -> Any:
                answers.append(fn(conn, *more, **named))
                return answers[-1]

            try:
                return await real(self, keep, *args, **kwargs)
            except server.ServerDied:
                if not answers:
                    raise
                return answers[-1]

        return write

    patches.put(server.InlineDatabase, "write", make)


def _again(conn: Connection, arrival: Any, with_uses: bool) -> None:
    """Book what this batch brought a second time."""
    use, journal, posting = schema.use_row, schema.journal, schema.posting
    if with_uses:
        for row in conn.execute(select(use).where(use.c.batch == arrival.h)).mappings().all():
            twin = sha256(bytes(row["use_id"]) + arrival.now_ms.to_bytes(8, "big"))
            again = schema.rerating
            for old in conn.execute(select(again).where(again.c.use_id == row["use_id"])).mappings().all():
                conn.execute(again.insert(), {**old, "use_id": twin})
            conn.execute(use.insert(), {**row, "use_id": twin, "number": int(row["number"]) + 1_000_000_000})
    for row in conn.execute(select(journal).where(journal.c.cause_ref == arrival.h)).mappings().all():
        fresh = {name: value for name, value in row.items() if name != "id"}
        fresh["key"] = f"{row['key']}:again:{arrival.now_ms}"
        (number,) = conn.execute(journal.insert().returning(journal.c.id), fresh).one()
        lines = conn.execute(select(posting).where(posting.c.journal == row["id"])).mappings().all()
        for line in lines:
            conn.execute(posting.insert(), {**line, "journal": number})
            same = [schema.balance.c[key] == line[key] for key in ("holder", "account", "party", "chain", "unit")]
            amount = schema.balance.c.amount + line["amount"]
            conn.execute(schema.balance.update().where(*same).values(amount=amount))


def _on_duplicate(with_uses: bool) -> Callable[[Patches], None]:
    def plant(patches: Patches) -> None:
        def make(real: Any) -> Any:
            def duplicate(conn: Connection, arrival: Any) -> Any:
                _again(conn, arrival, with_uses)
                return real(conn, arrival)

            return duplicate

        patches.put(ingest, "_duplicate", make)

    return plant


def _no_watermark(patches: Patches) -> None:
    """Whatever a segment says is new: nothing remembers how far a channel was billed."""

    def make(real: Any) -> Any:
        def take(self: ChannelWork, segment: Any, explained: bool) -> Any:
            total = segment.first_total
            self.last_pagination = min(self.last_pagination, segment.pagination - 1)
            if self.last_total is not None and total < self.last_total:
                self.last_total = self.billed_total = total
                self.tail, self.last_edge_ms = [], None
            return real(self, segment, explained)

        return take

    patches.put(ChannelWork, "take_segment", make)


def _clock_in_the_key(patches: Patches) -> None:
    """An interval use is known by the time it began instead of the count it began at."""

    def make(real: Any) -> Any:
        def keep(self: ChannelWork, usage: Any, *found: Any) -> None:
            if usage.programme is None and usage.number == usage.from_total:
                minute = usage.start_ms // 60_000
                use = sha256(usage.channel_hash + minute.to_bytes(8, "big"))
                usage = usage._replace(use_id=use, number=minute)
            real(self, usage, *found)

        return keep

    patches.put(ChannelWork, "_keep", make)


def _arrival_order(patches: Patches) -> None:
    """Uses are rated as they come: a late one never moves those that were rated before it."""

    def make(real: Any) -> Any:
        def later(self: Any, now: Mapping[bytes, Any], first: bytes) -> Any:
            return {key: now[key].value for key in self.keys if key in now}, []

        return later

    patches.put(ChainWork, "_later", make)


def _correction_twice(patches: Patches) -> None:
    """A late use corrects the later ones, and their corrections are posted a second time under another key."""

    def make(real: Any) -> Any:
        numbers = count()

        def post(conn: Connection, community: str, jobs: Sequence[Any]) -> dict[str, int]:
            ids: dict[str, int] = real(conn, community, jobs)
            extra = [replace(job, key=f"{job.key}:{next(numbers)}") for job in jobs if job.cause == "correction"]
            real(conn, community, extra)
            return ids

        return post

    patches.put(ledger, "_post", make)


def _use_forgotten_at_close(patches: Patches) -> None:
    """Uses that end before the last closed period are dropped instead of being posted in the open one."""

    def make(real: Any) -> Any:
        def book(conn: Connection, community: str, lots: Sequence[Any], versions: Mapping[bytes, Any]) -> Any:
            closed = conn.execute(select(schema.period_close.c.to_ms)).scalars().all()
            last = max(closed, default=0)
            kept = [
                lot
                if lot.cause.name == "period-close"
                else replace(lot, uses=[one for one in lot.uses if one.usage.end_ms > last])
                for lot in lots
            ]
            return real(conn, community, kept, versions)

        return book

    for owner in (ledger, group):
        patches.put(owner, "book_lots", make)


def _log_without_lock(patches: Patches) -> None:
    """The log's head is kept in memory between transactions, also when one of them is rolled back."""

    def make(real: Any) -> Any:
        def append(conn: Connection, community: str, entries: Sequence[Any], now_ms: int) -> Any:
            found = real(conn, community, entries, now_ms)
            if entries and entries[0].h[0] < 16:
                conn.execute(schema.log_leaf.delete().where(schema.log_leaf.c.leaf == found[0][0] - 1))
            return found

        return append

    patches.put(log, "append_and_show", make)


def _reversal_forgets_later(patches: Patches) -> None:
    """Uses after a reversed one keep the prices that they had with it."""
    patches.put(reversal._Reversal, "rate_later", lambda real: lambda self: None)


def _dies_often(rates: Rates) -> bool:
    return 0 < rates.gateway_crash_every_s <= 900


def _is_put_back_often(rates: Rates) -> bool:
    return 0 < rates.restore_every_s <= 1800


_ALL = (
    Bug("no-idempotency-key", "a batch that comes again is booked again", _on_duplicate(with_uses=True)),
    Bug("double-posting-on-duplicate", "a batch that comes again moves the balances again", _on_duplicate(False)),
    Bug(
        "receipt-before-commit",
        "the receipt does not wait for the commit",
        _receipt_before_commit,
        lambda rates: rates.server_commit_fails > 0,
    ),
    Bug(
        "sent-before-durable",
        "a batch is sent before its commit is on the disk",
        _sent_before_durable,
        lambda rates: rates.dies_sending > 0,
    ),
    Bug("normal-instead-of-full", "the journal's commits are not synced", _normal_instead_of_full, _dies_often),
    Bug("sequence-reuse", "a restored card goes on in its old epoch", _sequence_reuse, _is_put_back_often),
    Bug("base-from-own-card", "a restored card takes nothing from the books", _base_from_own_card, _is_put_back_often),
    Bug(
        "below-the-books",
        "a restored card counts a new register from its own total",
        _below_the_books,
        lambda rates: _is_put_back_often(rates) and rates.exchanged_with_card > 0 and rates.copy_age_s > 900,
    ),
    Bug("no-watermark", "a segment is billed whatever was billed before", _no_watermark),
    Bug("clock-in-the-key", "a use is known by its time", _clock_in_the_key),
    Bug("arrival-order-rating", "uses are rated in the order of their arrival", _arrival_order),
    Bug(
        "receipt-without-hash",
        "a receipt is believed without comparing its hash",
        _receipt_without_hash,
        lambda rates: _is_put_back_often(rates) and rates.redelivered > 0,
    ),
    Bug("ack-by-transport", "what was sent counts as delivered", _ack_by_transport),
    Bug(
        "delete-before-seal",
        "pending items go before the batch that carries them is written",
        _delete_before_seal,
        lambda rates: rates.crash_at_commit + rates.commit_fails > 0,
    ),
    Bug(
        "failed-commit-ignored",
        "a failed group commit is taken for done",
        _failed_commit_ignored,
        lambda rates: rates.commit_fails > 0,
    ),
    Bug(
        "failed-is-not-happened",
        "a commit whose answer was lost is done again",
        _failed_is_not_happened,
        lambda rates: rates.commit_happened > 0,
    ),
    Bug(
        "no-plausibility",
        "a jump beyond the meter's rating is billed",
        _no_plausibility,
        lambda rates: rates.glitch > 0,
    ),
    Bug(
        "dark-is-believed",
        "a rise after an outage needs no company",
        _dark_is_believed,
        lambda rates: rates.glitch > 0 and _dies_often(rates),
    ),
    Bug(
        "old-value-is-believed",
        "an old value told again after an outage hides what was used in it",
        _old_value_is_believed,
        lambda rates: rates.glitch > 0 and _dies_often(rates),
    ),
    Bug("correction-twice", "a late use's corrections are posted twice", _correction_twice),
    Bug("late-use-dropped", "a use from before the last closed day is dropped", _use_forgotten_at_close),
    Bug(
        "reversal-forgets-later",
        "uses after a reversed one are not rated again",
        _reversal_forgets_later,
        lambda rates: rates.reversal_every_s > 0,
    ),
    Bug("log-loses-a-leaf", "now and then a leaf of the log is lost", _log_without_lock),
)
BUGS: Mapping[str, Bug] = {bug.name: bug for bug in _ALL}
