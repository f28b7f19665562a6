"""Law 7: the same uploads in any order, with duplicates and delays, give one use table and one balance sheet.

Run: PYTHONPATH=tests python -m support.orders COUNT [SEED]; it prints the seed and fails on the first difference.
"""

import hashlib
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import Pool

from sqlalchemy import Connection, select
from support import blocks
from support.books import T0, Books, open_books
from support.uploads import SimGateway, money, segment, wash
from tallystick_cloud import schema
from tallystick_cloud.ledger.audit import audit
from tallystick_cloud.ledger.period import close
from tallystick_protocol.codes import ReceiptStatus
from tallystick_protocol.part import Part

DAY = 86_400_000
PROCESSES = 2
SINCE = "2026-10-01"
PAYERS = ("Anna", "Ben")
SITES = ("cellar", "attic", "yard")
CLOSE_MS = T0 + 10 * DAY  # rating periods are days; the one before is closed while uploads still come
WASHES = 44  # per gateway
WASHES_PER_BATCH = 6
INTERVALS = 30  # per gateway

TOWN = (
    blocks.COMMUNITY
    + blocks.people(("Coop", "Repairer", "Bank", "Fund", *PAYERS))
    + "".join(blocks.asset(kind, site) for site in SITES for kind in ("washer", "flat"))
    + "".join(blocks.site(s, blocks.flat_channel(1, "flat", s) + blocks.washer_channel(2, s)) for s in SITES)
    + blocks.LIVE_CONTRACTS
)

WASH_TARIFF = """\
[tariff]
form = "event"
per = "cycle"
cap = 6.00
standing_charge = 4.90
[[tariff.band]]
name = "gentle"
programmes = ["30"]
tiers = [{ up_to = 2, price = 1.20 }, { price = 0.90 }]
volume = true
[[tariff.band]]
name = "hot"
programmes = ["60"]
price = 1.8503
"""

ENERGY_TERMS = """\
[tariff]
form = "interval"
per = "kWh"
counts = "Wh"
minimum = 2.50
[[tariff.band]]
name = "night"
windows = ["22:00-06:00"]
tiers = [{ up_to = 3, price = 0.211 }, { price = 0.1807 }]
[[tariff.band]]
name = "day"
tiers = [{ up_to = 5, price = 0.3313 }, { price = 0.29 }]
volume = true
[[split]]
to = { "Bank" = 1, "Fund" = 2 }
portion = "1/3"
cap = 3.00
cap_per = "period"
counter = "shared by two"
[[split]]
to = "Coop"
"""

WASH_CONTRACT = blocks.contract(
    "Washes",
    SINCE,
    PAYERS,
    "".join(blocks.washer_of(site, user) for site, user in zip(SITES, ("Anna", "Ben", "Anna"), strict=True)),
    WASH_TARIFF + blocks.WASH_SPLIT,
)

ENERGY_CONTRACT = blocks.contract(
    "Energy",
    SINCE,
    PAYERS,
    "".join(blocks.flat_of("flat", site, user) for site, user in zip(SITES, ("Ben", "Ben", "Anna"), strict=True)),
    ENERGY_TERMS,
    blocks.DAILY_NOTICE.replace('"15 min"', '"60 min"'),
)


@dataclass(frozen=True)
class Sheet:
    """What must be the same after every order."""

    uses: str
    balances: str
    use_count: int
    fee_nano: int


def uploads(gateway: SimGateway, seed: int) -> list[bytes]:
    """Ten days of washes and hourly readings around the period close, sealed in the gateway's own order."""
    rng = random.Random(seed)
    start = CLOSE_MS - DAY
    sealed, total, t = [], rng.randrange(10_000), start
    parts: list[Part] = []
    for number in range(1, WASHES + 1):
        begin = start + rng.randrange(60_000) + (number - 1) * 65 * 60_000
        parts += wash(2, number * 3 - 2, number, number, begin, begin + 3_600_000, rng.choice(("30", "60")))
        if number <= INTERVALS:
            readings = [(t, total), (t + 1_800_000, total + rng.randrange(900))]
            t, total = t + 3_600_000, readings[1][1] + rng.randrange(900)
            parts.append(money(1, [segment(number * 2 - 1, readings)]))
        if number % WASHES_PER_BATCH == 0 or number == WASHES:
            sealed.append(gateway.seal(parts, created=begin))
            parts = []
    return sealed


def world(seed: int) -> tuple[Books, list[tuple[SimGateway, list[bytes]]]]:
    """Books before the first upload, and every gateway's uploads."""
    contracts = {"washes.toml": WASH_CONTRACT, "energy.toml": ENERGY_CONTRACT}
    books = open_books(town=TOWN, contracts=contracts, now_ms=T0)
    sent = []
    for index, site in enumerate(SITES):
        gateway = SimGateway(site)
        books.enrol(gateway, site)
        sent.append((gateway, uploads(gateway, seed * 10 + index)))
    return books, sent


