"""One gateway through its lives: the real agent on a simulated computer, card, clock and network.
It is killed, comes back, sometimes with an older copy of its card; what it must not do is end by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing, suppress
from contextvars import Context
from pathlib import Path
from random import Random

from sim.chance import RandomBytes
from sim.clocks import WOKE_MS, GatewayClock, TrueTime
from sim.loop import OWNER
from sim.machine import Crash, Machine
from sim.meters import Cellar, CellarDriver
from sim.net import Wire
from sim.rates import Rates
from sim.server import Server
from sim.store import Disk
from sim.town import Member
from sim.trace import Kind, Trace
from tallystick_edge.agent import Agent, Pace
from tallystick_edge.core import Core, Known
from tallystick_edge.metering.counter import WAITS
from tallystick_edge.uplink.backoff import Backoff
from tallystick_edge.uplink.trust import Trust
from tallystick_edge.uplink.worker import Uplink
from tallystick_protocol import cose
from tallystick_protocol.hello import State
from tallystick_protocol.ids import H32, gid_from_spki
from tallystick_protocol.records import Descriptor

SOFTWARE = "tallystick-edge simulated"
RESEND_MAX_MS = 900_000
NEVER_MS = 1 << 62
OLD_COPY_MS = 300_000  # in which the card that it replaces told the books of more
LIFE_STEPS = 400  # a death that waits for a step comes within about this many


class _Core(Core):
    """The real one; it only says when it promised that everything it was given is on the disk, and when it goes on from
    the books."""

    on_kept: Callable[[], None] = staticmethod(lambda: None)
    on_joined: Callable[[], None] = staticmethod(lambda: None)

    def flush(self) -> None:
        super().flush()
        self.on_kept()

    def begin_epoch(self, state: State, forked: bool) -> None:
        super().begin_epoch(state, forked)
        self.on_joined()


class Gateway:
    """`cellar`: its meters and the truth; `wire`: its network; both outlive every boot."""

    def __init__(
        self, member: Member, cellar: Cellar, server: Server, true: TrueTime, rates: Rates, chance: Random,
        mishaps: Random, trace: Trace, folder: Path, context: Context,
    ) -> None:  # fmt: skip
        self.name, self.cellar, self._member = member.site, cellar, member
        self.gid = bytes(gid_from_spki(member.signer.spki))
        self._server, self._true, self._rates, self._chance, self._trace = server, true, rates, chance, trace
        self._mishaps = mishaps
        if rates.exchanged_with_card and rates.restore_every_s:
            cellar.house.seam_at_ms = NEVER_MS  # but when an old card is put back
        self._sent: set[tuple[int, int]] = set()
        self.disk = Disk(folder / f"{member.site}.sqlite", rates, Random(chance.random()), self._on_kept)
        self.disk.tell = lambda what, detail: trace.tell(self.name, what, detail)
        self.disk.on_final = self._on_final
        mqtt = chance.random() < 0.5
        self.wire = Wire(self.gid, self.name, mqtt, server, rates, Random(chance.random()), trace, context)
        self.wire.on_batch = self._on_batch
        self.has_rtc = chance.random() < 0.6
        self._entropy = RandomBytes(Random(chance.random()))
        self._clock_skew_ms = 0
        self.clock: GatewayClock | None = None
        self.machine: Machine | None = None
        self.core: Core | None = None
        self.calm = True
        self._healed = asyncio.Event()
        self.lives = 0
        self.glitch, self.poll_ms = rates.glitch, rates.poll_ms
        answer = member.answer
        self._trust = Trust(answer.gid, answer.keys, answer.log_origin, answer.log_spki)
        self._known = Known(_descriptors(answer.descriptors), self._trust.log_for)

    @property
    def is_quiet(self) -> bool:
        """Whether no wash runs, and no rise waits for values that bear it out."""
        levels = [] if self.core is None else [one.suspect for one in self.core.desk.channels.values()]
        return self.cellar.still and not any(level is not None and level.reason is WAITS for level in levels)

    async def live(self) -> None:
        """Boot after boot, until cancelled."""
        while True:
            await self._boot()
            if self.calm:
                await asyncio.sleep(1.0)
            else:
                await self._stay_down(self._chance.expovariate(1 / self._rates.gateway_down_s))

    async def _stay_down(self, seconds: float) -> None:
        """Until then, or until everything heals."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._healed.wait()

    async def restore_later(self) -> None:
        """Copy the card now, put the copy back after a while: what a person with a backup does."""
        made_ms = self._true.elapsed_ms()
        with closing(self.disk.copy()) as image:
            await asyncio.sleep(self._chance.expovariate(1 / self._chance.choice((120, self._rates.copy_age_s))))
            if self.calm:
                return
            while self.machine is not None:
                self.machine.die()
                await asyncio.sleep(0)
            self.disk.put_back(image)
        is_old = self._true.elapsed_ms() - made_ms >= OLD_COPY_MS
        if is_old and self._mishaps.random() < self._rates.exchanged_with_card:
            self.cellar.house.change_meter(self._true.elapsed_ms())
        if self._chance.random() < 0.5:  # whoever puts a card back often does it where nothing else works either
            self.wire.hole = True
            asyncio.get_running_loop().call_later(self._chance.expovariate(1 / 600), self._hole_ends)
        self.cellar.restores.append((made_ms, self._true.elapsed_ms()))
        self._trace.tell(self.name, "restored", f"the card of {made_ms / 1000:.0f} s")

    def _hole_ends(self) -> None:
        self.wire.hole = False

    async def _boot(self) -> None:
        self.lives += 1
        machine = Machine(self.name)
        self.disk.plug(machine)
        clock = self.clock = self._new_clock()
        self.cellar.booted_ms = self._true.elapsed_ms()
        self._trace.tell(self.name, "boots", f"life {self.lives}, clock {clock.quality().name}")
        context = Context()
        context.run(OWNER.set, machine)
        task = machine.main = asyncio.get_running_loop().create_task(self._process(clock), context=context)
        self.machine = machine
        self._doom(machine)
        try:
            await asyncio.wait([task])
        finally:
            machine.die()
        error = None if task.cancelled() else task.exception()
        if error is not None and not _is_crash(error):
            self._trace.wrong(f"{self.name}: the agent ended by itself: {error!r}")
        self.core = self.machine = None
        self.disk.unplug()
        self.cellar.forgotten()
        self._trace.tell(self.name, "is-off")

    async def _process(self, clock: GatewayClock) -> None:
        """What `app.py` does, with this world's ports."""
        rates, entropy = self._rates, self._entropy
        plans = self.cellar.plans(rates.poll_ms)
        card = self.disk
        core = _Core(card.path, self._member.signer, plans, clock, entropy, SOFTWARE, card.open, card.limits())
        core.on_kept, core.on_joined = self._on_kept, self._on_joined
        try:
            core.enrolled(self._known)
            driver = CellarDriver(self.cellar, self._true, clock, core, rates.poll_ms, self.glitch, self._chance)
            agent = Agent(
                core, [("line", driver)], clock, Pace(rates.flush_ms, rates.seal_every_ms, rates.heartbeat_ms)
            )
            uplink = Uplink(core, self.wire, self._trust, Backoff(rates.resend_ms, RESEND_MAX_MS), entropy)
            self.core = core
            async with agent.tasks(lambda: agent.hand_over(uplink)):
                await asyncio.Event().wait()
        finally:
            core.close()

    def _doom(self, machine: Machine) -> None:
        every_s = self._rates.gateway_crash_every_s
        if self.calm or not every_s:
            return
        if self._chance.random() < self._rates.crash_in_steps:
            wait_s = self._chance.expovariate(1 / every_s)
            steps = self._chance.randrange(1, LIFE_STEPS)
            asyncio.get_running_loop().call_later(wait_s, machine.doom, steps)
        else:
            asyncio.get_running_loop().call_later(self._chance.expovariate(1 / every_s), machine.die)

    def calm_down(self) -> None:
        """Nothing goes wrong any more; a death that was drawn is called off by a clean boot."""
        self.calm = self.disk.calm = self.wire.calm = True
        self._healed.set()
        self.disk.full = self.wire.hole = False
        self.glitch = 0.0
        self.cellar.silent_until_ms = 0
        self._clock_skew_ms = 0
        if self.machine is not None:
            self.machine.die()

    def go_wild(self) -> None:
        self.calm = self.disk.calm = self.wire.calm = False
        if self.machine is not None:
            self._doom(self.machine)

    def step_clock(self, offset_ms: int) -> None:
        """Somebody sets the clock wrong, or right again."""
        self._clock_skew_ms = offset_ms
        if self.clock is not None and self.clock.quality().name == "S":
            self.clock.set(offset_ms)
            self._trace.tell(self.name, "clock-step", f"{offset_ms / 1000:+.0f} s")

    def _new_clock(self) -> GatewayClock:
        if self.has_rtc or self.lives == 1:
            return GatewayClock(self._true, self._clock_skew_ms, True)
        clock = GatewayClock(self._true, WOKE_MS - self._true.utc_ms(), False)
        wait_s = 5.0 if self.calm else self._chance.expovariate(1 / self._rates.clock_set_after_s)
        asyncio.get_running_loop().call_later(wait_s, lambda: clock.set(self._clock_skew_ms))
        return clock

    def _on_batch(self, place: tuple[int, int]) -> None:
        """A batch is under way for the first time: the power may go before it arrives, or before its receipt does."""
        is_first = place not in self._sent
        self._sent.add(place)
        if is_first and not self.calm and self.machine and self._mishaps.random() < self._rates.dies_sending:
            wait_s = self._mishaps.expovariate(1 / (2 * self._rates.latency_s))
            asyncio.get_running_loop().call_later(wait_s, self.machine.die)

    def _on_kept(self) -> None:
        self.cellar.kept(self._true.elapsed_ms())

    def _on_joined(self) -> None:
        self.cellar.joins.append((self.cellar.booted_ms, self._true.elapsed_ms()))

    def _on_final(self, epoch: int, seq: int, digest: bytes) -> None:
        """What the gateway takes for handed over must be in the books."""
        if not self._server.holds(self.gid, epoch, seq, digest):
            self._trace.wrong(f"{self.name}: batch {epoch}/{seq} is final here and not in the books", Kind.LOST)


def _descriptors(envelopes: tuple[bytes, ...]) -> dict[int, H32]:
    parsed = [cose.parse(each) for each in envelopes]
    return {Descriptor.decode(each.payload).channel: each.hash for each in parsed}


def _is_crash(error: BaseException) -> bool:
    """Only the lost power, however deep it lies in groups of tasks."""
    if isinstance(error, BaseExceptionGroup):
        return all(_is_crash(each) for each in error.exceptions)
    return isinstance(error, Crash | asyncio.CancelledError)
