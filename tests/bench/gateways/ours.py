"""Our gateway as its systemd unit starts it, and the real aggregator behind the broker.

Both are processes of the released programs; what arrived is read from the aggregator's database, part by part."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections import Counter
from contextlib import closing, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tallystick_cloud.cli import main as tallystick
from tallystick_cloud.db import Database, sqlite_url
from tallystick_cloud.ledger.audit import audit
from tallystick_cloud.ledger.summary import summary
from tallystick_protocol.part import Part
from tallystick_sim.children import Child

from gateways.meters import METERS, PROFILE, REGISTERS, Value, profile_toml
from gateways.process import Process

ROOT = Path(__file__).resolve().parents[3]
COMMUNITY, SITE = "bench", "hall"
DATABASE = "cloud.db"
SEAL_EVERY_S = 10  # the default is 60; here it is nearer to a peer that sends each value at once


@dataclass(frozen=True, slots=True)
class Arrived:
    """What the aggregator holds. `seen`: how often each value stands in a part that was read."""

    seen: Counter[Value]
    quarantined: int


class Books:
    """The aggregator: its folder, its process, its database."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._data = folder / "aggregator"
        self.server: Child | None = None
        self._seen: Counter[Value] = Counter()
        self._quarantined = self._last_row = 0

    def found(self, gateway_port: int, broker: str) -> Path:
        """Make it; the claim file of the one site. `broker`: HOST:PORT as the gateway reaches it."""
        since = (datetime.now(UTC) - timedelta(days=30)).strftime("%Y-%m-%d")
        (self._folder / "town.toml").write_text(_town())
        (self._folder / "counts.toml").write_text(_CONTRACT.replace("SINCE", since))
        self._run("init")
        where = ("--claims", str(self._folder / "claims"), "--server", f"https://localhost:{gateway_port}")
        self._run("community", "import", str(self._folder / "town.toml"), *where, "--mqtt", broker)
        return self._folder / "claims" / f"{SITE}.toml"

    def broker_files(self, port: int) -> Path:
        """The folder with mosquitto.conf."""
        files = self._folder / "broker"
        self._run("broker-config", "--out", str(files), "--port", str(port), "--user", "root")
        return files

    async def serve(self, gateway_port: int, broker_port: int) -> None:
        words = (sys.executable, "-m", "tallystick_cloud", "serve", "--data", str(self._data), "--port", "0")
        more = ("--gateway-port", str(gateway_port), "--mqtt", f"mqtts://localhost:{broker_port}")
        self.server = Child("aggregator", (*words, *more), self._folder / "server.log", {})
        await self.server.start()

    async def stop(self) -> None:
        if self.server is not None:
            await self.server.stop()

    def _run(self, *words: str) -> None:
        with redirect_stdout(sys.stderr):
            refused = tallystick([*words, "--data", str(self._data)])
        if refused:
            raise RuntimeError(f"refused: tallystick {' '.join(words)}")

    def arrived(self) -> Arrived:
        """Every reading of every part so far, and how many parts were set aside; parts are never changed here."""
        with closing(sqlite3.connect(f"file:{self._data / DATABASE}?mode=ro", uri=True)) as db:
            query = "SELECT rowid, data, standing FROM part WHERE rowid > ? ORDER BY rowid"
            for row, data, standing in db.execute(query, (self._last_row,)):
                self._last_row = row
                self._quarantined += standing == "quarantined"
                if standing == "read" and data is not None:
                    _count(Part.decode(data), self._seen)
        return Arrived(self._seen, self._quarantined)

    def faults(self) -> list[str]:
        """What the ledger's own audit finds, and every channel whose sums do not close."""
        database = Database(sqlite_url(self._data))
        try:
            found = [str(each) for each in database.read_now(audit)]
            for each in database.read_now(summary, COMMUNITY).ledger:
                if each.first_total is not None and each.last_total is not None:
                    used = each.last_total - each.first_total
                    if each.billed + each.exceptions + each.open != used:
                        found.append(f"channel {each.channel}: {each} of {used}")
            return found
        finally:
            database.close()


