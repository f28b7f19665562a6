"""The day at the bank: it executes the payout file, the users pay what they owe, and its statement goes back.
What the books then hold is asked with the aggregator's own command; nothing here books anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from tallystick_sim.bank import SimBank
from tallystick_sim.programs import run_program, tallystick

OPENING_CENTS = 250_000  # what the collector has at the bank before its first statement
PAYERS_IBAN = "FR7630006000011234567890189"  # nobody's of the town: payments are told by their reference


@dataclass(frozen=True, slots=True)
class BankDay:
    """What the statement said, by standing, and how bank and books agree afterwards."""

    statement: Path
    payouts: int
    payments: int
    suspense: int
    closing_cents: int
    unseen_nano: int
    still_due: int

    @property
    def text(self) -> str:
        return (
            f"the bank's statement: {self.payouts} payouts executed, {self.payments} users paid by their reference; "
            f"it closes at EUR {self.closing_cents // 100}.{self.closing_cents % 100:02d}, as the books do"
        )

    @property
    def amiss(self) -> list[str]:
        found = []
        if self.suspense:
            found.append(f"{self.suspense} entries of the bank's statement could not be told")
        if self.unseen_nano:
            found.append(f"bank and books differ by {self.unseen_nano} nano")
        if self.still_due:
            found.append(f"{self.still_due} users paid and still owe a cent or more")
        return found

    def content(self) -> dict[str, Any]:
        """Its part of the report."""
        return {
            "statement": str(self.statement),
            "payouts": self.payouts,
            "payments": self.payments,
            "suspense": self.suspense,
            "closing_cents": self.closing_cents,
            "unseen_nano": str(self.unseen_nano),
        }


async def at_the_bank(
    data: Path, collector: str, run: int, file: Path, day: date, environment: Mapping[str, str]
) -> BankDay:
    """Hand in the file, let everybody pay, take the statement in. Raises ProgramError."""
    await run_program(tallystick(data, "payout", "sent", str(run), "--party", collector, "--yes"), environment)
    dues = await _dues(data, collector, environment)
    bank = SimBank(dues[0]["iban"], OPENING_CENTS) if dues else None
    statement = file.with_name(f"statement-{run}.xml")
    if bank is None:
        return BankDay(statement, 0, 0, 0, 0, 0, 0)
    _live_through(bank, day, file, dues, statement)
    taken = (await run_program(tallystick(data, "bank", "in", str(statement), "--json"), environment)).json()
    shown = (await run_program(tallystick(data, "bank", "show", "--json"), environment)).json()
    standings = taken[0]["standings"]
    left = await _dues(data, collector, environment)
    return BankDay(
        statement,
        standings.get("payout", 0),
        standings.get("payment", 0),
        standings.get("suspense", 0),
        bank.cents,
        int(shown["accounts"][0]["unseen_nano"]),
        len(left),
    )


def _live_through(bank: SimBank, day: date, file: Path, dues: list[dict[str, str]], statement: Path) -> None:
    bank.execute(file.read_bytes(), day)
    for due in dues:
        bank.receive(int(due["cents"]), day, due["payer"], PAYERS_IBAN, reference=due["reference"])
    statement.write_bytes(bank.statement(day))


async def _dues(data: Path, collector: str, environment: Mapping[str, str]) -> list[dict[str, str]]:
    found = (await run_program(tallystick(data, "bank", "dues", "--json"), environment)).json()
    return [one for one in found if one["collector"] == collector]
