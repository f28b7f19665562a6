"""Cards that were lost, copied, forked or put back: nothing is billed twice, and what is missing is told."""

from dataclasses import replace

import pytest
from support.arrivals import MINUTE, fees, gateway_at, readings
from support.books import HOUR, T0, Books
from support.uploads import SimGateway, event, money, personal, wash
from tallystick_cloud import schema
from tallystick_protocol.batch import Upload
from tallystick_protocol.codes import EventCode, Reason, ReceiptStatus
from tallystick_protocol.hello import LostBatches
from tallystick_protocol.ids import H32
from tallystick_protocol.part import Part


def test_lost_batch_costs_nobody_money_because_totals_carry_it(books: Books) -> None:
    gateway = gateway_at(books)
    books.seal_and_send(gateway, [readings(1, 1_000)])
    gateway.seal([readings(14, 1_600, start=T0 + HOUR)])
    lost = (LostBatches(1, 2, 2, gateway.prev),)
    state = books.hello(gateway, lost=lost)
    assert (state.next, state.head) == (3, gateway.prev)
    after = books.dump()
    assert books.hello(gateway, lost=lost).next == 3
    leaves = [row for row in books.rows(schema.log_leaf) if row["type"] == 7]
    assert len(leaves) == 1
    assert after != ""
    outcome = books.seal_and_send(gateway, [readings(27, 2_200, start=T0 + 2 * HOUR)])
    assert outcome.receipt.status is ReceiptStatus.ACCEPTED
    assert sum(int(row["to_total"]) - int(row["from_total"]) for row in books.rows(schema.use)) == 1_800  # type: ignore[call-overload]
    assert books.audit() == []


def test_two_lost_spans_in_one_hello_are_one_leaf(books: Books) -> None:
    gateway = gateway_at(books)
    gateway.seal([])
    first = LostBatches(1, 1, 1, gateway.prev)
    gateway.seal([])
    state = books.hello(gateway, lost=(first, LostBatches(1, 2, 2, gateway.prev)))
    assert state.next == 3
    assert len([row for row in books.rows(schema.log_leaf) if row["type"] == 7]) == 1
    assert len(books.rows(schema.exception)) == 2


def test_fork_keeps_both_and_bills_neither_twice(books: Books) -> None:
    gateway = gateway_at(books)
    books.seal_and_send(gateway, wash(2, 1, 1, 1, T0, T0 + HOUR))
    copy = SimGateway("cellar", gateway.signer, seq=gateway.seq, prev=gateway.prev)
    books.seal_and_send(gateway, wash(2, 4, 2, 2, T0 + 2 * HOUR, T0 + 3 * HOUR))
    outcome = books.send(copy, copy.seal([*wash(2, 4, 2, 2, T0 + 2 * HOUR, T0 + 3 * HOUR), readings(1, 500)]))
    assert outcome.receipt.status is ReceiptStatus.FORK
    assert len([row for row in books.rows(schema.use) if row["form"] == "event"]) == 2
    assert [row["code"] for row in books.rows(schema.alarm)] == ["card-lost-a-write"]
    assert len(books.rows(schema.batch)) == 3
    assert books.audit() == []


def test_branch_that_lost_a_write_goes_on_in_a_new_epoch(books: Books) -> None:
    gateway = gateway_at(books)
    books.seal_and_send(gateway, wash(2, 1, 1, 1, T0, T0 + HOUR))
    other = SimGateway("cellar", gateway.signer, seq=1)
    books.send(other, other.seal([readings(1, 1_000)]))
    state = books.hello(other)
    other.epoch, other.seq = state.epoch + 1, 1
    outcome = books.send(other, other.seal(wash(2, 4, 2, 2, T0 + 2 * HOUR, T0 + 3 * HOUR)))
    assert outcome.receipt.status is ReceiptStatus.ACCEPTED
    assert outcome.receipt.epoch == 2
    assert len([row for row in books.rows(schema.use) if row["form"] == "event"]) == 2
    assert books.audit() == []


