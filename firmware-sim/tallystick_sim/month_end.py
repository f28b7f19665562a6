"""The first day of the next month: the period is settled, a payout run is proposed and released,
its bank file written, the users are billed, and the bank executes the file while they pay.
It uses the aggregator's own commands and no others; nobody washes between the demo's day and that morning."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tallystick_sim.at_the_bank import BankDay, at_the_bank
from tallystick_sim.clock import VARIABLE, ScaledClock, real_ms
from tallystick_sim.documents import Documents, bill_month, bill_payees
from tallystick_sim.programs import run_program, tallystick

PROPOSES, RELEASES = "Casa Aurora", "Giulia Ferrari"
EXECUTED_AFTER = timedelta(days=2)  # what banks ask for
MORNING_H = 8  # UTC: the month is over in the town's zone too
CENTS = 100


@dataclass(frozen=True, slots=True)
class Payout:
    """What one party gets under one contract, in whole cents."""

    party: str
    contract: str
    cents: int


@dataclass(frozen=True, slots=True)
class Held:
    """What one party does not get this time, and why."""

    party: str
    reason: str


@dataclass(frozen=True, slots=True)
class MonthEnd:
    """What was settled and paid. `environment` puts another program on the same morning."""

    period: str
    settlements: int
    payouts: tuple[Payout, ...]
    held: tuple[Held, ...]
    bank_file: Path
    environment: Mapping[str, str]
    bank_day: BankDay | None = None
    documents: Documents | None = None

    @property
    def clock(self) -> str:
        """The setting of a clock that stands on that morning."""
        return self.environment[VARIABLE]

    @property
    def owed(self) -> tuple[str, ...]:
        """Whoever is owed money, each once."""
        return tuple(dict.fromkeys([one.party for one in self.payouts] + [one.party for one in self.held]))


async def end_month(data: Path, town_ms: int, tell: Callable[[str], None]) -> MonthEnd:
    """Close the month that holds `town_ms`, pay it out and write the bank file. Raises ProgramError."""
    day = datetime.fromtimestamp(town_ms / 1000, UTC)
    morning = morning_after(day)
    clock = ScaledClock(1, real_ms(), int(morning.timestamp()) * 1000)
    environment = {VARIABLE: clock.setting()}
    period = f"{day:%Y-%m-%d}"
    tell(f"nobody washes until {morning:%d %B}: the month is over and is settled")
    closed = (await run_program(tallystick(data, "settlement", "close", period, "--json"), environment)).json()
    run, bank_file = await _pay_out(data, morning, environment)
    payouts = tuple(Payout(one["party"], one["contract"], int(one["cents"])) for one in run["payouts"])
    for one in payouts:
        tell(f"paid out: {one.party} EUR {one.cents // CENTS}.{one.cents % CENTS:02d} for {one.contract}")
    tell(f"payout run {run['run']}, proposed by {PROPOSES}, released by {RELEASES}: bank file {bank_file}")
    held = tuple(Held(one["party"], one["reason"]) for one in run["held"])
    invoices, unlike = await bill_month(data, PROPOSES, period[:7], bank_file.parent, environment)
    on = morning + EXECUTED_AFTER
    bank_day = await at_the_bank(data, PROPOSES, int(run["run"]), bank_file, on.date(), environment)
    tell(bank_day.text)
    self_billed = await bill_payees(data, PROPOSES, int(run["run"]), environment)
    documents = Documents(invoices, self_billed, len(payouts), unlike)
    tell(documents.text)
    return MonthEnd(period, len(closed), payouts, held, bank_file, environment, bank_day, documents)


def morning_after(day: datetime) -> datetime:
    """08:00 UTC on the first day of the next month."""
    next_month = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    return next_month.replace(hour=MORNING_H, minute=0, second=0, microsecond=0)


async def _pay_out(data: Path, morning: datetime, environment: Mapping[str, str]) -> tuple[dict[str, Any], Path]:
    on = f"{morning + EXECUTED_AFTER:%Y-%m-%d}"
    propose = ("payout", "run", "--party", PROPOSES, "--on", on, "--idempotency-key", "first month", "--json")
    number = str((await run_program(tallystick(data, *propose), environment)).json()["run"])
    release = ("payout", "approve", number, "--party", RELEASES, "--yes", "--json")
    released: dict[str, Any] = (await run_program(tallystick(data, *release), environment)).json()
    bank_file = data / "bank" / f"payout-{number}.xml"
    bank_file.parent.mkdir(exist_ok=True)
    await run_program(tallystick(data, "payout", "file", number, "--out", str(bank_file)), environment)
    return released, bank_file
