"""The shell around the decider: opens connections, checks what arrives, carries out effects, waits.
It changes the books of this gateway only through `Core`, and only on messages whose signature it checked."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable, Sequence

from tallystick_protocol import cose
from tallystick_protocol.codes import CommandType, EventCode, Reason, TimeQuality
from tallystick_protocol.command import Arg, Command
from tallystick_protocol.errors import ProtocolError
from tallystick_protocol.hello import State
from tallystick_protocol.receipt import Receipt

from tallystick_edge.core import Core
from tallystick_edge.errors import JournalError, UplinkError
from tallystick_edge.items import GATEWAY_CHANNEL, Happening
from tallystick_edge.journal import StoredBatch
from tallystick_edge.ports import Entropy
from tallystick_edge.uplink.backoff import Backoff
from tallystick_edge.uplink.sync import (
    WINDOW,
    Declare,
    Effect,
    Finalise,
    GiveUp,
    NewEpoch,
    Reopen,
    SendBatch,
    SendHello,
    Sync,
    Tell,
)
from tallystick_edge.uplink.transport import Incoming, Kind, Session, Transport
from tallystick_edge.uplink.trust import Trust

log = logging.getLogger("tallystick.uplink")
SENT_AGAIN_MAX = 8  # per boot: whoever spoils parts on the way more often does it on purpose; an alarm says so
INBOX_MAX = 256  # a broker may flood; the reader waits when this many messages are not looked at yet


Configures = Callable[[Sequence[Arg]], Reason | None]
"""Carries a `configure` command out, durably; None when it is done, else the reason for the refusal."""
Renews = Callable[[], None]
"""Notes durably that certificate and plan are to be fetched again, and sees to it."""


class Uplink:
    """`run` it until cancelled; a connection that fails is tried again with growing, jittered waits."""

    def __init__(
        self,
        core: Core,
        transport: Transport,
        trust: Trust,
        backoff: Backoff,
        entropy: Entropy,
        configure: Configures | None = None,
        renew: Renews | None = None,
    ) -> None:
        self._configure, self._renew = configure, renew
        self._core, self._transport, self._trust = core, transport, trust
        self._backoff, self._entropy = backoff, entropy
        self._sync = Sync(core.nonce, backoff, entropy)
        self._wake = asyncio.Event()
        self._inbox: deque[Incoming] = deque()
        self._room = asyncio.Event()
        self._hole: tuple[int, int] | None = None
        self._sent_again: Counter[tuple[int, int]] = Counter()
        self._to_send_again: set[tuple[int, int]] = set()
        self.receipts = 0
        self.receipt_at: float | None = None  # on the event loop's clock

    def sealed(self) -> None:
        """Something may wait to be sent."""
        self._wake.set()

    async def run(self) -> None:
        """Connect, converse, back off, for ever."""
        while True:
            try:
                async with self._transport.connect() as session:
                    await self._converse(session)
            except* UplinkError as group:
                log.warning("uplink lost: %s", group.exceptions[0])
            _heed_cancellation()
            self._sync.failures += 1  # a connection that was accepted and then dropped counts as well
            wait_ms = self._backoff.wait_ms(self._sync.failures - 1, self._entropy)
            log.info("uplink waits %d ms before the next attempt", wait_ms)
            await asyncio.sleep(wait_ms / 1000)

    async def _converse(self, session: Session) -> None:
        self._inbox.clear()
        self._sync.connected()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read(session), name="uplink-read")
            while True:
                await self._turn(session)

    async def _read(self, session: Session) -> None:
        while True:
            self._inbox.append(await session.receive())
            self._wake.set()
            while len(self._inbox) >= INBOX_MAX:
                self._room.clear()
                await self._room.wait()

    async def _turn(self, session: Session) -> None:
        """One round: look at what came, do what is due, wait for the next thing."""
        self._wake.clear()
        while self._inbox:
            for effect in self._effects(self._inbox.popleft()):
                await self._do(effect, session)
        self._room.set()
        for effect in self._sync.due(self._core.waiting(WINDOW), self._now_ms()):
            await self._do(effect, session)
        if self._inbox:
            return
        deadline = self._sync.deadline_ms()
        wait_s = None if deadline is None else max(0, deadline - self._now_ms()) / 1000
        try:
            async with asyncio.timeout(wait_s):
                await self._wake.wait()
        except TimeoutError:
            return

    def _now_ms(self) -> int:
        return int(asyncio.get_running_loop().time() * 1000)

    def _effects(self, incoming: Incoming) -> list[Effect]:
        """Check a message and ask the decider; what cannot be checked is told and changes nothing."""
        try:
            match incoming.kind:
                case Kind.STATE:
                    return self._on_state(self._trust.state(incoming.data))
                case Kind.RECEIPT:
                    return self._on_receipt(incoming.data)
                case Kind.COMMAND:
                    return self._on_command(incoming.data)
        except ProtocolError as error:
            log.warning("refused a %s: %s", incoming.kind.value, error)
            return []

    def _on_state(self, state: State) -> list[Effect]:
        if state.note is not None:
            self._core.log_seen(self._trust.log_view(state.note))
        if state.hello_nonce == self._core.nonce:
            self._core.server_said(state.server_ms)
        return self._sync.on_state(state, self._core.chain, self._core.hash_of)

    def _on_receipt(self, envelope: bytes) -> list[Effect]:
        receipt = self._trust.receipt(envelope)
        own = self._core.hash_of(receipt.epoch, receipt.to_seq)
        effects = self._sync.on_receipt(receipt, own, self._core.chain.epoch, self._now_ms())
        for effect in effects:
            if isinstance(effect, Finalise):
                again = self._spoilt(receipt)
                range_ = effect.epoch, effect.from_seq, effect.to_seq
                done = self._core.finalise(*range_, envelope, receipt.server_ms, again)
                self.receipts += 1
                self.receipt_at = asyncio.get_running_loop().time()
                log.info("receipt epoch=%d seq=%d final=%d", receipt.epoch, receipt.to_seq, done)
                for seq in again:
                    log.warning("parts of batch %d/%d were spoilt on the way: it is sent again", receipt.epoch, seq)
        for seq, part, reason in receipt.quarantined:
            log.warning("quarantined epoch=%d seq=%d part=%d reason=%s", receipt.epoch, seq, part, Reason(reason).name)
        return effects

    def _spoilt(self, receipt: Receipt) -> list[int]:
        """Batches with parts that did not arrive as they were signed: accepted, and wanted once more.

        What is to be sent again already is no further try, however often the same receipt comes."""
        missing: dict[int, list[int]] = {}
        for seq, part, reason in receipt.quarantined:
            if reason in (Reason.PART_HASH, Reason.ABSENT):
                missing.setdefault(seq, []).append(part)
        places = {
            (receipt.epoch, seq) for seq, parts in missing.items() if self._core.holds_any(receipt.epoch, seq, parts)
        }
        fresh = places - self._to_send_again
        self._sent_again.update(fresh)
        self._to_send_again |= {place for place in fresh if self._sent_again[place] <= SENT_AGAIN_MAX}
        return sorted(seq for _, seq in places & self._to_send_again)

    def _on_command(self, envelope: bytes) -> list[Effect]:
        """Obeyed once and answered with a signed event; a kind that this version does not know is `unsupported`."""
        command = self._trust.command(envelope)
        now = self._core.now()
        if command.cmd_seq <= self._core.chain.last_command:
            return []
        if now.quality is TimeQuality.U and command.hello_nonce != self._core.nonce:
            log.warning("command %d waits: the time is not trusted and it is not for this boot", command.cmd_seq)
            return []
        expired = now.quality is not TimeQuality.U and command.expires <= now.utc_ms
        try:
            reason = Reason.EXPIRED if expired else self._obey(command)
        except OSError as error:  # not obeyed yet: the aggregator tells it again
            step = "free the disk; it is obeyed then"
            raise JournalError(f"command {command.cmd_seq} cannot be kept: {error}. Next: {step}") from error
        digest = cose.parse(envelope).hash
        code = EventCode.COMMAND_DONE if reason is None else EventCode.COMMAND_REFUSED
        self._core.answer(Happening(GATEWAY_CHANNEL, now, code, ref=digest, reason=reason), command.cmd_seq)
        what = f"command {command.cmd_seq} ({command.type.name.lower()})"
        if reason is None:
            return [Tell("command-done", f"{what}: done")]
        return [Tell("command-refused", f"{what}: {reason.name.lower()}")]

    def _obey(self, command: Command) -> Reason | None:
        """None: done. Every kind here may be done twice, as a crash before its number is durable has it."""
        match command.type:
            case CommandType.ERASE:
                places = _places(command.args)
                if places is None:
                    return Reason.MALFORMED
                log.info("erased %d parts by command %d", self._core.erase(places), command.cmd_seq)
                return None
            case CommandType.CONFIGURE if self._configure is not None:
                return self._configure(command.args)
            case CommandType.RENEW_CERTIFICATE if self._renew is not None:
                self._renew()
                return None
            case _:
                return Reason.UNSUPPORTED

    async def _send(self, batch: StoredBatch, session: Session) -> None:
        data = self._core.upload(batch)
        self._to_send_again.discard((batch.epoch, batch.seq))
        if data is None:
            log.error("batch %d/%d cannot be read, it is declared lost: check the card", batch.epoch, batch.seq)
            self._sync.lost()
            self._wake.set()
        elif self._sync.is_sending:
            await session.send_batch(batch.epoch, batch.seq, data)

    def _declare_hole(self, effect: Reopen) -> None:
        """The books wait for a batch that is not among those to be sent: lost since the Hello, or dropped years ago."""
        place = effect.epoch, effect.from_seq
        first = self._core.first_waiting(*place)
        if place == self._hole or first is None or first.epoch != effect.epoch or first.seq == effect.from_seq:
            return
        self._hole = place  # once: whatever the answer is, the waits of the decider rule what comes next
        log.error("batches %d/%d to %d cannot be sent: the next Hello says so", *place, first.seq - 1)
        self._core.declare_gone(*place, first.seq - 1, first)
        self._sync.lost()
        self._wake.set()

    async def _do(self, effect: Effect, session: Session) -> None:
        match effect:
            case SendHello():
                await session.send_hello(self._core.hello())
            case SendBatch():
                await self._send(effect.batch, session)
            case Finalise():
                pass  # done with the receipt in hand
            case Reopen():
                again = self._core.reopen_batches(effect.epoch, effect.from_seq)
                if again:
                    place = f"{effect.epoch}/{effect.from_seq}"
                    log.warning("the aggregator is behind: %d batches from %s are sent again", again, place)
                self._declare_hole(effect)
            case Declare():
                first = self._core.first_waiting(effect.after_epoch, 1)
                if first is not None:
                    self._core.declare_gone(effect.epoch, effect.from_seq, effect.from_seq, first)
            case GiveUp():
                self._core.give_up(effect.epoch, effect.seq)
                log.warning("batch %d/%d: the books are past its epoch, it stays here", effect.epoch, effect.seq)
            case NewEpoch():
                self._core.begin_epoch(effect.state, effect.forked)
                cause = "fork" if effect.forked else "restored"
                log.warning("new epoch %d (%s): going on from the aggregator's books", self._core.chain.epoch, cause)
            case Tell():
                log.warning("%s: %s", effect.code, effect.text)


def _places(args: tuple[Arg, ...]) -> list[tuple[int, int, int]] | None:
    """[+ [epoch, seq, part]] of an erase command; None for anything else."""
    found: list[tuple[int, int, int]] = []
    for arg in args:
        match arg:
            case (bool(), _, _) | (_, bool(), _) | (_, _, bool()):
                return None
            case (int(epoch), int(seq), int(part)):
                found.append((epoch, seq, part))
            case _:
                return None
    return found or None


def _heed_cancellation() -> None:
    """Ends this task when its end was asked for. Before Python 3.13 a TaskGroup in which a task fails forgets a
    cancellation that comes in the same moment, and the agent would never stop."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
