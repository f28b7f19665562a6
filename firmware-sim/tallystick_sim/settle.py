"""The end of a demo: doors closed, last washes finished, everything handed over, then truth and ledger compared.
It waits until the two agree, for a bounded time; it never changes what it compares."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tallystick_sim.compare import Line, compare, mismatches
from tallystick_sim.receipts import HOLD_TIMEOUT_S, Held, count_receipts
from tallystick_sim.snapshot import Snapshot
from tallystick_sim.town import Town

FINISH_TIMEOUT_S = 60.0  # real; the longest wash takes 12.5 minutes of domain time, 13 s at 60x
STANDSTILL_S = 60.0  # real, nothing booked: a use ends after 2 minutes, a batch is sealed each minute: 4 s at 60x
SETTLE_MAX_S = 1200.0  # a backlog of a thousand batches takes longer than that, but more of it is booked all the time
CALM_S = 2.0  # the two must still agree after this, so that nothing billed twice slips through at the end
POLL_S = 0.4


@dataclass(frozen=True, slots=True)
class Settled:
    """What was compared at the end. `hurried`: the person left before it was done."""

    snapshot: Snapshot
    lines: tuple[Line, ...]
    held: Held
    hurried: bool

    @property
    def mismatches(self) -> list[str]:
        return mismatches(self.lines)


async def settle(
    town: Town,
    refresh: Callable[[], Awaitable[Snapshot]],
    leaving: asyncio.Event,
    *,
    calm_s: float = CALM_S,
    receipts_s: float = HOLD_TIMEOUT_S,
    forgives: Callable[[Line], bool] = lambda line: False,
) -> Settled:
    """Close the laundry and wait until truth and ledger agree and go on agreeing for `calm_s`, or the time is up.

    `receipts_s`: how long all receipts are waited for; `forgives`: a line that need not agree."""
    await town.ask("close")
    finish = time.monotonic() + FINISH_TIMEOUT_S
    while not (truth := await town.ask("truth"))["still"]:
        if leaving.is_set() or time.monotonic() > finish:
            break
        await refresh()
        await asyncio.sleep(POLL_S)
    end = time.monotonic() + SETTLE_MAX_S
    deadline = time.monotonic() + STANDSTILL_S
    booked: list[int] = []
    agreed_at: float | None = None
    while True:
        truth = await town.ask("truth")
        snapshot = await refresh()
        lines = compare(truth, snapshot.channels)
        newly = [line.booked for line in lines]
        if newly != booked:
            booked, deadline = newly, min(end, time.monotonic() + STANDSTILL_S)
        disagrees = mismatches(line for line in lines if not forgives(line))
        agreed_at = None if disagrees else agreed_at or time.monotonic()
        calm = agreed_at is not None and time.monotonic() >= agreed_at + calm_s
        if calm or leaving.is_set() or time.monotonic() > deadline:
            held = await count_receipts(town, snapshot, receipts_s)
            return Settled(snapshot, lines, held, hurried=not calm)
        await asyncio.sleep(POLL_S)
