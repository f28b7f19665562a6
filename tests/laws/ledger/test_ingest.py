"""What an upload does to the books: once, in order, on both databases; whatever is bad inside waits in quarantine."""

from hashlib import sha256

import pytest
from sqlalchemy import select, update
from support.books import DAY, HOUR, T0, Books, place
from support.uploads import BOOT, SimGateway, event, money, personal, segment, wash
from tallystick_cloud import schema
from tallystick_cloud.ledger.audit import audit
from tallystick_protocol import cbor, cose
from tallystick_protocol.batch import SealedPart, Upload
from tallystick_protocol.codes import EventCode, Reason, ReceiptStatus, Sensitivity, TimeQuality
from tallystick_protocol.errors import ProtocolError
from tallystick_protocol.hello import LostBatches
from tallystick_protocol.ids import H32
from tallystick_protocol.part import ClockFix, Part

MINUTE = 60_000
QUARTER = 15 * MINUTE


def gateway_at(books: Books, name: str = "cellar") -> SimGateway:
    gateway = SimGateway(name)
    books.enrol(gateway, "cellar")
    return gateway


def readings(first: int, total: int, count: int = 13, step: int = 50, start: int = T0) -> Part:
    """`count` readings every five minutes on channel 1."""
    rows = [(start + index * 5 * MINUTE, total + index * step) for index in range(count)]
    return money(1, [segment(first, rows, serial="S1")])


def fees(books: Books) -> int:
    return sum(int(row["fee"]) for row in books.rows(schema.use_rating))  # type: ignore[call-overload]


def channel(books: Books, number: int) -> dict[str, object]:
    return next(row for row in books.rows(schema.channel) if row["channel"] == number)


def test_readings_become_interval_uses_and_money(either: Books) -> None:
    gateway = gateway_at(either)
    outcome = either.seal_and_send(gateway, [readings(1, 1_000)])
    assert (outcome.receipt.status, outcome.receipt.next_seq) == (ReceiptStatus.ACCEPTED, 2)
    uses = either.rows(schema.use)
    assert [(row["from_total"], row["to_total"]) for row in sorted(uses, key=place)] == [
        (1_000, 1_150),
        (1_150, 1_300),
        (1_300, 1_450),
        (1_450, 1_600),
    ]
    assert fees(either) == 600 * 300_000  # 0.6 kWh at EUR 0.30
    assert either.audit() == []


def test_wash_is_one_use_with_its_programme_and_payer(either: Books) -> None:
    gateway = gateway_at(either)
    either.seal_and_send(gateway, wash(2, 1, 1, 1, T0, T0 + HOUR))
    (use,) = either.rows(schema.use)
    assert (use["form"], use["kind"], use["programme"], use["number"]) == ("event", "live", "60", 1)
    assert fees(either) == 1_850_000_000
    assert either.rows(schema.open_use) == []
    assert either.audit() == []


def test_duplicate_changes_nothing(either: Books) -> None:
    gateway = gateway_at(either)
    upload = gateway.seal([readings(1, 1_000), *wash(2, 1, 1, 1, T0, T0 + HOUR)])
    first = either.send(gateway, upload)
    before = either.dump()
    again = either.send(gateway, upload, T0 + HOUR)
    assert again.receipt.status is ReceiptStatus.DUPLICATE
    assert (again.receipt.leaf_index, again.receipt.hash) == (first.receipt.leaf_index, first.receipt.hash)
    assert either.dump() == before


def test_batch_before_its_turn_changes_nothing_and_names_the_next(either: Books) -> None:
    gateway = gateway_at(either)
    gateway.seal([])
    early = gateway.seal([readings(1, 1_000)])
    before = either.dump()
    outcome = either.send(gateway, early)
    assert (outcome.receipt.status, outcome.receipt.next_seq) == (ReceiptStatus.OUT_OF_ORDER, 1)
    assert either.dump() == before


