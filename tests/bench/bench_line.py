"""A Modbus line: how much of what the wire allows is used, and what late answers do, with plain pymodbus beside it.
Prints a table and one JSON line per figure; exits 1 when a goal is missed.

    python tests/bench/bench_line.py [--reads 10000] [--seconds 10] [--rounds 3] [--seed 1]

The limit is physics: 8 characters asked, 5 + 2n answered, two silences of 3.5 characters, 11 bits each
(Modbus over serial line V1.02, 2.5.1). The line is simulated in a process of its own with characters that take their
time. The best second of a round counts, because what else the machine does only ever takes away; the mean is shown.
On a busy machine: `chrt -f 10 python tests/bench/bench_line.py --reads 0` (as root). Plain pymodbus keeps no silence
between frames, so it may pass the limit. Late answers: ten percent come later than the timeout; 10,000 reads of each
take one to three minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pymodbus.client import AsyncModbusSerialClient
from support.modbus import SelfNaming
from support.paced_line import paced_line
from support.stale import Outcome, Setting, run_guarded, run_plain
from tallystick_edge.config import LineConfig, LineKind
from tallystick_edge.drivers.line_guard import GuardTimes, LineGuard
from tallystick_edge.drivers.modbus_link import ModbusLink
from tallystick_edge.profile import Span
from tallystick_sim.modbus.timing import LineTiming

INPUT = 4
REGISTERS = 40
GOALS = {9_600: 93, 115_200: 85}  # percent of the physical limit, issue 4
READS_MAX = 1_000_000
Ask = Callable[[], Awaitable[tuple[int, ...]]]


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the result; `goal` is None for a figure shown for comparison."""

    name: str
    value: float
    unit: str
    goal: str | None
    ok: bool


@dataclass(frozen=True, slots=True)
class Rate:
    """Reads per second of one round: over all of it, and in its best second."""

    mean: float
    best: float


@dataclass(frozen=True, slots=True)
class Speed:
    """One round; `plain`: pymodbus as its manual shows it, on the same line."""

    ours: Rate
    plain: Rate


def limit(baud: int) -> float:
    """Reads of 40 registers per second that the wire allows."""
    timing = LineTiming(baud, 0)
    return 1_000_000 / (timing.chars_us(8 + 5 + 2 * REGISTERS) + 2 * timing.gap_us())


def speed(baud: int, seconds: float) -> Speed:
    """One round: ours, then plain pymodbus, each for `seconds`."""
    with paced_line(baud) as port:
        ours = asyncio.run(_ours(port, baud, seconds))
        plain = asyncio.run(_plain(port, baud, seconds))
    return Speed(ours, plain)


async def _ours(port: str, baud: int, seconds: float) -> Rate:
    config = LineConfig("l", LineKind.RTU, device=port, baud=baud, timeout_ms=1_000)
    link = ModbusLink(config)
    await link.connect()
    guard = LineGuard(link, GuardTimes.of(config))
    span = Span(INPUT, 100, REGISTERS)
    try:
        return await _rate(lambda: guard.read(1, span), seconds)
    finally:
        await guard.close()
        link.close()


async def _plain(port: str, baud: int, seconds: float) -> Rate:
    client = AsyncModbusSerialClient(port, baudrate=baud, timeout=1, retries=0, reconnect_delay=0)
    await client.connect()

    async def ask() -> tuple[int, ...]:
        return tuple((await client.read_input_registers(100, count=REGISTERS, device_id=1)).registers)

    try:
        return await _rate(ask, seconds)
    finally:
        client.close()


async def _rate(ask: Ask, seconds: float) -> Rate:
    right = SelfNaming(1 << 8).read(INPUT, 100, REGISTERS)
    await ask()
    ends = [time.perf_counter()]
    while ends[-1] - ends[0] < seconds:
        if await ask() != right:
            raise RuntimeError("a wrong value on a line without faults")
        ends.append(time.perf_counter())
    return Rate((len(ends) - 1) / (ends[-1] - ends[0]), _best_second(ends))


def _best_second(ends: list[float]) -> float:
    """The most reads per second in any stretch of at least a second."""
    best, first = 0.0, 0
    for last in range(len(ends)):
        while ends[last] - ends[first + 1] >= 1.0:
            first += 1
        if ends[last] - ends[first] >= 1.0:
            best = max(best, (last - first) / (ends[last] - ends[first]))
    return best


