"""Balances at both times of the ledger against a plain sum over every posting, on both databases, and the command."""

from __future__ import annotations

import json
from collections import defaultdict
from random import Random

import pytest
from sqlalchemy import update
from support.books import DAY, HOUR, T0, Books
from support.uploads import SimGateway, money, segment, wash
from tallystick_cloud import schema
from tallystick_cloud.commands import balance as command
from tallystick_cloud.errors import BadInput
from tallystick_cloud.ledger import journals
from tallystick_cloud.ledger.balances import Key, as_of, balances, metered_until
from tallystick_cloud.ledger.model import Account, Line
from tallystick_cloud.ledger.period import close

QUARTER = 900_000
MONTH_END = T0 + 30 * DAY


def parties(books: Books) -> dict[str, bytes]:
    return {str(row["name"]): row["id"] for row in books.rows(schema.party)}  # type: ignore[misc]


@pytest.fixture
def month(either: Books) -> Books:
    """Washes and readings that come days late, one batch over midnight, a close, and journals at any time of day."""
    gateway = SimGateway("cellar")
    either.enrol(gateway, "cellar")
    rows = [(T0 + 22 * HOUR + at * QUARTER, 1_000 + at * 300) for at in range(17)]  # until 02:00 of the day after
    either.seal_and_send(gateway, [money(1, [segment(1, rows, serial="S1")])], T0 + 3 * DAY)
    for at, day in enumerate((0, 4, 1)):
        start = T0 + day * DAY + at * HOUR
        either.seal_and_send(gateway, wash(2, 1 + 3 * at, 1 + at, 1 + at, start, start + HOUR), T0 + (5 + at) * DAY)
    either.run(close, "lindenhof", T0, MONTH_END + HOUR)
    ids, random = parties(either), Random(5)
    for number in range(60):
        chain, nano = bytes([number % 3]) * 32, random.randrange(-9, 9) * 10**7
        lines = {
            Line(ids["Coop"], Account.PAYABLE, ids["Bank"], chain, "EUR"): -nano,
            Line(ids["Coop"], Account.BANK, ids["Coop"], chain, "EUR"): nano,
        }
        at_ms = MONTH_END + random.randrange(2 * DAY)  # in no order
        either.run(journals.post, "lindenhof", [journals.Entry(f"n{number}", "test", b"", lines)], at_ms)
    return either


def summed(books: Books, known_ms: int, party: bytes | None = None) -> dict[Key, int]:
    """Every posting of every journal that was recorded by then, added up one by one."""
    recorded = {row["id"]: int(row["recorded_ms"]) for row in books.rows(schema.journal)}  # type: ignore[call-overload]
    found: dict[Key, int] = defaultdict(int)
    for row in books.rows(schema.posting):
        if recorded[row["journal"]] <= known_ms and party in (None, row["party"]):
            found[row["holder"], row["account"], row["party"], row["unit"]] += int(row["amount"])  # type: ignore[index, call-overload]
    return {key: nano for key, nano in found.items() if nano}


