"""The twelve members who wash, and the laundry's plan: whose machine it is from when on, a contract version each.
Names and times only; that the uses of a slot are paid by its members is the contract's and the aggregator's work."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

FIRST = ("Family Conti", "Ahmed Haddad", "Flat share, top floor")
MEMBERS = (
    *FIRST,
    *("Marta Pichler", "Jonas Gruber", "Family Rossi"),
    *("Lucia Bianchi", "Tomas Novak", "Anna Kostner"),
    *("Family Yilmaz", "Peter Thaler", "Sofia Ricci"),
)
SLOTS = 4
PER_SLOT = len(MEMBERS) // SLOTS  # one member per machine
SLOT_STARTS = (timedelta(0), timedelta(minutes=33), timedelta(minutes=50), timedelta(minutes=67))
"""After the start of the demo, which opens its doors 10 to 25 minutes later; a machine washes once or twice a slot."""


def slot_of(version: int) -> int:
    """Version 2 is the first slot; version 1 was before the plan and has the same users."""
    return max(0, version - 2)


def users_of(slot: int) -> tuple[str, ...]:
    """Who pays for the machines in a slot, in the order of the machines."""
    return MEMBERS[slot * PER_SLOT : (slot + 1) * PER_SLOT]


def starts(slot: int, now_ms: int) -> str:
    """When a slot begins, as a contract file says it: local midnight for the first, an exact moment for the others."""
    begin = datetime.fromtimestamp(now_ms // 1000, UTC) + SLOT_STARTS[slot]
    return f"{begin:%Y-%m-%d}" if slot == 0 else f"{begin:%Y-%m-%dT%H:%M:00Z}"


def user_blocks(slot: int) -> str:
    """The members of a slot as users of a contract file, whom the contract itself does not name."""
    return "\n".join(f'[[user]]\nname = "{name}"\n' for name in users_of(slot))


def town_blocks() -> str:
    """The members as parties of the town file."""
    return "\n".join(f'[[party]]\nname = "{name}"\nroles = ["user"]\nkey = "hosted"\n' for name in MEMBERS)
