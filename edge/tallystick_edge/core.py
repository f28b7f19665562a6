"""The gateway between its drivers and its uplink: items made durable, sealed and chained in one journal.
It never waits and never sends; after a failed commit it reopens the journal and goes on from what is durable."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from pathlib import Path
from typing import TypeVar

from tallystick_protocol import cose
from tallystick_protocol.batch import LogView, Upload, first_prev, open_upload
from tallystick_protocol.checkpoint import epoch_of
from tallystick_protocol.errors import ProtocolError
from tallystick_protocol.hello import LOST_MAX, Hello, LostBatches, State
from tallystick_protocol.ids import H32, gid_from_spki
from tallystick_protocol.keys import Signer
from tallystick_protocol.part import Part

from tallystick_edge.batching import SealContext, seal
from tallystick_edge.desk import Desk
from tallystick_edge.errors import JournalError, JournalFull
from tallystick_edge.items import Happening, Moment
from tallystick_edge.journal import Chain, Journal, Loaded, StoredBatch
from tallystick_edge.plan import MeterPlan
from tallystick_edge.ports import Clock, Entropy
from tallystick_edge.restore import Card, restore
from tallystick_edge.rewrite import rewrite
from tallystick_edge.room import Level, Room, StoreLimits
from tallystick_edge.switch import finish_switch
from tallystick_edge.usage.wash import WashRule
from tallystick_edge.whose import STEP, signer_of, words_of

BOOT_BYTES, NONCE_BYTES = 6, 16
PENDING_MAX = 16_384  # durable items held in memory until they are sealed: about 6 MB
UNRECEIPTED_MAX = 100_000  # batches taken apart at a restore: ten weeks at one a minute
T = TypeVar("T")


class Doubt(IntEnum):
    """What a failed commit may have changed on the disk, and memory must be told when it is opened again."""

    NOTHING = 0
    FLUSH = 1  # the items that were offered may be there or not
    NUMBERS = 2  # a seal: which numbers are used up is taken from the disk
    BOOKS = 3  # an epoch: all states are taken from the disk


@dataclass(frozen=True, slots=True)
class Known:
    """What enrolment gave: descriptors in force and the log the batches are meant for."""

    descriptors: Mapping[int, H32]
    log_for: bytes | None


class Core:
    """One journal and everything that changes it. Methods raise JournalFull or JournalError, after which the
    journal was opened anew and the next call may be made."""

    def __init__(
        self,
        path: Path,
        signer: Signer,
        plans: Mapping[str, MeterPlan],
        clock: Clock,
        entropy: Entropy,
        software: str,
        open_journal: Callable[[Path, bytes], Journal] = Journal.open,
        limits: StoreLimits | None = None,
    ) -> None:
        self._path, self._signer, self._plans = path, signer, plans
        self._clock, self._entropy, self._software = clock, entropy, software
        self._open_journal = open_journal
        self.boot = entropy.bytes(BOOT_BYTES)
        self.nonce = entropy.bytes(NONCE_BYTES)
        self.desk = Desk(plans, clock, self.boot)
        self._known = Known({}, None)
        self._gone: LostBatches | None = None
        self.last_seal_ms = clock.uptime_ms()  # by the clock that nobody sets
        self.on_sealed: Callable[[], None] = lambda: None
        self._limits = limits or StoreLimits()
        self._room = Room(path.parent, self._limits)
        self._journal: Journal | None = None
        self._doubt = Doubt.BOOKS
        self._flush_in_doubt = 0
        self._opened()
        self._refuse_anothers()

    def _opened(self) -> Journal:
        """The open journal. JournalError while it cannot be opened; the next call tries again."""
        if self._journal is None:
            settle(self._path)
            journal = self._open_journal(self._path, first_prev(self._signer.spki))
            try:
                journal.limit(self._limits.bytes_max)
                self._take(journal.found(), journal.flush_id)
            except JournalError:
                journal.close()
                raise
            self._journal = journal
        return self._journal

    def _refuse_anothers(self) -> None:
        """JournalError for a journal of another key, which is left as it is."""
        theirs, ours = signer_of(self._use(lambda journal: journal.newest_upload())), gid_from_spki(self._signer.spki)
        is_new = (self._chain.epoch, self._chain.next_seq) == (1, 1)
        is_others = self._chain.head != first_prev(self._signer.spki) if is_new else theirs not in (None, ours)
        if is_others and self._journal is not None:
            self._journal.close()
            raise JournalError(f"{words_of(self._path, theirs, ours)}. Next: {STEP}")

    def _take(self, loaded: Loaded, flush_id: int) -> None:
        """Go on from what the disk says; of a failed flush it says whether it happened after all."""
        self._chain, self._pending = loaded.chain, list(loaded.pending)
        if self._doubt is Doubt.BOOKS:
            self.desk.load(loaded.channels, loaded.machines, loaded.replay)
        elif self._doubt is Doubt.NUMBERS:
            self.desk.renumber(loaded.channels)
        elif self._doubt is Doubt.FLUSH and flush_id >= self._flush_in_doubt:
            self.desk.flushed()
        self._doubt = Doubt.NOTHING

    def _use(self, act: Callable[[Journal], T], doubt: Doubt = Doubt.NOTHING) -> T:
        """One call of the journal. After a failure it is opened anew before anything else is asked of it."""
        journal = self._opened()
        try:
            return self._with_room(journal, act)
        except JournalFull:
            raise  # rolled back, the connection is as good as before
        except JournalError:
            self._doubt = max(self._doubt, doubt)
            self._flush_in_doubt = journal.flush_id + 1
            self._journal = None
            journal.close()
            self._opened()
            raise

    def _with_room(self, journal: Journal, act: Callable[[Journal], T]) -> T:
        try:
            return act(journal)
        except JournalFull:
            if not self._room.make(journal):
                raise
            return act(journal)

    def enrolled(self, known: Known) -> None:
        """From now on batches name their descriptors and their log."""
        self._known = known

    def now(self) -> Moment:
        return self.desk.now()

    def flush(self) -> None:
        """Group commit of everything the drivers brought."""
        self.desk.urgent_flush = False
        self._look_at_room()
        if self.desk.is_clean():
            return
        uptime_ms = self._clock.uptime_ms()
        if not self._use(lambda journal: self._room.may_take(journal, uptime_ms)):
            self.desk.store_full()
            raise JournalFull("journal: the disk is still full. Next: free it; what is read waits in memory meanwhile")
        flush = self.desk.unflushed()
        try:
            self._use(lambda journal: journal.flush(flush), Doubt.FLUSH)
        except JournalFull:
            self.desk.not_flushed()
            self.desk.store_full()
            self._use(lambda journal: self._room.refused(journal, uptime_ms))
            raise
        self._room.wrote()
        self._pending.extend(flush.items)
        self.desk.flushed()
        self.desk.urgent_seal |= len(self._pending) >= PENDING_MAX

    def _look_at_room(self) -> None:
        if self._use(self._room.look) is Level.TIGHT:
            self.desk.store_full()
        else:
            self.desk.store_free()

    @property
    def unsealed_count(self) -> int:
        """Items that no batch carries yet."""
        return len(self._pending) + self.desk.held_count

    def seal(self, heartbeat: bool = False) -> int:
        """Flush, then seal what is durable; with `heartbeat` an empty batch when there is nothing."""
        self.flush()
        self.desk.urgent_seal = False
        if not self._pending and not heartbeat:
            return 0
        if self.desk.gauges_refused:
            self._pending = self.desk.without_gauges(self._pending)
        context = self._seal_context()
        sealing = seal(self._pending, self.desk.channels, self._chain, context)
        channels = list(sealing.channels.values())
        self._use(lambda journal: journal.seal(sealing.batches, channels, sealing.chain), Doubt.NUMBERS)
        self._room.wrote()
        self._chain = sealing.chain
        self.desk.channels.update(sealing.channels)
        self._pending = []
        self.last_seal_ms = context.now.uptime_ms
        self.on_sealed()
        return len(sealing.batches)

    def _seal_context(self) -> SealContext:
        view = self._chain.log_view
        return SealContext(
            signer=self._signer,
            now=self.now(),
            software=self._software,
            random=self._entropy.bytes,
            descriptors=self._known.descriptors,
            log=None if view is None else LogView.decode(view),
            log_for=self._known.log_for,
        )

    def close(self) -> None:
        """Flush, seal and close: a clean end leaves nothing in memory."""
        self._room.forget_refusal()
        try:
            self.seal()
        finally:
            if self._journal is not None:
                self._journal.close()

    def forget_old(self) -> int:
        """Drop some evidence beyond its age; returns how many batches, 0 when there is no more."""
        return self._use(lambda journal: journal.forget(self._limits.keep_ms))

    # --- uplink ------------------------------------------------------------------------------------------------

    @property
    def chain(self) -> Chain:
        return self._chain

    def hello(self) -> bytes:
        """The signed Hello of this boot."""
        hello = Hello(
            gid=gid_from_spki(self._signer.spki),
            epoch=self._chain.epoch,
            last_seq=self._chain.next_seq - 1,
            last_hash=H32(self._chain.head),
            boot=self.boot,
            versions=(1,),
            software=self._software,
            nonce=self.nonce,
            last_cmd_seq=self._chain.last_command,
            lost=self._lost(),
        )
        return cose.sign(self._signer, cose.ContentType.HELLO, hello.encode())

    def _lost(self) -> tuple[LostBatches, ...]:
        spans = lost_spans(self._use(lambda journal: journal.lost()))
        if self._gone is None:
            return spans
        gone = self._gone
        others = [one for one in spans if one.epoch != gone.epoch or not gone.from_seq <= one.from_seq <= gone.to_seq]
        return tuple(sorted((*others[-LOST_MAX + 1 :], gone), key=lambda one: (one.epoch, one.from_seq)))

    def waiting(self, count_max: int) -> list[StoredBatch]:
        return self._use(lambda journal: journal.waiting(count_max))

    def waiting_count(self) -> int:
        return self._use(lambda journal: journal.waiting_count())

    def upload(self, batch: StoredBatch) -> bytes | None:
        """The bytes to send; None when the card gives other bytes back than it was given, and the batch is lost."""
        data = self._use(lambda journal: journal.upload(batch.epoch, batch.seq))
        if data is not None and _is_whole(data, batch):
            return data
        self._use(lambda journal: journal.lose(batch.epoch, batch.seq))
        return None

    def hash_of(self, epoch: int, seq: int) -> bytes | None:
        return self._use(lambda journal: journal.hash_of(epoch, seq))

    def finalise(
        self, epoch: int, from_seq: int, to_seq: int, receipt: bytes, server_ms: int, again: Sequence[int] = ()
    ) -> int:
        """These batches are the aggregator's: `receipt` is its envelope, `server_ms` the time it signed.

        `again`: of them, those that are to be sent once more.
        """
        return self._use(lambda journal: journal.finalise(epoch, from_seq, to_seq, receipt, server_ms, again))

    def reopen_batches(self, epoch: int, from_seq: int) -> int:
        return self._use(lambda journal: journal.reopen(epoch, from_seq))

    def holds_any(self, epoch: int, seq: int, parts: Sequence[int]) -> bool:
        """Whether this card still has one of these parts of a batch as they were signed."""
        data = self._use(lambda journal: journal.upload(epoch, seq))
        if not data:
            return False
        held = open_upload(data).parts
        return any(part < len(held) and isinstance(held[part], Part) for part in parts)

    def give_up(self, epoch: int, seq: int) -> None:
        """Superseded: it is not sent any more."""
        self._use(lambda journal: journal.supersede(epoch, seq))

    def first_waiting(self, epoch: int, seq: int) -> StoredBatch | None:
        """The oldest batch that is to be sent at or after a place."""
        return self._use(lambda journal: journal.first_waiting(epoch, seq))

    def declare_gone(self, epoch: int, from_seq: int, to_seq: int, after: StoredBatch) -> None:
        """The books wait for batches that this card cannot give, or dropped long ago: the next Hello says so.

        `after`: the batch whose prev is the last of them.
        """
        data = self.upload(after)
        if data is not None:
            self._gone = LostBatches(epoch, from_seq, to_seq, open_upload(data).header.prev)

    def begin_epoch(self, state: State, forked: bool) -> None:
        """Go on from the books: nothing this card holds is thrown away, nothing billed is billed again."""
        self.flush()
        uploads = [data for each in self.waiting(UNRECEIPTED_MAX) if (data := self.upload(each)) is not None]
        plans = self._plans.values()
        rules: dict[int, WashRule | None] = {p.session.channel: None for p in plans if p.session is not None}
        rules |= {plan.wash.rule.channel: plan.wash.rule for plan in plans if plan.wash is not None}
        card = Card(self._chain, self._pending, uploads, self.desk.channels, self.desk.machines, rules)
        restored = restore(card, state, self._common(state), forked, self.now())
        channels = list(restored.channels.values())
        items, machines = restored.items, restored.machines
        self._use(lambda journal: journal.start_epoch(restored.chain, items, channels, machines), Doubt.BOOKS)
        self._chain = restored.chain
        self._pending = list(restored.items)
        self.desk.channels.update(restored.channels)
        self.desk.machines.update(restored.machines)
        self.desk.forget_held()
        self.seal()

    def _common(self, state: State) -> bytes:
        """The last batch that both sides have, as far as this card knows."""
        if self._use(lambda journal: journal.has_hash(state.head)):
            return state.head
        last = self._use(lambda journal: journal.last_final())
        return first_prev(self._signer.spki) if last is None else last.hash

    def server_said(self, server_ms: int) -> None:
        """A signed time of the aggregator arrived now."""
        self.desk.server_said(server_ms)

    def log_seen(self, view: LogView) -> None:
        """Remember a checkpoint larger than the last one, or of a later epoch of the log; batches echo it."""
        first = self._known.log_for or view.log
        old = None if self._chain.log_view is None else LogView.decode(self._chain.log_view)
        if old is not None and (epoch_of(old.log, first), old.size) >= (epoch_of(view.log, first), view.size):
            return
        data = view.encode()
        self._use(lambda journal: journal.save_log_view(data))
        self._chain = replace(self._chain, log_view=data)

    def command_taken(self, number: int) -> None:
        """Durable before the command's effect."""
        self._use(lambda journal: journal.command_taken(number))
        self._chain = replace(self._chain, last_command=number)

    def erase(self, places: Sequence[tuple[int, int, int]]) -> int:
        """Erase parts, (epoch, seq, part) each, with their salts; hashes and chain stay. How many there were.

        Doing it again changes nothing, so it may come before the command's number is durable.
        """
        erased, uploads = 0, []
        for epoch, seq in sorted({(epoch, seq) for epoch, seq, _ in places}):
            data = self._use(lambda journal, at=(epoch, seq): journal.upload(*at))  # type: ignore[misc]
            if not data:
                continue
            upload = Upload.decode(data)
            gone = {part for *at, part in places if tuple(at) == (epoch, seq)}
            kept = tuple(None if at in gone else part for at, part in enumerate(upload.parts))
            if kept != upload.parts:
                erased += sum(old is not None and new is None for old, new in zip(upload.parts, kept, strict=True))
                uploads.append((epoch, seq, Upload(upload.envelope, kept).encode()))
        if uploads:
            self._use(lambda journal: journal.overwrite(uploads))
        return erased

    def answer(self, event: Happening, number: int) -> None:
        """Durable: what became of a command, then its number; a crash between has it obeyed once more."""
        self.tell(event)
        self.flush()
        self.command_taken(number)

    def tell(self, event: Happening) -> None:
        """An event of the gateway itself."""
        self.desk.keep(event)


