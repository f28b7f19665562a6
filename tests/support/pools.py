"""Contracts with pools, as files, and what stands behind them, for tests of energy communities."""

from collections.abc import Mapping
from dataclasses import dataclass

from support.books import Books, open_books
from tallystick_cloud.contracts.model import Version
from tallystick_cloud.evidence.policy import policy_of
from tallystick_cloud.ledger.balances import balances
from tallystick_cloud.log.signing import checkpoint
from tallystick_cloud.parties.store import ids_by_name, names_by_id
from tallystick_cloud.pools import service
from tallystick_cloud.pools.model import Worked
from tallystick_cloud.pools.proof import prove
from tallystick_cloud.settlement.office import Office
from tallystick_protocol.ids import H32, PARTY_BYTES, PartyId, sha256
from tallystick_protocol.money.contract import Contract
from tallystick_protocol.money.contract_toml import load_contract
from tallystick_protocol.money.pool_energy import Sharing, share_energy
from tallystick_protocol.policy import Policy
from tallystick_protocol.pool_settlement import PoolProof

CHAIN = sha256(b"a pool")
HOUR = 3_600_000
T0 = 1_767_222_000_000  # 2026-01-01T00:00 in Rome
MICRO = 1_000

HEAD = """\
version = 1
name = "CER"
community = "cer"
unit = "EUR"
zone = "Europe/Rome"
state = "live"
effective_from = 2026-01-01
collector = "CER"

[[party]]
name = "CER"
role = "community-manager"

[[party]]
name = "GSE"
role = "scheme"

[[party]]
name = "Social fund"
role = "fund"

[[party]]
name = "Software"
role = "servicer"
"""

USERS = ("School", "Farm", "Anna", "Bakery", "Carla")
PLANTS = (("plant-1", "School", "public", "2023-05-01"), ("plant-2", "Farm", "business", "2024-03-01"))
CONSUMERS = (("home-1", "Anna", "household"), ("shop-1", "Bakery", "business"), ("home-2", "Carla", "household"))

POOL = """\
[pool]
plants = "seniority"
consumers = "pro-rata"
payer = "GSE"
per = "MWh"
series = "NORD"

[[pool.class]]
name = "up to 200 kW, north"
points = [[140, 120], [180, 80]]
add = 10
"""

SPLIT = """\
[[split]]
group = "producers"
portion = "45 %"

[[split]]
group = "consumers"
portion = "6/11"

[[split]]
to = { "Social fund" = 20, "CER" = 3, "Software" = 2 }
"""

TAIL = """\
[terms]
interval = "1 h"
rating_period = "month"

[notice]
what = "Energy in and out of the members' meters by the hour"
why = "To share the worth of what they used together"
keep = "3650 d"
who = "The community's office; each member sees own hours"
"""


def assets(more: Mapping[str, str] | None = None) -> str:
    """The meters of the plants and the consumers; `more`: meter -> lines for its table."""
    extra = more or {}
    found = []
    for meter, user, kind, since in PLANTS:
        lines = f'direction = "injected"\nkind = "{kind}"\ncommissioned = {since}\n{extra.get(meter, "")}'
        found.append(f'[[asset]]\nasset = "{meter}"\nquantity = "1-0:2.8.0"\nuser = "{user}"\n{lines}\n')
    for meter, user, kind in CONSUMERS:
        lines = f'direction = "withdrawn"\nkind = "{kind}"\n{extra.get(meter, "")}'
        found.append(f'[[asset]]\nasset = "{meter}"\nquantity = "1-0:1.8.0"\nuser = "{user}"\n{lines}\n')
    return "\n".join(found)


def toml(pool: str = POOL, split: str = SPLIT, more: Mapping[str, str] | None = None, tail: str = TAIL) -> str:
    """The contract of the worked hour, or another one of the same members."""
    users = "\n".join(f'[[user]]\nname = "{name}"\n' for name in USERS)
    return "\n".join((HEAD, users, assets(more), pool, split, tail))


class Everybody(dict[str, PartyId]):
    """Every name is a party, with an id made of its name."""

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str)

    def __missing__(self, name: str) -> PartyId:
        return party(name)


def party(name: str) -> PartyId:
    return PartyId(sha256(name.encode())[:PARTY_BYTES])


def contract(**parts: object) -> Contract:
    return load_contract(toml(**parts), Everybody())  # type: ignore[arg-type]


def owner(index: int) -> PartyId:
    """Who stands behind a point of the contracts above."""
    return party([user for _, user, *_ in (*PLANTS, *CONSUMERS)][index])


def sharing(version: Contract, wh: Mapping[int, int], start_ms: int = T0, key: H32 = CHAIN) -> Sharing:
    assert version.pool is not None
    return share_energy(version.pool, start_ms, wh, key)


def town(state: str) -> str:
    """A community in which everybody of the contracts above is known."""
    roles = {"CER": "community_manager"}
    names = ("CER", "GSE", "Social fund", "Software", *USERS)
    head = '[community]\nid = "cer"\nname = "CER"\nzone = "Europe/Rome"\nunit = "EUR"\nlog = "log.example/cer"\n'
    parties = [f'[[party]]\nname = "{one}"\nroles = ["{roles.get(one, "user")}"]\nkey = "hosted"\n' for one in names]
    return f'version = 1\n{head}{"".join(parties)}[[contract]]\nfile = "cer.toml"\nstate = "{state}"\n'


