"""Many uses through the real books with duplicates, batches before their turn, other orders and kill -9: 0 nano off.

Run: python3 run.py million COUNT=1000000 [SEED=1] [--data DIR] [--db URL]; it goes on where DIR stopped, and judges at
the end with other code than the product's (million_truth.py).
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from support import blocks
from support.books import DAY, HOUR, T0
from support.million_truth import judge
from support.uploads import Randomness, SimGateway, money, segment, wash
from tallystick_cloud.cli import main as tallystick
from tallystick_cloud.clock import VARIABLE, real_utc_ms
from tallystick_cloud.db import Database
from tallystick_cloud.gateways import store as gateways
from tallystick_cloud.gateways.enrol import enrol
from tallystick_cloud.home import Home
from tallystick_cloud.ingest.service import ingest
from tallystick_cloud.ledger.period import close
from tallystick_protocol.codes import ReceiptStatus
from tallystick_protocol.keys import P256Signer
from tallystick_protocol.part import Part

COMMUNITY = "lindenhof"
SITES, METERS, SLICES = 10, 4, 15  # gateways, meters of each, quarters of an hour in a batch
QUARTER = 15 * 60_000
SPAN = SLICES * QUARTER
START = T0 + 20 * HOUR  # so that few uses are enough to pass midnight, the end of a rating period
USES_PER_BATCH = 57  # about one quarter in twenty uses nothing
FLATS = tuple(f"flat{meter}" for meter in range(METERS))
SINCE = "2026-11-01"
PAYERS = ("Anna", "Ben", "Cleo", "Dan", "Eva")  # each has two sites, so that gateways' orders meet in one counter
AHEAD_MAX = 24  # batches that a gateway may be ahead of the slowest: four days
TWICE, EARLY = 0.10, 0.05
WASH_EVERY = 4  # batches
PROGRAMMES = ("30", "60")


def site(number: int) -> str:
    return f"s{number}"


def payer_of(number: int) -> str:
    return PAYERS[number // 2]


def town() -> str:
    """Ten sites with four flats and a washer each."""
    kinds = (*FLATS, "washer")
    assets = "".join(blocks.asset(kind, site(n)) for n in range(SITES) for kind in kinds)
    sites = "".join(blocks.site(site(n), _channels(site(n))) for n in range(SITES))
    people = blocks.people(("Coop", "Repairer", "Bank", "Fund", *PAYERS))
    return f"{blocks.COMMUNITY}{people}{assets}{sites}{blocks.LIVE_CONTRACTS}"


def _channels(name: str) -> str:
    flats = "".join(blocks.flat_channel(number, flat, name) for number, flat in enumerate(FLATS, 1))
    return flats + blocks.washer_channel(METERS + 1, name)


def contracts() -> dict[str, str]:
    """Energy in two bands with tiers and a daily minimum; washes with a lender over all of them."""
    flats = "".join(blocks.flat_of(flat, site(n), payer_of(n)) for n in range(SITES) for flat in FLATS)
    washers = "".join(blocks.washer_of(site(n), payer_of(n)) for n in range(SITES))
    return {
        "energy": blocks.contract("Energy", SINCE, PAYERS, flats, ENERGY),
        "washes": blocks.contract("Washes", SINCE, PAYERS, washers, WASHES + blocks.WASH_SPLIT),
    }


ENERGY = """\
[tariff]
form = "interval"
per = "kWh"
counts = "Wh"
minimum = 75.00
[[tariff.band]]
name = "night"
windows = ["22:00-06:00"]
tiers = [{ up_to = 9, price = 0.2113337 }, { price = 0.1807331 }]
[[tariff.band]]
name = "day"
tiers = [{ up_to = 20, price = 0.3313339 }, { price = 0.2900003 }]
[[split]]
to = { "Bank" = 1, "Fund" = 2 }
portion = "1/3"
[[split]]
to = "Coop"
"""
WASHES = """\
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
price = 1.8503
"""


def counts(seed: int, number: int, meter: int, batch: int) -> list[int]:
    """What a meter counted in each quarter of an hour of a batch."""
    rng = random.Random(f"{seed}/{number}/{meter}/{batch}")
    return [0 if rng.random() < 0.05 else rng.randrange(1, 900) for _ in range(SLICES)]


def programme(seed: int, number: int, batch: int) -> str:
    return random.Random(f"{seed}/{number}/wash/{batch}").choice(PROGRAMMES)


class Sender:
    """One gateway: makes batch after batch, the same whenever it is made again."""

    def __init__(self, folder: Path, number: int, seed: int) -> None:
        self._seed, self.number = seed, number
        signer = P256Signer.from_pem((folder / "gateways" / f"{site(number)}.pem").read_bytes())
        self.gateway = SimGateway(site(number), signer)
        self._totals = [1000] * METERS
        self._made = 0
        self.recent: list[bytes] = []

    def go_on(self, database: Database) -> int:
        """As far as the books are; returns how many batches they have."""
        head = database.read_now(gateways.read_head, self.gateway.gid)
        assert head is not None
        while self._made < head.next_seq - 1:
            self._parts()
        self.gateway.seq, self.gateway.prev = head.next_seq, head.head  # type: ignore[assignment]
        return self._made

    def next(self) -> bytes:
        self.gateway.random = Randomness(f"{self._seed}/{self.number}/{self._made}")
        upload = self.gateway.seal(self._parts(), created=START + self._made * SPAN)
        self.recent = [*self.recent[-7:], upload]
        return upload

    def _parts(self) -> list[Part]:
        n, begin = self._made, START + self._made * SPAN
        parts = []
        for meter in range(METERS):
            total, rows = self._totals[meter], []
            if n == 0:
                rows.append((begin, total))
            for index, used in enumerate(counts(self._seed, self.number, meter, n)):
                total += used
                rows.append((begin + (index + 1) * QUARTER, total))
            first = 1 if n == 0 else n * SLICES + 2
            parts.append(money(meter + 1, [segment(first, rows)]))
            self._totals[meter] = total
        if n % WASH_EVERY == 0:
            use = n // WASH_EVERY + 1
            end, kind = begin + SPAN - self.number * 1000, programme(self._seed, self.number, n)
            parts += wash(METERS + 1, use * 3 - 2, use, use, end - 3_600_000, end, kind)
        self._made += 1
        return parts


def found(folder: Path, url: str | None, seed: int) -> None:
    """A community in `folder`, its gateways enrolled; their keys lie beside it, and the seed of its meters."""
    (folder / "gateways").mkdir(parents=True)
    (folder / "town.toml").write_text(town())
    for name, text in contracts().items():
        (folder / f"{name}.toml").write_text(text)
    place = ["--data", str(folder / "data"), *(["--db", url] if url else [])]
    words = ["community", "import", str(folder / "town.toml"), "--claims", str(folder / "claims")]
    if tallystick(["init", *place]) or tallystick([*words, "--server", "https://localhost:1", *place]):
        raise AssertionError("the community was not founded")
    home = Home(folder / "data", url)
    database = home.database()
    aggregator = home.aggregator(database, Randomness("million"))
    for number in range(SITES):
        gateway = SimGateway(site(number))
        claim = tomllib.loads((folder / "claims" / f"{site(number)}.toml").read_text())["claim"]
        database.write_now(enrol, aggregator, gateway.enrol_request(claim), T0, datetime.now(UTC))
        (folder / "gateways" / f"{site(number)}.pem").write_bytes(gateway.signer.to_pem())
    database.close()
    (folder / "ready").write_text(str(seed))


def work(folder: Path, url: str | None, seed: int, batches: int, run: int) -> None:
    """Send until every gateway has sent `batches`; says a line now and then, and may be killed at any moment."""
    home = Home(folder / "data", url)
    database = home.database()
    aggregator = home.aggregator(database, Randomness(f"run {run}"))
    senders = [Sender(folder, number, seed) for number in range(SITES)]
    places = [sender.go_on(database) for sender in senders]
    rng = random.Random(f"{seed}/run {run}")
    sent = 0
    while (slowest := min(places)) < batches:
        number = rng.choice([n for n in range(SITES) if places[n] < min(batches, slowest + AHEAD_MAX)])
        sender = senders[number]
        for _ in range(min(rng.choice((1, 1, 2, 5)), batches - places[number], slowest + AHEAD_MAX - places[number])):
            now_ms = START + (max(places) + 1) * SPAN
            upload = sender.next()
            if places[number] + 1 < batches and rng.random() < EARLY:
                _early(database, aggregator, sender, upload, now_ms)
            _send(database, aggregator, sender, upload, now_ms, ReceiptStatus.ACCEPTED)
            places[number] += 1
            if rng.random() < TWICE:
                again = rng.choice(sender.recent)
                _send(database, aggregator, sender, again, now_ms, ReceiptStatus.DUPLICATE)
            sent += 1
        if sent % 20 < 5:
            print(sum(places), flush=True)
        if rng.random() < 0.05 and (over := days_until(START + max(places) * SPAN)):
            database.write_now(close, COMMUNITY, rng.choice(over), START + max(places) * SPAN)
    end = START + batches * SPAN
    for day in days_until(end):
        database.write_now(close, COMMUNITY, day, end)
    print("done", flush=True)
    database.close()


def days_until(now_ms: int) -> range:
    """The first moment of each day that is over; late uses of some are still to come."""
    return range(START // DAY * DAY, now_ms // DAY * DAY, DAY)


def _early(database: Database, aggregator: object, sender: Sender, upload: bytes, now_ms: int) -> None:
    """The batch after `upload` comes first, and is told to wait; it is made again when its turn comes."""
    gateway = sender.gateway
    seq, prev = gateway.seq, gateway.prev
    early = gateway.seal([], created=now_ms)
    gateway.seq, gateway.prev = seq, prev
    _send(database, aggregator, sender, early, now_ms, ReceiptStatus.OUT_OF_ORDER)


def _send(
    database: Database, aggregator: object, sender: Sender, upload: bytes, now_ms: int, expected: ReceiptStatus
) -> None:
    outcome = database.write_now(ingest, aggregator, sender.gateway.gid, upload, now_ms)  # type: ignore[arg-type]
    if outcome.receipt.status is not expected or outcome.receipt.quarantined:
        raise AssertionError(f"{sender.gateway.name}: {outcome.receipt}, expected {expected}")


def play(
    folder: Path,
    url: str | None,
    seed: int,
    batches: int,
    kills: int,
    deadline: float | None = None,
    run: int | None = None,
) -> int:
    """Work in processes of its own, `kills` of which are killed; returns how many were. Raises TimeoutError.

    `run`: where chance begins, which is another one each time that a folder is gone on with.
    """
    killed, run = 0, time.time_ns() if run is None else run
    rng = random.Random(run)
    each = max(2, SITES * batches // 25 // (kills + 1))  # lines that a process may say before it is killed
    while True:
        run += 1
        words = ["--work", str(folder), str(seed), str(batches), str(run), url or ""]
        child = subprocess.Popen(
            [sys.executable, "-m", "support.million", *words],
            stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1],
        )  # fmt: skip
        assert child.stdout is not None
        lines, last = rng.randrange(1, each + 1), ""
        for line in child.stdout:
            last = line.strip()
            lines -= 1
            if deadline is not None and time.monotonic() > deadline:
                child.kill()
                child.wait()
                raise TimeoutError(last)
            if lines <= 0 and killed < kills and last != "done":
                child.kill()
                killed += 1
                break
        child.stdout.close()
        child.wait()
        if last == "done":
            return killed
        if child.returncode not in (0, -9):
            raise AssertionError(f"the aggregator ended with {child.returncode} after {last!r}")


def batches_for(count: int) -> int:
    """Of each gateway, for about so many uses."""
    return -(-count // (SITES * USES_PER_BATCH))


def batches_to(folder: Path, url: str | None, seed: int, count: int) -> int:
    """Of each gateway, for about so many uses: never fewer than are in the books already, for all are judged.

    Raises ValueError for a folder whose meters have another seed.
    """
    kept = (folder / "ready").read_text() or str(seed)
    if int(kept) != seed:
        raise ValueError(f"{folder} was made with --seed {kept}; give that one, or another folder")
    database = Home(folder / "data", url).database()
    held = max(Sender(folder, number, seed).go_on(database) for number in range(SITES))
    database.close()
    return max(held, batches_for(count))


def main(words: Sequence[str]) -> int:
    if words and words[0] == "--work":
        folder, seed, batches, run, url = words[1:]
        work(Path(folder), url or None, int(seed), int(batches), int(run))
        return 0
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seconds", type=int, help="stop after so long; the same command goes on")
    parser.add_argument("--data", type=Path, help="a folder to go on in")
    parser.add_argument("--db", help="another database than SQLite in the folder")
    given = parser.parse_args(words)
    folder = given.data or Path(tempfile.mkdtemp(prefix="tallystick-million-"))
    if not (folder / "ready").exists():
        os.environ[VARIABLE] = f"1,{real_utc_ms()},{T0}"
        found(folder, given.db, given.seed)
    try:
        batches = batches_to(folder, given.db, given.seed, given.count)
    except ValueError as error:
        parser.error(str(error))
    if batches > batches_for(given.count):
        uses = batches * SITES * USES_PER_BATCH
        print(f"{folder} holds more than --count {given.count} asks for: all of it is judged, about {uses:,} uses")
    began = time.monotonic()
    try:
        deadline = None if given.seconds is None else began + given.seconds
        killed = play(folder, given.db, given.seed, batches, given.kills, deadline)
    except TimeoutError as stopped:
        print(f"{stopped} of {batches * SITES} batches are in the books; the same command goes on")
        return 0
    print(judge(folder, given.db, given.seed, batches).sentence(killed, time.monotonic() - began))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
