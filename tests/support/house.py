"""A house with one meter at the main supply, as processes: aggregator, gateway agent, and the meter in this program.

The files are those a person writes; everything is real but the electricity.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from support.mosquitto import Mosquitto
from tallystick_cloud.cli import main
from tallystick_cloud.db import Database, sqlite_url
from tallystick_cloud.ledger.audit import audit
from tallystick_cloud.ledger.summary import Summary, summary
from tallystick_sim.children import Child
from tallystick_sim.modbus.iem3155 import Iem3155
from tallystick_sim.modbus.tcp import MeterServer

FACTOR = 60  # a minute of the house in a second of the test
UNIT, SERIAL, CHANNEL = 5, 20261122, 1
DAY_MS = 86_400_000
START_WH = 1_234_567
WH_PER_S = 40  # of real time, which is a minute of the house: 2.4 kW
LOOK_AGAIN_S = 0.25
PROGRAM = (sys.executable, "-W", "error", "-m")

TOWN = f"""\
version = 1
[community]
id = "lindenhof"
name = "Lindenhof eG"
zone = "UTC"
unit = "EUR"
log = "log.example/lindenhof"
[[party]]
name = "Coop"
form = "organisation"
roles = ["community_manager", "owner"]
key = "hosted"
[[party]]
name = "Bank"
roles = ["financier"]
key = "hosted"
[[party]]
name = "Ben"
roles = ["user"]
key = "hosted"
[[asset]]
id = "house"
name = "House"
kind = "electricity"
user = "Ben"
[[asset]]
id = "barn"
name = "Barn"
kind = "electricity"
user = "Ben"
[[site]]
id = "meter-room"
name = "Meter room"
[[site.channel]]
number = {CHANNEL}
meter = "m-house"
asset = "house"
quantity = "1-0:1.8.0"
unit = "Wh"
form = "interval"
profile = "schneider-iem3155"
type_approval = "MID"
serial = "{SERIAL}"
[[site]]
id = "barn"
name = "Barn"
[[site.channel]]
number = {CHANNEL}
meter = "m-barn"
asset = "barn"
quantity = "1-0:1.8.0"
unit = "Wh"
form = "interval"
profile = "schneider-iem3155"
type_approval = "MID"
[[contract]]
file = "energy.toml"
state = "live"
"""

ENERGY = """\
version = 1
name = "Energy"
community = "lindenhof"
unit = "EUR"
zone = "UTC"
state = "live"
collector = "Coop"
effective_from = SINCE
[[party]]
name = "Coop"
role = "owner"
[[party]]
name = "Bank"
role = "financier"
[[user]]
name = "Ben"
[[asset]]
asset = "house"
quantity = "1-0:1.8.0"
user = "Ben"
[[asset]]
asset = "barn"
quantity = "1-0:1.8.0"
user = "Ben"
[tariff]
form = "interval"
per = "kWh"
counts = "Wh"
[[tariff.band]]
name = "all"
tiers = [{ up_to = 0.1, price = 0.30 }, { price = 0.20 }]
[[split]]
to = "Bank"
portion = "50 %"
[[split]]
to = "Coop"
[terms]
rating_period = "month"
interval = "1 min"
max_gap = "2 h"
[notice]
what = "energy per minute"
why = "to price it"
keep = "3650 d"
who = "the parties"
"""


def morning(now_ms: int) -> str:
    """A clock that begins at 06:00 UTC of that day: no month, with its tiers, ends within a test."""
    return f"{FACTOR},{now_ms},{now_ms // DAY_MS * DAY_MS + 6 * 3_600_000}"


class Supply:
    """What the house uses: nothing until `run`, nothing after `hold`. The meter reads it at each request."""

    def __init__(self) -> None:
        self._wh, self._since = START_WH, 0.0
        self._on = False

    def run(self) -> None:
        self._since, self._on = time.monotonic(), True

    def hold(self) -> int:
        """Switch off; how many watt-hours were used in all."""
        self._wh, self._on = self.energy_wh(), False
        return self._wh - START_WH

    def energy_wh(self) -> int:
        return self._wh + (int((time.monotonic() - self._since) * WH_PER_S) if self._on else 0)

    def power_w(self) -> int:
        return WH_PER_S * 3_600 // FACTOR if self._on else 0


@dataclass
class House:
    """One aggregator with its data in `folder`, and at most one agent. `db`: None is SQLite."""

    folder: Path
    db: str | None = None
    clock: str = field(default_factory=lambda: morning(time.time_ns() // 10**6))
    web: str = ""
    gateways: str = ""
    server: Child | None = None
    agent: Child | None = None

    @property
    def environment(self) -> Mapping[str, str]:
        return {"TALLYSTICK_CLOCK": self.clock}

    @property
    def data(self) -> tuple[str, ...]:
        return ("--data", str(self.folder / "data"), *(() if self.db is None else ("--db", self.db)))

    def tallystick(self, *words: str) -> None:
        """Run one command of the aggregator; raises AssertionError when it is refused."""
        assert main([*words, *self.data]) == 0, f"refused: tallystick {' '.join(words)}"

    def found(self, gateway_port: int, broker: str | None = None) -> None:
        """Make the aggregator's folder and the community; `broker`: HOST:PORT for the claim files."""
        since = (datetime.now(UTC) - timedelta(days=30)).strftime("%Y-%m-%d")
        (self.folder / "town.toml").write_text(TOWN)
        (self.folder / "energy.toml").write_text(ENERGY.replace("SINCE", since))
        self.tallystick("init")
        mqtt = () if broker is None else ("--mqtt", broker)
        where = ("--claims", str(self.folder / "claims"), "--server", f"https://localhost:{gateway_port}")
        self.tallystick("community", "import", str(self.folder / "town.toml"), *where, *mqtt)

    def broker(self, port: int) -> Mosquitto:
        """A broker with the files of `tallystick broker-config`, not started yet."""
        files = self.folder / "broker"
        # Started by root, a broker becomes a user who may not read this folder, unless told otherwise.
        user = ("--user", "root") if os.geteuid() == 0 else ()
        self.tallystick("broker-config", "--out", str(files), "--port", str(port), *user)
        return Mosquitto(files / "mosquitto.conf", port, self.folder / "broker.log")

    async def serve(self, gateway_port: int, *more: str) -> None:
        """Start the aggregator; returns when both ports are open."""
        ports = ("--port", "0", "--gateway-port", str(gateway_port))
        command = (*PROGRAM, "tallystick_cloud", "serve", *self.data, *ports, *more)
        self.server = Child("aggregator", command, self.folder / "server.log", self.environment)
        await self.server.start()
        async with asyncio.timeout(60):
            while not self.gateways:
                self.server.check()
                for line in self.server.log.read_text().splitlines():
                    name, _, value = line.partition(": ")
                    self.web = value if name == "people" else self.web
                    self.gateways = value if name == "gateways" else self.gateways
                await asyncio.sleep(LOOK_AGAIN_S)

    async def plug_in(self, transport: str, meter_port: int) -> None:
        """Write the agent's files and start it."""
        claim = self.folder / "claims" / "meter-room.toml"
        (self.folder / "edge.toml").write_text(edge_toml(transport, meter_port, claim))
        command = (*PROGRAM, "tallystick_edge", "run", "--config", str(self.folder / "edge.toml"))
        self.agent = Child("agent", command, self.folder / "agent.log", self.environment)
        await self.agent.start()

    def books(self) -> Summary:
        """The figures as they are committed now, read beside the running aggregator; the laws of the books hold."""
        database = Database(self.db or sqlite_url(self.folder / "data"))
        try:
            assert database.read_now(audit) == []
            return database.read_now(summary, "lindenhof")
        finally:
            database.close()

    async def until(self, holds: Callable[[Summary], bool], timeout_s: float, what: str) -> Summary:
        """Wait until the books say so; fails with what they say and the end of the logs."""
        end = time.monotonic() + timeout_s
        while not holds(found := self.books()):
            for child in (self.agent, self.server):
                if child is not None and child.running:
                    child.check()
            assert time.monotonic() < end, f"not within {timeout_s} s: {what}\n{found}\n{self.tails()}"
            await asyncio.sleep(LOOK_AGAIN_S)
        return found

    async def end(self) -> None:
        for child in (self.agent, self.server):
            if child is not None:
                await child.stop()

    def tails(self) -> str:
        """The end of both logs, for a message."""
        return "\n".join(child.tail() for child in (self.agent, self.server) if child is not None)


def edge_toml(transport: str, meter_port: int, claim: Path) -> str:
    return f"""\
version = 1
[gateway]
name = "meter-room"
data = "edge-data"
[uplink]
transport = "{transport}"
claim = {json.dumps(str(claim))}
seal_every_s = 30
heartbeat_s = 300
resend_s = 0.5
resend_max_s = 2
[[line]]
id = "meters"
kind = "tcp"
host = "127.0.0.1"
port = {meter_port}
timeout_s = 0.5
[[meter]]
id = "m-house"
line = "meters"
unit = {UNIT}
profile = "schneider-iem3155"
serial = "{SERIAL}"
every_s = 10
[[meter.channel]]
number = {CHANNEL}
register = "energy_import"
"""


def meter_of(supply: Supply) -> MeterServer:
    """The house's meter, not started yet."""
    server = MeterServer()
    server.attach(UNIT, Iem3155(supply, SERIAL))
    return server
