"""SQL of uses and their ratings, and the one statement that writes down who looked.

It never decides who may look; access.py does, and nothing outside this folder calls this file."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, func, insert, literal_column, select
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
from tallystick_cloud.uses import sums
from tallystick_cloud.uses.model import Brought, Joined, Line, Rating, SettledUse, UnsettledUse, joined
from tallystick_cloud.uses.sums import Account

EARNING = ("payable", "fund")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines: the newest so many, of one asset, of uses that ended in (from, to] ms; without first prices of
    slices, or without any."""

    newest: int | None = None
    asset: str = ""
    ended: tuple[int, int] | None = None
    with_slices: bool = True
    with_first: bool = True


ALL = Wanted()


def earning_chains(conn: Connection, community: str, party: bytes) -> list[bytes]:
    """Contracts under which the party was ever owed anything."""
    rows = conn.execute(
        select(posting.c.chain)
        .where(posting.c.party == party, posting.c.community == community, posting.c.account.in_(EARNING))
        .distinct()
    )
    return sorted(bytes(found) for found in rows.scalars())


def account_of(conn: Connection, community: str, party: bytes) -> Account:
    return Account(community, party, earning_chains(conn, community, party))


def lines(conn: Connection, account: Account, from_ms: int, to_ms: int, wanted: Wanted = ALL) -> list[Line]:
    """What was booked to a party's account by uses in [from_ms, to_ms), oldest first."""
    return [line for _, line in _lines(conn, account, from_ms, to_ms, wanted)]


def month(
    conn: Connection, account: Account, from_ms: int, to_ms: int, zone: str, newest: int | None = None
) -> tuple[list[Joined], list[Brought]]:
    """The same with the slices of a meter on a local day together, at the place of the last of them; and what all of it
    brought by asset, corrections apart.

    `newest`: at least so many of the newest lines are there.
    """
    each = _lines(conn, account, from_ms, to_ms, Wanted(newest, with_slices=False))
    placed = [(order, Joined(line, "", 1, line.nano)) for order, line in each]
    found = sums.brought(conn, account, from_ms, to_ms)
    for row in sums.days(conn, account, from_ms, to_ms, zone):
        order = row.rated_ms, row.end_ms, row.channel_hash, row.number, 1
        for kind, uses, nano in (
            (LineKind.SHARE, int(row.share_uses), int(row.share)),
            (LineKind.CHARGE, int(row.charge_uses), -int(row.charge)),
        ):
            if uses:
                line = _line(row, kind, 1, nano)
                placed.append((order, Joined(line, "", uses, nano)))
                found += [Brought(line.asset, line.asset_name, line.form, uses, nano)] if kind is LineKind.SHARE else []
    found += _corrections(conn, account, from_ms, to_ms)
    return joined([one for _, one in sorted(placed, key=_order)], zone), found


def _corrections(conn: Connection, account: Account, from_ms: int, to_ms: int) -> list[Brought]:
    lines = _lines(conn, account, from_ms, to_ms, Wanted(with_first=False))
    shares = [line for _, line in lines if line.kind is LineKind.SHARE]
    return [Brought(line.asset, line.asset_name, line.form, 0, line.nano) for line in shares]


def _lines(
    conn: Connection, account: Account, from_ms: int, to_ms: int, wanted: Wanted
) -> list[tuple[tuple[object, ...], Line]]:
    found: list[_Booked] = []
    for query, rated_ms in _queries(wanted):
        mine = query.where(account.concerns(use_frame.c), rated_ms >= from_ms, rated_ms < to_ms)
        if wanted.asset:
            mine = mine.where(use_frame.c.asset == wanted.asset)
        if wanted.ended is not None:
            mine = mine.where(use_row.c.end_ms > wanted.ended[0], use_row.c.end_ms <= wanted.ended[1])
        if wanted.newest is not None:
            mine = mine.order_by(rated_ms.desc(), use_row.c.end_ms.desc()).limit(wanted.newest * ROWS_PER_LINE)
        found += [_Booked(row, account.party) for row in conn.execute(mine)]
    found.sort(key=lambda one: one.order)
    every = [(one.order, line) for one in found for line in one.lines()]
    return every if wanted.newest is None else every[-wanted.newest :]


