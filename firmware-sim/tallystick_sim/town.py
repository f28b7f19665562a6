"""A running town: aggregator, laundry and two gateways as processes of their own, with a network that can be cut.
It starts, cuts, kills and stops them; it judges nothing and keeps no figures."""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tallystick_sim import town_files
from tallystick_sim.aggregator import Aggregator
from tallystick_sim.children import Child, ChildError
from tallystick_sim.clock import VARIABLE, ScaledClock
from tallystick_sim.control import ControlError, call
from tallystick_sim.edge_files import Where, edge_toml
from tallystick_sim.plan import Gateway
from tallystick_sim.ports import any_free, next_free
from tallystick_sim.proxy import Proxy
from tallystick_sim.slots import Slots

PREPARE_TIMEOUT_S = 300.0  # keys, tables, the town: two seconds when idle; the first time on a busy machine over 60
START_TIMEOUT_S = 300.0
POLL_S = 0.1
SERVER_LINE = re.compile(r'^server = "https://localhost:\d+"$', re.MULTILINE)


class TownError(RuntimeError):
    """The town does not come up; the message says which part, and the end of its log."""


@dataclass(slots=True)
class GatewaySite:
    """One gateway: its process, the network between it and the aggregator, and its folder."""

    name: Gateway
    child: Child
    proxy: Proxy
    folder: Path


class Town:
    """`data` must be a folder of our own; `web_port` is wished for, the next free one is taken.

    `rest_minutes`: the shortest rest between two washes of a machine, in domain time. `by_plan`: each machine washes
    once in each slot of the laundry's plan; else again and again. `database`: the books' URL, else SQLite."""

    def __init__(
        self,
        data: Path,
        clock: ScaledClock,
        seed: str,
        web_port: int,
        rest_minutes: int = 8,
        *,
        by_plan: bool = True,
        database: str | None = None,
    ) -> None:
        self.data = data
        self._database = () if database is None else ("--db", database)
        self.clock = clock
        self.wished_port = web_port
        self.web_port = next_free(web_port)
        self._gateway_port = any_free({self.web_port})
        self._sockets = tempfile.TemporaryDirectory(prefix="tallystick-")  # short: unix sockets allow 107 bytes
        self._control = Path(self._sockets.name) / "control"
        self._logs = data / "logs"
        self._logs.mkdir(parents=True, exist_ok=True)
        self._slots = Slots.from_now(clock.utc_ms())
        choices = ("--folder", self._sockets.name, "--seed", seed, "--rest", str(rest_minutes))
        plan = ("--slots-from", str(self._slots.first_ms)) if by_plan else ()
        laundry = (sys.executable, "-m", "tallystick_sim", "laundry", *choices, *plan)
        self.laundry = self._child("laundry", laundry)
        self.aggregator = self._aggregator()
        self.gateways: dict[Gateway, GatewaySite] = {}
        self.outside = Aggregator(self.url)

    @property
    def url(self) -> str:
        return f"http://localhost:{self.web_port}"

    async def start(self) -> None:
        """Bring everything up to two gateways that run; enrolment happens by itself. Raises TownError."""
        try:
            await self._prepare()
            await self.aggregator.start()
            await self.laundry.start()
            await self.wait_for_aggregator()
            await self._start_gateways()
        except (ChildError, ControlError, OSError) as error:
            raise TownError(str(error)) from error

    async def wait_for_aggregator(self) -> None:
        """Until it answers. Raises TownError."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while not await self.outside.is_up():
            self._check_child(self.aggregator)
            if time.monotonic() > deadline:
                raise TownError(f"the aggregator does not answer\n{self.aggregator.tail()}")
            await asyncio.sleep(POLL_S)

    async def ask(self, do: str, **arguments: object) -> Mapping[str, Any]:
        """A request to the laundry. Raises ControlError."""
        return await call(self._control, do, **arguments)

    def check(self) -> None:
        """Raises TownError when a process that should be running has ended."""
        for child in (self.aggregator, self.laundry, *(site.child for site in self.gateways.values())):
            self._check_child(child)

    async def rest(self) -> None:
        """Nobody uses anything any more: gateways and laundry end, the aggregator goes on."""
        await asyncio.gather(*(site.child.stop() for site in self.gateways.values()))
        await self.laundry.stop()

    async def move_clock(self, clock: ScaledClock) -> None:
        """The aggregator starts again at another time; for a town at rest. Raises TownError."""
        self.clock = clock
        await self.aggregator.stop()
        self.aggregator = self._aggregator()
        await self.aggregator.start()
        await self.wait_for_aggregator()

    async def stop(self) -> None:
        """End everything, gateways first so that they can still hand over what they hold."""
        await self.rest()
        await self.aggregator.stop()
        for site in self.gateways.values():
            await site.proxy.stop()
        self._sockets.cleanup()

    async def _prepare(self) -> None:
        town = self.data / "town.toml"
        town.write_text(town_files.town_toml())
        for name, contract in town_files.contract_files(self._slots).items():
            (self.data / name).write_text(contract)
        claims = ("--claims", str(self.data / "claims"), "--server", f"https://localhost:{self._gateway_port}")
        for words in (self._tallystick("init"), (*self._tallystick("community", "import", str(town)), *claims)):
            child = self._child("prepare", words)
            await child.start()
            await child.finish(PREPARE_TIMEOUT_S)

    async def _start_gateways(self) -> None:
        where = await self._where()
        for name in Gateway:
            proxy = Proxy(self._gateway_port)
            port = await proxy.start()
            folder = self.data / name.value
            folder.mkdir(exist_ok=True)
            claim = (self.data / "claims" / f"{name.value}.toml").read_text()
            (folder / "claim.toml").write_text(SERVER_LINE.sub(f'server = "https://localhost:{port}"', claim))
            config = folder / "edge.toml"
            lines = Where(where["lines"], where["house_port"])
            config.write_text(edge_toml(name, lines, folder / "claim.toml"))
            command = (sys.executable, "-m", "tallystick_edge", "run", "--config", str(config))
            child = self._child(name.value, command, {"DBUS_SYSTEM_BUS_ADDRESS": where["bus"]})
            self.gateways[name] = GatewaySite(name, child, proxy, folder)
            await child.start()

    async def _where(self) -> Mapping[str, Any]:
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                return await self.ask("where")
            except ControlError:
                self._check_child(self.laundry)
                if time.monotonic() > deadline:
                    raise
            await asyncio.sleep(POLL_S)

    def _aggregator(self) -> Child:
        ports = ("--port", str(self.web_port), "--gateway-port", str(self._gateway_port))
        return self._child("aggregator", (*self._tallystick("serve"), *ports, "--demo"))

    def _tallystick(self, *words: str) -> tuple[str, ...]:
        return (
            sys.executable,
            "-m",
            "tallystick_cloud",
            *words,
            "--data",
            str(self.data / "aggregator"),
            *self._database,
        )

    def _child(self, name: str, command: tuple[str, ...], more: Mapping[str, str] | None = None) -> Child:
        environment = {VARIABLE: self.clock.setting(), "PYTHONUNBUFFERED": "1", **(more or {})}
        return Child(name, command, self._logs / f"{name}.log", environment)

    def _check_child(self, child: Child) -> None:
        try:
            child.check()
        except ChildError as error:
            raise TownError(str(error)) from error
