"""SQL of many uses at once: what the slices of a meter did to an account on a day, and what an asset brought.

A month of a city is millions of slices; a page shows a row for each meter and day, so the database adds them up. Like
store.py it never decides who may look.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Connection,
    Integer,
    Select,
    Subquery,
    and_,
    case,
    cast,
    exists,
    func,
    literal,
    or_,
    select,
)

from tallystick_cloud.schema import asset, contract_version, priced, settled_use, use_frame, use_row
from tallystick_cloud.sqlite import keep

from .model import Brought, UnsettledUse

PARTY_CHARS = 33  # an id in hex, and the space after it
DAYS = 3660  # that are told apart; what is older than ten years is told together
SLICE = "interval"
_NAMED = use_frame.outerjoin(
    asset, and_(asset.c.community == use_frame.c.community, asset.c.id == use_frame.c.asset)
).outerjoin(contract_version, contract_version.c.h == use_frame.c.contract)


@dataclass(frozen=True, slots=True)
class Account:
    """Whose, and the contracts under which the party was ever owed anything."""

    community: str
    party: bytes
    chains: Sequence[bytes]

    def concerns(self, of: Any) -> ColumnElement[bool]:
        """Whether a frame's uses can do anything to the account. of: has a frame's columns."""
        return and_(of.community == self.community, or_(of.payer == self.party, of.chain.in_(self.chains)))

    def frames(self) -> Subquery:
        """Those frames, with where the party's share stands among those of each (0: nowhere) and whether it pays: told
        once for each, because `offset` keeps it from being asked for every use again."""
        of = use_frame.c
        at = (func.strpos(of.parties, self.party.hex(), type_=Integer) + PARTY_CHARS - 1) // PARTY_CHARS
        pays = (of.payer == self.party).label("pays")
        found = select(of.id, of.form, of.kind, cast(at, Integer).label("at"), pays)
        return found.where(self.concerns(of)).offset(0).subquery("frames")


def _share(frames: Subquery, shares: ColumnElement[str]) -> ColumnElement[int]:
    """The party's nano of shares in the frame's order; 0 where the split does not name it."""
    nano = cast(func.split_part(shares, " ", frames.c.at), BigInteger)
    return case((frames.c.at == 0, 0), else_=nano).label("share")


def _charge(frames: Subquery, fee: ColumnElement[int]) -> ColumnElement[int]:
    """The fee where the party pays it."""
    return case((frames.c.pays, fee), else_=0).label("charge")


def days(conn: Connection, account: Account, from_ms: int, to_ms: int, zone: str) -> list[Any]:
    """A row for each meter's slices of a local day that were booked in [from, to) and did anything to the account: the
    last of them with its frame and names, `share` and `charge` in nano, and how many slices have which."""
    frames = account.frames()
    uses = _booked(conn, frames, from_ms, to_ms, midnights(to_ms, zone)).where(frames.c.form == SLICE)
    found = _by_place(uses)
    return list(
        conn.execute(
            select(
                use_row.c.use_id, use_row.c.number, use_row.c.start_ms, use_row.c.end_ms, use_row.c.from_total,
                use_row.c.to_total, use_row.c.programme, use_row.c.recorded_ms.label("rated_ms"),
                use_frame.c.channel_hash, use_frame.c.form, use_frame.c.asset, use_frame.c.chain,
                asset.c.name.label("asset_name"), contract_version.c.name.label("contract_name"), *_sums(found),
            ).select_from(_NAMED.join(found, found.c.frame == use_frame.c.id).join(use_row, _is_last(found)))
        )
    )  # fmt: skip


def brought(conn: Connection, account: Account, from_ms: int, to_ms: int) -> list[Brought]:
    """What uses booked in [from, to) that are no slices brought at their first prices, by asset and version."""
    frames = account.frames()
    uses = _booked(conn, frames, from_ms, to_ms, [0]).where(frames.c.form != SLICE).offset(0).subquery()
    found = (
        select(uses.c.frame, func.count().label("uses"), func.sum(uses.c.share).label("nano"))
        .where(uses.c.share != 0)
        .group_by(uses.c.frame)
        .subquery()
    )
    named = asset.c.name, contract_version.c.name.label("contract_name")
    query = select(use_frame.c.asset, use_frame.c.form, *named, found.c.uses, found.c.nano)
    rows = conn.execute(query.select_from(_NAMED.join(found, found.c.frame == use_frame.c.id)))
    return [
        Brought(row.asset, row.name or row.asset or row.contract_name or "", row.form, int(row.uses), int(row.nano))
        for row in rows
    ]


def unsettled(conn: Connection, account: Account, edges: Sequence[int], *, each: bool) -> list[UnsettledUse]:
    """What stands in no statement yet of uses that ended until the last edge: those of a meter together from edge to
    edge, and all up to the first. `each`: what is no slice comes one by one after the first edge."""
    frames = account.frames()
    uses = _new(frames, priced.c.frame, priced.c.end_ms, _place(conn, priced.c.end_ms, edges)).where(
        priced.c.end_ms <= edges[-1]
    )
    if each:
        uses = uses.where(or_(frames.c.form == SLICE, priced.c.end_ms <= edges[0]))
    found = _by_place(uses)
    query = select(*_told(use_row.c), use_row.c.recorded_ms.label("rated_ms"), *_sums(found)).select_from(
        _NAMED.join(found, found.c.frame == use_frame.c.id).join(use_row, _is_last(found))
    )
    together = [_use(row, int(row.share_uses), int(row.charge_uses)) for row in conn.execute(query).all()]
    return together + _one_by_one(conn, frames, edges) if each else together


def _one_by_one(conn: Connection, frames: Subquery, edges: Sequence[int]) -> list[UnsettledUse]:
    """What is no slice and did anything."""
    uses = _new(frames, *_told(priced.c), priced.c.rated_ms)
    query = uses.join(_NAMED, use_frame.c.id == frames.c.id).where(
        frames.c.form != SLICE, priced.c.end_ms > edges[0], priced.c.end_ms <= edges[-1]
    )
    return [_use(row, 1, 1) for row in conn.execute(query).all() if row.share or row.charge]


def _told(of: Any) -> tuple[ColumnElement[Any], ...]:
    """What a row of a statement tells of a use; of: has the columns of `use_row`."""
    named = use_frame.c.form, use_frame.c.asset, use_frame.c.chain, asset.c.name.label("asset_name")
    return of.use_id, of.number, of.end_ms, of.programme, *named


def _use(row: Any, share_uses: int, charge_uses: int) -> UnsettledUse:
    return UnsettledUse(
        bytes(row.use_id), bytes(row.chain), row.asset, row.asset_name or row.asset, row.form, row.number, row.end_ms,
        row.programme, int(row.share), -int(row.charge), False, False, row.rated_ms, share_uses, charge_uses,
    )  # fmt: skip


def _new(frames: Subquery, *columns: ColumnElement[Any]) -> Select[Any]:
    """Live uses of the frames that are in no statement, with what they do to the account."""
    return (
        select(*columns, _share(frames, priced.c.shares), _charge(frames, priced.c.fee))
        .select_from(frames.join(priced, priced.c.frame == frames.c.id))
        .where(frames.c.kind == "live", ~exists().where(settled_use.c.use_id == priced.c.use_id))
    )


def _booked(conn: Connection, frames: Subquery, from_ms: int, to_ms: int, edges: Sequence[int]) -> Select[Any]:
    of = use_row.c
    place = _place(conn, of.end_ms, edges)
    return (
        select(of.frame, of.end_ms, _share(frames, of.shares), _charge(frames, of.fee), place)
        .select_from(frames.join(use_row, of.frame == frames.c.id))
        .where(of.journal.is_not(None), of.recorded_ms >= from_ms, of.recorded_ms < to_ms)
    )


def _place(conn: Connection, ends: ColumnElement[int], edges: Sequence[int]) -> ColumnElement[int]:
    """Between which edges, which rise, a use ended: what ends at midnight belongs to the day before."""
    is_array = conn.dialect.name == "postgresql"
    given = literal(list(edges), ARRAY(BigInteger)) if is_array else literal(keep(edges), BigInteger)
    return func.width_bucket(ends - 1, given).label("place")


def _by_place(rows: Select[Any]) -> Subquery:
    """The sums of each frame and place, of uses that did anything."""
    of = rows.offset(0).subquery("uses").c  # `offset`: else each share is computed three times
    has_share, has_charge = case((of.share != 0, 1), else_=0), case((of.charge != 0, 1), else_=0)
    return (
        select(
            of.frame, func.max(of.end_ms).label("last_ms"), func.sum(of.share).label("share"),
            func.sum(of.charge).label("charge"), func.sum(has_share).label("share_uses"),
            func.sum(has_charge).label("charge_uses"),
        )
        .where(or_(of.share != 0, of.charge != 0))
        .group_by(of.frame, of.place)
        .subquery()
    )  # fmt: skip


def _sums(found: Subquery) -> tuple[ColumnElement[Any], ...]:
    return found.c.share, found.c.charge, found.c.share_uses, found.c.charge_uses


def _is_last(found: Subquery) -> ColumnElement[bool]:
    """One row for each sum: a meter's slices of one frame follow each other."""
    return and_(use_row.c.frame == found.c.frame, use_row.c.end_ms == found.c.last_ms)


def midnights(until_ms: int, zone: str) -> tuple[int, ...]:
    """Every local midnight before a moment, as far as days are told apart."""
    return _midnights(datetime.fromtimestamp(until_ms // 1000, UTC).astimezone(ZoneInfo(zone)).date(), zone)


@lru_cache(maxsize=16)
def _midnights(last: date, zone: str) -> tuple[int, ...]:
    where = ZoneInfo(zone)
    found = (last - timedelta(days=before) for before in range(DAYS, -1, -1))
    return tuple(int(datetime(day.year, day.month, day.day, tzinfo=where).timestamp()) * 1000 for day in found)