def _queries(wanted: Wanted) -> Iterable[tuple[Select[Any], ColumnElement[int]]]:
    first = _BOOKED if wanted.with_slices else _BOOKED.where(use_frame.c.form != sums.SLICE)
    if wanted.with_first:
        yield first, use_row.c.recorded_ms
    yield _BOOKED_AGAIN, rerating.c.rated_ms


def _order(one: tuple[tuple[object, ...], Joined]) -> Any:
    return one[0]


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
        for kind, nano in ((LineKind.SHARE, share), (LineKind.CHARGE, -charge)):
            if nano:
                yield _line(row, kind, row.revision, nano)


def _line(row: Any, kind: LineKind, revision: int, nano: int) -> Line:
    return Line(
        kind, bytes(row.use_id), revision, row.asset, row.asset_name or row.asset or row.contract_name or "",
        bytes(row.chain), row.contract_name or "", row.form, row.number, row.start_ms, row.end_ms, row.from_total,
        row.to_total, row.programme, nano, row.rated_ms,
    )  # fmt: skip


def charged_ms(conn: Connection, use_id: bytes) -> int | None:
    """The last moment of the period whose settlement charges a use as it stands; None before it is settled."""
    query = select(settlement.c.to_ms).join(settled_use, settled_use.c.settlement == settlement.c.h)
    newest = query.where(settled_use.c.use_id == use_id).order_by(settled_use.c.number.desc()).limit(1)
    to_ms = conn.execute(newest).scalar_one_or_none()
    return None if to_ms is None else to_ms - 1


def _share(parties: str, shares: str, party: bytes) -> int:
    """A party's part of shares in contract order; `shares` empty: of nothing."""
    named = zip(parties.split(), shares.split(), strict=False)
    return sum(int(nano) for owner, nano in named if owner == party.hex())


_LAST, _LATER = settled_use.alias("last"), settled_use.alias("later")
_NAME = asset.c.name.label("asset_name")
_OF_ASSET = and_(asset.c.community == standing.c.community, asset.c.id == standing.c.asset)
_PRICED_AGAIN = (
    select(standing, _NAME, _LAST.c.fee.label("old_fee"), _LAST.c.shares.label("old_shares"),
           reversal.c.at_ms.label("reversed_ms"))
    .join(_LAST, _LAST.c.use_id == standing.c.use_id)
    .join(settlement, settlement.c.h == _LAST.c.settlement)
    .outerjoin(asset, _OF_ASSET)
    .outerjoin(reversal, reversal.c.use_id == standing.c.use_id)
    .where(
        standing.c.cause.is_not(None),  # few: what was never priced again needs no look
        standing.c.kind == "live",
        standing.c.rated_ms >= settlement.c.closed_ms,
        ~exists().where(_LATER.c.use_id == _LAST.c.use_id, _LATER.c.number > _LAST.c.number),
    )
)  # fmt: skip


def unsettled(conn: Connection, account: Account, edges: Sequence[int], *, each: bool) -> list[UnsettledUse]:
    """What stands in no statement yet: uses that ended until the last edge, and settled ones priced again since.

    Together and apart as `sums.unsettled` says; `each`: what is no slice comes one by one after the first edge.
    """
    again = _PRICED_AGAIN.where(account.concerns(standing.c), standing.c.end_ms <= edges[-1])
    found = [*sums.unsettled(conn, account, edges, each=each), *_differences(conn.execute(again), account.party)]
    return sorted(found, key=lambda one: (one.end_ms, one.number, one.use_id))


def _differences(rows: Iterable[Any], party: bytes) -> Iterable[UnsettledUse]:
    """What is still to be told of uses that stand in a statement with another price."""
    for row in rows:
        share = _share(row.parties, row.shares, party) - dict(pairs_of(row.old_shares)).get(party, 0)
        charge = row.old_fee - row.fee if bytes(row.payer) == party else 0
        if share or charge:
            yield UnsettledUse(
                bytes(row.use_id), bytes(row.chain), row.asset, row.asset_name or row.asset, row.form, row.number,
                row.end_ms, row.programme, share, charge, True, row.reversed_ms is not None, row.rated_ms,
            )  # fmt: skip


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
