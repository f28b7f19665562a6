"""Evidence and policy of each party as files, and what the real verifier says of them in a process of its own.
It never reads an evidence file itself and knows no way to make one valid."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tallystick_sim.month_end import MonthEnd
from tallystick_sim.programs import run_program, tallystick, verifier

USER = "Family Conti"  # a user who is owed nothing: sees only its own uses


@dataclass(frozen=True, slots=True)
class Proof:
    """One party's file and the verdict on it."""

    party: str
    file: Path
    policy: Path
    verdict: str
    ok: bool


async def prove(data: Path, month: MonthEnd) -> tuple[Proof, ...]:
    """For everybody who is owed money, and a user. Raises ProgramError when a file cannot be made."""
    folder = data / "evidence"
    folder.mkdir(exist_ok=True)
    parties = tuple(dict.fromkeys((*month.owed, USER)))
    return tuple(await asyncio.gather(*(_prove(data, folder, month, party) for party in parties)))


async def _prove(data: Path, folder: Path, month: MonthEnd, party: str) -> Proof:
    file, policy = files_of(folder, party)
    await run_program(tallystick(data, "policy", "export", party, "--out", str(policy)), month.environment)
    words = ("evidence", party, month.period, "--out", str(file))
    await run_program(tallystick(data, *words), month.environment)
    verdict, ok = await verify(folder, file, policy)
    return Proof(party, file, policy, verdict, ok)


async def verify(folder: Path, file: Path, policy: Path) -> tuple[str, bool]:
    """(verdict, whether it is good) of `tallystick-verify evidence FILE --policy POLICY --json`, run in `folder`."""
    words = verifier("evidence", str(file), "--policy", str(policy), "--json")
    ran = await run_program(words, cwd=folder, codes=(0, 1, 2))
    if ran.code == 2:  # the input cannot be used: the reason is on stderr
        return ran.err.strip(), False
    said = ran.json()
    return str(said["verdict"]), bool(said["ok"]) and ran.code == 0


def files_of(folder: Path, party: str) -> tuple[Path, Path]:
    """Evidence and policy file of a party."""
    letters = "".join(letter if letter.isalnum() else "-" for letter in party.lower())
    name = "-".join(word for word in letters.split("-") if word)
    return folder / f"{name}.evidence", folder / f"{name}.policy.json"


def unverified(proofs: Sequence[Proof]) -> list[str]:
    """A sentence per file that does not verify."""
    return [f"the evidence of {one.party} does not verify: {one.verdict}" for one in proofs if not one.ok]
