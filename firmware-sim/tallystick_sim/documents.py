"""The month's documents: an invoice per user, held against what the books say is due, and one in each payee's name.
It uses the aggregator's own commands and no others; nothing here computes an amount."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tallystick_sim.programs import run_program, tallystick

SETUP = """\
version = 1
[issuer]
party = "{issuer}"
prefix = "CA"
country = "IT"
street = "Via dei Mille 4"
postcode = "39100"
city = "Bolzano"
vat_id = "IT12345670017"
[tax]
rate = "22 %"
"""


@dataclass(frozen=True, slots=True)
class Documents:
    """How many there are, and for whom an invoice is not what the books said was due."""

    invoices: int
    self_billed: int
    payouts: int
    unlike: tuple[str, ...]

    @property
    def text(self) -> str:
        return (
            f"{self.invoices} invoices, each what the books say is due; {self.self_billed} documents in payees' names: "
            "tallystick invoice list"
        )

    @property
    def amiss(self) -> list[str]:
        found = [f"the invoice of {one} is not what is due" for one in self.unlike]
        if self.self_billed != self.payouts:
            found.append(f"{self.payouts} payouts, but {self.self_billed} documents in payees' names")
        return found

    def content(self) -> dict[str, Any]:
        """Its part of the report."""
        return {"invoices": self.invoices, "self_billed": self.self_billed}


async def bill_month(
    data: Path, issuer: str, month: str, folder: Path, environment: Mapping[str, str]
) -> tuple[int, tuple[str, ...]]:
    """Issue the month before anybody has paid; how many invoices, and whose differs from the dues. Raises
    ProgramError."""
    setup = folder / "invoices.toml"
    setup.write_text(SETUP.format(issuer=issuer))
    await run_program(tallystick(data, "invoice", "setup", str(setup), "--party", issuer), environment)
    issue = tallystick(data, "invoice", "issue", month, "--party", issuer, "--json")
    issued = (await run_program(issue, environment)).json()["documents"]
    dues = (await run_program(tallystick(data, "bank", "dues", "--json"), environment)).json()
    said: dict[str, int] = defaultdict(int)
    for one in issued:
        said[one["buyer"]] += int(one["total_cents"])
    due = {one["payer"]: int(one["cents"]) for one in dues if one["collector"] == issuer}
    return len(issued), tuple(sorted(who for who in said.keys() | due.keys() if said.get(who, 0) != due.get(who, 0)))


async def bill_payees(data: Path, issuer: str, run: int, environment: Mapping[str, str]) -> int:
    """How many documents there are in payees' names. Raises ProgramError."""
    words = tallystick(data, "invoice", "self-bill", str(run), "--party", issuer, "--json")
    return len((await run_program(words, environment)).json()["documents"])
