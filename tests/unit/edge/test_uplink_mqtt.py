"""The same uplink over a real Mosquitto with mTLS: receipts, a resend after loss, and a broker that proves nothing."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiomqtt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from support.aggregator import Books, TestAggregator
from support.broker import broker
from support.edge import CountedEntropy, HandClock, plans, sample
from tallystick_edge.core import Core, Known
from tallystick_edge.enrolment import client_context, enrol
from tallystick_edge.identity import load_identity
from tallystick_edge.uplink.backoff import Backoff
from tallystick_edge.uplink.enrol_https import post_enrolment
from tallystick_edge.uplink.mqtt import MqttTransport
from tallystick_edge.uplink.worker import Uplink

SOON_S = 60


class Front:
    """Answers what comes up through the broker, as the aggregator's MQTT front does."""

    def __init__(self, books: Books) -> None:
        self.books = books
        self.swallow = 0

    async def serve(self, port: int, context: ssl.SSLContext, ready: asyncio.Event) -> None:
        async with aiomqtt.Client("localhost", port, identifier="aggregator", tls_context=context) as client:
            await client.subscribe("ts/1/+/up/#", qos=1)
            ready.set()
            async for message in client.messages:
                assert isinstance(message.payload, bytes)
                await self._answer(client, message.topic.value, message.payload)

    async def _answer(self, client: aiomqtt.Client, topic: str, data: bytes) -> None:
        down = topic.split("/up/")[0] + "/down"
        if topic.endswith("/hello"):
            await client.publish(f"{down}/state", self.books.hello(data), qos=1, retain=True)
        elif self.swallow:
            self.swallow -= 1
        else:
            await client.publish(f"{down}/receipt", self.books.batch(data), qos=1)


def client_tls(aggregator: TestAggregator, folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate_file, key_file = folder / "front.crt", folder / "front.key"
    certificate_file.write_bytes(aggregator.authority.issue("aggregator", key.public_key(), server=False))
    pem = serialization.Encoding.PEM
    key_file.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    context = ssl.create_default_context(cadata=aggregator.authority.pem.decode())
    context.load_cert_chain(certificate_file, key_file)
    return context


class Town:
    """Aggregator for enrolling, broker, front and one gateway."""

    def __init__(self, core: Core, front: Front, uplink: Uplink) -> None:
        self.core, self.front, self.uplink = core, front, uplink

    def read_and_seal(self, ms: int, energy_wh: int) -> None:
        self.core.desk.sample(sample(ms, energy_wh, 2))
        self.core.seal()

    async def all_receipted(self) -> None:
        async with asyncio.timeout(SOON_S):
            while self.core.waiting_count():  # noqa: ASYNC110 - the journal has no event for it
                await asyncio.sleep(0.02)


@asynccontextmanager
async def running(*tasks: asyncio.Task[None]) -> AsyncIterator[None]:
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    for name in ("aggregator", "broker", "edge"):
        (tmp_path / name).mkdir()
    aggregator = TestAggregator(tmp_path / "aggregator")
    await aggregator.start()
    files = (tmp_path / "aggregator" / "server.crt", tmp_path / "aggregator" / "server.key")
    with broker(tmp_path / "broker", aggregator.authority.pem, *files) as port:
        data = tmp_path / "edge"
        identity, entropy = load_identity(data), CountedEntropy()
        (data / "claim.toml").write_text(aggregator.claim_toml(port))
        enrolment = await enrol(data, identity, data / "claim.toml", "test 1", entropy, post_enrolment)
        core = Core(data / "journal.sqlite", identity.signer, plans(), HandClock(), entropy, "test 1")
        core.enrolled(Known(enrolment.descriptors, enrolment.trust.log_for))
        assert enrolment.info.mqtt_host is not None
        context = client_context(enrolment, data, identity)
        transport = MqttTransport(enrolment.info.mqtt_host, port, identity.gid.hex(), context)
        uplink = Uplink(core, transport, enrolment.trust, Backoff(200, 800), entropy)
        core.on_sealed = uplink.sealed
        front, ready = Front(aggregator.books), asyncio.Event()
        served = asyncio.create_task(front.serve(port, client_tls(aggregator, tmp_path), ready))
        await ready.wait()
        async with running(served, asyncio.create_task(uplink.run())):
            yield Town(core, front, uplink)
        core.close()
    await aggregator.stop()


async def test_batches_sealed_online_and_offline_are_receipted_over_the_broker(town: Town) -> None:
    for number in range(12):
        town.read_and_seal(number * 5_000, 1_000 + number)
    await town.all_receipted()
    assert list(town.front.books.batches) == [(1, seq) for seq in range(1, 13)]


async def test_a_puback_is_no_receipt(town: Town) -> None:
    town.front.swallow = many = 1_000
    town.read_and_seal(0, 1_000)
    async with asyncio.timeout(SOON_S):
        while town.front.swallow > many - 2:  # noqa: ASYNC110 - the front only counts
            await asyncio.sleep(0.01)
    assert town.core.waiting_count() == 1
    town.front.swallow = 0
    await town.all_receipted()
    assert town.uplink.receipts == 1
