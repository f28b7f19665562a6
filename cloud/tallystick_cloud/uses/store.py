"""SQL of uses and their ratings, and the one statement that writes down who looked.

It never decides who may look; access.py does, and nothing outside this folder calls this file."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, and_, func, insert, literal_column, or_, select
from tallystick_protocol.codes import LineKind
from tallystick_protocol.money.rating import counter_keys

from tallystick_cloud.contracts.store import versions_of
from tallystick_cloud.ledger.model import Kind, counter_scope
from tallystick_cloud.ledger.rows import shares_of, steps_of, usage_of
from tallystick_cloud.schema import (
    access,
    asset,
    channel,
    contract_version,
    gateway,
    in_order,
    posting,
    rerating,
    reversal,
    settled_use,
    settlement,
    standing,
    use,
    use_frame,
    use_rating,
    use_row,
)
from tallystick_cloud.settlement.pairs import pairs_of
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
    of_party = or_(use_frame.c.payer == party, use_frame.c.chain.in_(earning_chains(conn, community, party)))
    found: list[_Booked] = []
    for query, rated_ms in ((_BOOKED, use_row.c.recorded_ms), (_BOOKED_AGAIN, rerating.c.rated_ms)):
        mine = query.where(use_frame.c.community == community, rated_ms >= from_ms, rated_ms < to_ms, of_party)
        if newest is not None:
            mine = mine.order_by(rated_ms.desc(), use_row.c.end_ms.desc()).limit(newest * ROWS_PER_LINE)
        found += [_Booked(row, party) for row in conn.execute(mine)]
    found.sort(key=lambda one: one.order)
    every = [line for one in found for line in one.lines()]
    return every if newest is None else every[-newest:]


ROWS_PER_LINE = 8
"""Rows looked at for one line wanted: a party of a contract may have no share of some uses."""

_SHOWN = (
    use_row.c.use_id, use_row.c.number, use_row.c.start_ms, use_row.c.end_ms, use_row.c.from_total,
    use_row.c.to_total, use_row.c.programme, use_frame.c.channel_hash, use_frame.c.form, use_frame.c.asset,
    use_frame.c.chain, use_frame.c.payer, use_frame.c.parties, asset.c.name.label("asset_name"),
    contract_version.c.name.label("contract_name"),
)  # fmt: skip
_USES = (
    use_row.join(use_frame, use_frame.c.id == use_row.c.frame)
    .outerjoin(asset, and_(asset.c.community == use_frame.c.community, asset.c.id == use_frame.c.asset))
    .outerjoin(contract_version, contract_version.c.h == use_frame.c.contract)
)
_BOOKED = (
    select(
        *_SHOWN, literal_column("1").label("revision"), use_row.c.fee, use_row.c.shares,
        use_row.c.recorded_ms.label("rated_ms"), literal_column("0").label("old_fee"),
        literal_column("''").label("old_shares"),
    )
    .select_from(_USES)
    .where(use_row.c.journal.is_not(None))
)  # fmt: skip
_EARLIER = rerating.alias("earlier")
_BOOKED_AGAIN = (
    select(
        *_SHOWN, rerating.c.revision, rerating.c.fee, rerating.c.shares, rerating.c.rated_ms,
        func.coalesce(_EARLIER.c.fee, use_row.c.fee).label("old_fee"),
        func.coalesce(_EARLIER.c.shares, use_row.c.shares).label("old_shares"),
    )
    .select_from(
        _USES.join(rerating, rerating.c.use_id == use_row.c.use_id).outerjoin(
            _EARLIER, and_(_EARLIER.c.use_id == rerating.c.use_id, _EARLIER.c.revision == rerating.c.revision - 1)
        )
    )
    .where(rerating.c.journal.is_not(None))
)  # fmt: skip


class _Booked:
    """One rating of a use as one party's account saw it."""

    def __init__(self, row: Any, party: bytes) -> None:
        self._row, self._party = row, party

    @property
    def order(self) -> tuple[object, ...]:
        row = self._row
        return row.rated_ms, row.end_ms, row.channel_hash, row.number, row.revision

    def lines(self) -> Iterable[Line]:
        """The share and the charge, without those that change nothing."""
        row = self._row
        share = _share(row.parties, row.shares, self._party) - _share(row.parties, row.old_shares, self._party)
        charge = row.fee - row.old_fee if bytes(row.payer) == self._party else 0
        name = row.asset_name or row.asset or row.contract_name or ""
        for kind, nano in ((LineKind.SHARE, share), (LineKind.CHARGE, -charge)):
            if nano:
                yield Line(
                    kind, bytes(row.use_id), row.revision, row.asset, name, bytes(row.chain),
                    row.contract_name or "", row.form, row.number, row.start_ms, row.end_ms, row.from_total,
                    row.to_total, row.programme, nano, row.rated_ms,
                )  # fmt: skip


