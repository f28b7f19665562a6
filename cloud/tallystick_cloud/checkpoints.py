"""Signs a checkpoint soon after any append, so that what a receipt promised can be seen by everybody.

It never blocks ingest: it takes the log's lock for one row.
"""

import asyncio
import logging

from tallystick_cloud.alarms import Alarm, Severity, raise_alarm
from tallystick_cloud.context import Aggregator
from tallystick_cloud.db import Database
from tallystick_cloud.errors import CloudError, LogSetBack
from tallystick_cloud.log.signing import checkpoint
from tallystick_cloud.ports import Clock

EVERY_S = 2.0  # real time; protocol.md, Log: within 60 s of any append, also at 60x in the demo
_log = logging.getLogger(__name__)


class CheckpointKeeper:
    """One per server."""

    def __init__(self, database: Database, aggregator: Aggregator, clock: Clock) -> None:
        self._database = database
        self._aggregator = aggregator
        self._clock = clock

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            for context in self._aggregator.contexts.values():
                try:
                    await self._database.write(checkpoint, context, self._clock.utc_ms())
                except LogSetBack as error:
                    _log.error("%s", error)
                    await self._database.write(raise_alarm, context.community, _alarm(error), self._clock.utc_ms())
                except CloudError as error:
                    _log.warning("no checkpoint for %s: %s", context.community, error)
            await asyncio.sleep(EVERY_S)


def _alarm(error: LogSetBack) -> Alarm:
    return Alarm(LogSetBack.code, Severity.CRITICAL, f"The {error}.", LogSetBack.code)
