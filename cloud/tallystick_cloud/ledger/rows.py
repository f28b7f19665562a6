"""Rows of uses and their ratings, and uses out of rows.

It never runs a statement.
"""

from typing import Any

from tallystick_protocol.ids import H32, PartyId
from tallystick_protocol.money.rating import Rated, Usage, UsageForm

from tallystick_cloud.ledger.model import FreshUse, counters_json, position_of, shares_json


def use_row(community: str, fresh: FreshUse, now_ms: int) -> dict[str, object]:
    usage = fresh.usage
    return {
        "use_id": usage.use_id,
        "community": community,
        "channel_hash": usage.channel_hash,
        "gid": fresh.gid,
        "number": usage.number,
        "form": usage.form.value,
        "kind": fresh.kind.value,
        "asset": usage.asset,
        "start_ms": usage.start_ms,
        "end_ms": usage.end_ms,
        "from_total": usage.from_total,
        "to_total": usage.to_total,
        "position": position_of(usage),
        "contract": fresh.contract,
        "chain": fresh.chain,
        "payer": usage.payer,
        "subject": fresh.subject,
        "programme": usage.programme,
        "aborted": usage.aborted,
        "gap": usage.gap,
        "level": fresh.level,
        "recorded_ms": now_ms,
        "batch": fresh.batch,
    }


def rating_row(
    community: str, one: Rated, revision: int, cause: bytes | None, journal: int | None, now_ms: int
) -> dict[str, object]:
    return {
        "use_id": one.usage.use_id,
        "revision": revision,
        "community": community,
        "fee": one.fee,
        "shares": shares_json(one.shares),
        "counters": counters_json(one.before),
        "cause": cause,
        "journal": journal,
        "rated_ms": now_ms,
    }


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
