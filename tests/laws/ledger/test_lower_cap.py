"""Law 4 where a later version lowers a lifetime cap below what was taken: that stays, and nothing more is taken."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

from sqlalchemy import update
from support.books import DAY, HOUR, T0, follows, shares_in
from support.settled import AFTER_DECEMBER, AFTER_NOVEMBER, DECEMBER, NOVEMBER, World, open_world
from support.uploads import Randomness
from tallystick_cloud import schema
from tallystick_cloud.assets.ledger import ledger_of
from tallystick_cloud.ledger.audit import audit
from tallystick_cloud.owner.model import Loan
from tallystick_cloud.town.service import agree
from tallystick_protocol.codes import Scope
from tallystick_protocol.money.contract import Contract
from tallystick_protocol.money.numbers import Exact

LOWER = 1_000_000_000
SHARE = 680_000_000  # of a hot wash: 40 % of what the repairer left


def lower(world: World, name: str, cap: Exact) -> None:
    """From the fourth day on, the lender of a contract may have no more than this."""
    row = next(row for row in world.books.rows(schema.contract_version) if row["name"] == name)
    old = Contract.decode(row["payload"])  # type: ignore[arg-type]
    split = tuple(step if step.cap is None else replace(step, cap=cap) for step in old.split)
    draft = follows(world.books, row["h"], old, split=split, effective_from_ms=T0 + 3 * DAY)  # type: ignore[arg-type]
    context, hosted = world.books.aggregator.of("lindenhof"), world.books.founded.hosted
    world.books.run(agree, context, draft, hosted, Randomness(name), T0 + 2 * DAY)


def lowered(url: str) -> World:
    """Uses of both contracts, then versions with caps under what the bank has, and uses in each month under them."""
    world = open_world(url)
    for day in range(2):
        world.wash(T0 + day * DAY)
    world.meter([(T0 + step * HOUR, 1000 + step * 700) for step in range(4)])
    lower(world, "Washes", Exact(1, 0))
    lower(world, "Energy", Exact(1, -1))
    world.wash(T0 + 4 * DAY)
    world.meter([(T0 + 4 * DAY + step * HOUR, 10_000 + step * 700) for step in range(4)])
    world.meter([(T0 + 30 * DAY + step * HOUR, 40_000 + step * 500) for step in range(-2, 3)])
    world.close(NOVEMBER, AFTER_NOVEMBER)
    world.wash(T0 + 32 * DAY)
    world.meter([(T0 + 61 * DAY + step * HOUR, 60_000 + step * 500) for step in range(-2, 1)])
    world.close(DECEMBER, AFTER_DECEMBER)
    return world


def test_what_was_taken_stays_and_a_lower_cap_takes_nothing_more(either_url: str) -> None:
    world = lowered(either_url)
    bank = world.ids["Bank"].hex()
    washes = {row["use_id"] for row in world.books.rows(schema.use) if row["asset"] == "washer"}
    rated = sorted(
        (row for row in world.books.rows(schema.use_rating) if row["use_id"] in washes),
        key=lambda row: int(row["rated_ms"]),  # type: ignore[call-overload]
    )
    shares = [dict(shares_in(row))[bank] for row in rated]
    assert shares == [SHARE, SHARE, 0, 0]
    assert world.books.audit() == []
    (claim,) = world.books.database.read_now(ledger_of, "lindenhof", "washer", "UTC", "EUR", AFTER_DECEMBER).claims
    assert (claim.taken, claim.cap) == (2 * SHARE, LOWER)
    chains = {row["chain"] for row in world.books.rows(schema.contract_version)}
    for chain, at_ms in product(chains, (NOVEMBER, DECEMBER)):  # a month with both versions, one with the lower cap
        made = world.evidence("Bank", at_ms, chain, Scope.CONTRACT)  # type: ignore[arg-type]
        report = world.verify(made, "Bank")
        assert report.ok, report.verdict
    # the audit still sees a use that moved the counter beyond the cap of its own version
    last = rated[-1]["use_id"]
    counters = str(rated[-1]["counters"])
    assert counters.endswith("+0")
    moved = update(schema.use_row).where(schema.use_row.c.use_id == last)
    with world.books.database.engine.begin() as conn:
        conn.execute(moved.values(counters=counters[:-1] + "1"))
        assert any("its cap 1000000000" in one for one in audit(conn))
        conn.rollback()
    world.books.database.close()


def test_a_loan_above_its_lower_cap_is_repaid_and_owes_nothing_back() -> None:
    loan = Loan(b"chain", "Washes", "loan", 2 * SHARE, LOWER)
    assert (loan.left, loan.percent) == (0, 100)
