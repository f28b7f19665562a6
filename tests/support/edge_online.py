"""A gateway without drivers on a real journal: a test gives it samples and lets it talk to an aggregator."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from support.edge import CountedEntropy, HandClock, plans, sample, wash_30
from tallystick_edge.app import known
from tallystick_edge.clock import real_utc
from tallystick_edge.core import Core
from tallystick_edge.enrolment import Enrolment, client_context, enrol, load_enrolment
from tallystick_edge.identity import load_identity
from tallystick_edge.renewal import Renewal
from tallystick_edge.uplink.backoff import Backoff
from tallystick_edge.uplink.enrol_https import post_enrolment, post_renewal
from tallystick_edge.uplink.https import HttpsTransport
from tallystick_edge.uplink.transport import Incoming, Session, Transport
from tallystick_edge.uplink.worker import Configures, Uplink

FAST = Backoff(first_ms=100, max_ms=400)
SOON_S = 60


class Claims(Protocol):
    """Whoever gives a gateway its claim file."""

    def claim_toml(self) -> str: ...


A = TypeVar("A", bound=Claims)


class Echo:
    """A way on which every answer comes so many times, as a broker's may."""

    def __init__(self, within: Transport, times: int) -> None:
        self._within, self._times = within, times

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Session]:
        async with self._within.connect() as session:
            yield _Echoing(session, self._times)


class _Echoing:
    def __init__(self, session: Session, times: int) -> None:
        self._times, self._left = times, 0
        self._said: Incoming | None = None
        self.send_hello, self.send_batch, self._receive = session.send_hello, session.send_batch, session.receive

    async def receive(self) -> Incoming:
        if self._said is None or not self._left:
            self._said, self._left = await self._receive(), self._times
        self._left -= 1
        return self._said


class Gateway(Generic[A]):
    """A washing machine's gateway: energy on channel 1, washes on channel 11; `boot` again after every restart."""

    def __init__(self, data: Path, aggregator: A, seed: str = "a", clock: HandClock | None = None) -> None:
        self.data, self.aggregator = data, aggregator
        self.identity = load_identity(data)
        self.clock = clock or HandClock()
        self.entropy = CountedEntropy(seed)
        self.energy_mwh = 1_000_000
        self.configure: Configures | None = None
        self.answers = 1  # how often each comes
        self.renews = False  # whether it obeys a command to fetch certificate and plan again
        self.plans = plans()
        self.core = self.boot(seed)

    def boot(self, seed: str) -> Core:
        self.entropy = CountedEntropy(seed)
        path = self.data / "journal.sqlite"
        return Core(path, self.identity.signer, self.plans, self.clock, self.entropy, "test 1")

    def restart(self, seed: str) -> None:
        """A clean end and another boot."""
        self.core.close()
        self.core = self.boot(seed)

    async def enrol(self) -> Enrolment:
        stored = load_enrolment(self.data, self.identity)
        if stored is not None:
            return stored
        claim = self.data / "claim.toml"
        if not claim.exists():
            claim.write_text(self.aggregator.claim_toml())
        return await enrol(self.data, self.identity, claim, "test 1", self.entropy, post_enrolment)

    def run(self, power_w: int, seconds: int) -> None:
        for _ in range(seconds // 5):
            self.clock.ms += 5_000
            self.energy_mwh += power_w * 5_000 // 3_600
            self.core.desk.sample(sample(self.clock.ms, self.energy_mwh // 1_000, power_w))

    def wash(self) -> None:
        """Seen at rest first: a machine that is going when a card comes back names no programme (docs/adr/0609)."""
        self.run(0, 5)
        for power_w, seconds in wash_30():
            self.run(power_w, seconds)
        self.run(2, 180)

    def wash_and_seal(self) -> None:
        self.wash()
        self.core.seal()

    @asynccontextmanager
    async def online(self) -> AsyncIterator[Uplink]:
        enrolment = await self.enrol()
        self.core.enrolled(known(self.plans, enrolment))
        context = client_context(enrolment, self.data, self.identity)
        last_command = lambda: self.core.chain.last_command  # noqa: E731
        transport = HttpsTransport(enrolment.info.server, self.identity.gid.hex(), context, last_command)
        planned = lambda renewed: self.core.enrolled(known(self.plans, renewed))  # noqa: E731
        what = self.data, self.identity, enrolment, context, "test 1", self.entropy, post_renewal, planned
        renewal = Renewal(*what)
        ask = renewal.ask if self.renews else None
        way = transport if self.answers == 1 else Echo(transport, self.answers)
        uplink = Uplink(self.core, way, enrolment.trust, FAST, self.entropy, self.configure, ask)
        self.core.on_sealed = uplink.sealed
        tasks = [asyncio.create_task(uplink.run())]
        tasks += [asyncio.create_task(renewal.run(real_utc))] if self.renews else []
        try:
            yield uplink
        finally:
            for task in tasks:
                task.cancel()
            for ended in await asyncio.gather(*tasks, return_exceptions=True):
                if not isinstance(ended, asyncio.CancelledError):
                    raise AssertionError("the uplink or the renewal ended by itself") from ended

    async def deliver(self) -> None:
        async with self.online():
            await until(lambda: self.core.waiting_count() == 0)

    async def meet(self, epoch: int) -> None:
        """Go online until the books have told in which epoch this card goes on."""
        async with self.online():
            await until(lambda: self.core.chain.epoch == epoch)

    def spoil(self, statement: str) -> None:
        """Do to the journal's file what bad cards and long years do."""
        with closing(sqlite3.connect(self.data / "journal.sqlite")) as db, db:
            db.execute(statement)

    def copy_card(self, to: Path) -> None:
        """What an imaging program takes of a card that is out of the gateway; boot again afterwards."""
        self.core.close()
        shutil.copy(self.data / "journal.sqlite", to)

    def put_card(self, copy: Path | None, seed: str = "restored") -> None:
        """The card of another time, or an empty one with the same keys."""
        self.core.close()
        for name in ("journal.sqlite", "journal.sqlite-wal", "journal.sqlite-shm"):
            (self.data / name).unlink(missing_ok=True)
        if copy is not None:
            shutil.copy(copy, self.data / "journal.sqlite")
        self.core = self.boot(seed)


async def until(condition: Callable[[], bool], within_s: float = SOON_S) -> None:
    """Wait for a state; raises TimeoutError."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - a condition of another program
            await asyncio.sleep(0.01)
