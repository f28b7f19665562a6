"""Rows of uses and their ratings, and uses out of rows.

It never runs a statement.
"""

from typing import Any

from tallystick_protocol.ids import H32, PartyId
from tallystick_protocol.money.rating import Rated, Usage, UsageForm

from tallystick_cloud.ledger.model import FreshUse, counters_json, shares_json

Row = tuple[object, ...]
"""In the order of the table's columns, as `bulk.insert_rows` takes it."""


def use_row(community: str, fresh: FreshUse, position: bytes, now_ms: int) -> Row:
    usage = fresh.usage
    return (
        usage.use_id,
        community,
        usage.channel_hash,
        fresh.gid,
        usage.number,
        usage.form.value,
        fresh.kind.value,
        usage.asset,
        usage.start_ms,
        usage.end_ms,
        usage.from_total,
        usage.to_total,
        position,
        fresh.contract,
        fresh.chain,
        usage.payer,
        fresh.subject,
        usage.programme,
        usage.aborted,
        usage.gap,
        fresh.level,
        now_ms,
        fresh.batch,
    )


def rating_row(community: str, one: Rated, revision: int, cause: bytes | None, journal: int | None, now_ms: int) -> Row:
    shares, counters = shares_json(one.shares), counters_json(one.before)
    return one.usage.use_id, revision, community, one.fee, shares, counters, cause, journal, now_ms


def usage_of(row: Any) -> Usage:
    """The use of a row, as the price sees it."""
    return Usage(
        use_id=H32(bytes(row.use_id)),
        channel_hash=H32(bytes(row.channel_hash)),
        number=row.number,
        start_ms=row.start_ms,
        end_ms=row.end_ms,
        from_total=row.from_total,
        to_total=row.to_total,
        asset=row.asset,
        payer=PartyId(bytes(row.payer)),
        programme=row.programme,
        form=UsageForm(row.form),
        aborted=bool(row.aborted),
        gap=bool(row.gap),
    )