def test_second_fork_in_a_month_is_called_a_clone_and_waits(books: Books) -> None:
    gateway = gateway_at(books)
    copy = SimGateway("cellar", gateway.signer)
    books.seal_and_send(gateway, wash(2, 1, 1, 1, T0, T0 + HOUR))
    books.send(copy, copy.seal([]))
    books.seal_and_send(gateway, wash(2, 4, 2, 2, T0 + 2 * HOUR, T0 + 3 * HOUR))
    outcome = books.send(copy, copy.seal([readings(1, 1_000)]))
    assert outcome.receipt.status is ReceiptStatus.FORK
    assert outcome.receipt.quarantined == ((2, 0, int(Reason.FORK)),)
    assert sorted(str(row["code"]) for row in books.rows(schema.alarm)) == ["card-lost-a-write", "clone"]
    assert [row for row in books.rows(schema.use) if row["form"] == "interval"] == []
    assert books.audit() == []


def test_new_epoch_needs_a_hello(books: Books) -> None:
    gateway = gateway_at(books)
    books.seal_and_send(gateway, [readings(1, 1_000)])
    gateway.epoch, gateway.seq = 2, 1
    before = books.dump()
    upload = gateway.seal([])
    assert books.send(gateway, upload).receipt.reason is Reason.WRONG_EPOCH
    assert books.dump() == before
    books.hello(gateway)
    assert books.send(gateway, upload).receipt.status is ReceiptStatus.ACCEPTED


def test_restored_card_bills_nothing_twice(books: Books) -> None:
    gateway = gateway_at(books)
    books.seal_and_send(gateway, [readings(1, 1_000)])
    image = (gateway.seq, gateway.prev)
    books.seal_and_send(gateway, [readings(14, 1_600, start=T0 + HOUR)])
    restored = SimGateway("cellar", gateway.signer, seq=image[0], prev=image[1], boot=b"boot-2")
    state = books.hello(restored)
    restored.epoch, restored.seq, restored.prev = 2, 1, image[1]
    known = next(one for one in state.channels if one.channel == 1)
    again = readings(14, 1_650, start=T0 + HOUR + MINUTE)  # numbers that the books know already
    after = readings(known.last_pagination + 1, 2_200, start=T0 + 2 * HOUR)
    assert books.send(restored, restored.seal([again])).receipt.quarantined == ()
    assert books.send(restored, restored.seal([after])).receipt.status is ReceiptStatus.ACCEPTED
    assert sum(int(row["to_total"]) - int(row["from_total"]) for row in books.rows(schema.use)) == 1_800  # type: ignore[call-overload]
    assert books.audit() == []


def test_card_from_before_its_first_receipt_goes_on_in_a_new_epoch(books: Books) -> None:
    """Found by the simulation, seed 10: such a card has only the chain's beginning in common with the books."""
    gateway = gateway_at(books)
    beginning = gateway.prev
    books.seal_and_send(gateway, [readings(1, 1_000)])
    books.seal_and_send(gateway, [readings(14, 1_600, start=T0 + HOUR)])
    restored = SimGateway("cellar", gateway.signer, boot=b"boot-2")
    books.hello(restored)
    restored.epoch, restored.seq, restored.prev = 2, 1, H32(beginning[:-1] + bytes(1))
    assert books.send(restored, restored.seal([])).receipt.reason is Reason.WRONG_EPOCH
    restored.seq, restored.prev = 1, beginning
    after = readings(27, 2_200, start=T0 + 2 * HOUR)
    assert books.send(restored, restored.seal([after])).receipt.status is ReceiptStatus.ACCEPTED
    assert books.audit() == []


def test_use_number_of_a_restored_card_is_not_billed_again(books: Books) -> None:
    gateway = gateway_at(books)
    books.seal_and_send(gateway, wash(2, 1, 1, 1, T0, T0 + HOUR))
    same = books.seal_and_send(gateway, wash(2, 1, 1, 1, T0, T0 + HOUR))
    assert same.receipt.quarantined == ()
    other = books.seal_and_send(gateway, wash(2, 1, 1, 1, T0 + 5 * HOUR, T0 + 6 * HOUR))
    assert {reason for _, _, reason in other.receipt.quarantined} == {int(Reason.NUMBER_REUSED)}
    assert len(books.rows(schema.use)) == 1
    assert books.audit() == []


