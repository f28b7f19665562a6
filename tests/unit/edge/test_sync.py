"""The uplink's decider: windows, going back, waits, forged and foreign answers, all without a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from support.edge import CountedEntropy
from tallystick_edge.journal import Chain, StoredBatch
from tallystick_edge.uplink.backoff import Backoff
from tallystick_edge.uplink.sync import WINDOW, Finalise, NewEpoch, Reopen, SendBatch, SendHello, Sync, Tell
from tallystick_protocol.batch import LogView
from tallystick_protocol.codes import Reason, ReceiptStatus
from tallystick_protocol.hello import State
from tallystick_protocol.ids import H32, Gid
from tallystick_protocol.merkle import EMPTY_ROOT
from tallystick_protocol.receipt import Receipt

NONCE = bytes(range(16))
GID = Gid(bytes(16))
BACKOFF = Backoff(30_000, 900_000)


def digest(seq: int) -> H32:
    return H32(seq.to_bytes(32, "big"))


def batches(first: int, last: int) -> list[StoredBatch]:
    return [StoredBatch(1, seq, digest(seq)) for seq in range(first, last + 1)]


STATE = State(GID, 1, 0, 1, digest(0), LogView(bytes(4), 0, EMPTY_ROOT), (1, 1), None, NONCE, 0, ())
RECEIPT = Receipt(GID, 1, 1, 1, digest(1), ReceiptStatus.ACCEPTED, 0, 0, 2, digest(1), None)
CHAIN = Chain(1, 21, digest(20))


def sent(effects: Sequence[object]) -> list[int]:
    return [each.batch.seq for each in effects if isinstance(each, SendBatch)]


@pytest.fixture
def sync() -> Sync:
    """Greeted and answered: ready to send batch 1."""
    sync = Sync(NONCE, BACKOFF, CountedEntropy())
    sync.connected()
    assert sync.due([], 0) == [SendHello()]
    assert sync.on_state(STATE, CHAIN, lambda *_: None) == [Reopen(1, 1)]
    return sync


def test_nothing_is_sent_before_a_state_answered_this_boot() -> None:
    sync = Sync(NONCE, BACKOFF, CountedEntropy())
    sync.connected()
    assert sync.due(batches(1, 3), 0) == [SendHello()]
    assert sync.due(batches(1, 3), 10) == []
    sync.on_state(replace(STATE, hello_nonce=bytes(16)), CHAIN, lambda *_: None)
    assert sync.due(batches(1, 3), 20) == []


def test_at_most_eight_are_under_way_oldest_first(sync: Sync) -> None:
    assert sent(sync.due(batches(1, 20), 0)) == list(range(1, WINDOW + 1))
    assert sync.due(batches(1, 20), 1) == []


def test_a_receipt_makes_room_for_the_next(sync: Sync) -> None:
    sync.due(batches(1, 20), 0)
    assert sync.on_receipt(RECEIPT, digest(1), 1, 5) == [Finalise(1, 1, 1)]
    assert sent(sync.due(batches(2, 20), 6)) == [9]


def test_everything_under_way_is_sent_again_when_nothing_comes(sync: Sync) -> None:
    sync.due(batches(1, 3), 0)
    deadline = sync.deadline_ms()
    assert deadline is not None
    assert deadline >= 30_000
    assert sync.due(batches(1, 3), deadline - 1) == []
    assert sent(sync.due(batches(1, 3), deadline)) == [1, 2, 3]
    assert sync.failures == 1


def test_waits_grow_to_fifteen_minutes_and_no_further() -> None:
    assert [BACKOFF.ceiling_ms(attempt) for attempt in (0, 1, 2, 5, 60)] == [30_000, 60_000, 120_000, 900_000, 900_000]
    entropy = CountedEntropy()
    waits = {BACKOFF.wait_ms(3, entropy) for _ in range(50)}
    assert len(waits) > 40
    assert all(30_000 <= wait <= 240_000 for wait in waits)


def test_out_of_order_goes_back_once_however_often_it_is_said(sync: Sync) -> None:
    sync.due(batches(1, 8), 0)
    lost = replace(RECEIPT, status=ReceiptStatus.OUT_OF_ORDER, leaf_index=None, next_seq=3)
    assert sync.on_receipt(lost, None, 1, 1) == [Reopen(1, 3)]
    assert sent(sync.due(batches(1, 8), 2)) == [3, 4, 5, 6, 7, 8]
    assert sync.on_receipt(lost, None, 1, 3) == []
    assert sync.due(batches(1, 8), 4) == []


def test_a_receipt_with_another_hash_is_the_alarm_clone_and_final_for_nothing(sync: Sync) -> None:
    sync.due(batches(1, 1), 0)
    [told] = sync.on_receipt(RECEIPT, digest(99), 1, 1)
    assert isinstance(told, Tell)
    assert told.code == "clone"
    assert not sync.is_sending


def test_books_in_a_later_epoch_are_a_copys_when_this_run_had_the_last_one_receipted(sync: Sync) -> None:
    later = replace(STATE, epoch=2, next=4)
    assert sync.on_state(later, CHAIN, lambda *_: None) == [NewEpoch(later, forked=False)]
    sync.connected()
    sync.on_state(STATE, CHAIN, lambda *_: None)
    sync.due(batches(1, 1), 0)
    sync.on_receipt(RECEIPT, digest(1), 1, 5)
    told, begun = sync.on_state(later, CHAIN, lambda *_: None)
    assert isinstance(told, Tell)
    assert (told.code, begun) == ("clone", NewEpoch(later, forked=False))


def test_a_receipt_for_a_batch_never_made_is_not_believed(sync: Sync) -> None:
    [told] = sync.on_receipt(RECEIPT, None, 1, 1)
    assert isinstance(told, Tell)


def test_a_receipt_of_another_epoch_is_ignored(sync: Sync) -> None:
    [told] = sync.on_receipt(replace(RECEIPT, epoch=2), digest(7), 1, 1)
    assert isinstance(told, Tell)
    assert told.code == "stale-receipt"
    assert sync.is_sending


def test_a_receipt_of_an_older_epoch_counts_for_the_batch_it_names(sync: Sync) -> None:
    """Books that were set back get batches of older epochs again."""
    assert sync.on_receipt(RECEIPT, digest(1), 2, 1) == [Finalise(1, 1, 1)]


@pytest.mark.parametrize(
    ("state", "forked"),
    [
        (replace(STATE, next=22, head=digest(21)), False),
        (replace(STATE, epoch=2), False),
        (replace(STATE, next=11, head=digest(77)), True),
    ],
)
def test_books_that_are_ahead_or_elsewhere_start_a_new_epoch(state: State, forked: bool) -> None:
    sync = Sync(NONCE, BACKOFF, CountedEntropy())
    sync.connected()
    sync.due([], 0)
    assert sync.on_state(state, CHAIN, lambda _, seq: digest(seq)) == [NewEpoch(state, forked)]


def test_books_that_are_behind_get_receipted_batches_again() -> None:
    sync = Sync(NONCE, BACKOFF, CountedEntropy())
    sync.connected()
    state = replace(STATE, next=11, head=digest(10))
    assert sync.on_state(state, CHAIN, lambda _, seq: digest(seq)) == [Reopen(1, 11)]


def test_busy_waits_as_long_as_asked_but_not_for_ever(sync: Sync) -> None:
    sync.due(batches(1, 1), 0)
    busy = replace(RECEIPT, status=ReceiptStatus.BUSY, leaf_index=None, retry_after_ms=10**9)
    assert sync.on_receipt(busy, None, 1, 1_000) == []
    assert sync.due(batches(1, 1), 900_999) == []
    assert sync.deadline_ms() == 901_000
    assert sent(sync.due(batches(1, 1), 901_000)) == [1]


def test_an_unknown_key_is_told_and_asked_again_after_the_longest_wait(sync: Sync) -> None:
    sync.due(batches(1, 1), 0)
    unknown = replace(RECEIPT, status=ReceiptStatus.KEY_UNKNOWN, leaf_index=None)
    [told] = sync.on_receipt(unknown, None, 1, 0)
    assert isinstance(told, Tell)
    assert "ask for a new claim" in told.text
    assert sync.due(batches(1, 1), 899_999) == []
    assert sync.deadline_ms() == 900_000
    assert sync.due(batches(1, 1), 900_000) == [SendHello()]


def test_a_refusal_names_its_reason_and_greets_again(sync: Sync) -> None:
    sync.due(batches(1, 1), 0)
    refused = replace(RECEIPT, status=ReceiptStatus.REFUSED, leaf_index=None, reason=Reason.WRONG_PREV)
    [told] = sync.on_receipt(refused, None, 1, 0)
    assert isinstance(told, Tell)
    assert "wrong-prev" in told.text
    assert sync.due(batches(1, 1), 900_000) == [SendHello()]


def test_a_fork_greets_at_once(sync: Sync) -> None:
    sync.due(batches(1, 1), 0)
    fork = replace(RECEIPT, status=ReceiptStatus.FORK, leaf_index=None)
    assert sync.on_receipt(fork, digest(1), 1, 0) != []
    assert sync.due(batches(1, 1), 1) == [SendHello()]