def _share(parties: str, shares: str, party: bytes) -> int:
    """A party's part of shares in contract order; `shares` empty: of nothing."""
    named = zip(parties.split(), shares.split(), strict=False)
    return sum(int(nano) for owner, nano in named if owner == party.hex())


_SETTLED = select(settled_use.c.use_id, func.max(settled_use.c.number).label("n")).group_by(settled_use.c.use_id)


def unsettled(conn: Connection, community: str, party: bytes, to_ms: int) -> list[UnsettledUse]:
    """What stands in no statement yet: uses that ended until `to_ms`, and settled ones priced again since."""
    done, last = _SETTLED.subquery(), settled_use.alias("last")
    rows = conn.execute(
        select(standing, asset.c.name.label("asset_name"), last.c.fee.label("old_fee"),
               last.c.shares.label("old_shares"), reversal.c.at_ms.label("reversed_ms"))
        .outerjoin(done, done.c.use_id == standing.c.use_id)
        .outerjoin(last, and_(last.c.use_id == standing.c.use_id, last.c.number == done.c.n))
        .outerjoin(settlement, settlement.c.h == last.c.settlement)
        .outerjoin(asset, and_(asset.c.community == standing.c.community, asset.c.id == standing.c.asset))
        .outerjoin(reversal, reversal.c.use_id == standing.c.use_id)
        .where(standing.c.community == community, standing.c.kind == "live", standing.c.end_ms <= to_ms)
        .where(or_(standing.c.payer == party, standing.c.chain.in_(earning_chains(conn, community, party))))
        .where(or_(last.c.use_id.is_(None), standing.c.rated_ms >= settlement.c.closed_ms))
        .order_by(*in_order(standing))
    )  # fmt: skip
    found = []
    for row in rows:
        old = {} if row.old_shares is None else dict(pairs_of(row.old_shares))
        share = _share(row.parties, row.shares, party) - old.get(party, 0)
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


def named_use(conn: Connection, community: str, use_id: bytes) -> Any:
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


def ratings(conn: Connection, row: Any) -> tuple[Rating, ...]:
    """All revisions of a use that changed its price, oldest first; the last with the counters as they stand.

    row: of `named_use`.
    """
    query = select(use_rating).where(use_rating.c.use_id == row.use_id).order_by(use_rating.c.revision)
    contract = versions_of(conn, bytes(row.chain))[bytes(row.contract)].contract
    keys = counter_keys(contract, counter_scope(bytes(row.chain), Kind(row.kind)), usage_of(row))
    found: list[Rating] = []
    for one in conn.execute(query):
        shares = shares_of(one)
        before = tuple((key, before) for key, (before, _) in zip(keys, steps_of(one), strict=False))
        cause = None if one.cause is None else bytes(one.cause)
        if found and (one.fee, shares) == (found[-1].fee, found[-1].shares) and cause != row.use_id:
            found[-1] = replace(found[-1], counters=before)  # only its counters moved
        else:
            found.append(Rating(one.revision, one.fee, shares, before, cause, one.journal, one.rated_ms))
    return tuple(found)


def insert_access(conn: Connection, row: dict[str, object]) -> None:
    conn.execute(insert(access), row)