def test_bad_signature_changes_nothing(either: Books) -> None:
    gateway, thief = gateway_at(either), SimGateway("thief")
    forged = thief.seal([readings(1, 1_000)], gid=gateway.gid)
    before = either.dump()
    outcome = either.send(gateway, forged)
    assert outcome.receipt.status is ReceiptStatus.KEY_UNKNOWN
    envelope = Upload.decode(gateway.seal([readings(1, 1_000)])).envelope
    bent = envelope[:-1] + bytes([envelope[-1] ^ 1])
    outcome = either.send(gateway, Upload(bent, ()).encode())
    assert (outcome.receipt.status, outcome.receipt.reason) == (ReceiptStatus.REFUSED, Reason.BAD_SIGNATURE)
    assert either.dump() == before


def test_malleated_signature_is_a_duplicate_not_a_second_posting(books: Books) -> None:
    gateway = gateway_at(books)
    upload = gateway.seal(wash(2, 1, 1, 1, T0, T0 + HOUR))
    books.send(gateway, upload)
    opened = Upload.decode(upload)
    n = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    s = int.from_bytes(opened.envelope[-32:], "big")
    other = Upload(opened.envelope[:-32] + (n - s).to_bytes(32, "big"), opened.parts).encode()
    assert other != upload
    before = books.dump()
    assert books.send(gateway, other).receipt.status is ReceiptStatus.DUPLICATE
    assert books.dump() == before


def test_other_gateways_batch_is_refused(books: Books) -> None:
    gateway = gateway_at(books)
    upload = gateway.seal([], gid=bytes(16))
    before = books.dump()
    outcome = books.send(gateway, upload)
    assert outcome.receipt.reason is Reason.WRONG_GATEWAY
    assert books.dump() == before


@pytest.mark.parametrize("garbage", [b"", b"\x00", b"\x80", b"\xff" * 100, bytes(70_000)])
def test_bytes_that_are_no_upload_change_nothing(books: Books, garbage: bytes) -> None:
    gateway = gateway_at(books)
    before = books.dump()
    with pytest.raises(ProtocolError):
        books.send(gateway, garbage)
    assert books.dump() == before


def absent(gateway: SimGateway) -> bytes:
    return gateway.seal([None, *wash(2, 1, 1, 1, T0, T0 + HOUR)])


def unsupported(gateway: SimGateway) -> bytes:
    part = readings(1, 1_000)
    value = cbor.decode(part.encode())
    assert isinstance(value, dict)
    return gateway.seal([SealedPart(bytes(16), cbor.encode({**value, 63: 0})), *wash(2, 1, 1, 1, T0, T0 + HOUR)])


def malformed(gateway: SimGateway) -> bytes:
    return gateway.seal([SealedPart(bytes(16), b"\xa1\x00"), *wash(2, 1, 1, 1, T0, T0 + HOUR)])


def swapped(gateway: SimGateway) -> bytes:
    upload = Upload.decode(gateway.seal([readings(1, 1_000), *wash(2, 1, 1, 1, T0, T0 + HOUR)]))
    other = SealedPart(bytes(16), readings(1, 5_000).encode())
    return Upload(upload.envelope, (other, *upload.parts[1:])).encode()


def undescribed(gateway: SimGateway) -> bytes:
    return gateway.seal([money(77, [segment(1, [(T0, 1)])]), *wash(2, 1, 1, 1, T0, T0 + HOUR)])


def strange_descriptor(gateway: SimGateway) -> bytes:
    part = Part(1, H32(b"x" * 32), Sensitivity.MONEY, segments=(segment(1, [(T0, 1)]),))
    return gateway.seal([part, *wash(2, 1, 1, 1, T0, T0 + HOUR)])


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (absent, Reason.ABSENT),
        (unsupported, Reason.UNSUPPORTED),
        (malformed, Reason.MALFORMED),
        (swapped, Reason.PART_HASH),
        (undescribed, Reason.NO_DESCRIPTOR),
        (strange_descriptor, Reason.NO_DESCRIPTOR),
    ],
)
def test_bad_part_waits_in_quarantine_and_the_rest_is_billed(either: Books, make: object, reason: Reason) -> None:
    gateway = gateway_at(either)
    outcome = either.send(gateway, make(gateway))  # type: ignore[operator]
    assert outcome.receipt.status is ReceiptStatus.ACCEPTED
    assert outcome.receipt.quarantined == ((1, 0, int(reason)),)
    assert [row["reason"] for row in either.rows(schema.exception)] == [reason.name.lower().replace("_", "-")]
    assert len(either.rows(schema.use)) == 1
    assert len(either.rows(schema.alarm)) == 1
    following = either.seal_and_send(gateway, wash(2, 4, 2, 2, T0 + 2 * HOUR, T0 + 3 * HOUR))
    assert following.receipt.status is ReceiptStatus.ACCEPTED
    assert len(either.rows(schema.use)) == 2
    assert either.audit() == []


