"""A real server over the money world, as a process of its own: money_server.py FOLDER. It prints its address."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from support.books import DAY
from support.city_server import StartedClock
from support.debits import BEN
from support.invoices import Office
from support.money_world import NOW, open_money
from support.payouts import IBANS
from support.people import Shelf
from support.pools import Community, open_sunny
from support.settled import World
from support.splits import Splits
from tallystick_cloud import schema
from tallystick_cloud.app import Addresses, Setup, run
from tallystick_cloud.bank.intake import take
from tallystick_cloud.bank.reference import reference_of
from tallystick_cloud.city.live import Hub
from tallystick_cloud.clock import real_utc, real_utc_ms
from tallystick_cloud.commands.serve import domain_routes
from tallystick_cloud.costs import service as costs
from tallystick_cloud.costs.service import Asked
from tallystick_cloud.db import sqlite_url
from tallystick_cloud.debits import mandates
from tallystick_cloud.debits import service as debits
from tallystick_cloud.debits.mandate import NewMandate
from tallystick_cloud.disputes import service as disputes
from tallystick_cloud.gateways.pages import ClaimDesk
from tallystick_cloud.http.pages import Pages
from tallystick_cloud.parties.service import set_account
from tallystick_cloud.parties.store import ids_by_name
from tallystick_cloud.payouts.pain import BankParty
from tallystick_cloud.public import store as figures
from tallystick_cloud.public.model import PAYERS_MIN, Shows
from tallystick_cloud.runs.model import Proposal
from tallystick_cloud.uplink import Uplink
from tallystick_protocol.money.toml_cost import load_cost
from tallystick_sim.bank import SimBank

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

PERSONAS = ("owner", "lender", "repairer", "user", "manager", "installer", "auditor", "operator")


def setup_of(world: World | Community, *, is_demo: bool = True, now_ms: int = NOW) -> Setup:
    """The whole server over a world, its clock at `now_ms`."""
    books = world.books
    clock = StartedClock(real_utc_ms(), now_ms)
    pages = Pages(clock, is_demo=is_demo)
    hub = Hub(books.database, pages, clock)
    uplink = Uplink(books.database, books.aggregator, clock, real_utc, hub)
    return Setup(
        books.database, clock, hub, pages,
        domain_routes=domain_routes(books.database, clock, uplink, books.aggregator, books.community),
        port=0,
        is_demo=is_demo,
        claims=ClaimDesk("-----BEGIN CERTIFICATE-----\n", books.aggregator.entropy, "https://localhost:8443"),
        aggregator=books.aggregator,
        shelf=Shelf(),
        on_ready=tell,
    )  # fmt: skip


def tell(addresses: Addresses) -> None:
    print(addresses.web, flush=True)


@dataclass
class MoneyServer:
    """A running server."""

    process: subprocess.Popen[str]
    url: str

    def sign_in(self, context: BrowserContext, persona: str) -> None:
        """The persona's session, without loading a page."""
        answer = context.request.get(f"{self.url}/demo/{persona}", max_redirects=0)
        assert answer.status == 303, persona


