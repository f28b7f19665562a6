"""Signs a checkpoint soon after any append, so that what a receipt promised can be seen by everybody.

It never blocks ingest: it takes the log's lock for one row.
"""

import asyncio
import logging

from sqlalchemy.exc import SQLAlchemyError

from tallystick_cloud.alarms import Alarm, Severity, raise_alarm
from tallystick_cloud.context import Aggregator, Context
from tallystick_cloud.db import Database
from tallystick_cloud.errors import Busy, CloudError, LogSetBack
from tallystick_cloud.log.epochs import SET_BACK
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
        """Until cancelled; a database that is away is asked again at each beat, and that is said once."""
        away = False
        while True:
            try:
                for context in self._aggregator.contexts.values():
                    await self._sign(context)
            except (SQLAlchemyError, OSError, Busy) as error:
                if not away:
                    _log.error(
                        "the database does not answer: %s. Gateways keep what they measure and send it again; "
                        "tried again every %s s.",
                        str(error).partition("\n")[0],
                        EVERY_S,
                    )
                away = True
            else:
                if away:
                    _log.warning("the database answers again")
                away = False
            await asyncio.sleep(EVERY_S)

    async def _sign(self, context: Context) -> None:
        try:
            await self._database.write(checkpoint, context, self._clock.utc_ms())
        except LogSetBack as error:
            _log.error("%s", error)
            await self._database.write(raise_alarm, context.community, _alarm(error), self._clock.utc_ms())
        except Busy:
            raise
        except CloudError as error:
            _log.warning("no checkpoint for %s: %s", context.community, error)


def _alarm(error: LogSetBack) -> Alarm:
    return Alarm("log-set-back", Severity.CRITICAL, f"The {error}.", SET_BACK)
