"""What the database adds up is what its uses sum to, one by one, on both databases."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace

import pytest
from sqlalchemy import Connection, select
from support import postgres
from support.money_world import DAY, HOUR, NOW, T0, open_money
from support.settled import World
from tallystick_cloud import schema
from tallystick_cloud.ledger.reversal import reverse
from tallystick_cloud.ledger.rows import shares_of
from tallystick_cloud.ledger.summary import summary
from tallystick_cloud.settlement.pairs import pairs_of
from tallystick_cloud.uses import store, sums
from tallystick_cloud.uses.model import Joined, UnsettledUse, joined
from tallystick_protocol.codes import LineKind
from tallystick_protocol.ids import PartyId

NAMES = ("Coop", "Repairer", "Bank", "Fund", "Anna", "Ben")
ZONE = "Europe/Rome"
SPANS = ((0, NOW), (T0, T0 + 31 * DAY), (T0 + 12 * HOUR + 1, NOW - DAY), (NOW, NOW + 1))


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """Two washes and a slice of it were reversed, one of them after it stood in a statement."""
    with ExitStack() as stack:
        url = "sqlite://"
        if request.param == "postgresql":
            url = stack.enter_context(postgres.database(request.getfixturevalue("postgres_server")))
        found = open_money(url)
        stack.callback(found.books.database.close)
        uses = sorted(found.books.rows(schema.use), key=lambda row: (row["form"], row["end_ms"]))
        events = [row["use_id"] for row in uses if row["form"] == "event"]
        slices = [row["use_id"] for row in uses if row["form"] == sums.SLICE]
        for use_id in (events[0], events[-1], slices[-1]):
            found.books.database.write_now(reverse, found.community, use_id, "a test", NOW - HOUR)
        yield found


@pytest.fixture
def conn(world: World) -> Iterator[Connection]:
    with world.books.database.engine.connect() as found:
        yield found


def shown(lines: Iterable[Joined]) -> list[Joined]:
    """Without what the last of several did by itself, which no page shows."""
    return [replace(one, last=replace(one.last, nano=0)) for one in lines]


@pytest.mark.parametrize("span", SPANS)
@pytest.mark.parametrize("name", NAMES)
def test_slices_of_a_day_are_those_lines_together(
    conn: Connection, world: World, name: str, span: tuple[int, int]
) -> None:
    account = store.account_of(conn, world.community, world.ids[name])
    lines = store.lines(conn, account, *span)
    one_by_one = joined([Joined(line, "", 1, line.nano) for line in lines], ZONE)
    assert shown(store.month(conn, account, *span, ZONE)[0]) == shown(one_by_one)
    assert shown(store.month(conn, account, *span, ZONE, newest=3)[0][-3:]) == shown(one_by_one[-3:])


@pytest.mark.parametrize("span", SPANS)
@pytest.mark.parametrize("name", NAMES)
def test_what_an_asset_brought_is_the_sum_of_its_lines(
    conn: Connection, world: World, name: str, span: tuple[int, int]
) -> None:
    account = store.account_of(conn, world.community, world.ids[name])
    lines = [line for line in store.lines(conn, account, *span) if line.kind is LineKind.SHARE]
    _, found = store.month(conn, account, *span, ZONE, newest=1)
    assert _summed((line.asset, line.nano) for line in lines) == _summed((one.asset, one.nano) for one in found)
    assert _summed((line.asset, line.revision == 1) for line in lines) == _summed(
        (one.asset, one.uses) for one in found
    )


@pytest.mark.parametrize("each", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_what_no_statement_holds_is_the_sum_of_such_uses(
    conn: Connection, world: World, name: str, *, each: bool
) -> None:
    account = store.account_of(conn, world.community, world.ids[name])
    for edges in ([NOW], [T0, T0 + 5 * DAY, NOW], [T0 + 33 * DAY, *sums.midnights(NOW, ZONE)[-20:], NOW]):
        found = store.unsettled(conn, account, edges, each=each)
        plain = _one_by_one(conn, world, world.ids[name], edges[-1])
        assert _by_edge(found, edges) == _by_edge(plain, edges)
        late = [one for one in found if one.form != sums.SLICE and one.end_ms > edges[0]]
        if each:
            assert {one.use_id for one in late} == {
                one.use_id for one in plain if one.form != sums.SLICE and one.end_ms > edges[0]
            }
        assert len(found) <= len(plain)


def test_a_world_of_all_kinds(conn: Connection) -> None:
    """Else the tests above would say little."""
    kinds = conn.execute(select(schema.use.c.form, schema.use.c.end_ms)).all()
    forms = Counter(form for form, _ in kinds)
    assert forms["interval"] > 40
    assert forms["event"] > 10
    assert forms["minimum"] > 0
    assert conn.execute(select(schema.settled_use)).first() is not None
    assert conn.execute(select(schema.rerating)).first() is not None


def _one_by_one(conn: Connection, world: World, party: bytes, until_ms: int) -> list[UnsettledUse]:
    """In Python, from every use there is."""
    closed = {row.h: row.closed_ms for row in conn.execute(select(schema.settlement))}
    last = {row.use_id: row for row in conn.execute(select(schema.settled_use).order_by(schema.settled_use.c.number))}
    found = []
    for row in conn.execute(select(schema.standing)):
        before = last.get(row.use_id)
        if row.kind != "live" or row.end_ms > until_ms or (before and row.rated_ms < closed[before.settlement]):
            continue
        old = {} if before is None else dict(pairs_of(before.shares))
        share = dict(shares_of(row)).get(PartyId(party), 0) - old.get(party, 0)
        charge = ((0 if before is None else before.fee) - row.fee) * (row.payer == party)
        if share or charge:
            found.append(
                UnsettledUse(
                    row.use_id, row.chain, row.asset, "", row.form, row.number, row.end_ms, None, share, charge,
                    before is not None, False, row.rated_ms,
                )
            )  # fmt: skip
    return found


def _by_edge(found: Iterable[UnsettledUse], edges: Sequence[int]) -> dict[object, tuple[int, int]]:
    """(share, charge) by contract, asset and place between edges."""
    sums_of: dict[object, tuple[int, int]] = {}
    for one in found:
        key = one.chain, one.asset, one.form, one.is_correction, bisect_right(edges, one.end_ms - 1)
        share, charge = sums_of.get(key, (0, 0))
        sums_of[key] = share + one.share, charge + one.charge
    return sums_of


def _summed(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    found: Counter[str] = Counter()
    for key, number in pairs:
        found[key] += number
    return dict(found)


def test_the_summary_is_the_sum_of_every_use(conn: Connection, world: World) -> None:
    rows = conn.execute(select(schema.standing).order_by(*schema.in_order(schema.standing))).all()
    live = [row for row in rows if row.kind == "live"]
    names = {party: name for name, party in world.ids.items()}
    splits = _summed((names[party], nano) for row in live for party, nano in shares_of(row))
    found = summary(conn, world.community)
    assert (found.uses, int(found.fees_nano)) == (len(live), sum(row.fee for row in live))
    assert (found.shadow_uses, found.shadow_fees_nano) == (len(rows) - len(live), "0")
    assert {name: int(nano) for name, nano in found.splits_nano.items()} == splits
    assert found.first_charge is not None
    assert found.first_charge.use_id == live[0].use_id.hex()
    assert [one.use_id for one in found.latest_charges] == [row.use_id.hex() for row in live[-20:]]
