"""A meter that comes to a running site: what was signed of it before its plan waits, and counts from its start on."""

from dataclasses import replace

import pytest
from sqlalchemy import Connection
from support.arrivals import MINUTE, QUARTER, channel, gateway_at
from support.books import HOUR, T0, Books
from support.uploads import SimGateway, event, money, segment, wash
from tallystick_cloud import schema
from tallystick_cloud.assets.model import Form, PlannedChannel
from tallystick_cloud.errors import CloudError, Conflict, NotFound
from tallystick_cloud.gateways import commands
from tallystick_cloud.gateways.extend import Extended, extend
from tallystick_cloud.gateways.revoke import revoke
from tallystick_protocol import cose
from tallystick_protocol.codes import EventCode, Reason, TimeQuality
from tallystick_protocol.measure import CYCLES, Measure, unplanned_name
from tallystick_protocol.part import Part
from tallystick_protocol.records import Descriptor

NEW = PlannedChannel(5, "m-flat-2", "flat", "1-0:1.8.0", "Wh", 0, Form.INTERVAL, "test", "0" * 64, "S5",
                     type_approval="DE-1")  # fmt: skip
WASHER = PlannedChannel(6, "m-washer-2", "washer", "cycles", "cycle", 0, Form.EVENT, "test", "0" * 64)
WATT_HOURS = Measure("1-0:1.8.0", "Wh", 0)


def hour(first: int, total: int, start: int, read: Measure = WATT_HOURS, number: int = 5) -> Part:
    """A quarter of an hour, three readings 50 Wh apart, of a channel that the gateway finds in no plan."""
    rows = [(start + index * 5 * MINUTE, total + index * 50) for index in range(3)]
    return replace(money(number, [segment(first, rows, serial="S5")]), descriptor=unplanned_name(read))


def extended(books: Books, *wanted: PlannedChannel, since: int = T0, now: int = T0 + 2 * HOUR) -> Extended:
    context = books.aggregator.of(books.community)
    return books.database.write_now(extend, context, books.aggregator.entropy, "cellar", wanted, since, now)


def billed(books: Books, number: int) -> int:
    h = channel(books, number)["channel_hash"]
    uses = [row for row in books.rows(schema.use) if row["channel_hash"] == h]
    return sum(int(row["to_total"]) - int(row["from_total"]) for row in uses)  # type: ignore[call-overload]


def test_what_waited_is_billed_once_the_plan_says_just_that(books: Books) -> None:
    gateway = gateway_at(books)
    for turn in range(4):
        sent = books.seal_and_send(gateway, [hour(1 + 3 * turn, 1_000 + 150 * turn, T0 + turn * QUARTER)])
        assert sent.receipt.quarantined == ((turn + 1, 0, int(Reason.NO_DESCRIPTOR)),)
    assert books.rows(schema.use) == []
    done = extended(books, NEW)
    assert (done.retried.taken, done.retried.left, done.gateways) == (4, 0, (gateway.gid,))
    assert billed(books, 5) == 450  # whole quarters; what lies in the fifth is cut when it is over
    after = books.seal_and_send(gateway, [hour(13, 1_600, T0 + 4 * QUARTER), hour(16, 1_750, T0 + 5 * QUARTER)])
    assert after.receipt.quarantined == ()
    assert billed(books, 5) == 750
    assert [row["code"] for row in books.rows(schema.alarm) if row["cleared_ms"] is None] == []
    assert books.audit() == []


@pytest.mark.parametrize(
    "read", [Measure("1-0:1.8.0", "Wh", -3), Measure("1-0:2.8.0", "Wh", 0), Measure("water", "l", 0)]
)
def test_what_means_something_else_waits_on(books: Books, read: Measure) -> None:
    gateway = gateway_at(books)
    books.seal_and_send(gateway, [hour(1, 1_000, T0, read), hour(4, 1_150, T0 + QUARTER, read)])
    done = extended(books, NEW)
    assert (done.retried.taken, done.retried.left) == (0, 2)
    sent = books.seal_and_send(gateway, [hour(7, 1_300, T0 + 2 * QUARTER, read)])
    assert [reason for _, _, reason in sent.receipt.quarantined] == [int(Reason.NO_DESCRIPTOR)]
    assert (books.rows(schema.use), books.audit()) == ([], [])


def test_nothing_from_before_the_start_is_billed(books: Books) -> None:
    gateway = gateway_at(books)
    for turn in range(4):
        books.seal_and_send(gateway, [hour(1 + 3 * turn, 1_000 + 150 * turn, T0 + turn * QUARTER)])
    done = extended(books, NEW, since=T0 + 2 * QUARTER)
    assert (done.retried.taken, done.retried.left) == (2, 2)
    books.seal_and_send(gateway, [hour(13, 1_600, T0 + 4 * QUARTER)])
    assert channel(books, 5)["first_total"] == 1_300
    assert billed(books, 5) == 300
    details = {str(row["detail"]) for row in books.rows(schema.exception) if row["state"] == "quarantined"}
    assert len(details) == 1
    assert details.pop().endswith("this was read before")
    assert books.audit() == []


def test_a_start_to_come_sets_aside_what_is_read_until_then_by_whatever_name(books: Books) -> None:
    gateway = gateway_at(books)
    extended(books, NEW, since=T0 + 2 * QUARTER)
    (envelope,) = (bytes(row["envelope"]) for row in books.rows(schema.descriptor) if row["channel"] == 5)  # type: ignore[call-overload]
    known = replace(hour(1, 1_000, T0), descriptor=cose.parse(envelope).hash)
    nameless = replace(hour(4, 1_150, T0 + QUARTER), descriptor=money(5).descriptor)
    timeless = [segment(7, [(1, 1_250), (2, 1_250)], serial="S5", quality=TimeQuality.U)]
    sent = books.seal_and_send(gateway, [known, nameless, money(5, timeless), hour(9, 1_300, T0 + 2 * QUARTER)])
    assert [position for _, position, _ in sent.receipt.quarantined] == [0, 1]
    assert channel(books, 5)["last_total"] == 1_400


