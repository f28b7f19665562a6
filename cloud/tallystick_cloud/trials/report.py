"""A test run as text and JSON. It changes nothing."""

from collections.abc import Mapping
from datetime import UTC, datetime

from tallystick_cloud.counts import many

from .model import Trial


def as_json(one: Trial, names: Mapping[bytes, str], now_ms: int) -> dict[str, object]:
    return {
        "run": one.id,
        "asset": one.asset,
        "from_ms": one.from_ms,
        "to_ms": one.to_ms,
        "is_on": one.is_on(now_ms),
        "by": names.get(one.by, one.by.hex()),
        "why": one.why,
        "uses_taken_back": one.uses,
    }


def as_text(one: Trial, names: Mapping[bytes, str], now_ms: int) -> str:
    state = "on until" if one.is_on(now_ms) else "ended"
    began, ends = (datetime.fromtimestamp(ms / 1000, UTC) for ms in (one.from_ms, one.to_ms))
    taken = f"{many(one.uses, 'use')} taken back" if one.uses else "no use taken back"
    who = names.get(one.by, one.by.hex()[:16])
    return f"{one.id}  {one.asset}  {began:%Y-%m-%d %H:%M} UTC, {state} {ends:%H:%M}: {taken}; {who}: {one.why}"
