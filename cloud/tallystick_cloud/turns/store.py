"""SQL of turns, of uses that go on, and of how many uses nobody claimed.

It never decides whose turn it is.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update
from tallystick_protocol.ids import PartyId
from tallystick_protocol.money.usage import UsageForm

from tallystick_cloud.ledger.model import Kind
from tallystick_cloud.schema import asset, channel, open_use, turn, use

from .model import Running, Turn

BILLABLE = "billable"


def lock(conn: Connection, community: str, asset_id: str) -> None:
    """Until the transaction ends nobody else says whose turn it is. SQLite has one writer."""
    of = (asset.c.community == community, asset.c.id == asset_id)
    conn.execute(select(asset.c.id).where(*of).with_for_update())


def insert_turn(conn: Connection, row: Mapping[str, object]) -> int:
    return int(conn.execute(insert(turn).returning(turn.c.id), dict(row)).scalar_one())


def end(conn: Connection, number: int, at_ms: int) -> None:
    conn.execute(update(turn).where(turn.c.id == number).values(to_ms=at_ms))


def newest(conn: Connection, community: str, asset_id: str) -> Turn | None:
    """The turn of an asset that ends last."""
    query = select(turn).where(turn.c.community == community, turn.c.asset == asset_id)
    row = conn.execute(query.order_by(turn.c.to_ms.desc(), turn.c.id.desc()).limit(1)).one_or_none()
    return None if row is None else _turn(row)


def at(conn: Connection, community: str, asset_id: str, start_ms: int) -> PartyId | None:
    """Whose turn it was: of two that touch, who said it last."""
    query = select(turn.c.party).where(turn.c.community == community, turn.c.asset == asset_id)
    query = query.where(turn.c.to_ms > start_ms, turn.c.from_ms <= start_ms).order_by(turn.c.id.desc()).limit(1)
    party = conn.execute(query).scalar_one_or_none()
    return None if party is None else PartyId(bytes(party))


def find(conn: Connection, community: str, number: int) -> Turn | None:
    row = conn.execute(select(turn).where(turn.c.community == community, turn.c.id == number)).one_or_none()
    return None if row is None else _turn(row)


def running(conn: Connection, community: str, asset_id: str) -> Running | None:
    """The newest use of an asset that goes on, as far as its gateway has told."""
    query = (
        select(open_use.c.number, open_use.c.start_ms, open_use.c.state)
        .join(channel, channel.c.channel_hash == open_use.c.channel_hash)
        .where(channel.c.community == community, channel.c.asset == asset_id)
        .order_by(open_use.c.number.desc())
        .limit(1)
    )
    row = conn.execute(query).one_or_none()
    return None if row is None else Running(row.number, row.start_ms, row.state == BILLABLE)


def has_use(conn: Connection, community: str, asset_id: str, from_ms: int, to_ms: int) -> bool:
    """Whether a use that began in a span is booked."""
    began = (use.c.start_ms >= from_ms, use.c.start_ms < to_ms, use.c.end_ms >= from_ms)
    query = select(use.c.use_id).where(use.c.community == community, use.c.asset == asset_id, *began)
    return conn.execute(query.limit(1)).first() is not None


def counted(conn: Connection, community: str, assets: Iterable[str], since_ms: int) -> dict[tuple[str, bytes], int]:
    """(asset, payer) -> live uses that ended since a moment."""
    query = (
        select(use.c.asset, use.c.payer, func.count())
        .where(use.c.community == community, use.c.asset.in_(list(assets)), use.c.end_ms >= since_ms)
        .where(use.c.form == UsageForm.EVENT.value, use.c.kind == Kind.LIVE.value)
        .group_by(use.c.asset, use.c.payer)
    )
    return {(of, bytes(payer)): int(count) for of, payer, count in conn.execute(query)}


def forget(conn: Connection, community: str, party: bytes) -> int:
    """All turns of a person; how many."""
    return conn.execute(delete(turn).where(turn.c.community == community, turn.c.party == party)).rowcount


def _turn(row: Any) -> Turn:
    return Turn(row.id, row.asset, bytes(row.party), row.said_ms, row.from_ms, row.to_ms)
