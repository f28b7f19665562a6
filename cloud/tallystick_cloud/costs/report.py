"""Shared bills for people and for programs: the same figures as words and as JSON.

It never rounds; amounts leave as strings, and parts of the key as exact fractions.
"""

import json
from collections.abc import Mapping, Sequence

from tallystick_protocol.money.cost import Charge, Cost

from tallystick_cloud.money import decimal

from .service import Shared
from .store import StoredShare

Names = Mapping[bytes, str]


def preview_json(cost: Cost, charges: Sequence[Charge]) -> dict[str, object]:
    return {
        "pool": cost.name,
        "decision_ref": cost.decision_ref,
        "flats": len(cost.flats),
        "bill": None if cost.bill is None else cost.bill.id,
        "cents": None if cost.bill is None else str(cost.bill.cents),
        "shares": [
            _share(
                one.stay.flat.asset, one.stay.payer, one.stay.first_day.isoformat(), one.stay.last_day.isoformat(),
                one.stay.people, one.cents,
                [[str(part.portion), part.by.value, str(part.own), str(part.total)] for part in one.parts],
            )
            for one in charges
        ],
    }  # fmt: skip


def preview_text(cost: Cost, charges: Sequence[Charge]) -> str:
    key = ", ".join(f"{part.portion} by {part.by.value}" for part in cost.key)
    lines = [f"{cost.name}: {len(cost.flats)} flats, {key}; decided by {cost.decision_ref}"]
    if cost.bill is None:
        return "\n".join([*lines, "next: add a [bill], then tallystick cost bill FILE"])
    bill = cost.bill
    lines.append(f"bill {bill.id}: {decimal(bill.cents)} EUR, {bill.first_day} to {bill.last_day}")
    for one in charges:
        stay = one.stay
        who = f"{stay.payer} (nobody lives there)" if not stay.people else stay.payer
        lines.append(f"  {decimal(one.cents):>12}  {stay.flat.asset}  {who}  {stay.first_day} to {stay.last_day}")
    return "\n".join([*lines, "nothing is posted; next: tallystick cost bill FILE --party NAME"])


def as_json(one: Shared, names: Names) -> dict[str, object]:
    stored = one.stored
    return {
        "bill": stored.bill,
        "pool": stored.name,
        "state": "posted" if stored.reversed_ms is None else "taken back",
        "why": stored.reversed_why,
        "decision_ref": stored.decision_ref,
        "collector": names[stored.collector],
        "supplier": None if stored.supplier is None else names[stored.supplier],
        "cents": str(stored.cents),
        "first_day": stored.first_day.isoformat(),
        "last_day": stored.last_day.isoformat(),
        "posted_by": names[stored.posted_by],
        "known_before": one.again,
        "shares": [_stored(each, names) for each in one.shares],
    }


def as_text(one: Shared, names: Names) -> str:
    stored = one.stored
    state = "posted" if stored.reversed_ms is None else f"taken back: {stored.reversed_why}"
    again = "; known before, nothing is changed" if one.again else ""
    due = f"due to {names[stored.collector]}"
    due += "" if stored.supplier is None else f", owed to {names[stored.supplier]}"
    lines = [
        f"bill {stored.bill} of {stored.name}: {state}{again}",
        f"{decimal(stored.cents)} EUR, {stored.first_day} to {stored.last_day}, {due}",
        f"decided by {stored.decision_ref}",
    ]
    for each in one.shares:
        whose = names[each.party] + ("" if each.people else " (nobody lives there)")
        days = f"{each.first_day} to {each.last_day}"
        lines.append(f"  {decimal(each.cents):>12}  {each.asset}  {whose}  {days}")
    return "\n".join(lines)


def _stored(each: StoredShare, names: Names) -> dict[str, object]:
    days = each.first_day.isoformat(), each.last_day.isoformat()
    return _share(each.asset, names[each.party], *days, each.people, each.cents, json.loads(each.parts))


def _share(
    asset: str, payer: str, first_day: str, last_day: str, people: int, cents: int, parts: Sequence[Sequence[str]]
) -> dict[str, object]:
    return {
        "flat": asset,
        "payer": payer,
        "first_day": first_day,
        "last_day": last_day,
        "people": people,
        "cents": str(cents),
        "parts": [dict(zip(("portion", "by", "own", "total"), part, strict=True)) for part in parts],
    }