def settle(journal: Path) -> None:
    """Before the only writer opens a journal: a repair may have been cut off before its last step, and a commit whose
    sync failed may stand in the log, unsynced for ever."""
    try:
        finish_switch(journal)
        rewrite(journal.with_name(f"{journal.name}-wal"))
    except OSError as error:
        raise JournalError(f"{journal}: {error}. Next: check the disk, the agent tries again") from error


def lost_spans(batches: Sequence[StoredBatch]) -> tuple[LostBatches, ...]:
    """Neighbours joined; the newest, because the aggregator only takes the one at its `next`."""
    spans: list[LostBatches] = []
    for each in batches:
        if spans and (spans[-1].epoch, spans[-1].to_seq + 1) == (each.epoch, each.seq):
            spans[-1] = replace(spans[-1], to_seq=each.seq, hash=H32(each.hash))
        else:
            spans.append(LostBatches(each.epoch, each.seq, each.seq, H32(each.hash)))
    return tuple(spans[-LOST_MAX:])


def _is_whole(data: bytes, batch: StoredBatch) -> bool:
    """Only the envelope: a part that was spoilt is set aside by the aggregator, and the rest of the batch counts."""
    try:
        return cose.parse(Upload.decode(data).envelope).hash == batch.hash
    except ProtocolError:
        return False
