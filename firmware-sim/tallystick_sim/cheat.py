"""Try to cheat: each play runs on a copy of a finished demo, and the real verifier says what does not fit.
The verifier works in another folder with one party's file and policy alone; nothing here tells it what was played."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tallystick_protocol.evidence import Evidence
from tallystick_protocol.evidence_file import unpack

from tallystick_sim.cheat_host import DATABASE, Host, copy_host
from tallystick_sim.cheat_plays import LENDER, NAMES, NEIGHBOURS, PAST_THE_METER, PLAYS, WORKSHOP, Play, fork_late
from tallystick_sim.clock import VARIABLE, ScaledClock, real_ms
from tallystick_sim.programs import ProgramError, run_program, tallystick, verifier
from tallystick_sim.proofs import files_of, verify

UNDETECTABLE = (
    "not detectable at this evidence level: what never went through the meter was never measured. The evidence stays "
    "{verdict!r}. Seals, a meter in the house's supply and people who look are what helps."
)


@dataclass(frozen=True, slots=True)
class Tried:
    """One cheat, whether it was detected, and what the verifier said in words."""

    kind: str
    tries: str
    detected: bool
    message: str

    @property
    def is_amiss(self) -> bool:
        return not self.detected and self.kind != PAST_THE_METER


@dataclass(frozen=True, slots=True)
class Table:
    """Where the plays happen: the demo's folder, a day of its settled month, and the clock for the programs."""

    data: Path
    folder: Path
    period: str
    environment: Mapping[str, str]


def table_of(data: Path) -> Table:
    """Raises ProgramError when nothing is settled there."""
    if not (data / DATABASE).exists():
        raise ProgramError(f"{data} is no demo's folder; make one: python3 run.py demo --headless --data {data}")
    with closing(sqlite3.connect(data / DATABASE)) as sql:
        row = sql.execute("SELECT from_ms, to_ms, closed_ms FROM settlement ORDER BY to_ms DESC LIMIT 1").fetchone()
    if row is None:
        raise ProgramError(f"{data}: no month is settled there; let a demo run to its end in a new folder")
    from_ms, to_ms, closed_ms = row
    day = datetime.fromtimestamp((from_ms + to_ms) // 2000, UTC)
    clock = ScaledClock(1, real_ms(), closed_ms + 60_000)
    return Table(data, _new_folder(data / "cheats"), f"{day:%Y-%m-%d}", {VARIABLE: clock.setting()})


async def try_cheats(data: Path, tell: Callable[[str], None]) -> tuple[Tried, ...]:
    """Play everything. Raises ProgramError when a program does not do its work."""
    table = await prepared(data)
    done = await asyncio.gather(*(try_named(table, kind) for kind in NAMES))
    for one in done:
        tell(in_words(one))
    return tuple(done)


async def prepared(data: Path) -> Table:
    """The table with the victims' honest files on it. Raises ProgramError."""
    table = table_of(data)
    names = dict.fromkeys([play.victim for play in PLAYS] + [LENDER])
    await asyncio.gather(*(_honest(table, name) for name in names))
    return table


async def try_named(table: Table, kind: str) -> Tried:
    """One cheat by its kind, any number of times. Raises ProgramError."""
    if kind == NEIGHBOURS:
        return await compare_neighbours(table)
    if kind == PAST_THE_METER:
        return await past_the_meter(table)
    return await try_one(table, next(play for play in PLAYS if play.kind == kind))


def in_words(one: Tried) -> str:
    """A sentence for people."""
    found = "found out" if one.detected else "NOT found out"
    return f"the host {one.tries}: {found}: {one.message}"


def amiss_of(cheats: Sequence[Tried]) -> list[str]:
    return [f"a cheat was not detected: {one.kind}: {one.message}" for one in cheats if one.is_amiss]


async def try_one(table: Table, play: Play) -> Tried:
    """Copy, cheat, export for the victim, verify elsewhere."""
    host, victim = _two_folders(table, play.kind)
    with Host(host) as bad:
        play.play(bad, honest_file(table, play.victim))
    file, _ = files_of(victim, play.victim)
    _, policy = files_of(table.folder / "honest", play.victim)
    await _export(table, host, play.victim, file)
    verdict, ok = await verify(victim, file, policy)
    return Tried(play.kind, play.tries, not ok and play.named in verdict, verdict)


async def compare_neighbours(table: Table) -> Tried:
    """A fork that no gateway has seen: each file fits alone, and the workshop's check of the lender's file finds it."""
    host, folder = _two_folders(table, NEIGHBOURS)
    with Host(host) as bad:
        fork_late(bad, honest_file(table, WORKSHOP))
    mine, _ = files_of(folder, WORKSHOP)
    theirs, policy = files_of(table.folder / "honest", LENDER)[0], files_of(table.folder / "honest", WORKSHOP)[1]
    await _export(table, host, WORKSHOP, mine)
    common = ("--policy", str(policy), "--state", str(folder / "seen.json"), "--json")
    await run_program(verifier("witness", str(mine), *common), cwd=folder)
    ran = await run_program(verifier("witness", str(theirs), *common), cwd=folder, codes=(0, 1))
    return Tried(NEIGHBOURS, NAMES[NEIGHBOURS], ran.code == 1, str(ran.json().get("verdict")))


async def past_the_meter(table: Table) -> Tried:
    """Nothing is changed, for nothing of it is in any file: said, not hidden."""
    folder = table.folder / "honest"
    verdict, ok = await verify(folder, *files_of(folder, LENDER))
    if not ok:
        raise ProgramError(f"the honest evidence of {LENDER} does not verify: {verdict}")
    return Tried(PAST_THE_METER, NAMES[PAST_THE_METER], False, UNDETECTABLE.format(verdict=verdict))


def honest_file(table: Table, party: str) -> Evidence:
    return Evidence.decode(unpack(files_of(table.folder / "honest", party)[0].read_bytes()))


async def _honest(table: Table, party: str) -> None:
    """The party's policy, got before anything went wrong, and its true evidence; the demo's own where it has them."""
    folder = table.folder / "honest"
    folder.mkdir(exist_ok=True)
    file, policy = files_of(folder, party)
    had = files_of(table.data / "evidence", party)
    if all(one.exists() for one in had):
        shutil.copy(had[0], file)
        shutil.copy(had[1], policy)
        return
    await run_program(tallystick(table.data, "policy", "export", party, "--out", str(policy)), table.environment)
    await _export(table, table.data, party, file)


async def _export(table: Table, host: Path, party: str, file: Path) -> None:
    await run_program(tallystick(host, "evidence", party, table.period, "--out", str(file)), table.environment)


def _two_folders(table: Table, kind: str) -> tuple[Path, Path]:
    """The host's copy, and the folder of the one who verifies."""
    folder = _new_folder(table.folder / kind)
    copy_host(table.data, folder / "host")
    (folder / "party").mkdir()
    return folder / "host", folder / "party"


def _new_folder(wished: Path) -> Path:
    number, name = 1, wished.name
    while wished.exists():
        number += 1
        wished = wished.with_name(f"{name}-{number}")
    wished.mkdir(parents=True)
    return wished
