"""A part that our own program fails on is set aside: all else goes on, and a retry bills what was missed, once."""

import logging
from collections.abc import Callable

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError
from support.books import HOUR, T0, Books
from support.uploads import BOOT, SimGateway, event, money, personal, segment, wash
from tallystick_cloud import schema
from tallystick_cloud.gateways import store as gateways
from tallystick_cloud.ingest import bench
from tallystick_cloud.ingest.pending import Pending
from tallystick_cloud.ingest.retry import Retried, retry
from tallystick_cloud.ingest.work import ChannelWork
from tallystick_cloud.ledger.model import FreshUse
from tallystick_protocol.batch import SealedPart, Upload
from tallystick_protocol.codes import EventCode, Reason, ReceiptStatus, TimeQuality
from tallystick_protocol.errors import InvariantError, Unsupported
from tallystick_protocol.part import ClockFix, Event, Exchange, Part, Segment

MINUTE = 60_000
Bug = Callable[[pytest.MonkeyPatch], None]


def readings(first: int, total: int, count: int = 13, start: int = T0) -> Part:
    """`count` readings every five minutes on channel 1, 50 Wh apart."""
    rows = [(start + index * 5 * MINUTE, total + index * 50) for index in range(count)]
    return money(1, [segment(first, rows, serial="S1")])


def enrolled(books: Books) -> SimGateway:
    gateway = SimGateway("cellar")
    books.enrol(gateway, "cellar")
    return gateway


def retried(books: Books, gateway: SimGateway) -> Retried:
    def run(conn: Connection) -> Retried:
        head = gateways.lock_head(conn, gateway.gid)
        assert head is not None
        return retry(conn, head, T0 + 100 * HOUR)

    return books.database.write_now(run)


def outcome(books: Books) -> tuple[object, object]:
    """The use table and the balance sheet: what must not depend on when a part was read."""
    uses = sorted(
        (
            row["use_id"],
            row["from_total"],
            row["to_total"],
            row["start_ms"],
            row["end_ms"],
            row["batch"],
            row["aborted"],
        )
        for row in books.rows(schema.use)
    )
    chains = {row["chain"]: row["asset"] for row in books.rows(schema.use)}
    balances = sorted(
        (row["account"], row["party"], chains[row["chain"]], row["amount"])
        for row in books.rows(schema.balance)
        if row["amount"]
    )
    return uses, balances


def uploads(gateway: SimGateway) -> list[bytes]:
    """Five batches: energy on channel 1 and washes on channel 2."""
    h = HOUR
    return [
        gateway.seal([readings(1, 1_000), *wash(2, 1, 1, 1, T0, T0 + h)]),
        gateway.seal([readings(14, 1_650, start=T0 + h + 5 * MINUTE), *wash(2, 4, 2, 2, T0 + h, T0 + 2 * h, "30")]),
        gateway.seal([*wash(2, 7, 3, 3, T0 + 2 * h, T0 + 3 * h), *wash(2, 10, 4, 4, T0 + 3 * h, T0 + 4 * h)]),
        gateway.seal([readings(27, 2_300, start=T0 + 2 * h + 10 * MINUTE)]),
        gateway.seal([readings(40, 2_950, start=T0 + 3 * h + 15 * MINUTE), *wash(2, 13, 5, 5, T0 + 4 * h, T0 + 5 * h)]),
    ]


def in_a_segment(patch: pytest.MonkeyPatch) -> None:
    """The rule for readings fails on one segment."""
    real = ChannelWork.take_segment

    def broken(self: ChannelWork, one: Segment, explained: bool) -> object:
        if one.pagination == 14:
            raise ZeroDivisionError("planted")
        return real(self, one, explained)

    patch.setattr(ChannelWork, "take_segment", broken)


def in_an_event(patch: pytest.MonkeyPatch) -> None:
    """The rule for uses fails on the second wash."""
    real = ChannelWork.take_event

    def broken(self: ChannelWork, one: Event) -> object:
        if one.use == 2 and one.code is EventCode.USE_BILLABLE:
            raise InvariantError("planted")
        return real(self, one)

    patch.setattr(ChannelWork, "take_event", broken)


