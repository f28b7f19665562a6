"""Takes back, at a steady beat, what was billed in a test run.

It never begins or ends one, and it holds nothing: what it missed, the next beat or the close of a period finds.
"""

from tallystick_cloud.beat import at_a_beat
from tallystick_cloud.db import Database
from tallystick_cloud.ledger.model import DAY_MS
from tallystick_cloud.ports import Clock

from . import service, store

BEAT_S = 5.0
"""Real time between two looks: one small read while no run was lately."""
LATELY_MS = 7 * DAY_MS
"""What comes from a gateway later than this after a run waits for the close of the period."""


class TrialWatch:
    """A task of the server."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    async def run(self) -> None:
        """Look until cancelled."""
        await at_a_beat(self.look_once, BEAT_S, "looking for uses of test runs")

    async def look_once(self) -> int:
        """One beat: how many uses were taken back; writes only when there are some."""
        now_ms = self._clock.utc_ms()
        since_ms, count = now_ms - LATELY_MS, 0
        for community in await self._database.read(store.communities, since_ms):
            if await self._database.read(store.to_take_back, community, since_ms):
                count += await self._database.write(service.take_back, community, now_ms, since_ms)
        return count
