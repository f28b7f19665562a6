"""A real server over seeded tables, as a process of its own: city_server.py FOLDER [--gateways N] [--alarms N]
It prints its address, and on standard input takes `use`, `alarm` and `hear` to make something happen."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, update
from support.city_seed import Seed, add_alarm, add_gateway, add_use, gid_of, seed_city
from tallystick_cloud import schema
from tallystick_cloud.app import Addresses, Setup, run
from tallystick_cloud.city.live import Hub
from tallystick_cloud.clock import real_utc_ms
from tallystick_cloud.db import Database, sqlite_url
from tallystick_cloud.http.pages import Pages
from tallystick_cloud.migrations import upgrade


@dataclass(frozen=True)
class StartedClock:
    """Runs on from the seeds' end, so that the pages of two runs look alike."""

    started_ms: int
    origin_ms: int
    factor: int = 1

    def utc_ms(self) -> int:
        return self.origin_ms + real_utc_ms() - self.started_ms


def prepare(folder: Path, *seeds: Seed) -> Database:
    """A migrated database with these communities."""
    database = Database(sqlite_url(folder))
    database.write_now(upgrade)
    for seed in seeds:
        database.write_now(seed_city, seed)
    return database


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--gateways", type=int, default=24)
    parser.add_argument("--alarms", type=int, default=6)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--spread", type=int, default=260_000)
    parser.add_argument("--uses", type=int, default=400)
    options = parser.parse_args()
    seed = Seed(gateways=options.gateways, alarms=options.alarms, spread_e7=options.spread, uses=options.uses)
    database = prepare(options.folder, seed)
    clock = StartedClock(real_utc_ms(), seed.now_ms)
    pages = Pages(clock, is_demo=True)
    hub = Hub(database, pages, clock)
    threading.Thread(target=obey, args=(database, hub, clock, seed), daemon=True).start()
    asyncio.run(run(Setup(database, clock, hub, pages, port=options.port, is_demo=True, on_ready=tell)))
    database.close()


def tell(addresses: Addresses) -> None:
    print(addresses.web, flush=True)


def obey(database: Database, hub: Hub, clock: StartedClock, seed: Seed) -> None:
    """One command per line; each commits and publishes as the services do."""
    for number, line in enumerate(sys.stdin, start=100_000):
        now = Seed(seed.community, seed.name, seed.gateways, clock.utc_ms())
        match line.strip():
            case "use":
                database.write_now(add_use, now, number, 0, now.now_ms - 2_000, 3_200_000_000)
            case "alarm":
                text = "the door of the cabinet is open"
                database.write_now(add_alarm, now, 1, "tamper", "critical", text, 0)
            case "enrol":
                database.write_now(add_gateway, now, random.Random(1), number, 0)
            case "hear":
                database.write_now(hear_all, now)
        hub.publish("test", {"community": seed.community})
        print(f"done {line.strip()}", flush=True)


def hear_all(conn: Connection, seed: Seed) -> None:
    contact = schema.gateway_contact
    for number in range(seed.gateways):
        conn.execute(
            update(contact).where(contact.c.gid == gid_of(seed.community, number)).values(last_seen_ms=seed.now_ms)
        )


if __name__ == "__main__":
    main()
