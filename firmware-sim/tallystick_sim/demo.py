"""The demo: a small town at 60 times the speed of life, four troubles, and at the end the ledger against the truth.
It runs the parts in order and says what happens; each part knows its own business."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
import webbrowser
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tallystick_sim.aftermath import Aftermath, after_the_washing
from tallystick_sim.aggregator import AggregatorError
from tallystick_sim.clock import ScaledClock, parse_clock, real_ms
from tallystick_sim.control import ControlError
from tallystick_sim.milestones import Milestones
from tallystick_sim.picture import Figures, Picture
from tallystick_sim.plan import Gateway
from tallystick_sim.report import Report, write_report
from tallystick_sim.settle import Settled, settle
from tallystick_sim.snapshot import Snapshot, take_snapshot
from tallystick_sim.terminal import Terminal, terminal
from tallystick_sim.town import Town, TownError
from tallystick_sim.trouble import Troublemaker

FACTOR = 60
HOUR_MS = 3_600_000
MORNING_MS = 6 * HOUR_MS  # the town's day begins at 06:00 UTC of today, so that no midnight falls into a short demo
DAY_MS = 24 * HOUR_MS
LOOK_EVERY_S = 0.5
READY_TIMEOUT_S = 300.0  # two seconds on an idle machine; the first time on a busy one over 60
PERSONAS = ("operator", "manager", "installer", "owner", "lender", "repairer", "user", "auditor")
ALL_WASH_S = 45.0  # 45 domain minutes: two slots of the laundry's plan, and two groups take turns
OPEN_ENDED_TROUBLE_S = 45.0  # without --seconds the four troubles come in the first three quarters of a minute


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asked for. `seconds` None: until Ctrl-C."""

    data: Path
    headless: bool
    seconds: float | None
    report: Path | None
    seed: str
    port: int
    cheats: bool = True


