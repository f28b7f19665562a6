"""The use cases of the situation room over real tables: what is counted, who takes an alarm, who is silent."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, insert, select, update
from support.city_seed import MINUTE, Seed, add_alarm, add_batch, add_use, gid_of, party_id, seed_people
from tallystick_cloud import schema
from tallystick_cloud.alarms import _ENDS, Ends, Severity, ends_of, raise_alarm
from tallystick_cloud.alarms import Alarm as NewAlarm
from tallystick_cloud.city import service
from tallystick_cloud.city.alarm_words import ENDS, ends_words
from tallystick_cloud.city.errors import AlarmTaken, NoSuchAlarm
from tallystick_cloud.city.model import GatewayState
from tallystick_cloud.errors import NotFound
from tallystick_cloud.gateways.remedies import remedy_of
from tallystick_cloud.ledger import journals
from tallystick_cloud.ledger.model import Account, Line

SEED = Seed(gateways=4, uses=0, alarms=0)
NOW = SEED.now_ms
EURO = 1_000_000_000


def test_figures_are_those_of_the_ledger(conn: Connection) -> None:
    before = service.look(conn, SEED.community, NOW)
    add_use(conn, SEED, 1, 0, NOW - MINUTE, 3 * EURO)
    add_use(conn, SEED, 2, 1, NOW - 2 * MINUTE, 2 * EURO)
    add_use(conn, SEED, 3, 1, NOW - 30 * 60 * MINUTE, 7 * EURO)
    add_use(conn, SEED, 4, 1, NOW - MINUTE, 9 * EURO, kind="shadow")
    after = service.look(conn, SEED.community, NOW)
    assert after.today.uses == before.today.uses + 2
    assert after.today.shadow_uses == 1
    assert after.today.fees_nano == before.today.fees_nano + 5 * EURO
    assert sum(one.nano for one in after.shares) == after.today.fees_nano
    assert after.today.imbalance_nano == 0
    assert sum(one.fees_nano for one in after.buckets) == 5 * EURO, "30 hours ago is not in the last 24"
    assert [one.uses for one in after.gateways] == [1, 1, 0, 0]


def test_money_that_is_paid_collected_or_paid_out_is_no_fee_of_the_day(conn: Connection) -> None:
    add_use(conn, SEED, 1, 0, NOW - MINUTE, 3 * EURO)
    before = service.look(conn, SEED.community, NOW)
    payer, owner, coop = (party_id(SEED.community, name) for name in ("Family Conti", "Elena Rossi", "Casa Aurora"))
    moves = {
        "bank-payment": (Account.RECEIVABLE, payer, Account.BANK, coop),
        "debit-collected": (Account.RECEIVABLE, payer, Account.BANK, coop),
        "payout-split-paid": (Account.RECEIVABLE, payer, Account.PAYABLE, owner),
        "payout-sent": (Account.PAYOUT_IN_TRANSIT, owner, Account.PAYABLE, owner),
        "unclaimed-moved": (Account.UNCLAIMED, owner, Account.PAYABLE, owner),
    }
    for cause, (less, whose, more, other) in moves.items():
        lines = {Line(coop, less, whose, bytes(32), "EUR"): -EURO, Line(coop, more, other, bytes(32), "EUR"): EURO}
        journals.post(conn, SEED.community, [journals.Entry(f"{cause}:1", cause, bytes(32), lines)], NOW)
    after = service.look(conn, SEED.community, NOW)
    assert (after.today.fees_nano, after.shares) == (before.today.fees_nano, before.shares)
    assert after.shares


def test_a_book_that_does_not_balance_is_shown(conn: Connection) -> None:
    add_use(conn, SEED, 1, 0, NOW - MINUTE, 3 * EURO)
    balance = schema.balance
    conn.execute(update(balance).where(balance.c.account == "receivable").values(amount=balance.c.amount + 5))
    assert service.look(conn, SEED.community, NOW).today.imbalance_nano == 5


def test_only_the_standing_rating_of_a_use_counts(conn: Connection) -> None:
    add_use(conn, SEED, 1, 0, NOW - MINUTE, 3 * EURO)
    row = conn.execute(select(schema.use_rating)).one()._asdict()
    again = {name: row[name] for name in ("use_id", "shares", "counters", "journal", "rated_ms")}
    conn.execute(insert(schema.rerating), {**again, "revision": 2, "fee": EURO, "cause": bytes(32)})
    found = service.look(conn, SEED.community, NOW)
    assert found.gateways[0].fees_nano == EURO
    assert found.gateways[0].uses == 1


def test_the_slowest_batch_is_named_and_a_clock_ahead_is_no_time(conn: Connection) -> None:
    add_batch(conn, SEED, 90_001, 2, NOW - 90_000, 80_000)
    found = service.look(conn, SEED.community, NOW).today.slowest
    assert found is not None
    assert (found.took_ms, found.gateway) == (80_000, "gw-003")


def test_an_unknown_community_says_what_to_do(conn: Connection) -> None:
    with pytest.raises(NotFound, match="community import"):
        service.look(conn, "nowhere", NOW)


def test_an_alarm_is_taken_once_and_again_by_the_same_person_is_the_same(conn: Connection) -> None:
    number = add_alarm(conn, SEED, 0, "tamper", "critical", "open", 0)
    mine, theirs = party_id(SEED.community, "City control room"), party_id(SEED.community, "Giulia Ferrari")
    assert service.take(conn, SEED.community, number, mine, NOW).taken_by == "City control room"
    assert service.take(conn, SEED.community, number, mine, NOW + 5).taken_by == "City control room"
    with pytest.raises(AlarmTaken, match="somebody else"):
        service.take(conn, SEED.community, number, theirs, NOW)
    taken = conn.execute(select(schema.alarm.c.taken_by, schema.alarm.c.taken_ms)).one()
    assert (taken.taken_by, taken.taken_ms) == (mine, NOW)


def test_an_alarm_that_is_over_or_foreign_is_refused_and_nothing_changes(conn: Connection) -> None:
    number = add_alarm(conn, SEED, 0, "tamper", "critical", "open", 0)
    mine = party_id(SEED.community, "City control room")
    other = Seed(community="otherton", name="Otherton", gateways=0)
    seed_people(conn, other)
    for community, alarm in ((SEED.community, number + 1), ("otherton", number)):
        with pytest.raises(NoSuchAlarm):
            service.take(conn, community, alarm, mine, NOW)
    conn.execute(schema.alarm.update().values(cleared_ms=NOW))
    with pytest.raises(AlarmTaken, match="over already"):
        service.take(conn, SEED.community, number, mine, NOW)
    assert conn.execute(select(schema.alarm.c.taken_by)).scalar_one() is None


def test_alarms_are_worst_first_then_newest_and_never_too_old(conn: Connection) -> None:
    add_alarm(conn, SEED, 0, "gap", "warning", "a", 5)
    add_alarm(conn, SEED, 1, "tamper", "critical", "b", 40 * 24 * 60)
    add_alarm(conn, SEED, 2, "card-restored", "info", "c", 0)
    add_alarm(conn, SEED, 3, "gap", "warning", "d", 1)
    assert [one.text for one in service.look(conn, SEED.community, NOW).alarms] == ["b", "d", "a", "c"]


def test_a_test_alarm_does_not_reach_the_operators(conn: Connection) -> None:
    add_alarm(conn, SEED, 0, "gap", "warning", "a", 5)
    conn.execute(schema.alarm.update().values(test=True))
    assert service.look(conn, SEED.community, NOW).alarms == ()


def test_silence_raises_one_alarm_and_being_heard_ends_it(conn: Connection) -> None:
    assert service.watch_contacts(conn, SEED.community, NOW) == 1
    assert service.watch_contacts(conn, SEED.community, NOW) == 0
    found = service.look(conn, SEED.community, NOW)
    assert [(one.code, one.gateway) for one in found.alarms] == [("no-contact", "gw-004")]
    assert [one.state for one in found.gateways] == [
        GatewayState.ONLINE, GatewayState.ONLINE, GatewayState.LATE, GatewayState.OFFLINE,
    ]  # fmt: skip
    contact = schema.gateway_contact
    heard = contact.update().where(contact.c.gid == gid_of(SEED.community, 3)).values(last_seen_ms=NOW)
    conn.execute(heard)
    assert service.watch_contacts(conn, SEED.community, NOW + 1) == 1
    assert service.look(conn, SEED.community, NOW + 1).alarms == ()


def test_pages_and_the_watch_only_read_until_something_is_to_be_written(conn: Connection) -> None:
    is_sqlite = conn.dialect.name == "sqlite"
    conn.exec_driver_sql("PRAGMA query_only=ON" if is_sqlite else "SET TRANSACTION READ ONLY")
    service.look(conn, SEED.community, NOW)
    service.find(conn, SEED.community, "gw", NOW)
    changes = service.contact_changes(conn, SEED.community, NOW)
    assert [one.gid for one in changes.silent] == [gid_of(SEED.community, 3)]
    if is_sqlite:
        conn.exec_driver_sql("PRAGMA query_only=OFF")


def test_search_finds_by_part_of_name_kind_site_and_number(conn: Connection) -> None:
    assert [one.id for one in service.find(conn, SEED.community, "DRYER", NOW).assets] == ["asset-1"]
    assert service.find(conn, SEED.community, "dryer", NOW).assets[0].gateway == "gw-002"
    assert len(service.find(conn, SEED.community, "house 3", NOW).gateways) == 1
    number = gid_of(SEED.community, 2).hex()[:6]
    assert [one.name for one in service.find(conn, SEED.community, number, NOW).gateways] == ["gw-003"]
    assert service.find(conn, SEED.community, "%", NOW) == service.Found((), ())


def test_an_alarm_is_closed_once_by_a_person_with_a_cause(conn: Connection) -> None:
    number = add_alarm(conn, SEED, 0, "tamper", "critical", "open", 0)
    mine = party_id(SEED.community, "City control room")
    with pytest.raises(NoSuchAlarm):
        service.close(conn, "otherton", number, mine, "cover was loose", NOW)
    service.close(conn, SEED.community, number, mine, "cover was loose", NOW)
    assert service.look(conn, SEED.community, NOW).alarms == ()
    row = conn.execute(select(schema.alarm)).one()
    assert (row.cleared_ms, row.closed_by, row.cause) == (NOW, mine, "cover was loose")
    with pytest.raises(AlarmTaken, match="over already"):
        service.close(conn, SEED.community, number, mine, "again", NOW + 1)
    assert conn.execute(select(schema.alarm.c.cause)).scalar_one() == "cover was loose"


def test_what_does_not_come_again_for_a_day_is_over_and_what_a_person_must_see_stays(conn: Connection) -> None:
    service.watch_contacts(conn, SEED.community, NOW)
    for code in ("reading-set-aside", "tamper", "quarantine-internal", "quarantine-fell"):
        add_alarm(conn, SEED, 0, code, "warning", code, 0)
    conn.execute(schema.alarm.update().where(schema.alarm.c.code != "no-contact").values(last_ms=NOW))
    day = 24 * 60 * MINUTE
    assert service.contact_changes(conn, SEED.community, NOW + day - 1).over == ()
    (over,) = service.contact_changes(conn, SEED.community, NOW + day).over
    service.watch_contacts(conn, SEED.community, NOW + day)
    left = {one.code for one in service.look(conn, SEED.community, NOW + day).alarms}
    assert left - {"no-contact"} == {"tamper", "quarantine-internal", "quarantine-fell"}
    cleared = select(schema.alarm.c.subject_key).where(schema.alarm.c.cleared_ms.is_not(None))
    assert conn.execute(cleared).scalars().all() == [over]


def test_a_gap_is_over_with_the_first_reading_after_it(conn: Connection) -> None:
    h = bytes(31) + b"g"
    gap = NewAlarm("gap", Severity.WARNING, "no readings", "gap:x", gid_of(SEED.community, 0), h)
    raise_alarm(conn, SEED.community, gap, NOW)
    row = {"channel_hash": h, "community": SEED.community, "gid": gid_of(SEED.community, 0), "channel": 77}
    more = {"asset": "asset-1", "meter": "m", "quantity": "q", "unit": "Wh", "exponent": 0, "form": "interval"}
    zero = {"last_use": 0, "last_pagination": 0, "last_event": 0, "generation": 0, "seams": 0, "base": 0, "tail": "[]"}
    conn.execute(schema.channel.insert(), {**row, **more, **zero, "last_reading_ms": NOW})
    assert service.contact_changes(conn, SEED.community, NOW).over == ()
    conn.execute(schema.channel.update().where(schema.channel.c.channel_hash == h).values(last_reading_ms=NOW + 1))
    assert service.contact_changes(conn, SEED.community, NOW).over == ("gap:x",)


def test_every_rule_is_about_a_code_that_exists_and_has_words() -> None:
    assert all(remedy_of(code) is not None for code in _ENDS)
    assert {ends_of(code) for code in _ENDS} | {Ends.PERSON} == set(Ends) == set(ENDS)
    assert ends_words("clone") == ENDS[Ends.PERSON]