def test_washes_that_were_counted_before_the_start_are_no_hole(books: Books) -> None:
    """The machine has counted five washes when its sixth is the first that is billed."""
    gateway = gateway_at(books)
    named = [replace(part, descriptor=unplanned_name(CYCLES)) for part in wash(6, 13, 5, 5, T0, T0 + HOUR)]
    books.seal_and_send(gateway, named)
    later = [replace(part, descriptor=unplanned_name(CYCLES)) for part in wash(6, 16, 6, 6, T0 + HOUR, T0 + 2 * HOUR)]
    books.seal_and_send(gateway, later)
    extended(books, WASHER, since=T0 + HOUR)
    assert [(row["number"], row["to_total"]) for row in books.rows(schema.use)] == [(6, 6)]
    assert (channel(books, 6)["first_total"], books.audit()) == (5, [])


def test_the_descriptor_is_signed_logged_and_told(books: Books) -> None:
    gateway = gateway_at(books)
    leaves = len(books.rows(schema.log_leaf))
    extended(books, NEW, since=T0 + HOUR)
    (row,) = (row for row in books.rows(schema.descriptor) if row["channel"] == 5)
    opened = Descriptor.decode(cose.parse(bytes(row["envelope"])).payload)  # type: ignore[call-overload]
    assert (opened.gid, opened.serial, opened.since_ms) == (gateway.gid, "S5", T0 + HOUR)
    assert len(books.rows(schema.log_leaf)) == leaves + 2
    told = books.database.read_now(commands.told, gateway.gid, T0)
    assert [(one.type, one.result) for one in told] == [("renew_certificate", "waiting")]


def refused(books: Books, *wanted: PlannedChannel, since: int = T0) -> CloudError:
    before = books.dump()
    with pytest.raises(CloudError) as caught:
        extended(books, *wanted, since=since)
    assert books.dump() == before
    return caught.value


def test_no_channel_that_is_there_changes_and_what_cannot_be_is_refused(books: Books) -> None:
    gateway_at(books)
    rows = {row["channel"]: row for row in books.rows(schema.descriptor)}
    old = PlannedChannel(1, "m-flat", "flat", "1-0:1.8.0", "Wh", 0, Form.INTERVAL, "test", "0" * 64, "S1",
                         type_approval="DE-1")  # fmt: skip
    for change in ({"unit": "kWh"}, {"exponent": -3}, {"asset": "washer"}, {"serial": "S9"}, {"meter": "other"}):
        error = refused(books, replace(old, **change), NEW)  # type: ignore[arg-type]
        assert f"channel 1, {next(iter(change))}" in str(error)
    assert "none is new" in str(refused(books, old))
    assert "is no asset of" in str(refused(books, replace(NEW, asset="attic")))
    assert "more than a year ahead" in str(refused(books, NEW, since=T0 + 400 * 24 * HOUR))
    assert "type_approval" in str(refused(books, replace(NEW, type_approval=None)))
    assert "given twice" in str(refused(books, NEW, NEW))
    assert extended(books, old, NEW).channels == (replace(NEW, since_ms=T0),)
    assert {row["channel"]: row for row in books.rows(schema.descriptor) if row["channel"] in rows} == rows
    assert "none is new" in str(refused(books, old, NEW))
    assert "every fee would be wrong" in str(refused(books, replace(NEW, number=7, exponent=-3)))
    assert "prices interval uses" in str(refused(books, replace(NEW, number=7, form=Form.EVENT)))


def test_a_meter_of_another_site_or_a_site_that_is_not_there_is_refused(books: Books) -> None:
    extended(books, NEW)
    context, entropy = books.aggregator.of(books.community), books.aggregator.entropy
    with pytest.raises(NotFound):
        books.database.write_now(extend, context, entropy, "attic", [NEW], T0, T0)

    def elsewhere(conn: Connection) -> None:
        conn.execute(schema.meter.update().where(schema.meter.c.id == "m-flat-2").values(site="attic"))

    books.run(elsewhere)
    assert isinstance(refused(books, replace(NEW, number=8)), Conflict)


def test_a_site_without_a_gateway_grows_and_its_first_one_gets_all_of_it(books: Books) -> None:
    assert extended(books, NEW).gateways == ()
    gateway = gateway_at(books)
    assert {row["channel"] for row in books.rows(schema.descriptor)} == {1, 2, 5}
    sent = books.seal_and_send(gateway, [hour(1, 1_000, T0)])
    assert sent.receipt.quarantined == ()


def test_a_revoked_gateway_is_told_nothing(books: Books) -> None:
    gateway = gateway_at(books)
    context, entropy = books.aggregator.of(books.community), books.aggregator.entropy
    books.run(revoke, context, entropy, gateway.gid, "Coop", "sold", T0)
    assert extended(books, NEW).gateways == ()


def test_events_of_other_channels_are_untouched(books: Books) -> None:
    gateway = SimGateway("cellar")
    books.enrol(gateway, "cellar")
    books.seal_and_send(gateway, wash(2, 1, 1, 1, T0, T0 + HOUR))
    before = books.rows(schema.use)
    extended(books, NEW)
    assert books.rows(schema.use) == before
    told = books.seal_and_send(
        gateway, [money(2, events=[event(4, T0 + 2 * HOUR, EventCode.GAP, reason=Reason.METER_SILENT)])]
    )
    assert told.receipt.quarantined == ()
