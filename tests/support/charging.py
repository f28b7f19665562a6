"""A community with a charge point whose meter signs, for tests of what becomes of its records."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from support.books import DAY, HOUR, NOTICE, PARTIES, T0, TOWN, WASHES, open_books
from support.ocmf import KEY, SERIAL, record
from support.settled import World
from support.uploads import SimGateway
from tallystick_cloud.parties.store import ids_by_name
from tallystick_edge.items import Moment
from tallystick_edge.metering.channel import ChannelState
from tallystick_edge.parts import cut, number
from tallystick_edge.usage.session import SessionRule, take_session
from tallystick_protocol.codes import TimeQuality
from tallystick_protocol.part import Part, Raw

START = datetime.fromtimestamp(T0 / 1000, UTC)
BOX = """\
[[asset]]
id = "wallbox"
name = "Wallbox"
kind = "charge-point"
user = "Anna"
[[site]]
"""
CHANNEL = f"""\
[[site.channel]]
number = 3
meter = "m-wallbox"
asset = "wallbox"
quantity = "1-0:1.8.0"
unit = "Wh"
exponent = -3
form = "event"
profile = "ocmf"
serial = "{SERIAL}"
type_approval = "DE-M 1"
meter_key = "{KEY.spki.hex()}"
[[contract]]
file = "washes.toml"
state = "live"
[[contract]]
file = "charging.toml"
state = "live"
"""
CHARGING = f"""\
version = 1
name = "Charging"
community = "lindenhof"
unit = "EUR"
zone = "UTC"
state = "live"
collector = "Coop"
effective_from = 2026-10-01
{PARTIES}
[[user]]
name = "Anna"
[[asset]]
asset = "wallbox"
quantity = "1-0:1.8.0"
user = "Anna"
[tariff]
form = "event"
per = "kWh"
counts = "0.001 Wh"
[[tariff.band]]
name = "all"
price = 0.40
[[split]]
to = "Coop"
{NOTICE}
"""


def town(key: str = KEY.spki.hex()) -> str:
    head, _ = TOWN.split("[[contract]]", 1)
    return head.replace("[[site]]\n", BOX, 1) + CHANNEL.replace(KEY.spki.hex(), key)


def world_of(text: str) -> World:
    books = open_books(town=text, contracts={"washes.toml": WASHES, "charging.toml": CHARGING})
    gateway = SimGateway("cellar")
    books.enrol(gateway, "cellar")
    return World(books, gateway, ids=books.database.read_now(ids_by_name, books.community))


class Wallbox:
    """The edge's own rules between a charge point's records and the parts of a batch."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._state = ChannelState(3)
        self._use = 0

    def parts(self, data: bytes, at: datetime) -> list[Part]:
        self._use += 1
        now = Moment(b"boot-1", 10 * DAY, int(at.timestamp()) * 1000, TimeQuality.S)
        self._state, items = take_session(self._state, self._use, SessionRule(3, -3, SERIAL), data, now)
        numbered, states = number(items, {3: self._state})
        self._state = states[3]
        return cut(numbered, {})

    def charge(self, begin: str, end: str, hours: int = 0, bend: object = None) -> None:
        start = START + timedelta(hours=hours)
        parts = self.parts(record(begin, end, start=start), start + timedelta(hours=1, minutes=1))
        if bend is not None:
            parts = [replace(p, raws=tuple(Raw(r.kind, r.ref, bend(r.data)) for r in p.raws)) for p in parts]  # type: ignore[operator]
        self._world.books.seal_and_send(self._world.gateway, parts, T0 + (hours + 2) * HOUR)
