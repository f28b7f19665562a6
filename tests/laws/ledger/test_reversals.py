"""Law 9: a reversed use counts as if it had never been, whatever the order in which uses and reversals become known.

Judged against books in which the reversed uses never were, on SQLite and on PostgreSQL; audit and verifier agree.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, select
from support import postgres
from support.books import DAY, ENERGY, HOUR, STEEP, T0, Books, open_books
from tallystick_cloud import schema
from tallystick_cloud.contracts.model import Version
from tallystick_cloud.contracts.store import book as contract_book
from tallystick_cloud.errors import Conflict, NotFound
from tallystick_cloud.ledger.audit import audit
from tallystick_cloud.ledger.lot import Cause
from tallystick_cloud.ledger.model import FreshUse, Kind, position_of
from tallystick_cloud.ledger.reversal import reverse
from tallystick_cloud.ledger.service import book
from tallystick_protocol.ids import H32, PartyId, sha256, use_id
from tallystick_protocol.money.calendar import period_of
from tallystick_protocol.money.rating import Usage, UsageForm, minimum_usage, rebate_usage

EXAMPLES = int(os.environ.get("TALLYSTICK_LAW_EXAMPLES", "0"))
CHANNEL = sha256(b"a washer")


@dataclass(frozen=True)
class Story:
    """Uses by their days, in the order in which they become known; those with a number of `gone` are reversed then."""

    days: tuple[int, ...]
    order: tuple[int, ...]
    gone: tuple[tuple[int, int], ...]  # (use, after so many steps; not before it is known)
    close_at: int  # November is closed after so many steps


@st.composite
def stories(draw: st.DrawFn) -> Story:
    days = tuple(draw(st.lists(st.integers(0, 45), min_size=3, max_size=9, unique=True)))
    order = tuple(draw(st.permutations(range(len(days)))))
    gone = draw(st.sets(st.sampled_from(range(len(days))), min_size=1, max_size=3))
    steps = st.integers(0, len(days))
    return Story(days, order, tuple((one, draw(steps)) for one in sorted(gone)), draw(steps))


class _Undone(Exception):
    """Ends a transaction, so that one database serves many stories."""


@dataclass
class Washes:
    """Books with one contract, and what a story does to them."""

    books: Books

    def __post_init__(self) -> None:
        found = self.books.database.read_now(contract_book, "lindenhof").versions
        self.version: Version = next(one for one in found if one.contract.name == "Washes")
        self.anna = next(
            PartyId(bytes(row["id"]))
            for row in self.books.rows(schema.party)
            if row["name"] == "Anna"  # type: ignore[call-overload]
        )

    def usage(self, number: int, day: int) -> Usage:
        end = T0 + day * DAY + HOUR
        here = use_id(CHANNEL, number)
        row = (here, CHANNEL, number, end - HOUR, end, number, number + 1, "washer", self.anna)
        return Usage(*row, form=UsageForm.EVENT)

    def learn(self, conn: Connection, usage: Usage, now_ms: int) -> None:
        h, chain = H32(self.version.h), H32(self.version.chain)
        fresh = FreshUse(usage, h, chain, Kind.LIVE, None, None, 1, None)
        book(conn, "lindenhof", [fresh], {h: self.version}, Cause(usage.use_id.hex(), "batch", None, now_ms))

    def close(self, conn: Connection, now_ms: int) -> None:
        contract, chain = self.version.contract, H32(self.version.chain)
        november = period_of(contract, T0)
        self.learn(conn, rebate_usage(chain, self.anna, november, november.to_ms), now_ms)
        self.learn(conn, minimum_usage(chain, contract, self.anna, november), now_ms)

    def told(self, story: Story) -> tuple[State, State, list[str]]:
        """What the books hold after the story, what without the reversed uses, and what the audit says."""
        told = self._inside(lambda conn: self._tell(conn, story))
        never = self._inside(lambda conn: self._never(conn, story))
        return told[0], never[0], told[1]

    def _tell(self, conn: Connection, story: Story) -> None:
        known: set[int] = set()
        waiting = dict(story.gone)
        for step, number in enumerate((*story.order, None)):
            if step == story.close_at:
                self.close(conn, T0 + step)
            for one in sorted(one for one, after in waiting.items() if after <= step and one in known):
                reverse(conn, "lindenhof", use_id(CHANNEL, one), "it never ran", T0 + step)
                del waiting[one]
            if number is not None:
                self.learn(conn, self.usage(number, story.days[number]), T0 + step)
                known.add(number)
        assert not waiting

    def _never(self, conn: Connection, story: Story) -> None:
        gone = {one for one, _ in story.gone}
        for number, day in enumerate(story.days):
            if number not in gone:
                self.learn(conn, self.usage(number, day), T0)
        self.close(conn, T0)

    def _inside(self, fill: object) -> tuple[State, list[str]]:
        found: list[tuple[State, list[str]]] = []

        def run(conn: Connection) -> None:
            fill(conn)  # type: ignore[operator]
            found.append((state(conn), audit(conn)))
            raise _Undone

        with pytest.raises(_Undone):
            self.books.database.write_now(run)
        return found[0]


State = Mapping[str, object]


def state(conn: Connection) -> State:
    """Uses with what they cost and share, counters and balances; without what was reversed."""
    gone = {bytes(one) for one in conn.execute(select(schema.reversal.c.use_id)).scalars()}
    uses = conn.execute(select(schema.standing)).all()
    standing = {bytes(row.use_id): (row.fee, row.parties, row.shares) for row in uses}
    assert all(standing[one][0] == 0 for one in gone)
    stands = conn.execute(select(schema.counter)).all()
    sums = conn.execute(select(schema.balance)).all()
    return {
        "uses": {one: cost for one, cost in standing.items() if one not in gone},
        "steps": {position_of(row): row.counters for row in uses if row.counters},
        "counters": {bytes(row.counter): (bytes(row.position), row.value) for row in stands},
        "balances": {tuple(row)[:5]: row.amount for row in sums if row.amount},
    }


def open_washes(url: str) -> Washes:
    return Washes(open_books(url, contracts={"washes.toml": STEEP, "energy.toml": ENERGY}))


DRAWS = settings(
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.mark.parametrize("examples", [EXAMPLES or 16])
def test_law_9_any_order_on_sqlite(examples: int) -> None:
    _holds(open_washes("sqlite://"), examples)


@pytest.mark.parametrize("examples", [EXAMPLES or 5])
def test_law_9_any_order_on_postgresql(postgres_server: str, examples: int) -> None:
    with postgres.database(postgres_server) as url:
        _holds(open_washes(url), examples)


def _holds(washes: Washes, examples: int) -> None:
    @given(stories())
    @settings(DRAWS, max_examples=examples)
    def law(story: Story) -> None:
        told, never, words = washes.told(story)
        assert words == []
        assert told == never

    try:
        law()
    finally:
        washes.books.database.close()


def test_what_cannot_be_reversed_is_refused_and_changes_nothing(either_url: str) -> None:
    washes = open_washes(either_url)
    usage = washes.usage(1, 1)
    washes.books.run(washes.learn, usage, T0)
    washes.books.run(reverse, "lindenhof", usage.use_id, "it never ran", T0)
    before = washes.books.dump()
    with pytest.raises(Conflict, match="is reversed already"):
        washes.books.run(reverse, "lindenhof", usage.use_id, "again", T0)
    with pytest.raises(NotFound, match="is none of lindenhof"):
        washes.books.run(reverse, "lindenhof", bytes(32), "no such use", T0)
    washes.books.run(washes.learn, usage, T0)  # the same upload once more brings nothing back
    assert washes.books.dump() == before
    washes.books.database.close()
