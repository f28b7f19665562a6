"""Which members washed and what they pay, as their own statements say it when the month is closed.
It asks the aggregator as its manager would; it computes no price."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from tallystick_sim.aggregator import Aggregator, AggregatorError
from tallystick_sim.members import MEMBERS
from tallystick_sim.town_files import COMMUNITY

CONTRACT = "Washes at Casa Aurora"
STATEMENTS = f"/v1/communities/{COMMUNITY}/statements?party="


@dataclass(frozen=True, slots=True)
class Payer:
    """A member, how many washes its statement charges, and their sum in nano-euro."""

    member: str
    washes: int
    nano: int


async def payers(outside: Aggregator) -> tuple[Payer, ...]:
    """One per member, in the order of the plan. Raises AggregatorError."""
    return tuple([payer_of(member, await outside.rows(STATEMENTS + quote(member))) for member in MEMBERS])


def payer_of(member: str, statements: list[Any]) -> Payer:
    """What a member's statements charge for washes; raises AggregatorError for an answer of another shape."""
    try:
        rows = [row for one in statements if one["contract"] == CONTRACT for row in one["rows"]]
        charges = [-int(row["amount_nano"]) for row in rows if row["what"] == "use"]
    except (KeyError, TypeError, ValueError) as error:
        raise AggregatorError(f"statements of {member}: {type(error).__name__} {error}") from error
    return Payer(member, sum(nano > 0 for nano in charges), sum(charges))
