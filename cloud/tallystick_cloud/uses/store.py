"""SQL of uses and their ratings, and the one statement that writes down who looked.

It never decides who may look; access.py does, and nothing outside this folder calls this file."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, and_, func, insert, or_, select
from tallystick_protocol.codes import LineKind

from tallystick_cloud.ledger.model import shares_of
from tallystick_cloud.schema import (
    access,
    asset,
    channel,
    contract_version,
    gateway,
    posting,
    reversal,
    settled_use,
    use,
    use_rating,
)
from tallystick_cloud.uses.model import Line, Rating, SettledUse, UnsettledUse

EARNING = ("payable", "fund")


def earning_chains(conn: Connection, community: str, party: bytes) -> list[bytes]:
    """Contracts under which the party was ever owed anything."""
    rows = conn.execute(
        select(posting.c.chain)
        .where(posting.c.party == party, posting.c.community == community, posting.c.account.in_(EARNING))
        .distinct()
    )
    return sorted(bytes(found) for found in rows.scalars())


def lines(
    conn: Connection, community: str, party: bytes, from_ms: int, to_ms: int, newest: int | None = None
) -> list[Line]:
    """What was booked to a party's account by uses in [from_ms, to_ms), oldest first; the `newest` so many if given."""
    before = use_rating.alias("before")
    found = (
        select(
            use, use_rating.c.revision, use_rating.c.fee, use_rating.c.shares, use_rating.c.rated_ms,
            before.c.fee.label("old_fee"), before.c.shares.label("old_shares"),
            asset.c.name.label("asset_name"), contract_version.c.name.label("contract_name"),
        )
        .join(use, use.c.use_id == use_rating.c.use_id)
        .outerjoin(
            before, and_(before.c.use_id == use_rating.c.use_id, before.c.revision == use_rating.c.revision - 1)
        )
        .outerjoin(asset, and_(asset.c.community == use.c.community, asset.c.id == use.c.asset))
        .outerjoin(contract_version, contract_version.c.h == use.c.contract)
        .where(use_rating.c.community == community, use_rating.c.journal.is_not(None))
        .where(use_rating.c.rated_ms >= from_ms, use_rating.c.rated_ms < to_ms)
        .where(or_(use.c.payer == party, use.c.chain.in_(earning_chains(conn, community, party))))
    )  # fmt: skip
    order = (use_rating.c.rated_ms, use.c.position, use_rating.c.revision)
    if newest is None:
        rows = conn.execute(found.order_by(*order)).all()
        return [line for row in rows for line in _lines_of(row, party)]
    rows = conn.execute(found.order_by(*(one.desc() for one in order)).limit(newest * ROWS_PER_LINE)).all()
    kept = [line for row in rows for line in _lines_of(row, party)][:newest]
    return kept[::-1]


ROWS_PER_LINE = 8
"""Rows looked at for one line wanted: a party of a contract may have no share of some uses."""


def _lines_of(row: Any, party: bytes) -> Iterable[Line]:
    """The share and the charge of one rating, without those that change nothing."""
    share = _share(row.shares, party) - _share(row.old_shares, party)
    charge = (row.fee - (row.old_fee or 0)) if bytes(row.payer) == party else 0
    name = row.asset_name or row.asset or row.contract_name or ""
    for kind, nano in ((LineKind.SHARE, share), (LineKind.CHARGE, -charge)):
        if nano:
            yield Line(
                kind, bytes(row.use_id), row.revision, row.asset, name, bytes(row.chain),
                row.contract_name or "", row.form, row.number, row.start_ms, row.end_ms, row.from_total, row.to_total,
                row.programme, nano, row.rated_ms,
            )  # fmt: skip


def _share(text: str | None, party: bytes) -> int:
    if text is None or party.hex() not in text:
        return 0
    return sum(int(amount) for owner, amount in json.loads(text) if owner == party.hex())


_STANDING = select(use_rating.c.use_id, func.max(use_rating.c.revision).label("n")).group_by(use_rating.c.use_id)
_SETTLED = select(settled_use.c.use_id, func.max(settled_use.c.number).label("n")).group_by(settled_use.c.use_id)