def test_total_that_falls_is_never_billed(books: Books) -> None:
    gateway = gateway_at(books)
    books.seal_and_send(gateway, [readings(1, 1_000)])
    later = readings(14, 10, start=T0 + 2 * HOUR)
    outcome = books.seal_and_send(gateway, [later])
    assert outcome.receipt.quarantined == ((2, 0, int(Reason.FELL)),)
    assert fees(books) == 600 * 300_000
    assert books.audit() == []


def test_segment_that_begins_with_known_readings_counts_only_the_new_ones(books: Books) -> None:
    gateway = gateway_at(books)
    books.seal_and_send(gateway, [readings(1, 1_000)])
    outcome = books.seal_and_send(gateway, [readings(1, 1_000, count=25)])
    assert outcome.receipt.quarantined == ()
    assert sum(int(row["readings"]) for row in books.rows(schema.batch)) == 25  # type: ignore[call-overload]
    assert sum(int(row["to_total"]) - int(row["from_total"]) for row in books.rows(schema.use)) == 1_200  # type: ignore[call-overload]
    assert books.audit() == []


def test_older_generation_is_a_replay(books: Books) -> None:
    gateway = gateway_at(books)
    first = money(1, [segment(1, [(T0, 5), (T0 + QUARTER, 9)], base=1_000, generation=3, serial="S1")])
    books.seal_and_send(gateway, [first])
    old = money(1, [segment(3, [(T0 + HOUR, 2_000)], generation=2, serial="S1")])
    assert books.seal_and_send(gateway, [old]).receipt.quarantined == ((2, 0, int(Reason.REPLAYED)),)


def test_new_generation_needs_the_event_that_explains_it(books: Books) -> None:
    gateway = gateway_at(books)
    books.seal_and_send(gateway, [money(1, [segment(1, [(T0, 1_000)], generation=1, serial="S1")])])
    jumped = segment(2, [(T0 + HOUR, 3)], base=1_000, generation=2, serial="S1")
    outcome = books.seal_and_send(gateway, [money(1, [jumped])])
    assert outcome.receipt.quarantined == ((2, 0, int(Reason.GENERATION_UNEXPLAINED)),)
    wrapped = event(1, T0 + HOUR, EventCode.WRAP)
    outcome = books.seal_and_send(gateway, [money(1, [jumped], [wrapped])])
    assert outcome.receipt.quarantined == ()
    assert channel(books, 1)["last_total"] == 1_003


def test_strange_serial_number_is_not_billed(books: Books) -> None:
    gateway = gateway_at(books)
    books.seal_and_send(gateway, [readings(1, 1_000)])
    other = money(1, [segment(14, [(T0 + 2 * HOUR, 9_000)], serial="S2")])
    assert books.seal_and_send(gateway, [other]).receipt.quarantined == ((2, 0, int(Reason.SERIAL_UNEXPECTED)),)
    assert channel(books, 1)["last_total"] == 1_600


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


def test_aborted_wash_is_a_free_use(books: Books) -> None:
    gateway = gateway_at(books)
    started = event(1, T0, EventCode.USE_STARTED, use=1)
    aborted = event(2, T0 + HOUR, EventCode.USE_ABORTED, use=1, total=0)
    books.seal_and_send(gateway, [personal(2, [started])])
    assert len(books.rows(schema.open_use)) == 1
    books.seal_and_send(gateway, [money(2, events=[aborted])])
    (use,) = books.rows(schema.use)
    assert (use["aborted"], fees(books), books.rows(schema.open_use)) == (True, 0, [])
    assert books.rows(schema.posting) == []
    assert books.audit() == []


