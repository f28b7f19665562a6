"""Three washes at the end of a closed month, and short words for what tests do with disputes about them."""

from __future__ import annotations

import json

from sqlalchemy import Connection, update
from support.books import DAY, HOUR, T0
from support.money_world import open_town
from support.settled import AFTER_NOVEMBER, NOVEMBER, World
from tallystick_cloud import schema
from tallystick_cloud.contracts.store import versions_of
from tallystick_cloud.disputes.service import Said, decide, open_dispute
from tallystick_cloud.ledger import journals
from tallystick_cloud.ledger.model import amounts, difference
from tallystick_cloud.ledger.rows import shares_of
from tallystick_cloud.ledger.store import rated_uses

NOW = AFTER_NOVEMBER + HOUR


def open_disputed(url: str = "sqlite://") -> World:
    """Three washes at the end of November, the month closed."""
    world = open_town(url)
    for day in range(3):
        world.wash(T0 + (25 + day) * DAY, "60")
    world.close(NOVEMBER, AFTER_NOVEMBER)
    return world


def washes(world: World) -> list[bytes]:
    rows = sorted(world.books.rows(schema.use), key=lambda row: int(row["end_ms"]))  # type: ignore[call-overload]
    return [row["use_id"] for row in rows if row["form"] == "event"]  # type: ignore[misc]


def said(world: World, use: bytes, name: str, why: str = "the drum did not turn", shown: bytes | None = None) -> Said:
    return Said(use, world.ids[name], why, shown)


def begun(world: World, use: bytes, name: str = "Anna") -> None:
    world.books.run(open_dispute, world.community, said(world, use, name, shown=b"a photograph"), NOW)


def ended(world: World, use: bytes, *, is_right: bool, name: str = "Maria", now_ms: int = NOW) -> None:
    told = said(world, use, name, "the log shows it")
    world.books.run(lambda conn: decide(conn, world.community, told, is_right=is_right, now_ms=now_ms))


def upheld_as_before(conn: Connection, community: str, use_id: bytes, by: bytes, now_ms: int) -> None:
    """What a decision did before uses could be reversed: one journal, and the use stays in its counters."""
    use = rated_uses(conn, [use_id])[use_id]
    contract = versions_of(conn, bytes(use.chain))[bytes(use.contract)].contract
    lines = amounts(contract, bytes(use.chain), bytes(use.payer), use.fee, shares_of(use))
    entry = journals.Entry(f"dispute:{use_id.hex()}", "dispute", use_id, difference({}, lines))
    journals.post(conn, community, [entry], now_ms)
    given = [(bytes(use.payer), use.fee), *((party, -amount) for party, amount in shares_of(use) if amount)]
    told = {"state": "upheld", "decided_by": by, "decided_ms": now_ms, "decision": "the log shows it"}
    told |= {"given_back": json.dumps([[party.hex(), str(nano)] for party, nano in given])}
    conn.execute(update(schema.dispute).where(schema.dispute.c.use_id == use_id).values(**told))
