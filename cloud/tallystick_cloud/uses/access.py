"""The one door to uses: whoever reads one through a page or a file leaves a row that says who, what, why and how many.

It never shows a use to somebody who neither pays it, nor splits its contract, nor holds an office: for them it is
not there.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from tallystick_cloud.contracts.store import chains_split_with
from tallystick_cloud.errors import NotFound
from tallystick_cloud.uses import store
from tallystick_cloud.uses.model import (
    Basis,
    Brought,
    Joined,
    Line,
    Rating,
    Reader,
    SettledUse,
    UnsettledUse,
    UseView,
    basis_of,
)
from tallystick_cloud.uses.store import ALL, Wanted

OWN = "own account"


def read_lines(conn: Connection, reader: Reader, from_ms: int, to_ms: int, wanted: Wanted = ALL) -> list[Line]:
    """What uses did to the reader's own account in [from_ms, to_ms), oldest first. Writes: call it in a write."""
    if reader.party is None:
        return []
    account = store.account_of(conn, reader.community, reader.party)
    found = store.lines(conn, account, from_ms, to_ms, wanted)
    _write_down(conn, reader, "use lines", OWN, None, len(found))
    return found


def read_newest(
    conn: Connection, reader: Reader, from_ms: int, to_ms: int, zone: str, newest: int
) -> tuple[list[Joined], list[Brought]]:
    """The newest of the same, oldest first, with the slices of a meter on a local day together; and what each asset
    brought in all. Writes: call it in a write."""
    if reader.party is None:
        return [], []
    account = store.account_of(conn, reader.community, reader.party)
    lines, brought = store.month(conn, account, from_ms, to_ms, zone, newest)
    seen = max(sum(one.uses for one in brought), sum(one.uses for one in lines))  # a payer too
    _write_down(conn, reader, "use lines", OWN, None, seen)
    return lines[-newest:], brought


def read_unsettled(conn: Connection, reader: Reader, edges: Sequence[int], *, each: bool) -> list[UnsettledUse]:
    """What the reader's next statements will hold of uses that ended until the last edge. Writes: call it in a write.

    Those of a meter are told together from edge to edge and up to the first, with `each` only its slices.
    """
    if reader.party is None:
        return []
    account = store.account_of(conn, reader.community, reader.party)
    found = store.unsettled(conn, account, edges, each=each)
    count = sum(max(one.share_uses, one.charge_uses) for one in found)
    _write_down(conn, reader, "uses not settled", OWN, None, count)
    return found


def read_settled(conn: Connection, reader: Reader, ids: Sequence[bytes]) -> dict[bytes, SettledUse]:
    """What the lines of the reader's own statement are about. Writes: call it in a write."""
    if reader.party is None or not ids:
        return {}
    found = store.settled(conn, reader.community, ids)
    _write_down(conn, reader, "settled uses", OWN, None, len(found))
    return found


def read_use(conn: Connection, reader: Reader, use_id: bytes) -> UseView:
    """One use with its ratings; NotFound also when it is not the reader's to see. Writes: call it in a write."""
    found = _seen(conn, reader, use_id)
    if found is None:
        raise NotFound("use", f"{use_id.hex()[:12]} is not among the uses that you pay or share in")
    _write_down(conn, reader, f"use {use_id.hex()}", found.basis.value, found.chain, 1)
    return found


def read_uses(conn: Connection, reader: Reader, ids: Sequence[bytes]) -> dict[bytes, UseView]:
    """Those of `ids` that the reader may see, by id. Writes: call it in a write."""
    found = {use_id: use for use_id in ids if (use := _seen(conn, reader, use_id)) is not None}
    for basis in sorted({use.basis for use in found.values()}):
        rows = sum(use.basis is basis for use in found.values())
        _write_down(conn, reader, "uses by id", basis.value, None, rows)
    return found


def _seen(conn: Connection, reader: Reader, use_id: bytes) -> UseView | None:
    row = store.named_use(conn, reader.community, use_id)
    ratings = store.ratings(conn, row) if row is not None else ()
    basis = None if row is None else _basis(conn, reader, row, ratings)
    return None if basis is None else _view(row, basis, ratings)


def _basis(conn: Connection, reader: Reader, row: Any, ratings: tuple[Rating, ...]) -> Basis | None:
    """As for evidence: who splits a contract recomputes its order, counters and caps, so opens all uses of it."""
    shares_in = any(owner == reader.party for rating in ratings for owner, _ in rating.shares)
    if not shares_in and reader.party is not None:
        shares_in = bytes(row.chain) in chains_split_with(conn, reader.community, reader.party)
    return basis_of(reader, bytes(row.payer), splits=shares_in)


def _view(row: Any, basis: Basis, ratings: tuple[Rating, ...]) -> UseView:
    return UseView(
        use_id=bytes(row.use_id),
        channel_hash=bytes(row.channel_hash),
        gid=None if row.gid is None else bytes(row.gid),
        gateway=row.gateway_name or "",
        channel=row.channel,
        quantity=row.quantity or "",
        count_unit=row.count_unit or "",
        number=row.number,
        form=row.form,
        kind=row.kind,
        asset=row.asset,
        asset_name=row.asset_name or row.asset,
        start_ms=row.start_ms,
        end_ms=row.end_ms,
        from_total=row.from_total,
        to_total=row.to_total,
        programme=row.programme,
        aborted=bool(row.aborted),
        gap=bool(row.gap),
        level=row.level,
        recorded_ms=row.recorded_ms,
        contract=bytes(row.contract),
        chain=bytes(row.chain),
        batch=None if row.batch is None else bytes(row.batch),
        basis=basis,
        ratings=ratings,
    )


def _write_down(conn: Connection, reader: Reader, resource: str, basis: str, contract: bytes | None, rows: int) -> None:
    store.insert_access(
        conn,
        {
            "community": reader.community,
            "actor": reader.party,
            "on_behalf": None,
            "resource": resource,
            "contract": contract,
            "purpose": reader.purpose,
            "basis": basis,
            "row_count": rows,
            "at_ms": reader.now_ms,
        },
    )
