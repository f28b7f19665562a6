"""A community under load: houses of four flats and a washing machine, and gateways that seal batch after batch for it.

Everything is enrolled and signed for real; the same name gives the same bytes but for the keys.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from support.books import HOUR, NOTICE, T0, Books, open_books
from support.uploads import SimGateway, money, segment, wash
from tallystick_protocol.part import Part

FLATS = 4
SLICES = 15  # of each flat in a batch: 60 interval uses
WASHES = 20
QUARTER = HOUR // 4
WASHER = FLATS + 1  # its channel
LATER = T0 + 700 * 24 * HOUR  # when it all arrives: above every metered time, within `late_days`
_LATE_DAYS = 3650
_SPLIT = ("Owner", "Servicer", "Insurer", "Fund")

_TOWN = """\
version = 1
[community]
id = "load"
name = "Load"
zone = "Europe/Rome"
unit = "EUR"
log = "log.example/load"
"""

_ENERGY = """\
version = 1
name = "Energy of {house}"
community = "load"
unit = "EUR"
zone = "Europe/Rome"
state = "live"
collector = "Owner"
effective_from = 2026-10-01
{parties}
{users}
{assets}
[tariff]
form = "interval"
per = "kWh"
counts = "Wh"
[[tariff.band]]
name = "day"
windows = ["Mon-Fri 08:00-20:00"]
price = 0.31
[[tariff.band]]
name = "night"
price = 0.19
[[split]]
to = "Bank"
portion = "40 %"
cap = 1000000.00
cap_per = "lifetime"
counter = "loan"
[[split]]
to = {{ "Owner" = 45, "Servicer" = 30, "Insurer" = 20, "Fund" = 5 }}
{notice}
"""

_WASHING = """\
version = 1
name = "Washing in {house}"
community = "load"
unit = "EUR"
zone = "Europe/Rome"
state = "live"
collector = "Owner"
effective_from = 2026-10-01
{parties}
{users}
{assets}
[tariff]
form = "event"
per = "cycle"
[[tariff.band]]
name = "gentle"
programmes = ["30"]
price = 1.20
[[tariff.band]]
name = "hot"
programmes = ["60"]
price = 1.85
[[split]]
to = "Bank"
portion = "40 %"
cap = 1000000.00
cap_per = "lifetime"
counter = "loan"
[[split]]
to = {{ "Owner" = 45, "Servicer" = 30, "Insurer" = 20, "Fund" = 5 }}
{notice}
"""


def town(houses: int) -> tuple[str, dict[str, str]]:
    """The TOML of the community, and of its contracts by file name: two for every house."""
    parties = "".join(
        f'[[party]]\nname = "{name}"\nrole = "{role}"\n'
        for name, role in zip((*_SPLIT, "Bank"), ("owner", "servicer", "insurer", "fund", "financier"), strict=True)
    )
    text = _TOWN + _party("Owner", '"community_manager", "owner"') + _party("Bank", '"financier"')
    text += "".join(_party(name, "", "fund" if name == "Fund" else "organisation") for name in _SPLIT[1:])
    contracts = {}
    for number in range(houses):
        house = f"house-{number}"
        names = [f"{house} flat {flat}" for flat in range(1, FLATS + 1)]
        text += "".join(_party(name, '"user"', "person") for name in names) + _rooms(house, names)
        users = "".join(f'[[user]]\nname = "{name}"\n' for name in names)
        flats = "".join(
            f'[[asset]]\nasset = "{house}-flat-{flat}"\nquantity = "1-0:1.8.0"\nuser = "{name}"\n'
            for flat, name in enumerate(names, 1)
        )
        washer = f'[[asset]]\nasset = "{house}-washer"\nquantity = "cycles"\nuser = "{names[0]}"\n'
        notice = NOTICE.replace("[notice]", f"late_days = {_LATE_DAYS}\n[notice]")
        shared = {"house": house, "parties": parties, "notice": notice}
        contracts[f"{house}-energy.toml"] = _ENERGY.format(users=users, assets=flats, **shared)
        one = f'[[user]]\nname = "{names[0]}"\n'
        contracts[f"{house}-washing.toml"] = _WASHING.format(users=one, assets=washer, **shared)
    text += "".join(f'[[contract]]\nfile = "{file}"\nstate = "live"\n' for file in contracts)
    return text, contracts


def _party(name: str, roles: str, form: str = "organisation") -> str:
    return f'[[party]]\nname = "{name}"\nform = "{form}"\nroles = [{roles}]\nkey = "hosted"\n'


def _rooms(house: str, names: list[str]) -> str:
    assets = "".join(
        f'[[asset]]\nid = "{house}-flat-{flat}"\nname = "{name}"\nkind = "flat"\nuser = "{name}"\n'
        for flat, name in enumerate(names, 1)
    )
    assets += f'[[asset]]\nid = "{house}-washer"\nname = "Washer"\nkind = "washing-machine"\nuser = "{names[0]}"\n'
    channels = f'[[site]]\nid = "{house}"\nname = "{house}"\n'
    for flat in range(1, FLATS + 1):
        channels += f'[[site.channel]]\nnumber = {flat}\nmeter = "{house}-{flat}"\nasset = "{house}-flat-{flat}"\n'
        channels += 'quantity = "1-0:1.8.0"\nunit = "Wh"\nform = "interval"\nprofile = "test"\n'
        channels += f'serial = "{house}-{flat}"\ntype_approval = "DE-1"\n'
    channels += f'[[site.channel]]\nnumber = {WASHER}\nmeter = "{house}-w"\nasset = "{house}-washer"\n'
    channels += 'quantity = "cycles"\nunit = "cycle"\nform = "event"\nprofile = "test"\n'
    return assets + channels


@dataclass(slots=True, eq=False)
class House:
    """A gateway and where its meters stand."""

    name: str
    gateway: SimGateway
    slices: int = 0
    washes: int = 0
    pages: dict[int, int] = field(default_factory=dict)

    def begin(self) -> bytes:
        """The first batch: a reading of each flat where money begins to count."""
        parts = [money(flat, [self._segment(flat, [0])]) for flat in range(1, FLATS + 1)]
        return self.gateway.seal(parts, T0)

    def intervals(self, flats: int = FLATS, slices: int = SLICES) -> bytes:
        """The next quarters of an hour of each flat: `flats` * `slices` uses."""
        numbers = range(self.slices + 1, self.slices + slices + 1)
        self.slices += slices
        parts = [money(flat, [self._segment(flat, list(numbers))]) for flat in range(1, flats + 1)]
        return self.gateway.seal(parts, T0 + self.slices * QUARTER)

    def events(self, washes: int = WASHES) -> bytes:
        """The next washes, two parts each, half an hour apart."""
        parts: list[Part] = []
        for _ in range(washes):
            begin = T0 + self.washes * HOUR // 2
            self.washes += 1
            programme = "60" if self.washes % 3 else "30"
            first = 3 * self.washes - 2
            parts += wash(WASHER, first, self.washes, self.washes, begin, begin + HOUR // 3, programme)
        return self.gateway.seal(parts, T0 + self.washes * HOUR // 2)

    def _segment(self, flat: int, numbers: list[int]):  # type: ignore[no-untyped-def]
        first = self.pages.get(flat, 0) + 1
        self.pages[flat] = first + len(numbers) - 1
        rows = [(T0 + number * QUARTER, 1_000 * flat + number * (200 + 10 * flat)) for number in numbers]
        return segment(first, rows, serial=f"{self.name}-{flat}")


def open_load(url: str, houses: int) -> tuple[Books, list[House]]:
    """The community in a new database, its gateways enrolled."""
    text, contracts = town(houses)
    books = open_books(url, text, contracts)
    made = [House(f"house-{number}", SimGateway(f"house-{number}")) for number in range(houses)]
    for house in made:
        books.enrol(house.gateway, house.name)
    return books, made


def in_turn(houses: list[House], kind: str, count: int) -> Iterator[tuple[House, bytes]]:
    """`count` uploads of `kind` (intervals, events, single), house by house."""
    for number in range(count):
        house = houses[number % len(houses)]
        match kind:
            case "intervals":
                yield house, house.intervals()
            case "events":
                yield house, house.events()
            case _:
                yield house, house.intervals(1, 1)
