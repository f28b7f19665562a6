"""What an upload does to the books: once, in order, on both databases; whatever is bad inside waits in quarantine."""

import pytest
from sqlalchemy import select, update
from support.arrivals import MINUTE, channel, fees, gateway_at, readings
from support.books import HOUR, T0, Books, place
from support.uploads import SimGateway, event, money, personal, wash
from tallystick_cloud import schema
from tallystick_cloud.ledger.audit import audit
from tallystick_protocol.batch import Upload
from tallystick_protocol.codes import EventCode, Reason, ReceiptStatus
from tallystick_protocol.errors import ProtocolError


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


def test_evidence_level_follows_the_storage_of_the_key(books: Books) -> None:
    gateway = gateway_at(books)
    books.seal_and_send(gateway, wash(2, 1, 1, 1, T0, T0 + HOUR))
    books.run(lambda conn: conn.execute(update(schema.gateway).values(storage_class="hardware")))
    books.seal_and_send(gateway, wash(2, 4, 2, 2, T0 + 2 * HOUR, T0 + 3 * HOUR))
    assert sorted(int(row["level"]) for row in books.rows(schema.use)) == [1, 2]  # type: ignore[call-overload]


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
