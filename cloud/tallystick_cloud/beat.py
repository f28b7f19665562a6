"""A look that a task of the server takes at a steady beat, for as long as the server runs.

It never keeps anything between two looks: what one missed, the next finds.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

_log = logging.getLogger(__name__)


async def at_a_beat(look: Callable[[], Awaitable[object]], every_s: float, what: str) -> None:
    """Look until cancelled, `every_s` seconds of real time after the end of each look. `what` it is, for the log."""
    while True:
        try:
            await look()
        except Exception:  # a task border: a database that is busy or away is tried again at the next beat
            _log.exception("%s failed; trying again in %s s", what, every_s)
        await asyncio.sleep(every_s)
