"""What comes after the washing: the month is closed and paid out, evidence verified, and cheats tried on copies.
It never changes what the demo compared, and says of each thing that went wrong what it was."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tallystick_sim.aggregator import Aggregator, AggregatorError
from tallystick_sim.cheat import Tried, amiss_of, try_cheats
from tallystick_sim.month_end import MonthEnd, end_month
from tallystick_sim.payers import Payer, payers
from tallystick_sim.programs import ProgramError
from tallystick_sim.proofs import Proof, prove, unverified


@dataclass(frozen=True, slots=True)
class Aftermath:
    """Everything that was done; `failed` is the program that stopped it, in its own words."""

    month: MonthEnd | None = None
    proofs: tuple[Proof, ...] = ()
    cheats: tuple[Tried, ...] = ()
    failed: str | None = None
    payers: tuple[Payer, ...] = ()
    all_wash: bool = False  # the laundry was open so long that every member had a slot

    @property
    def amiss(self) -> list[str]:
        found = [] if self.failed is None else [self.failed]
        if self.month is not None and not self.month.payouts:
            found.append("nobody was paid")
        if self.month is not None and self.month.bank_day is not None:
            found += self.month.bank_day.amiss
        if self.month is not None and self.month.documents is not None:
            found += self.month.documents.amiss
        if self.all_wash:
            found += [f"{one.member} had a slot, but pays for no wash" for one in self.payers if not one.washes]
        return [*found, *unverified(self.proofs), *amiss_of(self.cheats)]

    def content(self) -> dict[str, Any]:
        """Its part of the report."""
        month = self.month
        return {
            "payouts": [] if month is None else _payouts(month),
            "bank": None if month is None or month.bank_day is None else month.bank_day.content(),
            "documents": None if month is None or month.documents is None else month.documents.content(),
            "members": [
                {"member": one.member, "washes": one.washes, "fees_nano": str(one.nano)} for one in self.payers
            ],
            "held_back": [] if month is None else [{"party": one.party, "reason": one.reason} for one in month.held],
            "evidence": [
                {"party": one.party, "file": str(one.file), "policy": str(one.policy), "verdict": one.verdict}
                for one in self.proofs
            ],
            "policy": str(self.proofs[0].policy) if self.proofs else None,
            "cheats": [{"kind": one.kind, "detected": one.detected, "message": one.message} for one in self.cheats],
        }


async def after_the_washing(
    data: Path,
    town_ms: int,
    tell: Callable[[str], None],
    outside: Aggregator,
    *,
    cheats: bool = True,
    all_wash: bool = False,
) -> Aftermath:
    """All of it, in order; what fails ends it and is in `failed`. `cheats` False: nobody tries any."""
    month: MonthEnd | None = None
    proofs: tuple[Proof, ...] = ()
    paying: tuple[Payer, ...] = ()
    try:
        month = await end_month(data, town_ms, tell)
        paying = await payers(outside)
        tell(f"{sum(one.washes > 0 for one in paying)} of {len(paying)} members washed and pay")
        proofs = await prove(data, month)
        for one in proofs:
            tell(f"tallystick-verify on the evidence of {one.party}: {one.verdict}")
        return Aftermath(
            month, proofs, await try_cheats(data, tell) if cheats else (), payers=paying, all_wash=all_wash
        )
    except (ProgramError, AggregatorError, OSError, sqlite3.Error) as error:
        return Aftermath(month, proofs, failed=str(error), payers=paying)


def _payouts(month: MonthEnd) -> list[dict[str, Any]]:
    file = str(month.bank_file)
    return [{"party": one.party, "contract": one.contract, "cents": one.cents, "file": file} for one in month.payouts]