def speed_figures(baud: int, rounds: list[Speed]) -> list[Figure]:
    """The best second against the wire, and the named peer beside it."""
    ours = 100 * max(each.ours.best for each in rounds) / limit(baud)
    mean = 100 * max(each.ours.mean for each in rounds) / limit(baud)
    plain = 100 * max(each.plain.best for each in rounds) / limit(baud)
    return [
        Figure(f"line.{baud}.limit", round(limit(baud), 1), "reads/s", None, True),
        Figure(f"line.{baud}.of_limit", round(ours, 1), "%", f">= {GOALS[baud]}", ours >= GOALS[baud]),
        Figure(f"line.{baud}.mean_of_limit", round(mean, 1), "%", None, True),
        Figure(f"line.{baud}.plain_pymodbus.of_limit", round(plain, 1), "%", None, True),
    ]


def late_figures(setting: Setting, ours: Outcome, plain: Outcome) -> list[Figure]:
    """No wrong value may be taken; most reads must be right; and the trap must be there."""
    reads = setting.reads
    return [
        Figure("line.late.wrong", ours.wrong, "values", "= 0", ours.wrong == 0),
        Figure("line.late.right", ours.right, "values", f">= {reads * 7 // 10}", ours.right >= reads * 7 // 10),
        Figure("line.late.played", ours.late, "answers", f">= {reads // 20}", ours.late >= reads // 20),
        Figure("line.late.seconds", round(ours.seconds), "s", None, True),
        Figure("line.late.plain_pymodbus.wrong", plain.wrong, "values", "> 0", plain.wrong > 0),
        Figure("line.late.plain_pymodbus.right", plain.right, "values", None, True),
    ]


def show_speed(baud: int, rounds: list[Speed]) -> None:
    """The table for people."""
    print(f"{REGISTERS} registers at {baud} baud: the wire allows {limit(baud):.1f} reads/s")
    print(f"{'':18}" + "".join(f"{f'round {n}':>10}" for n in range(1, len(rounds) + 1)) + f"{'of limit':>10}")
    for name, rates in (
        ("tallystick", [each.ours.best for each in rounds]),
        ("  mean", [each.ours.mean for each in rounds]),
        ("plain pymodbus", [each.plain.best for each in rounds]),
        ("  mean", [each.plain.mean for each in rounds]),
    ):
        print(f"{name:18}" + "".join(f"{rate:>10.1f}" for rate in rates) + f"{100 * max(rates) / limit(baud):>9.1f}%")


def show_late(setting: Setting, ours: Outcome, plain: Outcome) -> None:
    """The table for people."""
    late = f"{setting.late_per_mille // 10} % of the answers {setting.late_ms} ms late"
    print(f"{setting.reads} reads of 3 units at {setting.baud} baud, {late}, seed {setting.seed}")
    print(f"{'':18}{'right':>8}{'WRONG':>8}{'failed':>8}{'late':>8}{'seconds':>9}")
    for name, outcome in (("tallystick", ours), ("plain pymodbus", plain)):
        counts = (outcome.right, outcome.wrong, outcome.failed, outcome.late)
        print(f"{name:18}" + "".join(f"{count:>8}" for count in counts) + f"{outcome.seconds:>9.1f}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--reads", type=int, default=10_000, help="with late answers (10000); 0 leaves that part out")
    parser.add_argument("--seconds", type=float, default=10, help="of each speed measurement (10)")
    parser.add_argument("--rounds", type=int, default=3, help="the best one counts (3)")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    if not (given.reads == 0 or 30 <= given.reads <= READS_MAX) or not 1 <= given.rounds <= 100:
        parser.error(f"--reads: 0 or 30 to {READS_MAX}; --rounds: 1 to 100")
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
    results: list[Figure] = []
    for baud in GOALS:
        rounds = [speed(baud, given.seconds) for _ in range(given.rounds)]
        show_speed(baud, rounds)
        results += speed_figures(baud, rounds)
    if given.reads:
        setting = Setting(reads=given.reads, seed=given.seed)
        ours, plain = asyncio.run(run_guarded(setting)), asyncio.run(run_plain(setting))
        show_late(setting, ours, plain)
        results += late_figures(setting, ours, plain)
    for each in results:
        print(json.dumps({"name": each.name, "value": each.value, "unit": each.unit, "goal": each.goal, "ok": each.ok}))
    return 0 if all(figure.ok for figure in results) else 1


if __name__ == "__main__":
    sys.exit(main())
