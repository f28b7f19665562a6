"""A community on an in-memory database, with gateways that are enrolled for real, for tests of the books.

It calls the same use cases as the server, without a server.
"""

import hashlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, FromClause, Table, select, tuple_
from support import postgres
from support.tables import image_of, make_tables, restore
from support.uploads import Randomness, SimGateway
from tallystick_cloud import schema
from tallystick_cloud.ca import Authority, create_authority
from tallystick_cloud.context import Aggregator, Context
from tallystick_cloud.contracts.store import openings_of
from tallystick_cloud.db import Database
from tallystick_cloud.gateways.enrol import enrol
from tallystick_cloud.gateways.hello import hello
from tallystick_cloud.ingest.outcome import Outcome
from tallystick_cloud.ingest.service import ingest
from tallystick_cloud.keys import CommunityKeys
from tallystick_cloud.ledger.audit import audit
from tallystick_cloud.town.service import Founded, found
from tallystick_cloud.town.toml import load_town
from tallystick_protocol import cose
from tallystick_protocol.checkpoint import log_id
from tallystick_protocol.enrol import EnrolAnswer
from tallystick_protocol.hello import State
from tallystick_protocol.ids import H32
from tallystick_protocol.keys import Ed25519Signer
from tallystick_protocol.money.contract import Contract
from tallystick_protocol.money.contract_toml import Draft
from tallystick_protocol.part import Part

HOUR = 3_600_000
DAY = 24 * HOUR
T0 = 1_793_491_200_000  # 2026-11-01T00:00:00Z

TOWN = """\
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
name = "Repairer"
roles = ["servicer"]
key = "hosted"
[[party]]
name = "Bank"
roles = ["financier"]
key = "hosted"
[[party]]
name = "Fund"
form = "fund"
key = "hosted"
[[party]]
name = "Anna"
roles = ["user"]
key = "hosted"
[[party]]
name = "Ben"
roles = ["user"]
key = "hosted"
[[asset]]
id = "washer"
name = "Washer"
kind = "washing-machine"
user = "Anna"
[[asset]]
id = "flat"
name = "Flat"
kind = "flat"
user = "Ben"
[[site]]
id = "cellar"
name = "Cellar"
[[site.channel]]
number = 1
meter = "m-flat"
asset = "flat"
quantity = "1-0:1.8.0"
unit = "Wh"
form = "interval"
profile = "test"
serial = "S1"
type_approval = "DE-1"
[[site.channel]]
number = 2
meter = "m-washer"
asset = "washer"
quantity = "cycles"
unit = "cycle"
form = "event"
profile = "test"
[[contract]]
file = "washes.toml"
state = "live"
[[contract]]
file = "energy.toml"
state = "live"
"""

PARTIES = """\
[[party]]
name = "Coop"
role = "owner"
[[party]]
name = "Repairer"
role = "servicer"
[[party]]
name = "Bank"
role = "financier"
[[party]]
name = "Fund"
role = "fund"
"""

NOTICE = """\
[terms]
rating_period = "month"
interval = "15 min"
[notice]
what = "uses"
why = "to price them"
keep = "3650 d"
who = "the parties"
"""

WASHES = f"""\
version = 1
name = "Washes"
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
asset = "washer"
quantity = "cycles"
user = "Anna"
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
to = "Repairer"
fixed = 0.15
[[split]]
to = "Bank"
portion = "40 %"
cap = 2.50
cap_per = "lifetime"
counter = "loan"
[[split]]
to = {{ "Coop" = 4, "Fund" = 1 }}
{NOTICE}
"""

ENERGY = f"""\
version = 1
name = "Energy"
community = "lindenhof"
unit = "EUR"
zone = "UTC"
state = "live"
collector = "Coop"
effective_from = 2026-10-01
{PARTIES}
[[user]]
name = "Ben"
[[asset]]
asset = "flat"
quantity = "1-0:1.8.0"
user = "Ben"
[tariff]
form = "interval"
per = "kWh"
counts = "Wh"
minimum = 5.00
[[tariff.band]]
name = "all"
tiers = [{{ up_to = 10, price = 0.30 }}, {{ price = 0.20 }}]
[[split]]
to = "Bank"
portion = "50 %"
cap = 1.00
cap_per = "lifetime"
counter = "loan"
[[split]]
to = "Coop"
{NOTICE}
"""

