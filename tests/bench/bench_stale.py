"""Stale Modbus answers: the line guard against plain pymodbus on the same pty line, ten percent of the answers late.
Prints a table and one JSON line per figure; exits 1 when a goal is missed.

    python tests/bench/bench_stale.py [--reads 1000] [--baud 921600] [--late-ms 30] [--seed 1]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.stale import Outcome, Setting, run_guarded, run_plain

READS_MAX = 1_000_000  # about three hours


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the result; `goal` is None for a figure shown for comparison."""

    name: str
    value: int
    unit: str
    goal: str | None
    ok: bool


def figures(setting: Setting, ours: Outcome, plain: Outcome) -> list[Figure]:
    """What is shown, and what of it must hold."""
    reads = setting.reads
    return [
        Figure("stale.guard.wrong", ours.wrong, "values", "= 0", ours.wrong == 0),
        Figure("stale.guard.right", ours.right, "values", f">= {reads * 7 // 10}", ours.right >= reads * 7 // 10),
        Figure("stale.guard.failed", ours.failed, "reads", None, True),
        Figure("stale.guard.late", ours.late, "answers", f">= {reads // 20}", ours.late >= reads // 20),
        Figure("stale.guard.rate", round(reads / ours.seconds), "reads/s", None, True),
        Figure("stale.plain.wrong", plain.wrong, "values", "> 0", plain.wrong > 0),
        Figure("stale.plain.right", plain.right, "values", None, True),
        Figure("stale.plain.failed", plain.failed, "reads", None, True),
        Figure("stale.plain.rate", round(reads / plain.seconds), "reads/s", None, True),
    ]


def show(setting: Setting, ours: Outcome, plain: Outcome) -> None:
    """The table for people."""
    late = f"{setting.late_per_mille // 10} % of the answers {setting.late_ms} ms late"
    print(f"{setting.reads} reads of 3 units at {setting.baud} baud, {late}, seed {setting.seed}")
    print(f"{'':16}{'right':>8}{'WRONG':>8}{'failed':>8}{'late':>8}{'seconds':>9}")
    for name, outcome in (("line guard", ours), ("plain pymodbus", plain)):
        counts = (outcome.right, outcome.wrong, outcome.failed, outcome.late)
        print(f"{name:16}" + "".join(f"{count:>8}" for count in counts) + f"{outcome.seconds:>9.1f}")


def parsed() -> Setting:
    """The setting asked for on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--reads", type=int, default=1_000)
    parser.add_argument("--baud", type=int, default=921_600)
    parser.add_argument("--late-ms", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    if not 3 <= given.reads <= READS_MAX:
        parser.error(f"--reads: {given.reads} is not from 3 to {READS_MAX}")
    return Setting(reads=given.reads, baud=given.baud, late_ms=given.late_ms, seed=given.seed)


def main() -> int:
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
    setting = parsed()
    ours = asyncio.run(run_guarded(setting))
    plain = asyncio.run(run_plain(setting))
    show(setting, ours, plain)
    results = figures(setting, ours, plain)
    for figure in results:
        print(
            json.dumps(
                {"name": figure.name, "value": figure.value, "unit": figure.unit, "goal": figure.goal, "ok": figure.ok}
            )
        )
    return 0 if all(figure.ok for figure in results) else 1


if __name__ == "__main__":
    sys.exit(main())