class Demo:
    """One run. `run` gives the exit code: 0 when truth and ledger agree and every trouble ended well."""

    def __init__(self, options: Options) -> None:
        self._options = options
        now = real_ms()
        self._clock = ScaledClock(FACTOR, now, now // DAY_MS * DAY_MS + MORNING_MS)
        self._town = Town(options.data, self._clock, options.seed, options.port)
        self._terminal: Terminal = terminal(plain=options.headless)
        self._started = time.monotonic()
        self._story: list[tuple[int, str]] = []
        self._snapshot: Snapshot | None = None
        self._troublemaker = Troublemaker(self._town, self._look, self._tell)
        self._milestones = Milestones(self._tell)
        self._leaving = asyncio.Event()
        self._footer = "starting"

    async def run(self) -> int:
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self._leaving.set)
        try:
            return await self._run()
        except (TownError, AggregatorError, ControlError) as error:
            self._footer = "failed"
            self._tell("the demo failed")
            self._show()
            print(f"\n{error}", file=sys.stderr)
            return 1
        finally:
            await self._town.stop()
            self._terminal.close()

    async def _run(self) -> int:
        self._tell("starting the aggregator, the laundry and two gateways")
        self._show()
        await self._town.start()
        await self._town.outside.sign_in("manager")
        if self._town.web_port != self._town.wished_port:
            self._tell(f"port {self._town.wished_port} is in use, the pages are on {self._town.web_port}")
        self._open_browser()
        if not await self._or_leaving(self._all_channels_seen()):
            self._tell("leaving before the first reading")
            return 1
        await self._town.ask("open")
        self._tell("the laundry opens: people come in with their washing")
        await self._live()
        settled = await self._settle()
        aftermath = None if settled.hurried else await self._after()
        code = self._judge(settled, aftermath)
        if self._options.seconds is None and aftermath is not None and aftermath.month is not None:
            await self._look_around(aftermath.month.clock)
        return code

    async def _live(self) -> None:
        """The laundry is open: people wash, things go wrong."""
        seconds = self._options.seconds
        self._footer = f"open for {seconds:.0f} s" if seconds else "Ctrl-C closes the laundry, settles and compares"
        trouble = asyncio.create_task(self._troublemaker.run(seconds or OPEN_ENDED_TROUBLE_S))
        try:
            end = None if seconds is None else time.monotonic() + seconds
            while not self._leaving.is_set() and (end is None or time.monotonic() < end):
                await self._refresh()
                if trouble.done():
                    trouble.result()
                await self._pause()
            if not self._leaving.is_set():
                await trouble
        finally:
            trouble.cancel()
            await asyncio.gather(trouble, return_exceptions=True)
            for site in self._town.gateways.values():
                site.proxy.heal()

    async def _settle(self) -> Settled:
        self._leaving.clear()
        self._footer = "settling: the last washes finish, everything is handed over (Ctrl-C leaves at once)"
        self._tell("the laundry closes: running washes finish, then truth and ledger are compared")
        return await settle(self._town, self._refresh, self._leaving)

    async def _after(self) -> Aftermath | None:
        """The month ends, is paid out and verified, and a host tries to cheat; None when the person leaves."""
        self._footer = "the month ends: settlement, bank file, evidence, and attempts to cheat (Ctrl-C leaves at once)"
        self._say("truth and ledger agree; gateways and machines rest")
        await self._town.rest()
        options = self._options
        work = asyncio.create_task(
            after_the_washing(
                options.data,
                self._clock.utc_ms(),
                self._say,
                self._town.outside,
                cheats=options.cheats,
                all_wash=options.seconds is not None and options.seconds >= ALL_WASH_S,
            )
        )

        async def done() -> None:
            await asyncio.wait((work,))

        try:
            return work.result() if await self._or_leaving(done()) else None
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    async def _look_around(self, clock: str) -> None:
        """The pages stay, on the morning after the month, until Ctrl-C."""
        await self._town.move_clock(parse_clock(clock))
        self._footer = f"look around: {self._town.url}/demo shows it as each of the people. Ctrl-C ends."
        self._show()
        await self._leaving.wait()

    def _judge(self, settled: Settled, aftermath: Aftermath | None) -> int:
        faults, is_timed = self._troublemaker.faults, self._options.seconds is not None
        report = Report.of(self._town, settled, faults, is_timed, aftermath)
        for sentence in report.amiss:
            self._tell(f"AMISS: {sentence}")
        verdict = "truth and ledger agree" if not report.amiss else f"{len(report.amiss)} things are amiss"
        self._footer = verdict
        self._tell(f"{verdict}: {len(settled.lines)} channels, imbalance {settled.snapshot.imbalance_nano} nano")
        self._show()
        if self._options.report is not None:
            write_report(self._options.report, report)
            self._tell(f"report: {self._options.report}")
            self._show()
        return 1 if report.amiss else 0

    async def _all_channels_seen(self) -> None:
        """Until both gateways are enrolled and every channel's first reading is with the aggregator."""
        deadline = time.monotonic() + READY_TIMEOUT_S
        while True:
            snapshot = await self._refresh()
            if len(snapshot.gateways) == len(Gateway) and snapshot.has_every_register():
                return
            if time.monotonic() > deadline:
                raise TownError(f"not every meter was heard within {READY_TIMEOUT_S:.0f} s: {snapshot.missing()}")
            await asyncio.sleep(LOOK_EVERY_S)

    async def _refresh(self) -> Snapshot:
        """Look at the aggregator, tell milestones, draw. Raises TownError when a process is gone."""
        if all(state == "running" for state in self._troublemaker.states.values()):
            self._town.check()
        snapshot = await self._look()
        self._milestones.see(snapshot)
        self._show()
        return snapshot

    async def _look(self) -> Snapshot:
        self._snapshot = await take_snapshot(self._town.outside)
        return self._snapshot

    async def _or_leaving(self, what: Awaitable[None]) -> bool:
        """Wait for `what`; False when the person leaves first."""
        task = asyncio.ensure_future(what)
        leaving = asyncio.create_task(self._leaving.wait())
        try:
            await asyncio.wait((task, leaving), return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                task.result()
                return True
            return False
        finally:
            for one in (task, leaving):
                one.cancel()
            await asyncio.gather(task, leaving, return_exceptions=True)

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(LOOK_EVERY_S):
                await self._leaving.wait()
        except TimeoutError:
            pass

    def _tell(self, sentence: str) -> None:
        self._story.append((int(time.monotonic() - self._started), sentence))

    def _say(self, sentence: str) -> None:
        """Tell and show at once, where nothing else draws."""
        self._tell(sentence)
        self._show()

    def _show(self) -> None:
        self._terminal.show(self._picture(), int(time.monotonic() - self._started))

    def _picture(self) -> Picture:
        town_time = datetime.fromtimestamp(self._clock.utc_ms() / 1000, UTC)
        links = [("Situation", f"{self._town.url}/situation")]
        links += [(persona.capitalize(), f"{self._town.url}/demo/{persona}") for persona in PERSONAS]
        return Picture(
            title=f"Tallystick: a laundry, {FACTOR} times faster than life",
            town_time=f"{town_time:%A %H:%M} UTC in town",
            links=tuple(links),
            gateways=dict(self._troublemaker.states),
            figures=Figures() if self._snapshot is None else self._snapshot.figures,
            story=tuple(self._story),
            footer=self._footer,
        )

    def _open_browser(self) -> None:
        has_display = bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")) or sys.platform == "darwin"
        if not self._options.headless and has_display:
            webbrowser.open(f"{self._town.url}/demo/operator")


async def run_demo(options: Options) -> int:
    """Exit code 0 when all is well."""
    return await Demo(options).run()
