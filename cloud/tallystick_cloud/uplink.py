"""What gateways call, over HTTPS or MQTT alike: enrol, hello, batch, commands.

It never answers a batch before its transaction is committed, and it never decides; the use cases do.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from sqlalchemy.exc import SQLAlchemyError
from tallystick_protocol import cose
from tallystick_protocol.codes import ReceiptStatus
from tallystick_protocol.errors import ProtocolError

from .context import Aggregator
from .db import Database
from .errors import BadInput, Busy
from .gateways import store as gateways
from .gateways.enrol import enrol, open_request
from .gateways.hello import hello
from .gateways.renew import renew
from .ingest.commit import GROUP_MAX, Commits
from .ingest.group import Sent
from .ingest.outcome import Outcome
from .ingest.rate import Rate
from .ingest.service import busy
from .ingest.workers import Workers
from .ports import Clock, Events

RETRY_AFTER_MS = 2000  # a window of eight is worked off long before
FAULT_RETRY_AFTER_MS = 30_000  # a full disk or a database that is away: somebody has to look, gateways keep everything
IN_FLIGHT_MAX = 8  # protocol.md, Sync: at most 8 unreceipted batches per gateway
COMMANDS_MAX = 64  # one answer; the rest follows the next question
POLL_S_MAX = 25  # below the idle half-minute after which some proxies cut a connection

POLL_LOOK_S = 5.0  # how soon a command is seen; one small read per gateway
_log = logging.getLogger(__name__)


class Uplink:
    """One per server; the identity handed in is the one that TLS or the broker proved."""

    def __init__(
        self,
        db: Database,
        aggregator: Aggregator,
        clock: Clock,
        real_now: Callable[[], datetime],
        events: Events,
        rate: Rate | None = None,
        group_max: int = GROUP_MAX,
        workers: Workers | None = None,
    ) -> None:
        self._db = db
        self._aggregator = aggregator
        self._clock = clock
        self._real_now = real_now
        self._events = events
        self._commits = Commits(db, aggregator, group_max, workers)
        self._in_flight: Counter[bytes] = Counter()
        self._rate = Rate() if rate is None else rate
        self._closing = asyncio.Event()

    async def enrol(self, envelope: bytes) -> bytes:
        """The encoded EnrolAnswer; raises CloudError with what the installer does next."""
        try:
            done = await self._db.write(enrol, self._aggregator, envelope, self._clock.utc_ms(), self._real_now())
        except ProtocolError as error:
            raise BadInput(error.field, error.reason) from error
        if done.fresh:
            data = {"community": done.community, "gid": done.gid.hex(), "site": done.site}
            self._events.publish("gateway", data)
        return done.answer

    async def certificate(self, gid: bytes, envelope: bytes) -> bytes:
        """The encoded EnrolAnswer with a new certificate; checked before the books are opened. Raises CloudError."""
        try:
            request = open_request(envelope)
        except ProtocolError as error:
            raise BadInput(error.field, error.reason) from error
        return await self._db.write(renew, self._aggregator, gid, request, self._clock.utc_ms(), self._real_now())

    async def hello(self, gid: bytes, envelope: bytes, transport: str) -> bytes:
        """The State's envelope; raises CloudError."""
        try:
            done = await self._db.write(hello, self._aggregator, gid, envelope, transport, self._clock.utc_ms())
        except ProtocolError as error:
            raise BadInput(error.field, error.reason) from error
        except (SQLAlchemyError, OSError) as error:
            raise Busy("database", "cannot be written or read now; say hello again later") from error
        self._events.publish("hello", {"community": done.community, "gid": gid.hex(), "transport": transport})
        return done.state

    async def batch(self, gid: bytes, upload: bytes, path: tuple[int, int] | None = None) -> bytes:
        """The Receipt's envelope, signed after commit. `path`: (epoch, seq) that the address named.

        Raises CloudError when the bytes are no upload of this gateway at all, so that no receipt can name them.
        """
        if self._in_flight[gid] >= IN_FLIGHT_MAX:
            return await self._later(gid, upload, RETRY_AFTER_MS)
        if wait_ms := self._rate.take(gid, int(asyncio.get_running_loop().time() * 1000)):
            return await self._later(gid, upload, wait_ms)
        self._in_flight[gid] += 1
        try:
            now_ms = self._clock.utc_ms()
            outcome = await self._commits.take(Sent(gid, upload, now_ms, path))
        except ProtocolError as error:
            raise BadInput(error.field, error.reason) from error
        except (SQLAlchemyError, OSError, Busy) as error:
            return await self._not_now(gid, upload, error)
        finally:
            self._in_flight[gid] -= 1
            if not self._in_flight[gid]:
                del self._in_flight[gid]
        self._tell(outcome)
        return self.sign(outcome)

    async def _not_now(self, gid: bytes, upload: bytes, error: Exception) -> bytes:
        """The database could not take it: nothing is wrong with the batch, and it may come again. Raises Busy."""
        _log.error("batch of gateway %s must come again: %s", gid.hex(), error)
        try:
            return await self._later(gid, upload, FAULT_RETRY_AFTER_MS)
        except (SQLAlchemyError, OSError):
            raise Busy("database", "cannot be written or read now; send the batch again later") from error

    async def _later(self, gid: bytes, upload: bytes, wait_ms: int) -> bytes:
        """A signed `busy`, before any signature is checked."""
        try:
            outcome = await self._db.read(busy, self._aggregator, gid, upload, self._clock.utc_ms(), wait_ms)
        except ProtocolError as error:
            raise BadInput(error.field, error.reason) from error
        return self.sign(outcome)

    def sign(self, outcome: Outcome) -> bytes:
        """The receipt for what is committed."""
        keys = self._aggregator.of(outcome.community).keys
        return cose.sign(keys.receipt, cose.ContentType.RECEIPT, outcome.receipt.encode())

    async def commands(self, gid: bytes, after: int) -> list[bytes]:
        """Command envelopes with a higher number, oldest first."""
        return await self._db.read(gateways.commands_after, gid, after, self._clock.utc_ms(), COMMANDS_MAX)

    async def commands_soon(self, gid: bytes, after: int, wait_s: int) -> list[bytes]:
        """The same as soon as there is one; empty after `wait_s` seconds, or when the server is about to end."""
        deadline = asyncio.get_running_loop().time() + min(wait_s, POLL_S_MAX)
        while not (found := await self.commands(gid, after)) and not self._closing.is_set():
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                break
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left, POLL_LOOK_S)):
                    await self._closing.wait()
        return found

    async def run(self) -> None:
        """Until cancelled; then whoever waits for a command is answered, so that ending takes no time."""
        try:
            await self._closing.wait()
        finally:
            self._closing.set()

    def _tell(self, outcome: Outcome) -> None:
        if outcome.receipt.status is not ReceiptStatus.DUPLICATE:
            for event in outcome.events:
                self._events.publish(event.kind, event.data)
