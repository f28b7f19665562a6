"""Money that nobody could be paid, for people and for programs: as words, JSON and CSV.

It never rounds; amounts leave as strings.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from tallystick_cloud.http.amounts import harmless
from tallystick_cloud.money import money

from .model import Due

ID_CHARS = 8  # shown of an id; enough to tell a few apart


def due_json(one: Due, names: Mapping[bytes, str]) -> dict[str, object]:
    about = {"party": names[one.owed.party], "holder": names[one.owed.holder], "reason": one.reason.value}
    return {**about, "unit": one.owed.unit, "nano": str(one.nano)}


def due_text(one: Due, names: Mapping[bytes, str]) -> str:
    what = f"{names[one.owed.party]}: {money(one.nano)} {one.owed.unit}"
    return f"{what}, owed by {names[one.owed.holder]}; {one.reason.value}"


def as_json(row: Any, names: Mapping[bytes, str]) -> dict[str, object]:
    claimed = None if row.claimed_by is None else names[bytes(row.claimed_by)]
    about = {"id": bytes(row.id).hex(), "party": names[bytes(row.party)], "holder": names[bytes(row.holder)]}
    moved = {"reason": row.reason, "why": row.why, "moved_by": names[bytes(row.moved_by)], "moved_ms": row.moved_ms}
    back = {"claimed_by": claimed, "claimed_ms": row.claimed_ms, "identity": row.identity}
    return {**about, "unit": row.unit, "nano": str(row.nano), **moved, **back}


def as_text(row: Any, names: Mapping[bytes, str]) -> str:
    text = f"{bytes(row.id).hex()[:ID_CHARS]}  {_day(row.moved_ms)}  {names[bytes(row.party)]}: "
    text += f"{money(row.nano)} {row.unit}"
    text += f", owed by {names[bytes(row.holder)]}; {row.reason}: {row.why}"
    if row.claimed_ms is None:
        return text
    return f"{text}; claimed on {_day(row.claimed_ms)}, {names[bytes(row.claimed_by)]}: {row.identity}"


def csv_text(rows: Sequence[Any], names: Mapping[bytes, str]) -> str:
    """A header and a line per row; amounts as decimals."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["id", "party", "holder", "amount", "unit", "reason", "why", "moved", "claimed", "identity"])
    for row in rows:
        claimed = "" if row.claimed_ms is None else _day(row.claimed_ms)
        who = [bytes(row.id).hex(), names[bytes(row.party)], names[bytes(row.holder)]]
        times = [_day(row.moved_ms), claimed, row.identity or ""]
        said = [row.unit, row.reason, row.why, *times]
        writer.writerow([*map(harmless, who), money(row.nano), *map(harmless, said)])
    return out.getvalue()


def _day(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).date().isoformat()