@pytest.mark.parametrize("billed", [False, True])
def test_restored_card_tells_again_of_a_use_that_is_open_in_the_books(books: Books, billed: bool) -> None:
    """Found by a crash run: the start came again under another number, and no later batch could be taken."""
    gateway = gateway_at(books)
    billable = event(2, T0 + MINUTE, EventCode.USE_BILLABLE, use=1, total=1, programme="30")
    books.seal_and_send(gateway, [personal(2, [event(1, T0, EventCode.USE_STARTED, use=1)])])
    if billed:
        books.seal_and_send(gateway, [money(2, events=[billable])])
    again = event(3, T0, EventCode.USE_STARTED, use=1)
    closed = event(4, T0 + HOUR, EventCode.USE_ABORTED, use=1, total=0, reason=Reason.RESTORED)
    told = books.seal_and_send(gateway, [personal(2, [again]), money(2, events=[closed])])
    assert (told.receipt.status, told.receipt.quarantined) == (ReceiptStatus.ACCEPTED, ())
    books.seal_and_send(gateway, wash(2, 5, 2, 2 if billed else 1, T0 + 2 * HOUR, T0 + 3 * HOUR))
    assert [row["number"] for row in books.rows(schema.use) if not row["aborted"]] == ([1, 2] if billed else [2])
    assert (books.rows(schema.open_use), books.audit()) == ([], [])


def test_another_start_under_the_number_of_an_open_use_is_set_aside(books: Books) -> None:
    gateway = gateway_at(books)
    books.seal_and_send(gateway, [personal(2, [event(1, T0, EventCode.USE_STARTED, use=1)])])
    other = books.seal_and_send(gateway, [personal(2, [event(2, T0 + 7, EventCode.USE_STARTED, use=1)])])
    assert [reason for _, _, reason in other.receipt.quarantined] == [int(Reason.NUMBER_REUSED)]


def test_restored_card_closes_a_use_that_the_books_closed_already(books: Books) -> None:
    gateway = gateway_at(books)
    books.seal_and_send(gateway, wash(2, 1, 1, 1, T0, T0 + HOUR))
    closed = event(4, T0 + 2 * HOUR, EventCode.USE_ABORTED, use=1, total=0, reason=Reason.RESTORED)
    assert books.seal_and_send(gateway, [money(2, events=[closed])]).receipt.quarantined == ()
    assert (len(books.rows(schema.use)), fees(books)) == (1, 1_850_000_000)


def test_a_use_that_was_counted_and_that_a_restored_card_closes_is_not_free(books: Books) -> None:
    """Seed 4000125 of the simulation: its billable event was lost with the other card, so that nobody names a price."""
    gateway = gateway_at(books)
    books.seal_and_send(gateway, wash(2, 1, 1, 1, T0, T0 + HOUR))
    books.seal_and_send(gateway, closed_by_a_restored_card())
    assert [row["number"] for row in books.rows(schema.use)] == [1]
    assert [(row["from_total"], row["to_total"]) for row in books.rows(schema.exception)] == [(1, 2)]
    assert books.audit() == []


def test_nor_is_it_when_the_part_that_closes_it_was_spoilt_and_comes_again(books: Books) -> None:
    gateway = gateway_at(books)
    books.seal_and_send(gateway, wash(2, 1, 1, 1, T0, T0 + HOUR))
    whole = gateway.seal(closed_by_a_restored_card())
    opened = Upload.decode(whole)
    books.send(gateway, replace(opened, parts=(opened.parts[0], None)).encode())
    books.seal_and_send(gateway, wash(2, 6, 3, 3, T0 + 5 * HOUR, T0 + 6 * HOUR))
    books.send(gateway, whole)
    assert [row["number"] for row in books.rows(schema.use)] == [1, 3]
    still = [row for row in books.rows(schema.exception) if row["state"] == "open"]
    assert [(row["from_total"], row["to_total"]) for row in still] == [(1, 2)]
    assert books.audit() == []


def closed_by_a_restored_card() -> list[Part]:
    """The second wash of a machine: begun, counted, and closed when an older card came back."""
    started = event(4, T0 + 2 * HOUR, EventCode.USE_STARTED, use=2, total=1)
    closed = event(5, T0 + 3 * HOUR, EventCode.USE_ABORTED, use=2, total=2, reason=Reason.RESTORED)
    return [personal(2, [started]), money(2, events=[closed])]