def arrive(books: Books, sent: Sequence[tuple[SimGateway, list[bytes]]], rng: random.Random, in_order: bool) -> Sheet:
    """One order: gateways interleaved at random in runs, with duplicates and too-early batches, a close between."""
    places = [0] * len(sent)
    waiting = [index for index, (_, ups) in enumerate(sent) if ups]
    count = sum(len(ups) for _, ups in sent)
    closing = count // 2 if in_order else rng.randrange(count + 1)
    done = 0
    while waiting:
        index = waiting[done % len(waiting)] if in_order else rng.choice(waiting)
        gateway, ups = sent[index]
        run = 1 if in_order else rng.choice((1, 1, 2, 3, 8))
        for _ in range(min(run, len(ups) - places[index])):
            if done == closing:
                close_day(books)
            if not in_order:
                disturb(books, gateway, ups, places[index], rng)
            outcome = books.send(gateway, ups[places[index]], CLOSE_MS + 3 * DAY + done)
            if outcome.receipt.status is not ReceiptStatus.ACCEPTED:
                raise AssertionError(f"batch {places[index] + 1} of {gateway.name}: {outcome.receipt}")
            places[index] += 1
            done += 1
        if places[index] == len(ups):
            waiting.remove(index)
    close_day(books)
    return books.database.read_now(sheet)


def disturb(books: Books, gateway: SimGateway, ups: Sequence[bytes], place: int, rng: random.Random) -> None:
    """Now and then a duplicate, or a batch that comes before its turn."""
    if place and rng.random() < 0.05:
        again = books.send(gateway, ups[rng.randrange(place)], CLOSE_MS + 3 * DAY)
        if again.receipt.status is not ReceiptStatus.DUPLICATE:
            raise AssertionError(f"a duplicate was answered with {again.receipt.status}")
    if place + 1 < len(ups) and rng.random() < 0.05:
        early = books.send(gateway, ups[rng.randrange(place + 1, len(ups))], CLOSE_MS + 3 * DAY)
        if early.receipt.status is not ReceiptStatus.OUT_OF_ORDER:
            raise AssertionError(f"a batch before its turn was answered with {early.receipt.status}")


def close_day(books: Books) -> None:
    books.run(close, "lindenhof", CLOSE_MS - 1, CLOSE_MS + 3 * DAY)


def sheet(conn: Connection) -> Sheet:
    """Hashes of the use table with standing prices, and of all balances."""
    use, balance = schema.standing, schema.balance
    left_out = {"recorded_ms", "batch", "journal", "revision", "rated_ms", "cause"}
    columns = [column for column in use.c if column.name not in left_out]
    rows = conn.execute(select(*columns).order_by(use.c.use_id)).all()
    held = conn.execute(
        select(balance).where(balance.c.amount != 0).order_by(*(balance.c[name] for name in _BALANCE_KEYS))
    ).all()
    fee = sum(row.fee for row in rows)
    return Sheet(_hash([tuple(row)[:-1] for row in rows]), _hash([tuple(row) for row in held]), len(rows), fee)


_BALANCE_KEYS = ("holder", "account", "party", "chain", "unit")


def _hash(rows: object) -> str:
    return hashlib.sha256(repr(rows).encode()).hexdigest()


class Copies:
    """The same starting books again and again: SQLite's own copy of the first ones."""

    def __init__(self, books: Books) -> None:
        self._books = books
        with books.database.engine.connect() as conn:
            self._image: bytes = conn.connection.driver_connection.serialize()  # type: ignore[union-attr]

    def reset(self) -> Books:
        with self._books.database.engine.connect() as conn:
            conn.connection.driver_connection.deserialize(self._image)  # type: ignore[union-attr]
        return self._books


def check(count: int, seed: int, part: int = 0) -> tuple[int, int]:
    """Run `count` random orders and compare each with the plain one; returns (orders, uses). Raises AssertionError."""
    books, sent = world(seed)
    copies = Copies(books)
    plain = arrive(books, sent, random.Random(0), in_order=True)
    wrong = books.database.read_now(audit)
    if wrong:
        raise AssertionError(f"seed {seed}: {wrong}")
    for number in range(count):
        rng = random.Random(f"{seed}/{part}/{number}")
        found = arrive(copies.reset(), sent, rng, in_order=False)
        if found != plain:
            raise AssertionError(f"seed {seed}, part {part}, order {number}: {found} is not {plain}")
        if number % 50 == 0:
            wrong = books.database.read_now(audit)
            if wrong:
                raise AssertionError(f"seed {seed}, part {part}, order {number}: {wrong}")
    books.database.close()
    return count + 1, plain.use_count


def main(words: Sequence[str]) -> int:
    count = int(words[0]) if words else 2_000
    seed = int(words[1]) if len(words) > 1 else time.time_ns() % 1_000_000
    began = time.monotonic()
    each = -(-count // PROCESSES)
    print(f"{count} arrival orders, seed {seed}", flush=True)
    with Pool(PROCESSES) as pool:
        done = pool.starmap(check, [(each, seed, part) for part in range(PROCESSES)])
    orders = sum(number for number, _ in done)
    took = time.monotonic() - began
    print(f"{orders} orders of {done[0][1]} uses: one use table, one balance sheet, {took:.0f} s")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