STEEP = f"""\
version = 1
name = "Washes"
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
asset = "washer"
quantity = "cycles"
user = "Anna"
[tariff]
form = "event"
per = "cycle"
minimum = 4.00
cap = 7.00
[[tariff.band]]
name = "all"
tiers = [{{ up_to = 2, price = 1.50 }}, {{ up_to = 5, price = 1.10 }}, {{ price = 1.00 }}]
volume = true
[[split]]
to = "Repairer"
fixed = 0.15
[[split]]
to = "Bank"
portion = "40 %"
cap = 2.50
cap_per = "lifetime"
counter = "loan"
[[split]]
to = {{ "Coop" = 4, "Fund" = 1 }}
{NOTICE}
"""
"""Volume tiers, minimum and cap of a month and a loan over the contract's life: a use that goes moves all of them."""

BY_VOLUME = STEEP.replace("cap = 7.00\n", "").replace("minimum = 4.00\n", "")
"""Washes at 1.50, all of a month's at 1.10 from the third on, at 1.00 from the sixth on."""


@dataclass(slots=True)
class Books:
    """One aggregator on one connection; every call is one transaction unless the caller holds one."""

    database: Database
    aggregator: Aggregator
    founded: Founded
    community: str

    def run(self, fn: object, *args: object) -> object:
        return self.database.write_now(fn, *args)  # type: ignore[arg-type]

    def enrol(self, gateway: SimGateway, site: str, now_ms: int = T0) -> EnrolAnswer:
        request = gateway.enrol_request(self.founded.claims[site])
        done = self.database.write_now(enrol, self.aggregator, request, now_ms, datetime.now(UTC))
        return EnrolAnswer.decode(done.answer)

    def hello(self, gateway: SimGateway, now_ms: int = T0, **more: object) -> State:
        said = gateway.hello(**more)  # type: ignore[arg-type]
        done = self.database.write_now(hello, self.aggregator, gateway.gid, said, "https", now_ms)
        return State.decode(cose.parse(done.state).payload)

    def send(self, gateway: SimGateway, upload: bytes, now_ms: int = T0) -> Outcome:
        return self.database.write_now(ingest, self.aggregator, gateway.gid, upload, now_ms)

    def seal_and_send(self, gateway: SimGateway, parts: Sequence[Part | None], now_ms: int = T0) -> Outcome:
        return self.send(gateway, gateway.seal(parts), now_ms)

    def rows(self, table: FromClause) -> list[dict[str, object]]:
        def read(conn: Connection) -> list[dict[str, object]]:
            return [dict(row._mapping) for row in conn.execute(select(table))]

        return self.database.read_now(read)

    def audit(self) -> list[str]:
        return self.database.read_now(lambda conn: audit(conn) + above_head(conn))

    def dump(self) -> str:
        """A hash of every row of every table, for `nothing changed`."""
        return self.database.read_now(dump)


def follows(books: Books, before: bytes, contract: Contract, **changes: object) -> Draft:
    """A later version of a contract with the same users, under salts of its own."""
    random = Randomness(f"after {before.hex()}")
    kept = books.database.read_now(openings_of, books.community).get(before, ())
    openings = tuple(replace(one, salt=random.bytes(16)) for one in kept)
    fresh = {(one.asset, one.quantity): one.commitment for one in openings}
    assets = tuple(replace(one, user=fresh.get((one.asset, one.quantity), one.user)) for one in contract.assets)
    values = {"prev": H32(before), "version": 2, "nonce": random.bytes(16), "assets": assets, **changes}
    return Draft(replace(contract, **values), openings)  # type: ignore[arg-type]


