"""How many receipts the gateways hold, by their own word: `tallystick-edge status`.
It reads beside the running agents and changes nothing."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import dataclass

from tallystick_sim.snapshot import Snapshot
from tallystick_sim.town import GatewaySite, Town, TownError

HOLD_TIMEOUT_S = 60.0  # real; a receipt takes milliseconds, a resend a second or two
POLL_S = 0.3
STATUS_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Held:
    """Batches that the aggregator had at one moment, and how many of these the gateways hold receipts for."""

    batches: int
    receipts: int


async def count_receipts(town: Town, snapshot: Snapshot, timeout_s: float = HOLD_TIMEOUT_S) -> Held:
    """Wait until the gateways hold receipts for all batches of `snapshot`, or the time is up. Raises TownError."""
    wanted = [snapshot.batches_of(name.value) for name in town.gateways]
    deadline = time.monotonic() + timeout_s
    while True:
        held = await asyncio.gather(*(_receipted(site) for site in town.gateways.values()))
        covered = sum(min(pair) for pair in zip(wanted, held, strict=True))  # receipts come in order, per gateway
        if covered == sum(wanted) or time.monotonic() > deadline:
            return Held(sum(wanted), covered)
        await asyncio.sleep(POLL_S)


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