def unsettled(conn: Connection, community: str, party: bytes, to_ms: int) -> list[UnsettledUse]:
    """What stands in no statement yet: uses that ended until `to_ms`, and settled ones priced again since."""
    standing, settled = _STANDING.subquery(), _SETTLED.subquery()
    last = settled_use.alias("last")
    rows = conn.execute(
        select(use, use_rating, asset.c.name.label("asset_name"), last.c.fee.label("old_fee"),
               last.c.shares.label("old_shares"), reversal.c.at_ms.label("reversed_ms"))
        .join(standing, standing.c.use_id == use.c.use_id)
        .join(use_rating, and_(use_rating.c.use_id == use.c.use_id, use_rating.c.revision == standing.c.n))
        .outerjoin(settled, settled.c.use_id == use.c.use_id)
        .outerjoin(last, and_(last.c.use_id == use.c.use_id, last.c.number == settled.c.n))
        .outerjoin(asset, and_(asset.c.community == use.c.community, asset.c.id == use.c.asset))
        .outerjoin(reversal, reversal.c.use_id == use.c.use_id)
        .where(use.c.community == community, use.c.kind == "live", use.c.end_ms <= to_ms)
        .where(or_(use.c.payer == party, use.c.chain.in_(earning_chains(conn, community, party))))
        .where(or_(last.c.use_id.is_(None), last.c.shares != use_rating.c.shares))
        .order_by(use.c.position)
    )  # fmt: skip
    found = []
    for row in rows:
        share = _share(row.shares, party) - _share(row.old_shares, party)
        charge = (row.old_fee or 0) - row.fee if bytes(row.payer) == party else 0
        if share or charge:
            is_correction = row.old_shares is not None
            found.append(UnsettledUse(
                bytes(row.use_id), bytes(row.chain), row.asset, row.asset_name or row.asset, row.form, row.number,
                row.end_ms, row.programme, share, charge, is_correction, row.reversed_ms is not None, row.rated_ms,
            ))  # fmt: skip
    return found


def settled(conn: Connection, community: str, ids: Sequence[bytes]) -> dict[bytes, SettledUse]:
    """What lines of statements are about."""
    rows = conn.execute(
        select(use, asset.c.name.label("asset_name"), reversal.c.at_ms.label("reversed_ms"))
        .outerjoin(asset, and_(asset.c.community == use.c.community, asset.c.id == use.c.asset))
        .outerjoin(reversal, reversal.c.use_id == use.c.use_id)
        .where(use.c.community == community, use.c.use_id.in_(ids))
    )
    return {
        bytes(row.use_id): SettledUse(
            bytes(row.use_id),
            row.asset,
            row.asset_name or row.asset,
            row.form,
            row.number,
            row.end_ms,
            row.programme,
            row.reversed_ms is not None,
        )
        for row in rows
    }


def use_row(conn: Connection, community: str, use_id: bytes) -> Any:
    """The use with the names of its asset, gateway and channel."""
    return conn.execute(
        select(
            use, asset.c.name.label("asset_name"), gateway.c.name.label("gateway_name"), channel.c.channel,
            channel.c.quantity, channel.c.unit.label("count_unit"), channel.c.exponent,
        )
        .outerjoin(asset, and_(asset.c.community == use.c.community, asset.c.id == use.c.asset))
        .outerjoin(gateway, gateway.c.gid == use.c.gid)
        .outerjoin(channel, channel.c.channel_hash == use.c.channel_hash)
        .where(use.c.community == community, use.c.use_id == use_id)
    ).one_or_none()  # fmt: skip


def ratings(conn: Connection, use_id: bytes) -> tuple[Rating, ...]:
    """All revisions, oldest first."""
    rows = conn.execute(select(use_rating).where(use_rating.c.use_id == use_id).order_by(use_rating.c.revision))
    return tuple(
        Rating(
            row.revision,
            row.fee,
            tuple((bytes(owner), nano) for owner, nano in shares_of(row.shares)),
            tuple((bytes.fromhex(key), int(value)) for key, value in json.loads(row.counters)),
            None if row.cause is None else bytes(row.cause),
            row.journal,
            row.rated_ms,
        )
        for row in rows
    )


def insert_access(conn: Connection, row: dict[str, object]) -> None:
    conn.execute(insert(access), row)
