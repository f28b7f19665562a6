"""Decides what the uplink does next: greet, send up to eight batches, go back, wait, begin a new epoch.
Pure: it is told what arrived and what time it is, and answers with effects; it owns no socket, file or clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias, assert_never

from tallystick_protocol.codes import Reason, ReceiptStatus
from tallystick_protocol.hello import State
from tallystick_protocol.receipt import Receipt

from tallystick_edge.journal import Chain, StoredBatch
from tallystick_edge.ports import Entropy
from tallystick_edge.uplink.backoff import Backoff

WINDOW = 8  # unreceipted batches under way (protocol.md, "Sync")
BUSY_MS_MAX = 900_000  # an aggregator may not silence a gateway for longer by one receipt


class Phase(Enum):
    """GREETING until a State with this boot's nonce came; SENDING after it."""

    GREETING = "greeting"
    SENDING = "sending"


@dataclass(frozen=True, slots=True)
class SendHello:
    """Say where this gateway stands."""


@dataclass(frozen=True, slots=True)
class SendBatch:
    """Send a stored batch."""

    batch: StoredBatch


@dataclass(frozen=True, slots=True)
class Finalise:
    """These batches are the aggregator's now."""

    epoch: int
    from_seq: int
    to_seq: int


@dataclass(frozen=True, slots=True)
class Reopen:
    """The aggregator lost batches it had receipted (restored from a backup): send all of them again from here on,
    also those of later epochs. Receipts for them are honest; they speak of books that are gone."""

    epoch: int
    from_seq: int


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The books are past the epoch of this batch and never had it: it stays as evidence, totals carry the money."""

    epoch: int
    seq: int


@dataclass(frozen=True, slots=True)
class Declare:
    """The books do not know what this epoch follows: what lies between is on neither side, and the Hello says so."""

    epoch: int
    from_seq: int
    after_epoch: int


@dataclass(frozen=True, slots=True)
class NewEpoch:
    """The books are ahead of this card, or on another branch: go on from the State in a new epoch."""

    state: State
    forked: bool


@dataclass(frozen=True, slots=True)
class Tell:
    """Something a person should know; `code` is stable, `text` says what to do."""

    code: str
    text: str


Effect: TypeAlias = "SendHello | SendBatch | Finalise | Reopen | GiveUp | Declare | NewEpoch | Tell"


class Sync:
    """One connection's worth of decisions; `failures` survives from one connection to the next."""

    def __init__(self, nonce: bytes, backoff: Backoff, entropy: Entropy) -> None:
        self._nonce = nonce
        self._backoff = backoff
        self._entropy = entropy
        self._phase = Phase.GREETING
        self._greeted = False
        self._under_way: set[tuple[int, int]] = set()
        self._went_back_to: tuple[int, int] | None = None
        self._deadline_ms: int | None = None
        self._hold_until_ms = 0
        self._books = (0, 0)  # (epoch, next) as the last State or receipt said
        self._nonce_spent = False  # a new epoch was begun with this Hello; another one needs another
        self._refused_epoch: int | None = None
        self._taken_in: int | None = None  # epoch in which a batch of this very run was receipted
        self.failures = 0

    @property
    def is_sending(self) -> bool:
        return self._phase is Phase.SENDING

    def connected(self) -> None:
        """A connection stands: greet first, whatever was under way is not any more."""
        self._greet()

    def lost(self) -> None:
        """A batch cannot be read any more: greet again, the Hello declares it."""
        self._greet()

    def deadline_ms(self) -> int | None:
        """When `due` has something to do although nothing arrived; None = only when something arrives."""
        if self._hold_until_ms:
            return self._hold_until_ms
        if self._phase is Phase.SENDING and not self._under_way:
            return None
        return self._deadline_ms

    def due(self, waiting: Sequence[StoredBatch], now_ms: int) -> list[Effect]:
        """What to send now. `waiting`: the oldest unreceipted batches, at least `WINDOW` when there are as many."""
        if now_ms < self._hold_until_ms:
            return []
        self._hold_until_ms = 0
        if self._deadline_ms is not None and now_ms >= self._deadline_ms:
            self._again()
        match self._phase:
            case Phase.GREETING:
                return self._due_hello(now_ms)
            case Phase.SENDING:
                return self._due_batches(waiting, now_ms)
            case _:
                assert_never(self._phase)

    def _due_hello(self, now_ms: int) -> list[Effect]:
        if self._greeted:
            return []
        self._greeted = True
        self._wait_for_answer(now_ms)
        return [SendHello()]

    def _due_batches(self, waiting: Sequence[StoredBatch], now_ms: int) -> list[Effect]:
        """One epoch at a time: the first batch of a new one tells the aggregator that the old one is over."""
        window = [each for each in waiting[:WINDOW] if each.epoch == waiting[0].epoch]
        if window and window[0].epoch > self._books[0] and self._nonce_spent:
            self._greet()
            return self._due_hello(now_ms)
        fresh = [each for each in window if (each.epoch, each.seq) not in self._under_way]
        if fresh and not self._under_way:
            self._wait_for_answer(now_ms)
        self._under_way.update((each.epoch, each.seq) for each in fresh)
        return [SendBatch(each) for each in fresh]

    def on_state(self, state: State, chain: Chain, hash_of: Callable[[int, int], bytes | None]) -> list[Effect]:
        """A State whose signature and gid were checked. Without this boot's nonce it only triggers resending."""
        if state.hello_nonce != self._nonce:
            self._under_way.clear()
            return []
        self._phase, self._deadline_ms = Phase.SENDING, None
        self._books, self._nonce_spent = (state.epoch, state.next), False
        self._under_way.clear()
        self._went_back_to = None
        if state.epoch < chain.epoch:
            return [_after_backup(state, hash_of)]
        if state.epoch > chain.epoch and self._taken_in == chain.epoch:
            text = f"epoch {state.epoch} was begun while this gateway was going: a copy of its card is in use. "
            return [Tell("clone", f"{text}Next: `tallystick-edge doctor`"), NewEpoch(state, forked=False)]
        if state.epoch > chain.epoch or state.next > chain.next_seq:
            return [NewEpoch(state, forked=False)]
        own = chain.head if state.next == chain.next_seq else hash_of(state.epoch, state.next - 1)
        if (
            state.next > 1 and own is not None and own != state.head
        ):  # None: dropped as old evidence, not another branch
            return [NewEpoch(state, forked=True)]
        return [Reopen(chain.epoch, state.next)]

    def on_receipt(self, receipt: Receipt, own_hash: bytes | None, epoch: int, now_ms: int) -> list[Effect]:
        """A receipt whose signature and gid were checked. `own_hash`: of the journal's batch `to_seq`."""
        match receipt.status:
            case ReceiptStatus.ACCEPTED | ReceiptStatus.DUPLICATE:
                return self._on_final(receipt, own_hash, epoch, now_ms)
            case ReceiptStatus.OUT_OF_ORDER:
                return self._go_back(receipt)
            case ReceiptStatus.BUSY:
                self._under_way.clear()
                self._hold_until_ms = now_ms + min(receipt.retry_after_ms or self._failed_wait_ms(), BUSY_MS_MAX)
                return []
            case ReceiptStatus.FORK:
                self._greet()
                text = f"batch {receipt.epoch}/{receipt.to_seq} exists with another content: the card lost a write"
                return [Tell("fork", text)]
            case ReceiptStatus.REFUSED:
                return self._on_refused(receipt, epoch, now_ms)
            case ReceiptStatus.KEY_UNKNOWN:
                return self._on_key_unknown(now_ms)
            case _:
                assert_never(receipt.status)

    def _on_final(self, receipt: Receipt, own_hash: bytes | None, epoch: int, now_ms: int) -> list[Effect]:
        if receipt.epoch != epoch and own_hash != receipt.hash:
            return [Tell("stale-receipt", f"a receipt for epoch {receipt.epoch} was ignored, this is epoch {epoch}")]
        if own_hash is None or own_hash != receipt.hash:
            self._greet()
            self._hold_until_ms = now_ms + self._failed_wait_ms()
            where = f"{receipt.epoch}/{receipt.to_seq}"
            return [Tell("clone", f"batch {where} was receipted with another hash: is a copy of this card in use?")]
        self._under_way = {each for each in self._under_way if each > (receipt.epoch, receipt.to_seq)}
        self._went_back_to = None
        self._refused_epoch = None
        self._nonce_spent = self._nonce_spent or receipt.epoch > self._books[0]
        self._books = max(self._books, (receipt.epoch, receipt.next_seq))
        self._taken_in = receipt.epoch
        self.failures = 0
        if self._under_way:
            self._wait_for_answer(now_ms)
        else:
            self._deadline_ms = None
        return [Finalise(receipt.epoch, receipt.from_seq, receipt.to_seq)]

    def _go_back(self, receipt: Receipt) -> list[Effect]:
        """Go-back-N, once per `next`: the answers to the rest of the window say the same thing again."""
        place = (receipt.epoch, receipt.next_seq)
        if self._went_back_to == place:
            return []
        self._went_back_to = place
        self._under_way = {each for each in self._under_way if each < place}
        return [Reopen(receipt.epoch, receipt.next_seq)]

    def _on_refused(self, receipt: Receipt, epoch: int, now_ms: int) -> list[Effect]:
        if receipt.reason is Reason.WRONG_EPOCH and receipt.epoch < min(epoch, self._books[0]):
            self._under_way.discard((receipt.epoch, receipt.to_seq))
            return [GiveUp(receipt.epoch, receipt.to_seq)]
        books, self._refused_epoch, before = self._books, receipt.epoch, self._refused_epoch
        self._greet()
        if receipt.reason is Reason.WRONG_EPOCH and receipt.to_seq == 1 and before == receipt.epoch > books[0] > 0:
            return [Declare(*books, receipt.epoch)]
        self._hold_until_ms = now_ms + self._failed_wait_ms()
        reason = "no reason given" if receipt.reason is None else receipt.reason.name.lower().replace("_", "-")
        return [Tell("refused", f"batch {receipt.epoch}/{receipt.to_seq} was refused: {reason}")]

    def _on_key_unknown(self, now_ms: int) -> list[Effect]:
        self._greet()
        self._hold_until_ms = now_ms + self._backoff.max_ms
        text = "the aggregator does not know this gateway: ask for a new claim, put it there and start the agent anew"
        return [Tell("key-unknown", text)]

    def _greet(self) -> None:
        self._phase, self._greeted, self._deadline_ms = Phase.GREETING, False, None
        self._under_way.clear()

    def _again(self) -> None:
        """Nothing came in time: everything under way is sent again."""
        self.failures += 1
        self._greeted = False
        self._under_way.clear()
        self._went_back_to = None
        self._deadline_ms = None

    def _wait_for_answer(self, now_ms: int) -> None:
        self._deadline_ms = now_ms + max(self._backoff.first_ms, self._backoff.wait_ms(self.failures, self._entropy))

    def _failed_wait_ms(self) -> int:
        self.failures += 1
        return self._backoff.wait_ms(self.failures, self._entropy)


def _after_backup(state: State, hash_of: Callable[[int, int], bytes | None]) -> Reopen:
    """Books of an earlier epoch: from where they stand, if this card has their last batch; else from the next epoch."""
    has_same = state.next == 1 or hash_of(state.epoch, state.next - 1) == state.head
    return Reopen(state.epoch, state.next) if has_same else Reopen(state.epoch + 1, 1)
