"""Settlements and what stands open in them, as JSON and as words.

It never names a payer.
"""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from sqlalchemy import Connection
from tallystick_protocol.cover import Cover, Open
from tallystick_protocol.ids import H32

from tallystick_cloud.counts import many
from tallystick_cloud.gateways.store import channel_row
from tallystick_cloud.uses.model import local_day

from . import store
from .model import Closed, Stored, TreeKey


@dataclass(frozen=True, slots=True)
class StandsOpen:
    """An open span with what people call it by."""

    chain: H32
    channel_hash: H32
    asset: str
    span: Open


def opens(conn: Connection, stored: Stored) -> list[StandsOpen]:
    """Everything that stands open in a settlement."""
    found = []
    for row in store.leaves(conn, stored.h, TreeKey.COVERS):
        cover = None if row.data is None else Cover.decode(row.data)
        if cover is not None and cover.opens:
            asset = channel_row(conn, cover.channel_hash).asset
            found += [StandsOpen(stored.chain, cover.channel_hash, asset, one) for one in cover.opens]
    return found


def as_json(stored: Stored, contract: str) -> dict[str, object]:
    """Hashes as hex, times in ms UTC."""
    return {
        "settlement": stored.h.hex(),
        "contract": contract,
        "number": stored.number,
        "from_ms": stored.from_ms,
        "to_ms": stored.to_ms,
        "unit": stored.unit,
        "leaf": stored.leaf,
        "closed_ms": stored.closed_ms,
    }


def open_json(one: StandsOpen) -> dict[str, object]:
    span = one.span
    return {
        "contract_chain": one.chain.hex(),
        "channel": one.channel_hash.hex(),
        "asset": one.asset,
        "id": span.id,
        "reason": span.reason.name.lower().replace("_", "-"),
        "counts": [span.from_total, span.to_total],
        "uses": [span.from_use, span.to_use],
    }


def closed_text(one: Closed) -> str:
    """One line; the first and the last day where the contract is."""
    stored = one.settlement
    first, last = (local_day(ms, ZoneInfo(one.zone)) for ms in (stored.from_ms, stored.to_ms - 1))
    span = f"{first} to {last}"
    head = f"{one.contract}, settlement {stored.number}, {span}: "
    if one.again:
        return head + "was closed before; nothing changed"
    still = "" if not one.opens else f", {many(one.opens, 'span')} stay open"
    return f"{head}{many(one.uses, 'use')}, {many(one.statements, 'statement')}{still}"
