"""SQL of test runs, and of the uses that began in one.

It never reverses a use.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, exists, func, insert, or_, select, update
from tallystick_protocol.money.usage import UsageForm

from tallystick_cloud.disputes.forget import ERASED
from tallystick_cloud.ledger.model import Kind
from tallystick_cloud.schema import asset, dispute, reversal, trial, use
from tallystick_cloud.schema.uses import in_order, standing

from .model import Trial

SHOWN_MAX = 200


def insert_trial(conn: Connection, row: dict[str, object]) -> int:
    found = conn.execute(insert(trial).returning(trial.c.id), row).scalar_one()
    return int(found)


def end(conn: Connection, number: int, at_ms: int) -> None:
    conn.execute(update(trial).where(trial.c.id == number).values(to_ms=at_ms))


def listed(conn: Connection, community: str, *where: ColumnElement[bool]) -> list[Trial]:
    """The newest first, `SHOWN_MAX` at most."""
    uses = (
        select(func.count())
        .select_from(use.join(reversal, reversal.c.use_id == use.c.use_id))
        .where(_began_in(use.c))
        .correlate(trial)
        .scalar_subquery()
    )
    of_asset = and_(asset.c.community == trial.c.community, asset.c.id == trial.c.asset)
    query = (
        select(trial, asset.c.name, uses.label("uses"))
        .outerjoin(asset, of_asset)
        .where(trial.c.community == community, *where)
        .order_by(trial.c.from_ms.desc(), trial.c.id.desc())
        .limit(SHOWN_MAX)
    )
    return [
        Trial(row.id, row.asset, row.name or row.asset, row.from_ms, row.to_ms, bytes(row.by), row.why, row.uses)
        for row in conn.execute(query)
    ]


def find(conn: Connection, community: str, number: int) -> Trial | None:
    return next(iter(listed(conn, community, trial.c.id == number)), None)


def on(conn: Connection, community: str, asset_id: str, now_ms: int) -> Trial | None:
    """The run of an asset that is on now."""
    return next(iter(listed(conn, community, trial.c.asset == asset_id, trial.c.to_ms > now_ms)), None)


def of_use(conn: Connection, community: str, asset_id: str, start_ms: int) -> Trial | None:
    """The run in which a use began."""
    began = (trial.c.asset == asset_id, trial.c.from_ms <= start_ms, trial.c.to_ms > start_ms)
    return next(iter(listed(conn, community, *began)), None)


def communities(conn: Connection, since_ms: int) -> list[str]:
    """Those with a run that ended later."""
    return list(conn.execute(select(trial.c.community).where(trial.c.to_ms > since_ms).distinct()).scalars())


def to_take_back(conn: Connection, community: str, since_ms: int) -> Sequence[Any]:
    """(use id, chain, why) of live uses that began in a run which ended after `since_ms`, and cost or count something
    still, in canonical order. What somebody disputes is left to who decides that."""
    disputed = exists().where(dispute.c.use_id == standing.c.use_id, dispute.c.state == "open")
    query = (
        select(standing.c.use_id, standing.c.chain, trial.c.why)
        .join(trial, _began_in(standing.c))
        .where(
            trial.c.community == community,
            trial.c.to_ms > since_ms,
            standing.c.form == UsageForm.EVENT.value,
            standing.c.kind == Kind.LIVE.value,
            or_(standing.c.fee != 0, standing.c.counters != ""),
            ~exists().where(reversal.c.use_id == standing.c.use_id),
            ~disputed,
        )
        .order_by(*in_order(standing))
    )
    return conn.execute(query).all()


def forget(conn: Connection, community: str, party: bytes) -> int:
    """What a person said about test runs; how many rows lost their words."""
    mine = (trial.c.community == community, trial.c.by == party, trial.c.why != ERASED)
    return conn.execute(update(trial).where(*mine).values(why=ERASED)).rowcount


def _began_in(uses: Any) -> ColumnElement[bool]:
    """A use began in the run. It cannot have ended before: that is for the index."""
    return and_(
        uses.community == trial.c.community,
        uses.asset == trial.c.asset,
        uses.end_ms >= trial.c.from_ms,
        uses.start_ms >= trial.c.from_ms,
        uses.start_ms < trial.c.to_ms,
    )