def test_any_moment_is_the_sum_of_what_was_recorded_by_then(month: Books) -> None:
    recorded = sorted({int(row["recorded_ms"]) for row in month.rows(schema.journal)})  # type: ignore[call-overload]
    edges = [T0, *(T0 + day * DAY + part for day in (3, 30, 31, 32, 90) for part in (-1, 0, DAY // 2 - 1, DAY // 2))]
    bank = parties(month)["Bank"]
    for at_ms in (*edges, *recorded[::3], *(ms - 1 for ms in recorded[1::3])):
        assert month.database.glance_now(as_of, "lindenhof", at_ms) == summed(month, at_ms)
        assert month.database.glance_now(as_of, "lindenhof", at_ms, bank) == summed(month, at_ms, bank)
    assert month.database.glance_now(balances, "lindenhof") == summed(month, 2**62)
    assert month.database.glance_now(balances, "lindenhof", bank) == summed(month, 2**62, bank)
    assert month.audit() == []


def test_nothing_is_recorded_before_what_was_told_already(either: Books) -> None:
    """Seed 6506817: an upload that waited while a period was closed was recorded 21 ms before it. A clock that was much
    too far ahead is not waited for."""
    gateway, closed_ms = SimGateway("cellar"), MONTH_END + HOUR
    either.enrol(gateway, "cellar")

    def washed(number: int, now_ms: int) -> int:
        start = T0 + number * HOUR
        events = wash(2, 1 + 3 * number, 1 + number, 1 + number, start, start + HOUR)
        either.seal_and_send(gateway, events, now_ms)
        (at_ms,) = {row["recorded_ms"] for row in either.rows(schema.use) if row["number"] == 1 + number}
        assert max(either.rows(schema.journal), key=lambda row: row["id"])["recorded_ms"] == at_ms  # type: ignore[arg-type, return-value]
        return int(at_ms)  # type: ignore[call-overload]

    assert washed(0, closed_ms - DAY) == closed_ms - DAY
    either.run(close, "lindenhof", T0, closed_ms)
    assert washed(1, closed_ms - 21) == closed_ms
    assert washed(2, closed_ms + 5) == closed_ms + 5
    ids = parties(either)
    line, other = (Line(ids["Coop"], account, ids["Bank"], b"", "EUR") for account in (Account.PAYABLE, Account.BANK))
    entry = journals.Entry("late", "test", b"", {line: -7, other: 7})
    (late,) = either.run(journals.post, "lindenhof", [entry], closed_ms + 1)
    assert [row["recorded_ms"] for row in either.rows(schema.journal) if row["id"] == late] == [closed_ms + 5]
    assert washed(3, closed_ms - 61_000) == closed_ms - 61_000
    assert either.audit() == []


def test_an_earlier_balance_reads_days_and_not_every_posting(month: Books) -> None:
    """Its postings are those of half a day at most: what is older may be anything, the day's sum stands for it."""
    before = month.database.glance_now(as_of, "lindenhof", T0 + 40 * DAY)
    spoilt = update(schema.posting).where(schema.posting.c.recorded_ms < T0 + 40 * DAY).values(amount=1)
    month.run(lambda conn: conn.execute(spoilt))
    assert month.database.glance_now(as_of, "lindenhof", T0 + 40 * DAY) == before


def owed(books: Books, found: dict[Key, int], name: str) -> int:
    party = parties(books)[name]
    return sum(nano for (_, account, about, _), nano in found.items() if (account, about) == ("receivable", party))


def test_what_was_metered_until_a_moment_cuts_a_batch_between_its_uses(month: Books) -> None:
    """16 quarters of 0.09: eight before midnight, eight after; the minimum is due when its month is over."""

    def read(metered_ms: int, known_ms: int = T0 + 60 * DAY, party: str | None = None) -> dict[Key, int]:
        who = None if party is None else parties(month)[party]
        return dict(month.database.read_now(metered_until, "lindenhof", metered_ms, known_ms, who))

    midnight = read(T0 + DAY)
    assert sum(midnight.values()) == 0
    assert owed(month, midnight, "Ben") == 8 * 90_000_000
    assert owed(month, midnight, "Anna") == 1_850_000_000  # the other washes ended later
    assert owed(month, read(T0 + DAY + QUARTER), "Ben") == 9 * 90_000_000
    assert owed(month, read(MONTH_END - 1), "Ben") == 16 * 90_000_000
    assert owed(month, read(MONTH_END), "Ben") == 5_000_000_000
    assert read(T0 + DAY, T0 + 3 * DAY - 1) == {}  # nothing was known yet
    assert owed(month, read(T0 + DAY, T0 + 3 * DAY), "Anna") == 0  # his readings came before her wash
    assert read(T0 + 60 * DAY) == summed(month, T0 + 60 * DAY)
    bank = parties(month)["Bank"]
    assert read(T0 + DAY, party="Bank") == {key: nano for key, nano in midnight.items() if key[2] == bank}


def test_only_what_is_not_to_come_can_be_asked() -> None:
    noon = T0 + DAY + DAY // 2
    assert command._moment("--as-of", "2026-11-02", "UTC", noon) == noon  # today, as far as it is known
    assert command._moment("--as-of", "2026-11-01", "Europe/Rome", noon) == T0 + 23 * HOUR - 1
    assert command._moment("--as-of", "2026-11-02T12:00+01:00", "UTC", noon) == noon - HOUR
    assert command._moment("--as-of", None, "UTC", noon) is None
    for text in ("2026-11-03", "2026-11-02T12:00:01Z", "9998-12-31"):
        with pytest.raises(BadInput, match=r"--as-of: .* is still to come; name a day until 2026-11-02"):
            command._moment("--as-of", text, "UTC", noon)
    for text in ("yesterday", "2026-02-30", "2026-11-02T12:00"):
        with pytest.raises(BadInput, match="write a day as 2026-10-31 or a moment as"):
            command._moment("--as-of", text, "UTC", noon)


def test_the_text_names_books_account_and_party_and_sums_to_zero(month: Books) -> None:
    names = {party: name for name, party in parties(month).items()}
    asked = command._Asked("lindenhof", None, T0 + 3 * DAY, None)
    found = command._read(month.database, asked, T0 + 60 * DAY)
    text = command._as_text(asked, found, names, "UTC", T0 + 60 * DAY).splitlines()
    assert text[0] == "lindenhof, as known at 2026-11-04 00:00 UTC"
    assert text[1].split() == ["in", "the", "books", "of", "account", "about", "amount"]
    assert text[-2].split() == ["Coop", "receivable", "Ben", "1.44", "EUR"]
    assert text[-1] == "in all: 0.00 EUR"
    said = json.loads(command._as_json(asked, found, names))
    assert (said["as_of_ms"], said["metered_until_ms"]) == (T0 + 3 * DAY, None)
    assert {"holder": "Coop", "account": "receivable", "party": "Ben", "unit": "EUR", "nano": "1440000000"} in said[
        "balances"
    ]
    nothing = command._Asked("lindenhof", None, T0 + 3 * DAY, T0)
    assert command._as_text(nothing, {}, names, "UTC", T0).endswith(
        "of what was metered until 2026-11-01 00:00 UTC\nno account holds anything"
    )
