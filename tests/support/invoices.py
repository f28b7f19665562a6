"""The money world with an issuer that has said who it is, and short words for what tests of documents do."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from functools import cache
from sqlite3 import Connection

from support.books import DAY, ENERGY, HOUR, NOTICE, T0, WASHES
from support.money_world import LOW, NOW, open_money, town
from support.settled import AFTER_DECEMBER, AFTER_NOVEMBER, DECEMBER, NOVEMBER, World, open_world
from tallystick_cloud.bank.due import all_dues
from tallystick_cloud.db import Database
from tallystick_cloud.invoices import payees, replacement, service, store
from tallystick_cloud.invoices.desk import Asked
from tallystick_cloud.invoices.service import Issued
from tallystick_cloud.invoices.store import Stored

SETUP = """\
version = 1
[issuer]
party = "Coop"
prefix = "LH"
country = "DE"
street = "Lindenweg 4"
postcode = "50667"
city = "Köln"
vat_id = "DE136695976"
due_days = 14
[tax]
rate = "19 %"
[[contract]]
name = "Energy"
none = "Power of the own roof: no tax is charged."
[[party]]
party = "Anna"
legal_name = "Anna Müñoz-Kőszegi"
country = "AT"
street = "Fő utca 1"
city = "Wien"
[[party]]
party = "Bank"
country = "IT"
vat_id = "IT12345670017"
rate = "22 %"
"""
LATE = {
    "washes.toml": WASHES.replace(NOTICE, LOW).replace('per = "cycle"', 'per = "cycle"\ncap = 5.00'),
    "energy.toml": ENERGY.replace(NOTICE, LOW).replace("minimum = 5.00", "minimum = 20.00"),
}


ODD = {
    "washes.toml": LATE["washes.toml"].replace("cap = 5.00\n", "").replace("price = 1.85", "price = 1.853333333"),
    "energy.toml": LATE["energy.toml"].replace("minimum = 20.00\n", "").replace("price = 0.30", "price = 0.300777777"),
}


class Office:
    """A world and its treasurer."""

    def __init__(self, world: World, setup: str | None = SETUP) -> None:
        self.world, self.database, self.community = world, world.books.database, world.community
        if setup is not None:
            self.set_up(setup)

    def set_up(self, text: str, by: str = "Coop") -> None:
        self.database.write_now(service.set_up, self.community, text, "setup.toml", self.world.ids[by], NOW)

    def issue(self, period: str, now_ms: int = NOW, by: str = "Coop", issuer: str | None = None) -> Issued:
        asked = Asked(self.world.ids[by], None if issuer is None else self.world.ids[issuer])
        return self.database.write_now(service.issue, self.community, period, asked, now_ms)

    def would_issue(self, period: str, now_ms: int = NOW) -> Issued:
        asked = Asked(self.world.ids["Coop"])
        return self.database.write_now(service.would_issue, self.community, period, asked, now_ms)

    def self_bill(self, run: int, now_ms: int = NOW) -> Issued:
        return self.database.write_now(payees.self_bill, self.community, run, self.world.ids["Coop"], now_ms)

    def replace(self, number: str, why: str = "The address was missing.") -> tuple[Stored, Stored]:
        coop = self.world.ids["Coop"]
        return self.database.write_now(replacement.replace_document, self.community, number, why, coop, NOW)

    def documents(self) -> list[Stored]:
        """Oldest first."""
        return list(reversed(self.database.read_now(store.documents, self.community)))

    def billed(self, buyer: str) -> int:
        """Cents that all documents to a buyer make together."""
        return sum(one.cents for one in self.documents() if one.buyer == self.world.ids[buyer])

    def due(self, buyer: str) -> int:
        """Cents that the books say the buyer is to pay."""
        dues = self.database.read_now(all_dues, self.community, NOW)
        return sum(one.cents for one in dues if one.payer == buyer)

    def late_november(self) -> None:
        """Readings of November that come in December, and December's own; December closed."""
        month = T0 + 29 * DAY
        self.world.meter([(month + step * HOUR, 30_000 + step * 900) for step in range(10)], now_ms=T0 + 33 * DAY)
        self.world.meter([(T0 + 61 * DAY + step * HOUR, 60_000 + step * 500) for step in range(-2, 1)])
        self.world.close(DECEMBER, AFTER_DECEMBER)


def open_office(setup: str | None = SETUP) -> Office:
    """November and December are closed, nothing is issued."""
    return Office(_copy(_money()), setup)


def open_late() -> Office:
    """November is closed: three washes under a cap of EUR 5.00, a flat under a minimum of EUR 20.00."""
    return Office(_copy(_november("late")))


def open_odd() -> Office:
    """The same, without cap and minimum, at prices with nine decimals."""
    return Office(_copy(_november("odd")))


@cache
def _money() -> World:
    return open_money()


@cache
def _november(which: str) -> World:
    world = open_world(town=town(), contracts=ODD if which == "odd" else LATE)
    for day in (1, 2, 3):
        world.wash(T0 + day * DAY + 9 * HOUR, "60")
    world.meter([(T0 + step * HOUR, 1000 + step * 700) for step in range(30)])
    world.close(NOVEMBER, AFTER_NOVEMBER)
    return world


def _copy(world: World) -> World:
    """A world is made once; every test gets a database of its own."""
    database = Database("sqlite://")
    _raw(world.books.database).backup(_raw(database))
    return replace(world, books=replace(world.books, database=database), gateway=deepcopy(world.gateway))


def _raw(database: Database) -> Connection:
    with database.engine.connect() as conn:
        found = conn.connection.driver_connection
    assert isinstance(found, Connection)
    return found
