"""Parts that the books cannot take as they are: each waits with its reason, and the rest of the batch is billed."""

from hashlib import sha256

import pytest
from support.arrivals import QUARTER, channel, fees, gateway_at, readings
from support.books import DAY, ENERGY, HOUR, T0, WASHES, Books, open_books
from support.uploads import SimGateway, event, money, segment, wash
from tallystick_cloud import schema
from tallystick_protocol import cbor, cose
from tallystick_protocol.batch import SealedPart, Upload
from tallystick_protocol.codes import EventCode, Reason, ReceiptStatus, Sensitivity
from tallystick_protocol.ids import H32
from tallystick_protocol.part import Part


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


def unnamed(use: int) -> list[Part]:
    """A wash whose programme nobody saw, as a gateway signs it that was off all the while."""
    start, end, why = T0 + use * HOUR, T0 + (use + 1) * HOUR, Reason.POWER_RETURN
    made = [event(3 * use, start, EventCode.USE_STARTED, use=use, total=use - 1)]
    made += [event(3 * use + 1, end, EventCode.USE_BILLABLE, use=use, total=use, reason=why)]
    made += [event(3 * use + 2, end, EventCode.USE_ENDED, use=use, total=use, reason=why)]
    return [money(2, events=made)]


def test_a_wash_whose_programme_nobody_saw_waits_for_a_person_and_the_next_goes_on(books: Books) -> None:
    gateway = gateway_at(books)
    assert books.seal_and_send(gateway, unnamed(1)).receipt.quarantined == ()
    (opened,) = books.rows(schema.exception)
    assert (opened["state"], opened["from_total"], opened["to_total"], opened["from_use"]) == ("open", 0, 1, 1)
    assert "nobody saw which programme ran" in str(opened["detail"])
    assert books.rows(schema.use) == []
    books.seal_and_send(gateway, wash(2, 7, 2, 2, T0 + 2 * HOUR, T0 + 3 * HOUR))
    assert [(row["number"], row["programme"]) for row in books.rows(schema.use)] == [(2, "60")]
    assert books.audit() == []


def test_a_contract_may_price_a_wash_whose_programme_nobody_saw() -> None:
    rest = WASHES.replace('programmes = ["60"]\n', "")
    books = open_books(contracts={"washes.toml": rest, "energy.toml": ENERGY})
    gateway = gateway_at(books)
    books.seal_and_send(gateway, unnamed(1))
    assert [(row["number"], row["programme"]) for row in books.rows(schema.use)] == [(1, None)]
    assert (fees(books), books.rows(schema.exception)) == (1_850_000_000, [])
    books.database.close()
