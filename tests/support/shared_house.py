"""A house of twelve flats and its bill of EUR 1,234.56, for tests of bills that are shared by a key.

Issue 5 names the bill; areas, shares and readings are ours: 1,000 per mille, odd areas, one flat that used nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from support.books import DAY, NOTICE, PARTIES, T0, WASHES, Books, open_books
from support.payouts import IBANS, party
from tallystick_cloud.costs import proof as proofs
from tallystick_cloud.costs import service
from tallystick_cloud.costs.service import Asked, Shared
from tallystick_cloud.evidence.policy import policy_of
from tallystick_cloud.log.signing import checkpoint
from tallystick_cloud.parties.store import ids_by_name
from tallystick_cloud.settlement.office import Office
from tallystick_protocol.cost_settlement import CostProof
from tallystick_protocol.ids import PartyId
from tallystick_protocol.money.cost import Charge
from tallystick_protocol.money.toml_cost import load_cost
from tallystick_protocol.policy import Policy

HEATING = "heating 2025"
NOW = T0 + DAY  # when it is signed
CENTS = 123_456
FLATS = [f"flat-{number:02d}" for number in range(1, 13)]
PEOPLE = ["Anna", "Ben", "Carla", "Dora", "Emil", "Fatma", "Gino", "Hana", "Ivo", "Jana", "Kemal", "Lea"]
SHARES = [90, 90, 90, 90, 85, 85, 85, 85, 75, 75, 75, 75]
AREAS = ["62.5", "62.5", "71.25", "71.25", "58", "58", "64.1", "64.1", "49.9", "49.9", "55", "55.05"]
USED = [1201, 980, 1544, 0, 877, 1310, 1022, 640, 755, 931, 1188, 1066]
IBAN = "DE89370400440532013000"

TOWN = (
    """\
version = 1
[community]
id = "lindenhof"
name = "Lindenhof eG"
zone = "Europe/Berlin"
unit = "EUR"
log = "log.example/lindenhof"
"""
    + party("Coop", "organisation", '"community_manager", "owner"', IBAN)
    + party("Maria", "person", '"community_manager"', None)
    + party("Repairer", "organisation", '"servicer"', IBANS["Repairer"])
    + party("Bank", "person", '"servicer"', None)
    + party("Fund", "fund", "", None)
    + "".join(party(name, "person", '"user"', None) for name in PEOPLE)
    + """\
[[asset]]
id = "washer"
name = "Washer"
kind = "washing-machine"
user = "Anna"
[[contract]]
file = "washes.toml"
state = "live"
"""
    + "".join(f'[[asset]]\nid = "{flat}"\nname = "Flat {flat[-2:]}"\nkind = "flat"\n' for flat in FLATS)
)
assert PARTIES in WASHES
assert NOTICE in WASHES

HEAD = """\
version = 1
[cost]
name = "Heating of the house"
community = "lindenhof"
collector = "Coop"
decision_ref = "owners' meeting of 2025-11-14, item 3"
[[cost.key]]
portion = "70 %"
by = "use"
quantity = "heat"
[[cost.key]]
portion = "30 %"
by = "area"
"""
BILL = """\
[bill]
id = "heating 2025"
amount = 1234.56
first_day = 2025-01-01
last_day = 2025-12-31
"""

ISSUER = """\
version = 1
[issuer]
party = "Coop"
prefix = "LH"
country = "DE"
street = "Lindenweg 4"
postcode = "50667"
city = "Köln"
vat_id = "DE136695976"
[tax]
rate = "19 %"
[[contract]]
name = "Heating of the house"
none = "Apportioned costs of the owners' association: no tax is charged."
"""


def flat_text(number: int, lives: str | None = None) -> str:
    """`lives`: [[flat.lives]] tables instead of the one person for the whole year; empty: nobody."""
    person = f'[[flat.lives]]\nname = "{PEOPLE[number]}"\npeople = {1 + number % 3}\n' if lives is None else lives
    head = f'[[flat]]\nasset = "{FLATS[number]}"\nowner = "Coop"\nshare = {SHARES[number]}\narea = {AREAS[number]}\n'
    return head + person


def reading(number: int, day: str, total: int) -> str:
    return f'[[reading]]\nasset = "{FLATS[number]}"\non = {day}\ntotal = {total}\n'


def readings(number: int) -> str:
    start = 10_000 + 137 * number
    return reading(number, "2025-01-01", start) + reading(number, "2026-01-01", start + USED[number])


def house(
    head: str = HEAD, bill: str = BILL, flats: dict[int, str] | None = None, read: dict[int, str] | None = None
) -> str:
    """The whole file; `flats` and `read` replace those of single flats."""
    parts = [(flats or {}).get(number, flat_text(number)) for number in range(12)]
    read_parts = [(read or {}).get(number, readings(number)) for number in range(12)]
    return head + "".join(parts) + ("".join(read_parts) if 'by = "use"' in head else "") + bill


@dataclass
class House:
    """The community with short words for what tests do."""

    books: Books
    ids: dict[str, bytes]

    def post(self, text: str, by: str = "Coop", now_ms: int = T0) -> Shared:
        asked = Asked(load_cost(text), text, self.ids[by])
        return self.books.database.write_now(service.bill, self.books.community, asked, now_ms)

    def check(self, text: str, now_ms: int = T0) -> list[Charge]:
        return self.books.database.write_now(service.check, self.books.community, load_cost(text), None, now_ms)

    def reverse(self, bill: str = "heating 2025", by: str = "Maria", why: str = "wrong amount") -> Shared:
        return self.books.database.write_now(service.reverse, self.books.community, bill, self.ids[by], why, T0)


def open_house(url: str = "sqlite://") -> House:
    books = open_books(url, TOWN, {"washes.toml": WASHES})
    return House(books, books.database.read_now(ids_by_name, books.community))


def sign(home: House, now_ms: int = NOW) -> None:
    office = Office(home.books.aggregator.of(home.books.community), home.books.aggregator.entropy)
    home.books.database.write_now(proofs.sign, office, HEATING, now_ms)


def proof_of(home: House, name: str, now_ms: int = NOW) -> tuple[CostProof, Policy]:
    """A payer's file and the policy that the payer holds."""
    context, database = home.books.aggregator.of(home.books.community), home.books.database
    database.write_now(checkpoint, context, now_ms)
    payer = PartyId(home.ids[name])
    return database.read_now(proofs.prove, context, HEATING, payer), database.read_now(policy_of, context, payer)


def write_files(folder: Path) -> None:
    """What a person would write: the town with its contract, and the bill."""
    for name, text in (("town.toml", TOWN), ("washes.toml", WASHES), ("house.toml", house())):
        (folder / name).write_text(text)