GRID = """\
meter,start,injected_wh,withdrawn_wh
plant-1,2026-01-01T00:00,8000,
plant-2,2026-01-01T00:00,5000,
home-1,2026-01-01T00:00,,2500
shop-1,2026-01-01T00:00,,4100
home-2,2026-01-01T00:00,,1900
"""
PRICES = "start,price\n2026-01-01T00:00,100\n"


@dataclass
class Community:
    """A community with one pool, on a database; every call is one transaction, as a command makes it."""

    books: Books
    now_ms: int = T0 + 365 * 24 * HOUR

    def versions(self) -> list[Version]:
        return self.books.database.read_now(service.pool_versions, "cer")

    def upload(self, text: str = GRID, why: str | None = None) -> service.Taken:
        args = (self.versions(), text.encode(), "grid.csv", why, self.now_ms)
        return self.books.database.write_now(service.take_energy, "cer", *args)

    def prices(self, text: str = PRICES, why: str | None = None) -> service.Taken:
        args = (self.versions(), text.encode(), "prices.csv", why, self.now_ms)
        return self.books.database.write_now(service.take_prices, "cer", *args)

    def coefficients(self, text: str, year: int = 2026) -> service.Taken:
        args = (self.versions(), text.encode(), "CAU.txt", year, self.now_ms)
        return self.books.database.write_now(service.take_coefficients, "cer", *args)

    def close(self, period: str = "2026-01") -> service.Closed:
        versions = self.versions()
        span = service.span_of(versions[-1].contract, period)
        office = Office(self.books.aggregator.of("cer"), self.books.aggregator.entropy)
        return self.books.database.write_now(service.close, office, versions, span, self.now_ms)

    def look(self, period: str = "2026-01") -> Worked:
        versions = self.versions()
        span = service.span_of(versions[-1].contract, period)
        return self.books.database.read_now(service.look, "cer", versions, span)

    def balances(self) -> dict[tuple[str, str], int]:
        """(account, name) -> nano, of what is not zero."""
        names = self.books.database.read_now(names_by_id, "cer")
        found = self.books.database.read_now(balances, "cer")
        return {(account, names[party]): nano for (_, account, party, _), nano in found.items() if nano}


def open_community(url: str = "sqlite://", text: str | None = None, state: str = "live", more: str = "") -> Community:
    """`more`: what the town file has beside the parties and the contract."""
    return Community(open_books(url, town(state) + more, {"cer.toml": text or toml()}, T0, "cer"))


def proof_of(cer: Community, name: str, interval: str = "2026-01-01T00:00") -> tuple[PoolProof, Policy]:
    """A member's file and the policy that the member holds."""
    context = cer.books.aggregator.of("cer")
    database = cer.books.database
    database.write_now(checkpoint, context, cer.now_ms)
    party_id = PartyId(database.read_now(ids_by_name, "cer")[name])
    versions = cer.versions()
    period = service.moment_span(versions[-1].contract, interval)
    found = database.read_now(prove, context, versions, party_id, period)
    return found, database.read_now(policy_of, context, party_id)


def site() -> str:
    """A gateway that reads every meter of the contracts above."""
    found = ['[[site]]\nid = "street"\nname = "Street"\n']
    for number, meter in enumerate([*(one[0] for one in PLANTS), *(one[0] for one in CONSUMERS)], 1):
        quantity = "1-0:2.8.0" if number <= len(PLANTS) else "1-0:1.8.0"
        found.append(
            f'[[asset]]\nid = "{meter}"\nname = "{meter}"\nkind = "meter"\n'
            f'[[site.channel]]\nnumber = {number}\nmeter = "m-{meter}"\nasset = "{meter}"\nquantity = "{quantity}"\n'
            f'unit = "Wh"\nform = "interval"\nprofile = "test"\nserial = "S{number}"\ntype_approval = "IT-1"\n'
        )
    return "".join(found)


ABOVE = POOL.replace('series = "NORD"', 'series = "NORD"\n[pool.above]\nportion = "55 %"\nto = "Social fund"')
SUN = (0, 0, 0, 0, 0, 0, 1, 8, 21, 38, 55, 68, 74, 70, 58, 41, 24, 9, 1, 0, 0, 0, 0, 0)
"""What a plant injects hour by hour, per hundred of its best; ours."""
HOME = (4, 3, 3, 3, 3, 4, 8, 12, 9, 7, 6, 7, 11, 8, 6, 6, 8, 12, 19, 21, 17, 12, 8, 5)
"""What a home withdraws hour by hour, in hundreds of Wh; ours."""


def sunny_day(day: str = "2026-01-02", hours: int = 24) -> str:
    """The grid's file of a day: two plants in the sun, two homes and a shop."""
    rows = ["meter,start,injected_wh,withdrawn_wh"]
    for hour in range(hours):
        at = f"{day}T{hour:02d}:00"
        rows += [f"{name},{at},{SUN[hour] * best}," for name, best in (("plant-1", 80), ("plant-2", 50))]
        uses = (("home-1", 1), ("shop-1", 3), ("home-2", 2))
        rows += [f"{name},{at},,{HOME[hour] * 100 * times}" for name, times in uses]
    return "\n".join(rows) + "\n"


def open_sunny(url: str = "sqlite://", hours: int = 22, more: str = "") -> Community:
    """A community whose grid operator has sent one day, of which the last hours are missing; the month is closed."""
    cer = open_community(url, toml(ABOVE), more=more)
    cer.upload(sunny_day(hours=hours))
    cer.prices("start,price\n" + "".join(f"2026-01-02T{hour:02d}:00,{100 + hour}\n" for hour in range(24)))
    cer.close()
    cer.now_ms = T0 + 60 * 24 * HOUR
    return cer
