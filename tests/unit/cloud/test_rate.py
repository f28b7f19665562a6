"""A gateway that floods hears `busy` with a time, before its signature costs anything; the others are served."""

import asyncio
from collections.abc import Iterator

import pytest
from support.books import T0, Books, open_books
from support.uploads import SimGateway, wash
from tallystick_cloud.clock import SystemClock, real_utc
from tallystick_cloud.ingest import rate as rate_module
from tallystick_cloud.ingest.rate import Rate
from tallystick_cloud.uplink import Uplink
from tallystick_protocol import cose
from tallystick_protocol.codes import ReceiptStatus
from tallystick_protocol.receipt import Receipt

A, B = bytes(16), bytes(range(16))


@pytest.fixture
def books() -> Iterator[Books]:
    found = open_books()
    yield found
    found.database.close()


class Quiet:
    """Events that nobody watches."""

    def publish(self, kind: str, data: object) -> None:
        return None


def test_a_burst_passes_then_the_pace_counts_and_rest_gives_it_back() -> None:
    rate = Rate(batch_ms=100, burst_ms=300)
    assert [rate.take(A, 0) for _ in range(4)] == [0, 0, 0, 100]
    assert rate.take(B, 0) == 0
    assert rate.take(A, 99) == 1
    assert rate.take(A, 100) == 0
    assert [rate.take(A, 10_000) for _ in range(4)] == [0, 0, 0, 100]


def test_idle_gateways_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_module, "GATEWAYS_MAX", 10)
    rate = Rate(batch_ms=100, burst_ms=300)
    for number in range(1_000):
        rate.take(number.to_bytes(16, "big"), number * 1_000)
    assert len(rate._busy_until) <= 10


async def test_a_flood_is_answered_busy_and_changes_nothing(books: Books) -> None:
    gateway = SimGateway("cellar")
    answer = books.enrol(gateway, "cellar")
    uplink = Uplink(
        books.database, books.aggregator, SystemClock(), real_utc, Quiet(), rate=Rate(batch_ms=60_000, burst_ms=60_000)
    )
    receipts = [await _send(uplink, gateway, number) for number in (1, 2)]
    assert [one.status for one in receipts] == [ReceiptStatus.ACCEPTED, ReceiptStatus.BUSY]
    busy = receipts[1]
    assert (busy.hash, busy.next_seq, busy.leaf_index) == (gateway.prev, 2, None)
    assert busy.retry_after_ms is not None
    assert 0 < busy.retry_after_ms <= 60_000
    assert answer.gid == busy.gid


async def _send(uplink: Uplink, gateway: SimGateway, number: int) -> Receipt:
    upload = gateway.seal(wash(2, number, number, number, T0 + number * 60_000, T0 + number * 60_000 + 30_000))
    return Receipt.decode(cose.parse(await uplink.batch(gateway.gid, upload)).payload)


async def test_whoever_waits_for_a_command_is_answered_when_the_server_ends(books: Books) -> None:
    gateway = SimGateway("cellar")
    books.enrol(gateway, "cellar")
    uplink = Uplink(books.database, books.aggregator, SystemClock(), real_utc, Quiet())
    beside = asyncio.create_task(uplink.run())
    asked = asyncio.create_task(uplink.commands_soon(gateway.gid, 0, 25))
    await asyncio.sleep(0.1)
    assert not asked.done()
    beside.cancel()
    assert await asyncio.wait_for(asked, 60) == []