def test_use_that_spans_batches_is_billed_once_at_its_billable_point(books: Books) -> None:
    gateway = gateway_at(books)
    started = event(1, T0, EventCode.USE_STARTED, use=1)
    billable = event(2, T0 + MINUTE, EventCode.USE_BILLABLE, use=1, total=1, programme="30")
    ended = event(3, T0 + HOUR, EventCode.USE_ENDED, use=1, total=1, programme="30")
    for part in (personal(2, [started]), money(2, events=[billable]), money(2, events=[ended])):
        books.seal_and_send(gateway, [part])
    (use,) = books.rows(schema.use)
    assert (use["start_ms"], use["end_ms"], fees(books)) == (T0, T0 + MINUTE, 1_200_000_000)
    assert books.rows(schema.open_use) == []


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


def test_use_that_comes_later_than_the_contract_allows_waits_for_a_person(books: Books) -> None:
    gateway = gateway_at(books)
    ninety = T0 + HOUR + 90 * DAY
    books.seal_and_send(gateway, wash(2, 1, 1, 1, T0, T0 + HOUR), ninety)
    assert len(books.rows(schema.use)) == 1
    books.seal_and_send(gateway, wash(2, 4, 2, 2, T0, T0 + HOUR), ninety + DAY)
    (exception,) = books.rows(schema.exception)
    assert (exception["reason"], exception["from_total"], exception["to_total"]) == ("too-late", 1, 2)
    assert len(books.rows(schema.use)) == 1
    assert books.audit() == []


def test_evidence_level_follows_the_storage_of_the_key(books: Books) -> None:
    gateway = gateway_at(books)
    books.seal_and_send(gateway, wash(2, 1, 1, 1, T0, T0 + HOUR))
    books.run(lambda conn: conn.execute(update(schema.gateway).values(storage_class="hardware")))
    books.seal_and_send(gateway, wash(2, 4, 2, 2, T0 + 2 * HOUR, T0 + 3 * HOUR))
    assert sorted(int(row["level"]) for row in books.rows(schema.use)) == [1, 2]  # type: ignore[call-overload]


def timeless(first: int, rows: list[tuple[int, int]]) -> Part:
    """Readings by uptime: the gateway did not know the time."""
    return money(1, [segment(first, rows, serial="S1", quality=TimeQuality.U)])


def corrected(number: int, offset_ms: int) -> Part:
    fix = ClockFix(BOOT, offset_ms, 1_000)
    return money(0, events=[event(number, HOUR, EventCode.CLOCK_CORRECTED, clock=fix)])


def spans(books: Books) -> list[tuple[int, int, int]]:
    rows = sorted(books.rows(schema.use), key=place)
    return [(int(row["end_ms"]), int(row["from_total"]), int(row["to_total"])) for row in rows]  # type: ignore[call-overload]


def test_readings_without_time_get_it_from_the_clocks_correction(books: Books) -> None:
    gateway = gateway_at(books)
    rows = [(index * 5 * MINUTE, 1_000 + index * 50) for index in range(7)]
    books.seal_and_send(gateway, [timeless(1, rows)])
    assert books.rows(schema.use) == []
    assert (channel(books, 1)["first_total"], channel(books, 1)["last_total"]) == (1_000, 1_300)
    books.seal_and_send(gateway, [corrected(1, T0), readings(8, 1_350, count=6, start=T0 + 35 * MINUTE)])
    assert spans(books) == [
        (T0 + QUARTER, 1_000, 1_150),
        (T0 + 2 * QUARTER, 1_150, 1_300),
        (T0 + 3 * QUARTER, 1_300, 1_450),
        (T0 + 4 * QUARTER, 1_450, 1_600),
    ]
    assert books.audit() == []


def test_time_that_is_never_known_costs_no_counts(books: Books) -> None:
    gateway = gateway_at(books)
    books.seal_and_send(gateway, [timeless(1, [(0, 1_000), (MINUTE, 1_400)])])
    books.seal_and_send(gateway, [readings(3, 1_500, count=4, start=T0)])
    assert spans(books) == [(T0 + QUARTER, 1_000, 1_650)]
    assert books.audit() == []