def in_the_books(patch: pytest.MonkeyPatch) -> None:
    """Booking fails after everything of the channel was written."""
    real = bench.book

    def broken(conn: Connection, community: str, fresh: list[FreshUse], *more: object) -> object:
        if any(one.usage.asset == "washer" and one.usage.number == 2 for one in fresh):
            raise KeyError("planted")
        return real(conn, community, fresh, *more)  # type: ignore[arg-type]

    patch.setattr(bench, "book", broken)


def in_the_database(patch: pytest.MonkeyPatch) -> None:
    """A row is there already: the failure of a crash run that stopped a chain for ever."""
    real = Pending.write_work

    def broken(self: Pending, conn: Connection) -> None:
        self.opened += [row for row in self.opened if row[1] == 2]
        real(self, conn)

    patch.setattr(Pending, "write_work", broken)


@pytest.mark.parametrize("bug", [in_a_segment, in_an_event, in_the_books])
def test_bug_stops_one_channel_and_a_retry_ends_as_if_it_never_was(
    either: Books, books: Books, bug: Bug, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    whole = enrolled(books)
    sent = uploads(whole)
    for upload in sent:
        books.send(whole, upload)
    gateway = SimGateway("cellar", whole.signer)
    either.enrol(gateway, "cellar")
    with monkeypatch.context() as patch, caplog.at_level(logging.ERROR):
        bug(patch)
        receipts = [either.send(gateway, upload).receipt for upload in sent]
        (logged,) = caplog.records
        assert logged.exc_info is not None
    assert {one.status for one in receipts} == {ReceiptStatus.ACCEPTED}
    assert [receipt.next_seq for receipt in receipts] == [2, 3, 4, 5, 6]
    named = [reason for receipt in receipts for _, _, reason in receipt.quarantined]
    assert named.count(int(Reason.INTERNAL)) == 1
    assert set(named) == {int(Reason.INTERNAL), int(Reason.HELD)}
    other = "washer" if bug is in_a_segment else "flat"
    assert [u for u in use_rows(either) if u[0] == other] == [u for u in use_rows(books) if u[0] == other]
    assert either.audit() == []
    assert [row["code"] for row in open_alarms(either)] == ["quarantine-internal"]

    done = retried(either, gateway)
    assert (done.taken, done.left) == (len(named), 0)
    assert outcome(either) == outcome(books)
    assert either.audit() == []
    assert (open_alarms(either), [row for row in either.rows(schema.part) if row["reason"]]) == ([], [])
    assert retried(either, gateway) == Retried()
    gateway.seq, gateway.prev = whole.seq, whole.prev
    more = either.seal_and_send(gateway, wash(2, 16, 6, 6, T0 + 6 * HOUR, T0 + 7 * HOUR)).receipt
    assert (more.status, more.quarantined) == (ReceiptStatus.ACCEPTED, ())


def use_rows(books: Books) -> list[tuple[object, ...]]:
    rows = ((row["asset"], row["number"], row["from_total"], row["to_total"]) for row in books.rows(schema.use))
    return sorted(rows)  # type: ignore[type-var]


def open_alarms(books: Books) -> list[dict[str, object]]:
    return [row for row in books.rows(schema.alarm) if row["cleared_ms"] is None]


def test_bug_that_is_still_there_changes_nothing_at_a_retry(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = enrolled(books)
    in_a_segment(monkeypatch)
    for upload in uploads(gateway):
        books.send(gateway, upload)
    before = outcome(books)
    done = retried(books, gateway)
    assert (done.taken, done.left) == (0, 3)
    assert outcome(books) == before
    assert books.audit() == []
    assert channel(books, 1)["held_ms"] == T0


def channel(books: Books, number: int) -> dict[str, object]:
    return next(row for row in books.rows(schema.channel) if row["channel"] == number)


def test_state_names_what_is_held_so_that_a_restored_card_uses_no_number_twice(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = enrolled(books)
    with monkeypatch.context() as patch:
        in_an_event(patch)
        in_a_segment(patch)
        for upload in uploads(gateway):
            books.send(gateway, upload)
    state = {one.channel: one for one in books.hello(gateway).channels}
    assert (state[2].last_event, state[2].last_use, state[2].billed_to) == (15, 5, 5)
    assert (state[1].last_pagination, state[1].billed_to, state[1].serial) == (52, 1_600, "S1")
    retried(books, gateway)
    assert {one.channel: one for one in books.hello(gateway).channels}[2] == state[2]


def test_row_that_is_there_already_stops_no_chain(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = enrolled(books)
    starts = [event(number, T0 + number, EventCode.USE_STARTED, use=number) for number in (1, 2)]
    with monkeypatch.context() as patch:
        in_the_database(patch)
        receipts = [books.seal_and_send(gateway, [personal(2, [one]), readings(1 + 13 * at, 1_000 + 650 * at)]).receipt
                    for at, one in enumerate(starts)]  # fmt: skip
    assert [receipt.quarantined for receipt in receipts] == [(), ((2, 0, int(Reason.INTERNAL)),)]
    assert channel(books, 1)["last_total"] == 2_250
    retried(books, gateway)
    assert [row["number"] for row in books.rows(schema.open_use)] == [1, 2]


def test_fault_of_the_database_is_not_taken_for_the_parts(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = enrolled(books)
    upload = gateway.seal([readings(1, 1_000)])

    def full(*_: object) -> None:
        raise OperationalError("INSERT", {}, Exception("database or disk is full"))

    before = books.dump()
    with monkeypatch.context() as patch:
        patch.setattr(bench, "book", full)
        with pytest.raises(OperationalError):
            books.send(gateway, upload)
    assert books.dump() == before
    assert books.send(gateway, upload).receipt.quarantined == ()


def test_clock_that_is_corrected_while_a_channel_waits_reaches_it_at_the_retry(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = enrolled(books)
    timeless = [(at * 5 * MINUTE, 1_000 + at * 50) for at in range(7)]
    fix = event(1, HOUR, EventCode.CLOCK_CORRECTED, clock=ClockFix(BOOT, T0, 1_000))
    with monkeypatch.context() as patch:
        in_a_segment(patch)
        books.seal_and_send(gateway, [money(1, [segment(1, timeless[:3], serial="S1", quality=TimeQuality.U)])])
        books.seal_and_send(gateway, [money(1, [segment(14, timeless[3:], serial="S1", quality=TimeQuality.U)])])
        books.seal_and_send(gateway, [money(0, events=[fix])])
        books.seal_and_send(gateway, [readings(20, 1_350, count=6, start=T0 + 35 * MINUTE)])
    assert books.rows(schema.use) == []
    retried(books, gateway)
    assert [row[2:] for row in use_rows(books)] == [(1_000, 1_150), (1_150, 1_300), (1_300, 1_450), (1_450, 1_600)]
    assert books.audit() == []


def spoilt(upload: bytes, *positions: int) -> bytes:
    """The upload with some parts changed on the way."""
    opened = Upload.decode(upload)
    parts = [SealedPart(bytes(16), b"\xa0") if at in positions else part for at, part in enumerate(opened.parts)]
    return Upload(opened.envelope, tuple(parts)).encode()


def without(upload: bytes, first: int) -> bytes:
    opened = Upload.decode(upload)
    return Upload(opened.envelope, opened.parts[:first]).encode()


def absent(upload: bytes, *positions: int) -> bytes:
    opened = Upload.decode(upload)
    parts = [None if at in positions else part for at, part in enumerate(opened.parts)]
    return Upload(opened.envelope, tuple(parts)).encode()


@pytest.mark.parametrize("spoil", [spoilt, absent])
@pytest.mark.parametrize("positions", [(0, 1, 2), (2,), (1,)])
def test_part_spoilt_on_the_way_is_taken_when_its_bytes_come(
    either: Books, books: Books, spoil: Callable[..., bytes], positions: tuple[int, ...]
) -> None:
    """Here nothing of its channels came between: the end is the same as without the accident."""
    whole = enrolled(books)
    sent = uploads(whole)
    for upload in sent[:2]:
        books.send(whole, upload)
    gateway = SimGateway("cellar", whole.signer)
    either.enrol(gateway, "cellar")
    either.send(gateway, sent[0])
    receipt = either.send(gateway, spoil(sent[1], *positions)).receipt
    assert (receipt.status, len(receipt.quarantined)) == (ReceiptStatus.ACCEPTED, len(positions))
    again = either.send(gateway, sent[1]).receipt
    assert (again.status, again.quarantined, again.leaf_index) == (ReceiptStatus.DUPLICATE, (), receipt.leaf_index)
    if positions != (1,):  # the start of a wash alone: its time is not known when it is billed before
        assert outcome(either) == outcome(books)
    assert (either.audit(), either.rows(schema.open_use)) == ([], [])
    before = either.dump()
    assert either.send(gateway, sent[1]).receipt.status is ReceiptStatus.DUPLICATE
    assert either.dump() == before
    assert open_alarms(either) == []


@pytest.mark.parametrize("spoil", [spoilt, absent])
@pytest.mark.parametrize("generation", [0, 4])
def test_what_an_exchange_explains_is_taken_with_it_when_its_bytes_come_late(
    either: Books, books: Books, spoil: Callable[..., bytes], generation: int
) -> None:
    """The part that told of the new meter was spoilt, so what it read next was set aside: until then, not for ever."""
    whole = enrolled(books)
    exchange = Exchange("S1", 1_600, "S2", 0)
    told = event(1, T0 + HOUR + 4 * MINUTE, EventCode.EXCHANGE, total=1_600, exchange=exchange)

    def of_new(first: int, at: int) -> Segment:
        rows = [(T0 + HOUR + (at + n) * 5 * MINUTE, (at + n) * 50) for n in range(13)]
        return segment(first, rows, base=1_600, generation=generation + 1, serial="S2")

    old = [(T0 + n * 5 * MINUTE, 1_000 + n * 50) for n in range(13)]
    parts = [
        [money(1, [segment(1, old, serial="S1", generation=generation)])],
        [money(1, [of_new(14, 1)], [told])],
        [money(1, [of_new(27, 14)])],
        [money(1, [of_new(40, 27)])],
    ]
    sent = [whole.seal(one) for one in parts]
    for upload in sent:
        assert books.send(whole, upload).receipt.quarantined == ()
    gateway = SimGateway("cellar", whole.signer)
    either.enrol(gateway, "cellar")
    either.send(gateway, sent[0])
    either.send(gateway, spoil(sent[1], 0))
    assert len(either.send(gateway, sent[2]).receipt.quarantined) == 1
    either.send(gateway, sent[1])
    either.send(gateway, sent[3])
    assert outcome(either) == outcome(books)
    assert [row for row in either.rows(schema.exception) if row["state"] != "closed"] == []
    assert either.audit() == []
    assert {row["code"] for row in open_alarms(either)} == {"meter-exchanged"}


@pytest.mark.parametrize("generation", [0, 4])
@pytest.mark.parametrize("code", [EventCode.EXCHANGE, EventCode.RESET])
def test_an_event_explains_what_comes_after_it_when_the_readings_beside_it_are_refused(
    either: Books, generation: int, code: EventCode
) -> None:
    """Seed 9000151 in a storm: a card came back with another meter, joined on to a total below the books'."""
    gateway = SimGateway("cellar")
    either.enrol(gateway, "cellar")
    exchange = Exchange("S1", 1_500, "S2", 0) if code is EventCode.EXCHANGE else None
    told = event(1, T0 + HOUR + 4 * MINUTE, code, total=1_500, exchange=exchange)

    def of_new(first: int, at: int) -> Segment:
        rows = [(T0 + HOUR + (at + n) * 5 * MINUTE, (at + n) * 50) for n in range(13)]
        serial = "S1" if exchange is None else "S2"
        return segment(first, rows, base=1_500, generation=generation + 1, serial=serial)

    old = [(T0 + n * 5 * MINUTE, 1_000 + n * 50) for n in range(13)]  # to 1,600
    either.send(gateway, gateway.seal([money(1, [segment(1, old, serial="S1", generation=generation)])]))
    assert len(either.send(gateway, gateway.seal([money(1, [of_new(14, 1)], [told])])).receipt.quarantined) == 1
    for first, at in ((27, 14), (40, 27)):
        assert either.send(gateway, gateway.seal([money(1, [of_new(first, at)])])).receipt.quarantined == ()
    assert max(int(row["to_total"]) for row in either.rows(schema.use)) == 1_500 + 39 * 50  # type: ignore[call-overload]
    assert either.audit() == []
    unexplained = segment(53, [(T0 + 9 * HOUR, 0)], base=9_000, generation=generation + 2, serial="S3")
    assert len(either.send(gateway, gateway.seal([money(1, [unexplained])])).receipt.quarantined) == 1


@pytest.mark.parametrize("spoil", [spoilt, absent, without])
def test_washes_that_come_after_later_ones_are_billed_once_in_canonical_order(
    either: Books, books: Books, spoil: Callable[..., bytes]
) -> None:
    whole = enrolled(books)
    sent = uploads(whole)
    for upload in sent:
        books.send(whole, upload)
    gateway = SimGateway("cellar", whole.signer)
    either.enrol(gateway, "cellar")
    either.send(gateway, sent[0])
    either.send(gateway, without(sent[1], 1) if spoil is without else spoil(sent[1], 1, 2))
    either.send(gateway, without(sent[2], 0) if spoil is without else spoil(sent[2], 0, 1, 2, 3))
    for upload in sent[3:]:
        either.send(gateway, upload)
    open_spans = [row for row in either.rows(schema.exception) if row["reason"] == "use-unexplained"]
    assert [(row["from_total"], row["to_total"]) for row in open_spans] == [(1, 4)]
    assert either.audit() == []
    either.send(gateway, sent[2])  # washes 3 and 4 of the hole
    left = [row for row in either.rows(schema.exception) if row["state"] == "open"]
    assert [(row["from_total"], row["to_total"]) for row in left] == [(1, 2)]
    assert either.audit() == []
    either.send(gateway, sent[1])
    assert outcome(either) == outcome(books)
    assert [row for row in either.rows(schema.exception) if row["state"] != "closed"] == []
    assert either.audit() == []
    for upload in sent:
        assert either.send(gateway, upload).receipt.quarantined == ()
    assert outcome(either) == outcome(books)
    assert either.rows(schema.open_use) == []


def test_first_wash_of_a_channel_may_come_after_the_next_has_begun(books: Books) -> None:
    """Nothing was counted yet, but the later start has a higher number (seed 15004754)."""
    gateway = enrolled(books)
    first = gateway.seal(wash(2, 1, 1, 1, T0, T0 + HOUR))
    second, ends = wash(2, 4, 2, 2, T0 + 2 * HOUR, T0 + 3 * HOUR)
    books.send(gateway, spoilt(first, 1))
    books.seal_and_send(gateway, [second])
    books.send(gateway, first)
    books.seal_and_send(gateway, [ends])
    assert [(row["from_total"], row["to_total"]) for row in books.rows(schema.use)] == [(0, 1), (1, 2)]
    assert channel(books, 2)["first_total"] == 0
    assert books.audit() == []


def test_erased_part_never_comes_back_with_a_duplicate(books: Books) -> None:
    gateway = enrolled(books)
    upload = gateway.seal([readings(1, 1_000), *wash(2, 1, 1, 1, T0, T0 + HOUR)])
    books.send(gateway, upload)
    erased = schema.part.update().where(schema.part.c.position == 1).values(salt=None, data=None, standing="erased")
    books.run(lambda conn: conn.execute(erased))
    before = books.dump()
    assert books.send(gateway, upload).receipt.quarantined == ()
    assert books.dump() == before


def test_part_of_a_newer_program_is_billed_once_that_program_runs(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = enrolled(books)

    def older(data: bytes, **_: object) -> Part:
        raise Unsupported("part", "is from a newer program")

    with monkeypatch.context() as patch:
        patch.setattr(Part, "decode", older)
        receipt = books.seal_and_send(gateway, [readings(1, 1_000), *wash(2, 1, 1, 1, T0, T0 + HOUR)]).receipt
    assert [reason for _, _, reason in receipt.quarantined] == [int(Reason.UNSUPPORTED)] * 3
    books.seal_and_send(gateway, [readings(14, 1_650, start=T0 + HOUR), *wash(2, 4, 2, 2, T0 + HOUR, T0 + 2 * HOUR)])
    assert (retried(books, gateway).taken, len(books.rows(schema.alarm)), open_alarms(books)) == (3, 1, [])
    assert [row for row in use_rows(books) if row[0] == "washer"] == [("washer", 1, 0, 1), ("washer", 2, 1, 2)]
    (late,) = [row for row in books.rows(schema.exception) if row["state"] == "open"]
    assert (late["reason"], late["from_total"], late["to_total"]) == ("too-late", 1_000, 1_650)
    assert books.audit() == []