@contextmanager
def money_server(which: str = "money") -> Iterator[MoneyServer]:
    """A server over a fresh world (`money`, `pool` or `desk`) on a free port."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "PYTHONUNBUFFERED": "1"}
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [sys.executable, __file__, folder, which], env=environment, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        server = MoneyServer(process, process.stdout.readline().strip())
        try:
            assert server.url.startswith("http"), "the server did not start; its words are above"
            yield server
        finally:
            process.terminate()
            process.wait(timeout=60)
            process.stdout.close()


def dispute(world: World) -> None:
    """Anna says that two washes of January are wrong; one of them is decided, the other waits."""
    rows = sorted(world.books.rows(schema.use), key=lambda row: int(row["end_ms"]))  # type: ignore[call-overload]
    waits, stands = [row["use_id"] for row in rows if row["form"] == "event"][-2:]
    anna, maria, database = world.ids["Anna"], world.ids["Maria"], world.books.database
    for use, why in ((waits, "The drum did not turn, the laundry stayed dry."), (stands, "I was charged twice.")):
        said = disputes.Said(use, anna, why, b"%PDF-1.7 a page" if use == waits else None)  # type: ignore[arg-type]
        database.write_now(disputes.open_dispute, world.community, said, NOW)
    told = disputes.Said(stands, maria, "The other wash was an hour later.")  # type: ignore[arg-type]
    database.write_now(lambda conn: disputes.decide(conn, world.community, told, is_right=False, now_ms=NOW))


def collect(world: World) -> None:
    """Ben signed a mandate; a first collection from him was refused at the bank, the next one is to be proposed."""
    ids, database = world.ids, world.books.database
    signed = NewMandate(
        ids["Coop"], ids["Ben"], "COOP-7", "DE98ZZZ09999999999", BankParty("Ben", BEN), date(2026, 11, 2)
    )
    database.write_now(mandates.add, world.community, signed, NOW)
    asked = Proposal("first", ids["Coop"], ids["Coop"], date(2027, 1, 20))
    database.write_now(debits.propose, world.community, asked, NOW)
    database.write_now(debits.approve, world.community, 1, ids["Maria"], NOW)
    database.write_now(debits.bank_file, world.community, 1, NOW)
    database.write_now(debits.mark_sent, world.community, 1, ids["Coop"], NOW)
    database.write_now(debits.reject, world.community, 1, ids["Coop"], NOW)


FLATS = "".join(f'[[asset]]\nid = "flat-{one}"\nname = "Flat {one}"\nkind = "flat"\n' for one in "abc")
STAIRS = """\
version = 1
[cost]
name = "Stairs and roof"
community = "cer"
collector = "CER"
decision_ref = "owners' meeting of 2025-11-14, item 3"
[[cost.key]]
portion = "60 %"
by = "area"
[[cost.key]]
portion = "40 %"
by = "people"
[bill]
id = "stairs 2025"
amount = 345.67
first_day = 2025-01-01
last_day = 2025-12-31
""" + "".join(
    f'[[flat]]\nasset = "flat-{one}"\nowner = "School"\narea = {area}\n'
    f'[[flat.lives]]\nname = "{name}"\npeople = {people}\n'
    for one, area, name, people in (("a", 62.5, "Anna", 2), ("b", 71.25, "Carla", 1), ("c", 58, "Bakery", 3))
)


def publish(world: World) -> None:
    """Everybody may see the flat's months, which are all of too few people, and the washer's, which are of one:
    no rule of ours lets anybody decide that, so it is written as if it had been."""
    shows = ",".join(sorted(one.value for one in Shows))
    for asset, least in (("washer", 1), ("flat", PAYERS_MIN)):
        row = {"community": world.community, "asset": asset, "shows": shows, "payers_min": least,
               "decision": "assembly of 3 May, item 7", "decided_by": world.ids["Coop"], "decided_ms": NOW}  # fmt: skip
        world.books.database.write_now(figures.put, row)


def serve_money(folder: Path) -> None:
    world = open_money(sqlite_url(folder))
    dispute(world)
    collect(world)
    publish(world)
    office = Office(world)
    office.issue("2026-11")
    office.self_bill(1)
    asyncio.run(run(setup_of(world)))
    world.books.database.close()


def serve_pool(folder: Path) -> None:
    world = open_sunny(sqlite_url(folder), more=FLATS)
    database, ids = world.books.database, world.books.database.read_now(ids_by_name, "cer")
    database.write_now(costs.bill, "cer", Asked(load_cost(STAIRS), STAIRS, ids["CER"]), world.now_ms)
    asyncio.run(run(setup_of(world, now_ms=world.now_ms)))
    world.books.database.close()


def overpaid(town: Splits) -> None:
    """Ben, whose account is known, transferred EUR 50 for his energy; less was due."""
    write, community, ben = town.books.database.write_now, town.community, town.ids["Ben"]
    write(set_account, community, ben, BEN, None, NOW)
    bank = SimBank(IBANS["Coop"], 0)
    reference = reference_of(community, town.ids["Coop"], ben)
    bank.receive(5000, date(2027, 1, 5), "Ben", BEN, reference=reference)
    write(take, community, bank.statement(date(2027, 1, 5)), NOW)


def serve_desk(folder: Path) -> None:
    """Washes that a payment provider collects, energy that is paid by transfer and whose lender has no known account;
    a mandate of Anna's from before the provider came."""
    town = Splits(sqlite_url(folder), has_energy=True, ibans={name: IBANS[name] for name in IBANS if name != "Bank"})
    signed = NewMandate(
        town.ids["Coop"], town.ids["Anna"], "COOP-3", "DE98ZZZ09999999999", BankParty("Anna", BEN), date(2026, 11, 2)
    )
    town.books.database.write_now(mandates.add, town.community, signed, NOW)
    overpaid(town)
    asyncio.run(run(setup_of(town.world, now_ms=NOW + 40 * DAY)))
    town.books.database.close()


if __name__ == "__main__":
    {"money": serve_money, "pool": serve_pool, "desk": serve_desk}[(*sys.argv, "money")[2]](Path(sys.argv[1]))
