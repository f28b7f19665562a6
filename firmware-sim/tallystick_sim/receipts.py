"""How many receipts the gateways hold, by their own word: `tallystick-edge status`.
It reads beside the running agents and changes nothing."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tallystick_sim.snapshot import Snapshot
from tallystick_sim.town import GatewaySite, Town, TownError

AGREE_TIMEOUT_S = 15.0  # batches are sealed about once a second; a quiet moment between two comes soon
STATUS_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Held:
    """Batches that the aggregator has, and receipts that the gateways hold for them, at a moment when nothing moved."""

    batches: int
    receipts: int


async def count_receipts(town: Town, look: Callable[[], Awaitable[Snapshot]]) -> Held:
    """Count until both sides stand still and agree, or the time is up. Raises TownError, AggregatorError."""
    deadline = time.monotonic() + AGREE_TIMEOUT_S
    while True:
        before = (await look()).figures.batches
        receipts = sum(await asyncio.gather(*(_receipted(site) for site in town.gateways.values())))
        after = (await look()).figures.batches
        if before == after == receipts or time.monotonic() > deadline:
            return Held(after, receipts)


async def _receipted(site: GatewaySite) -> int:
    command = (sys.executable, "-m", "tallystick_edge", "status", "--config", str(site.folder / "edge.toml"), "--json")
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        async with asyncio.timeout(STATUS_TIMEOUT_S):
            said, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise TownError(f"gateway {site.name}: status does not answer") from None
    if process.returncode:
        raise TownError(f"gateway {site.name}: status ended with code {process.returncode}")
    return int(json.loads(said)["receipted"])