def test_clock_set_a_year_too_far_stops_no_billing(books: Books) -> None:
    """Readings from the future have no time: what they counted is in the next reading that has one."""
    gateway, year = gateway_at(books), 365 * DAY
    now_ms = T0 + HOUR
    books.send(gateway, gateway.seal([readings(1, 1_000, count=4)]), now_ms)
    books.send(gateway, gateway.seal([readings(5, 1_200, count=2, start=T0 + 20 * MINUTE + year)]), now_ms)
    books.send(gateway, gateway.seal([readings(7, 1_300, count=7, start=T0 + 30 * MINUTE)]), now_ms)
    assert spans(books)[-1][0] == T0 + 4 * QUARTER
    assert channel(books, 1)["billed_total"] == channel(books, 1)["last_total"] == 1_600
    washed = wash(2, 1, 1, 1, T0 + year, T0 + year + HOUR)
    books.send(gateway, gateway.seal(washed), now_ms)
    (use,) = [row for row in books.rows(schema.use) if row["form"] == "event"]
    assert use["end_ms"] == now_ms
    assert books.audit() == []


def test_wash_before_the_time_was_known_waits_with_a_reason(books: Books) -> None:
    gateway = gateway_at(books)
    begun = event(1, MINUTE, EventCode.USE_STARTED, quality=TimeQuality.U, use=1)
    done = event(2, 2 * MINUTE, EventCode.USE_BILLABLE, quality=TimeQuality.U, use=1, total=1, programme="60")
    books.seal_and_send(gateway, [personal(2, [begun]), money(2, events=[done])])
    (exception,) = books.rows(schema.exception)
    assert (exception["reason"], exception["from_total"], exception["to_total"]) == ("unknown-time", 0, 1)
    assert books.rows(schema.use) == []
    assert books.audit() == []


def test_wash_is_billed_when_the_correction_comes_with_it(books: Books) -> None:
    gateway = gateway_at(books)
    begun = event(1, MINUTE, EventCode.USE_STARTED, quality=TimeQuality.U, use=1)
    done = event(2, 2 * MINUTE, EventCode.USE_BILLABLE, quality=TimeQuality.U, use=1, total=1, programme="60")
    books.seal_and_send(gateway, [personal(2, [begun]), money(2, events=[done]), corrected(1, T0)])
    (use,) = books.rows(schema.use)
    assert (use["start_ms"], use["end_ms"], fees(books)) == (T0 + MINUTE, T0 + 2 * MINUTE, 1_850_000_000)


def test_counts_without_events_stay_open_with_a_reason(books: Books) -> None:
    gateway = gateway_at(books)
    books.seal_and_send(gateway, wash(2, 1, 1, 1, T0, T0 + HOUR))
    books.seal_and_send(gateway, wash(2, 7, 3, 3, T0 + 4 * HOUR, T0 + 5 * HOUR))
    (exception,) = books.rows(schema.exception)
    assert (exception["reason"], exception["from_total"], exception["to_total"]) == ("use-unexplained", 1, 2)
    assert books.audit() == []


def test_unsupported_batch_is_logged_and_its_parts_wait(books: Books) -> None:
    gateway = gateway_at(books)
    part = SealedPart(bytes(16), readings(1, 1_000).encode())
    plain = Upload.decode(gateway.seal([part]))
    gateway.seq, gateway.prev = 1, H32(books_first_prev(gateway))
    payload = cbor.decode(cose.parse(plain.envelope).payload)
    assert isinstance(payload, dict)
    newer = cose.sign(gateway.signer, cose.ContentType.BATCH, cbor.encode({**payload, 0: 2}))
    outcome = books.send(gateway, gateway.chained(newer, [part]))
    assert outcome.receipt.status is ReceiptStatus.ACCEPTED
    assert outcome.receipt.quarantined == ((1, 0, int(Reason.UNSUPPORTED)),)
    assert [row["standing"] for row in books.rows(schema.batch)] == ["unsupported"]
    assert books.seal_and_send(gateway, [readings(1, 1_000)]).receipt.status is ReceiptStatus.ACCEPTED
    assert books.audit() == []


def books_first_prev(gateway: SimGateway) -> bytes:
    return sha256(gateway.signer.spki).digest()


