"""The twelve members who wash, and the laundry's plan: whose machine it is from when on, a contract version each.
Names and times only; that the uses of a slot are paid by its members is the contract's and the aggregator's work."""

from __future__ import annotations

from datetime import UTC, datetime

from tallystick_sim.plan import WASHERS
from tallystick_sim.slots import Slots

MEMBERS = (
    *("Family Conti", "Ahmed Haddad", "Flat share, top floor", "Marta Pichler", "Jonas Gruber", "Family Rossi"),
    *("Lucia Bianchi", "Tomas Novak", "Anna Kostner", "Family Yilmaz", "Peter Thaler", "Sofia Ricci"),
)
PER_SLOT = len(WASHERS)  # one member per machine
SLOTS = 6
"""Two groups by turns, for nearly three hours: a demo opens its doors 10 to 60 minutes after its start, and whenever it
does each machine has two slots in the 45 minutes that it is open. After the last slot the last group goes on."""


def slot_of(version: int) -> int:
    """Version 2 is the first slot; version 1 was before the plan and has the same users."""
    return max(0, version - 2)


def users_of(slot: int) -> tuple[str, ...]:
    """Who pays for the machines in a slot, in the order of the machines."""
    group = slot % (len(MEMBERS) // PER_SLOT)
    return MEMBERS[group * PER_SLOT : (group + 1) * PER_SLOT]


def starts(slot: int, slots: Slots) -> str:
    """When a slot begins, as a contract file says it: local midnight for the first, an exact moment for the others."""
    begin = datetime.fromtimestamp(slots.begin_ms(slot) // 1000, UTC)
    return f"{begin:%Y-%m-%d}" if slot == 0 else f"{begin:%Y-%m-%dT%H:%M:00Z}"


def user_blocks(slot: int) -> str:
    """The members of a slot as users of a contract file, whom the contract itself does not name."""
    return "\n".join(f'[[user]]\nname = "{name}"\n' for name in users_of(slot))


def town_blocks() -> str:
    """The members as parties of the town file."""
    return "\n".join(f'[[party]]\nname = "{name}"\nroles = ["user"]\nkey = "hosted"\n' for name in MEMBERS)