def _count(part: Part, seen: Counter[Value]) -> None:
    for segment in part.segments:
        for reading in segment.readings():
            seen[(part.channel - 1) // REGISTERS + 1, (part.channel - 1) % REGISTERS, reading.total] += 1


class Ours:
    """One agent with its files in `folder`, the bench's meter among its own profiles."""

    def __init__(self, folder: Path, claim: Path, meter_port: int) -> None:
        profiles = folder / "profiles"
        profiles.mkdir()
        (profiles / f"{PROFILE}.toml").write_text(profile_toml())
        (folder / "edge.toml").write_text(_edge_toml(claim, meter_port))
        command = (sys.executable, "-OO", "-m", "tallystick_edge", "run", "--config", str(folder / "edge.toml"))
        environment = {"PYTHONDONTWRITEBYTECODE": "", **_service_environment(folder)}
        self.process = Process(command, folder, folder / "ours.log", environment)
        self.journal = folder / "data" / "journal.sqlite"

    def is_enrolled(self) -> bool:
        return (self.journal.parent / "enrolment.cbor").exists()

    def mark(self) -> tuple[int, int]:
        """Grows with every group commit and every batch; (0, 0) before there is a journal."""
        try:
            db = sqlite3.connect(f"file:{self.journal}?mode=ro", uri=True)
            try:
                (sealed,) = db.execute("SELECT next_seq FROM chain").fetchone()
                (pending,) = db.execute("SELECT coalesce(max(id), 0) FROM pending").fetchone()
                return int(sealed), int(pending)
            finally:
                db.close()
        except sqlite3.Error:
            return 0, 0

    def waiting(self) -> int:
        """Batches without a final receipt."""
        db = sqlite3.connect(f"file:{self.journal}?mode=ro", uri=True)
        try:
            (count,) = db.execute("SELECT count(*) FROM batch WHERE status = 0").fetchone()
            return int(count)
        finally:
            db.close()


def _service_environment(folder: Path) -> dict[str, str]:
    """What the systemd unit sets; modules are compiled into its cache at the first start, as pip did for the peer."""
    unit = (ROOT / "edge" / "tallystick_edge" / "tallystick-edge.service").read_text()
    assert " -OO -m tallystick_edge run" in unit
    words = " ".join(line.partition("=")[2] for line in unit.splitlines() if line.startswith("Environment="))
    pairs = (word.partition("=") for word in words.replace("%C", str(folder / "cache")).split())
    return {name: value for name, _, value in pairs}


def _edge_toml(claim: Path, meter_port: int) -> str:
    head = f"""\
version = 1
[gateway]
name = "{SITE}"
data = "data"
profiles = "profiles"
[uplink]
transport = "mqtt"
claim = {json.dumps(str(claim))}
seal_every_s = {SEAL_EVERY_S}
[[line]]
id = "meters"
kind = "tcp"
host = "127.0.0.1"
port = {meter_port}
"""
    return head + "".join(_meter(number) for number in range(1, METERS + 1))


def _meter(number: int) -> str:
    channels = "".join(
        f'[[meter.channel]]\nnumber = {(number - 1) * REGISTERS + index + 1}\nregister = "v{index}"\n'
        for index in range(REGISTERS)
    )
    return f"""\
[[meter]]
id = "m{number}"
line = "meters"
unit = {number}
profile = "{PROFILE}"
serial = "{number}"
every_s = 1
{channels}"""


def _town() -> str:
    assets = "".join(
        f'[[asset]]\nid = "m{number}"\nname = "Meter {number}"\nkind = "electricity"\nuser = "Ben"\n'
        for number in range(1, METERS + 1)
    )
    channels = "".join(
        f"""\
[[site.channel]]
number = {(number - 1) * REGISTERS + index + 1}
meter = "m{number}"
asset = "m{number}"
quantity = "count.{index}"
unit = "Wh"
form = "interval"
profile = "{PROFILE}"
serial = "{number}"
type_approval = "MID"
"""
        for number in range(1, METERS + 1)
        for index in range(REGISTERS)
    )
    return _TOWN.replace("ASSETS\n", assets).replace("CHANNELS\n", channels)


_TOWN = f"""\
version = 1
[community]
id = "{COMMUNITY}"
name = "Bench"
zone = "UTC"
unit = "EUR"
log = "log.example/bench"
[[party]]
name = "Coop"
form = "organisation"
roles = ["community_manager", "owner"]
key = "hosted"
[[party]]
name = "Ben"
roles = ["user"]
key = "hosted"
ASSETS
[[site]]
id = "{SITE}"
name = "Hall"
CHANNELS
[[contract]]
file = "counts.toml"
state = "live"
"""
_ASSETS = "".join(f'[[asset]]\nasset = "m{n}"\nquantity = "count.0"\nuser = "Ben"\n' for n in range(1, METERS + 1))
_CONTRACT = f"""\
version = 1
name = "Counts"
community = "{COMMUNITY}"
unit = "EUR"
zone = "UTC"
state = "live"
collector = "Coop"
effective_from = SINCE
[[party]]
name = "Coop"
role = "owner"
[[party]]
name = "Ben"
role = "user"
{_ASSETS}
[tariff]
form = "interval"
per = "kWh"
counts = "Wh"
[[tariff.band]]
name = "all"
price = "0.30 EUR/kWh"
[[split]]
to = "Coop"
[terms]
rating_period = "month"
interval = "1 min"
max_gap = "2 h"
[notice]
what = "counts"
why = "to measure"
keep = "30 d"
who = "the parties"
"""