def test_revoked_key_signs_nothing_more(books: Books) -> None:
    gateway = gateway_at(books)
    books.seal_and_send(gateway, [])
    key = schema.gateway_key
    books.run(lambda conn: conn.execute(update(key).values(revoked_from_epoch=1, revoked_from_seq=2)))
    before = books.dump()
    assert books.seal_and_send(gateway, []).receipt.reason is Reason.KEY_REVOKED
    assert books.dump() == before


def test_log_leaves_are_dense_and_every_batch_is_in_it(either: Books) -> None:
    gateway = gateway_at(either)
    leaves = [either.seal_and_send(gateway, []).receipt.leaf_index for _ in range(4)]
    assert leaves == list(range(leaves[0] or 0, (leaves[0] or 0) + 4))
    rows = sorted(int(row["leaf"]) for row in either.rows(schema.log_leaf))  # type: ignore[call-overload]
    assert rows == list(range(len(rows)))
    hashes = {row["h"] for row in either.rows(schema.log_leaf)}
    assert {row["hash"] for row in either.rows(schema.batch)} <= hashes


def test_uncontracted_asset_loses_nothing(books: Books) -> None:
    books.run(lambda conn: conn.execute(update(schema.contract_version).values(in_force_ms=None)))
    gateway = gateway_at(books)
    books.seal_and_send(gateway, [readings(1, 1_000), *wash(2, 1, 1, 1, T0, T0 + HOUR)])
    assert books.rows(schema.use) == []
    ledger = {row["channel"]: row for row in books.rows(schema.channel)}
    assert (ledger[1]["last_total"], ledger[1]["billed_total"]) == (1_600, 1_000)
    (exception,) = books.rows(schema.exception)
    assert (exception["reason"], exception["from_total"], exception["to_total"]) == ("no-contract", 0, 1)
    assert books.audit() == []


def test_books_are_found_wrong_when_a_row_is_changed(books: Books) -> None:
    """The checker itself can fail."""
    gateway = gateway_at(books)
    books.seal_and_send(gateway, [readings(1, 1_000), *wash(2, 1, 1, 1, T0, T0 + HOUR)])
    assert books.audit() == []
    for statement in (
        update(schema.posting).where(schema.posting.c.position == 0).values(amount=schema.posting.c.amount + 1),
        update(schema.balance).values(amount=schema.balance.c.amount + 1),
        update(schema.account_day).values(amount=schema.account_day.c.amount + 1),
        update(schema.posting).values(recorded_ms=schema.posting.c.recorded_ms + 1),
        update(schema.use_row).values(fee=schema.use_row.c.fee + 1),
        update(schema.use_row).values(counters="7+1"),
        update(schema.counter).values(value=schema.counter.c.value + 1),
        update(schema.channel).values(billed_total=schema.channel.c.billed_total + 1),
    ):
        with books.database.engine.begin() as conn:
            conn.execute(statement)
            assert audit(conn) != []
            conn.rollback()
    assert books.database.read_now(lambda conn: len(conn.execute(select(schema.use)).all())) == 5


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        (Reason.REPLAYED, "replay-refused"),
        (Reason.SERIAL_UNEXPECTED, "wrong-meter"),
        (Reason.STALE, "reading-set-aside"),
    ],
)
def test_what_a_gateway_refused_becomes_one_alarm_and_no_money(either: Books, reason: Reason, code: str) -> None:
    gateway = gateway_at(either)
    either.seal_and_send(gateway, [readings(1, 1_000)])
    before = (fees(either), len(either.rows(schema.use)), channel(either, 1)["billed_total"])
    for number in (1, 2):
        told = event(number, T0 + number * HOUR, EventCode.QUARANTINED, reason=reason)
        outcome = either.seal_and_send(gateway, [money(1, events=[told])])
        assert outcome.receipt.status is ReceiptStatus.ACCEPTED
    assert (fees(either), len(either.rows(schema.use)), channel(either, 1)["billed_total"]) == before
    (alarm,) = either.rows(schema.alarm)
    assert (alarm["code"], alarm["times"]) == (code, 2)
    assert either.audit() == []
