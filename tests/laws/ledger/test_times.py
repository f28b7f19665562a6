"""Readings whose time is not known, or wrong: their counts are billed once, when and as far as their time is known."""

from support.arrivals import MINUTE, QUARTER, channel, fees, gateway_at, readings
from support.books import DAY, HOUR, T0, Books, place
from support.uploads import BOOT, event, money, personal, segment, wash
from tallystick_cloud import schema
from tallystick_protocol.codes import EventCode, TimeQuality
from tallystick_protocol.part import ClockFix, Part


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