def above_head(conn: Connection) -> list[str]:
    """Batches that are not below their gateway's head; a group takes a head's next one without looking for it."""
    stored, head = schema.batch.c, schema.gateway_head.c
    where = tuple_(stored.epoch, stored.seq) >= tuple_(head.epoch, head.next_seq)
    rows = conn.execute(
        select(stored.gid, stored.epoch, stored.seq).join(schema.gateway_head, head.gid == stored.gid).where(where)
    )
    return [f"batch {epoch}/{seq} of {gid.hex()} is not below its gateway's head" for gid, epoch, seq in rows]


def place(row: Mapping[str, object]) -> tuple[Any, ...]:
    """Where a use stands in the canonical order."""
    return row["end_ms"], row["channel_hash"], row["number"]


def shares_in(row: Mapping[str, object]) -> list[tuple[str, int]]:
    """(party in hex, nano) of a rating, in contract order."""
    amounts = (int(nano) for nano in str(row["shares"]).split())
    return list(zip(str(row["parties"]).split(), amounts, strict=True))


def dump(conn: Connection, tables: Sequence[Table] | None = None) -> str:
    found = hashlib.sha256()
    for table in tables or schema.metadata.sorted_tables:
        for row in sorted(repr(tuple(row)) for row in conn.execute(select(table))):
            found.update(row.encode())
    return found.hexdigest()


def context_for(name: str, origin: str) -> Context:
    keys = CommunityKeys(*(Ed25519Signer.generate() for _ in range(5)))
    return Context(name, origin, log_id(keys.log.spki), keys)


def open_books(
    url: str = "sqlite://",
    town: str = TOWN,
    contracts: dict[str, str] | None = None,
    now_ms: int = T0,
    seed: str = "books",
) -> Books:
    """A founded community; raises whatever the import refuses. The same is founded once a process, and then copied."""
    files = {"washes.toml": WASHES, "energy.toml": ENERGY} if contracts is None else contracts
    about = (town, tuple(files.items()), now_ms, seed)
    database = Database(url)
    made = _founded(*about) if database.is_sqlite else _founded_at(url.rsplit("/", 1)[0], *about)
    made.copy_to(database, url)
    context = made.context
    aggregator = Aggregator({context.community: context}, made.authority, copy(made.entropy))
    return Books(database, aggregator, made.founded, context.community)


@dataclass(frozen=True, slots=True)
class _Founding:
    """A community as it was founded, in one database that is copied and never used."""

    context: Context
    authority: Authority
    entropy: Randomness
    founded: Founded
    copy_to: Callable[[Database, str], None]


@cache
def _founded(town: str, files: tuple[tuple[str, str], ...], now_ms: int, seed: str) -> _Founding:
    """On SQLite."""
    database = Database("sqlite://")
    make_tables(database)
    made = _found(database, town, files, now_ms, seed)
    image = image_of(database)
    database.close()
    return _Founding(*made, lambda into, _: restore(into, image))


@cache
def _founded_at(server: str, town: str, files: tuple[tuple[str, str], ...], now_ms: int, seed: str) -> _Founding:
    """On PostgreSQL."""
    template = postgres.new_template(server)
    database = Database(f"{server}/{template}")
    make_tables(database)
    made = _found(database, town, files, now_ms, seed)
    database.close()
    return _Founding(*made, lambda _, url: postgres.become_copy(url, template))


def _found(
    database: Database, town: str, files: tuple[tuple[str, str], ...], now_ms: int, seed: str
) -> tuple[Context, Authority, Randomness, Founded]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "town.toml").write_text(town)
        for file, text in files:
            (folder / file).write_text(text)
        loaded = load_town(folder / "town.toml")
        authority = create_authority(folder / "ca", ("localhost", "127.0.0.1"), datetime.now(UTC))
        entropy = Randomness(seed)
        context = context_for(loaded.id, loaded.log_origin)
        founded = database.write_now(found, context, loaded, entropy, now_ms)
    return context, authority, entropy, founded
