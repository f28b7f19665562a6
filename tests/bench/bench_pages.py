"""How long pages take when there are many uses: a town of houses on PostgreSQL, read over HTTP by its owner, by a
lender under every contract, and by a user. Prints a table and one JSON line per figure; exits 1 when a goal is missed.

    python tests/bench/bench_pages.py [--uses 100000] [--db sqlite]
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from http.cookiejar import CookieJar
from pathlib import Path
from statistics import median
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support import postgres
from support.books import T0, Books
from support.figures import Figure, at_most, show
from support.load import FLATS, QUARTER, SLICES, WASHES, House, in_turn, open_load
from support.money_server import setup_of
from tallystick_cloud import garbage
from tallystick_cloud.app import Addresses, serve_until
from tallystick_cloud.http.month import Month
from tallystick_cloud.ingest.commit import GROUP_MAX
from tallystick_cloud.ingest.group import Sent, ingest_group

HOUSES = 64  # 128 contracts, 256 flats
GOAL_S = 1.0  # ours: nobody waits longer without wondering
TRIES = 3
PERSONAS = {
    "owner": ("/owner", "/statements", "/statements/{month}", "/statements/{month}.csv", "/statements/{month}.pdf",
              "/uses?period={month}", "/contracts"),
    "lender": ("/owner", "/statements", "/statements/{month}"),
    "user": ("/uses?period={month}", "/statements", "/statements/{month}"),
    "manager": ("/situation", "/month", "/parties", "/contracts"),
}  # fmt: skip


def fill(books: Books, houses: list[House], uses: int) -> int:
    """Slices and a twentieth as many washes, each batch known a minute after it was metered; the last moment."""
    for house in houses:
        books.send(house.gateway, house.begin(), T0)
    garbage.settle()
    now_ms = T0
    for kind, count in (("intervals", uses // (FLATS * SLICES)), ("events", uses // 20 // WASHES)):
        group: list[Sent] = []
        for number, (house, upload) in enumerate(in_turn(houses, kind, count), 1):
            now_ms = max(now_ms, T0 + house.slices * QUARTER + 60_000)
            group.append(Sent(house.gateway.gid, upload, now_ms))
            if len(group) == GROUP_MAX or number == count:
                done = books.database.write_now(ingest_group, books.aggregator, group)
                assert all(done), "an upload of the load is unusual"
                group = []
    return now_ms


def read(url: str, persona: str, path: str) -> float:
    """Seconds, of a session of its own; the median of three."""
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    opener.open(f"{url}/demo/{persona}").read()
    found = []
    for _ in range(TRIES):
        begun = time.perf_counter()
        opener.open(url + path).read()
        found.append(time.perf_counter() - begun)
    return median(found)


def figures(url: str, month: str) -> Iterator[Figure]:
    for persona, paths in PERSONAS.items():
        for path in paths:
            took = read(url, persona, path.format(month=month))
            name = path.split("?")[0].replace("/{month}", "/month").strip("/").replace("/", "_")
            yield at_most(f"pages.{persona}.{name}", took, "s", GOAL_S)


async def measure(books: Books, now_ms: int) -> list[Figure]:
    stop, ready = asyncio.Event(), asyncio.Event()
    at: list[Addresses] = []

    def tell(addresses: Addresses) -> None:
        at.append(addresses)
        ready.set()

    setup = replace(setup_of(SimpleNamespace(books=books), now_ms=now_ms), on_ready=tell)  # type: ignore[arg-type]
    server = asyncio.create_task(serve_until(setup, stop))
    await ready.wait()
    month = Month.of(now_ms, "Europe/Rome").text
    found = await asyncio.to_thread(lambda: list(figures(at[0].web, month)))
    stop.set()
    await server
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--uses", type=int, default=100_000)
    parser.add_argument("--db", choices=("postgresql", "sqlite"), default="postgresql")
    given = parser.parse_args()
    with ExitStack() as stack:
        if given.db == "sqlite":
            url = f"sqlite:///{stack.enter_context(tempfile.TemporaryDirectory())}/cloud.db"
        else:
            url = stack.enter_context(postgres.database(stack.enter_context(postgres.running()).url))
        books, houses = open_load(url, HOUSES)
        stack.callback(books.database.close)
        begun = time.monotonic()
        now_ms = fill(books, houses, given.uses)
        print(f"{given.uses:,} uses written in {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
        found = asyncio.run(measure(books, now_ms))
    return 0 if show(found) else 1


if __name__ == "__main__":
    sys.exit(main())
