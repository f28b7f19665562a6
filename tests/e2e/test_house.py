"""The same agent over HTTPS and over a real Mosquitto with client certificates, the books on PostgreSQL.

A real meter register, read over Modbus/TCP, ends as charges; whatever breaks on the way, each watt-hour is booked once.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import select
from support import postgres
from support.house import CHANNEL, House, Supply, meter_of
from support.mosquitto import need
from tallystick_cloud.db import Database
from tallystick_cloud.ledger.summary import ChannelLedger, Summary
from tallystick_cloud.schema import gateway_contact
from tallystick_sim.children import Child
from tallystick_sim.ports import any_free

WAIT_S = 60.0  # ends a wait that is in vain
RUN_S = 1.0  # real time between two troubles: a minute of the house


def channel_of(books: Summary) -> ChannelLedger | None:
    return next((each for each in books.ledger if each.asset == "house"), None)


def booked(books: Summary) -> int:
    """Watt-hours of the house that were billed or set aside."""
    channel = channel_of(books)
    return 0 if channel is None else channel.billed + channel.exceptions


def has_begun(books: Summary) -> bool:
    channel = channel_of(books)
    return channel is not None and channel.last_total is not None


@asynccontextmanager
async def house_at(folder: Path, server: str) -> AsyncIterator[House]:
    with postgres.database(server) as url:
        house = House(folder, url)
        try:
            yield house
        finally:
            await house.end()


def check_the_books(books: Summary, used: int) -> None:
    """Each watt-hour once, the money of it split, nothing over."""
    channel = channel_of(books)
    assert channel is not None
    assert channel.channel == CHANNEL
    assert (channel.billed + channel.exceptions, channel.open) == (used, 0)
    assert channel.billed > 0
    assert books.quarantined == 0
    assert int(books.imbalance_nano) == 0
    first = min(used, 100) * 300_000
    assert int(books.fees_nano) == first + max(0, used - 100) * 200_000
    assert sum(int(share) for share in books.splits_nano.values()) == int(books.fees_nano)
    assert books.uses > 1


@pytest.mark.timeout(400)
async def test_over_mqtt_nothing_is_lost_or_booked_twice_when_broker_agent_and_aggregator_die(
    tmp_path: Path, postgres_server: str
) -> None:
    need()
    supply, gateway_port, broker_port = Supply(), any_free(), any_free()
    meter = meter_of(supply)
    await meter.start()
    async with house_at(tmp_path, postgres_server) as house:
        house.found(gateway_port, f"localhost:{broker_port}")
        broker = house.broker(broker_port)
        broker.start()
        try:
            await house.serve(gateway_port, "--mqtt", f"mqtts://localhost:{broker_port}")
            await house.plug_in("mqtt", meter.port)
            await house.until(has_begun, WAIT_S, "the first reading")
            assert house.agent is not None
            assert house.server is not None
            enrolling = memory_of(house.agent)
            assert enrolling.has_aiohttp, "enrolment is HTTPS"
            supply.run()
            await house.until(lambda books: booked(books) > 40, WAIT_S, "the first charges")

            broker.stop()
            await asyncio.sleep(RUN_S)
            broker.start()
            before = booked(house.books())
            await house.until(lambda books: booked(books) > before, WAIT_S, "charges after the broker came back")
            await house.agent.kill()
            await house.agent.start()
            await asyncio.sleep(RUN_S)
            await house.server.kill()
            await house.server.start()

            used = supply.hold()
            books = await house.until(lambda books: booked(books) >= used, WAIT_S, f"all {used} Wh in the books")
            check_the_books(books, used)
            assert transport_of(house) == "mqtt"
            enrolled = memory_of(house.agent)
            print(f"agent over MQTT: {enrolled.resident_mib} MiB; while it enrolled: {enrolling.resident_mib} MiB")
            assert not enrolled.has_aiohttp
            assert enrolled.resident_mib < enrolling.resident_mib
        finally:
            broker.stop()
            await meter.stop()


@pytest.mark.timeout(400)
async def test_over_https_nothing_is_lost_or_booked_twice_when_the_agent_dies(
    tmp_path: Path, postgres_server: str
) -> None:
    supply, gateway_port = Supply(), any_free()
    meter = meter_of(supply)
    await meter.start()
    async with house_at(tmp_path, postgres_server) as house:
        try:
            house.found(gateway_port)
            await house.serve(gateway_port)
            await house.plug_in("https", meter.port)
            await house.until(has_begun, WAIT_S, "the first reading")
            assert house.agent is not None
            supply.run()
            await house.until(lambda books: booked(books) > 40, WAIT_S, "the first charges")
            await house.agent.kill()
            await house.agent.start()
            await asyncio.sleep(RUN_S)
            used = supply.hold()
            books = await house.until(lambda books: booked(books) >= used, WAIT_S, f"all {used} Wh in the books")
            check_the_books(books, used)
            assert transport_of(house) == "https"
        finally:
            await meter.stop()


def transport_of(house: House) -> str:
    """How the gateway last said Hello."""
    assert house.db is not None
    database = Database(house.db)
    try:
        return str(database.read_now(lambda conn: conn.execute(select(gateway_contact.c.transport)).scalar_one()))
    finally:
        database.close()


@dataclass(frozen=True)
class Memory:
    """Of a running process, as Linux tells it: resident memory, and whether aiohttp's compiled parser is mapped."""

    resident_mib: int
    has_aiohttp: bool


def memory_of(agent: Child) -> Memory:
    folder = Path(f"/proc/{agent.pid}")
    line = next(each for each in (folder / "status").read_text().splitlines() if each.startswith("VmRSS:"))
    return Memory(int(line.split()[1]) // 1024, "/aiohttp/" in (folder / "maps").read_text())
