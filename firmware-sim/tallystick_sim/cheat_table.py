"""The command `cheat`: plays all cheats, or those that a person picks, and says what the verifier said.
It decides nothing about them; exit code 1 means that one which must be detected was not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from tallystick_sim.cheat import Tried, amiss_of, prepared, try_cheats, try_named
from tallystick_sim.cheat_plays import NAMES


async def play_all(data: Path, report: Path | None) -> int:
    """Every cheat once. Raises ProgramError."""
    print(
        f"You are the host of {data}. You have its database and its keys, but no gateway's and no party's.", flush=True
    )
    return _end(await try_cheats(data, lambda sentence: print(f"- {sentence}", flush=True)), report)


async def play_chosen(data: Path, report: Path | None) -> int:
    """Ask a person until they have enough. Raises ProgramError."""
    table = await prepared(data)
    done: list[Tried] = []
    print(f"You are the host of {data}. You have its database and its keys, but no gateway's and no party's.")
    while True:
        for number, (_, tries) in enumerate(NAMES.items(), 1):
            print(f"  {number}  the host {tries}")
        answer = (await asyncio.to_thread(input, "Which one? (number, Enter ends) ")).strip()
        if not answer:
            return _end(done, report)
        if answer.isascii() and answer.isdigit() and 1 <= int(answer) <= len(NAMES):
            one = await try_named(table, list(NAMES)[int(answer) - 1])
            done.append(one)
            print(f"\nThe verifier, in another folder, with that party's file and policy only:\n  {one.message}\n")
        else:
            print(f"\n{answer!r} is not a number from 1 to {len(NAMES)}\n")


def _end(done: Sequence[Tried], report: Path | None) -> int:
    amiss = amiss_of(done)
    print("\n".join(amiss) or f"{sum(one.detected for one in done)} of {len(done)} cheats detected, as it must be")
    if report is not None:
        report.parent.mkdir(parents=True, exist_ok=True)
        content = {"version": 1, "cheats": [asdict(one) for one in done], "amiss": amiss}
        report.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    return 1 if amiss else 0
