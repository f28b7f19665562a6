"""The MQTT front against a real Mosquitto with mutual TLS: receipts, identity, and what the broker may not do."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import aiomqtt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from support import mosquitto
from support.books import T0, Books, open_books
from support.uploads import SimGateway, wash
from tallystick_cloud import schema
from tallystick_cloud.clock import SystemClock, real_utc
from tallystick_cloud.home import Home
from tallystick_cloud.mqtt import MqttFront
from tallystick_cloud.ports import NoEvents
from tallystick_cloud.uplink import Uplink
from tallystick_protocol import cose
from tallystick_protocol.codes import ReceiptStatus
from tallystick_protocol.hello import State
from tallystick_protocol.receipt import Receipt

ANSWER_S = 15.0


@dataclass
class Line:
    """A broker, the books, and an aggregator listening there."""

    broker: mosquitto.Broker
    books: Books
    folder: Path

    def client(self, name: str, certificate: Path) -> aiomqtt.Client:
        context = ssl.create_default_context(cadata=self.books.aggregator.authority.pem.decode())
        context.load_cert_chain(certificate)
        return aiomqtt.Client(
            self.broker.host,
            self.broker.port,
            identifier=name,
            protocol=aiomqtt.ProtocolVersion.V311,
            tls_context=context,
        )

    def certificate(self, name: str) -> Path:
        key = ec.generate_private_key(ec.SECP256R1())
        csr = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
        authority = self.books.aggregator.authority
        issued = authority.client(csr.public_bytes(Encoding.PEM), bytes.fromhex(name), datetime.now(UTC))
        path = self.folder / f"{name}.pem"
        path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + issued.pem)
        return path


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    if mosquitto.binary() is None:
        if mosquitto.required():
            pytest.fail("Mosquitto is required here (TALLYSTICK_REQUIRE_SERVICES=1) and not installed")
        pytest.skip("Mosquitto is not installed")
    books = open_books()
    authority = books.aggregator.authority
    tls = tmp_path / "keys" / "ca"
    tls.mkdir(parents=True)
    (tls / "ca.pem").write_bytes(authority.pem)
    (tls / "ca.key").touch(0o600)
    (tls / "ca.key").write_bytes(authority.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    certificate, key = Home(tmp_path).server_files(real_utc())
    with mosquitto.broker(tmp_path, tls / "ca.pem", certificate, key) as found:
        yield Line(found, books, tmp_path)
    books.database.close()


@asynccontextmanager
async def listening(line: Line) -> AsyncIterator[None]:
    uplink = Uplink(line.books.database, line.books.aggregator, SystemClock(), real_utc, NoEvents())
    url = urlsplit(f"mqtts://{line.broker.host}:{line.broker.port}")
    task = asyncio.create_task(MqttFront.at(url, Home(line.folder), uplink, real_utc()).run())
    await asyncio.sleep(0.5)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def answer(client: aiomqtt.Client) -> tuple[str, bytes]:
    async with asyncio.timeout(ANSWER_S):
        message = await anext(aiter(client.messages))
    assert isinstance(message.payload, bytes)
    return message.topic.value.rsplit("/", 1)[-1], message.payload


async def test_hello_and_batch_are_answered_with_state_and_receipt(line: Line) -> None:
    gateway = SimGateway("cellar")
    line.books.enrol(gateway, "cellar")
    name = gateway.gid.hex()
    upload = gateway.seal(wash(2, 1, 1, 1, T0, T0 + 3_600_000))
    async with listening(line), line.client(name, line.certificate(name)) as client:
        await client.subscribe(f"ts/1/{name}/down/+", qos=1)
        await client.publish(f"ts/1/{name}/up/hello", gateway.hello(), qos=1)
        kind, body = await answer(client)
        assert kind == "state"
        assert State.decode(cose.parse(body).payload).gid == gateway.gid
        for expected in (ReceiptStatus.ACCEPTED, ReceiptStatus.DUPLICATE):
            await client.publish(f"ts/1/{name}/up/batch", upload, qos=1)
            kind, body = await answer(client)
            assert kind == "receipt"
            receipt = Receipt.decode(cose.parse(body).payload)
            assert (receipt.status, receipt.hash) == (expected, gateway.prev)


async def test_gateway_cannot_speak_or_listen_for_another(line: Line) -> None:
    gateway, thief = SimGateway("cellar"), SimGateway("thief")
    line.books.enrol(gateway, "cellar")
    victim, own = gateway.gid.hex(), thief.gid.hex()
    upload = gateway.seal(wash(2, 1, 1, 1, T0, T0 + 3_600_000))
    before = line.books.dump()
    async with listening(line), line.client(own, line.certificate(own)) as client:
        with suppress(aiomqtt.MqttError):
            await client.subscribe(f"ts/1/{victim}/down/+", qos=1)
        await client.publish(f"ts/1/{victim}/up/batch", upload, qos=1)  # looks delivered; the ACL drops it
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.5):
                await anext(aiter(client.messages))
    assert line.books.dump() == before


async def test_garbage_changes_nothing_and_the_next_message_is_answered(line: Line) -> None:
    gateway = SimGateway("cellar")
    line.books.enrol(gateway, "cellar")
    name = gateway.gid.hex()
    async with listening(line), line.client(name, line.certificate(name)) as client:
        await client.subscribe(f"ts/1/{name}/down/+", qos=1)
        await client.publish(f"ts/1/{name}/up/batch", b"\x00" * 100, qos=1)
        await client.publish(f"ts/1/{name}/up/nonsense", b"x", qos=1)
        await client.publish(f"ts/1/{name}/up/hello", gateway.hello(), qos=1)
        kind, _ = await answer(client)
        assert kind == "state"
    assert line.books.rows(schema.batch) == []
    assert line.books.audit() == []


async def test_client_without_our_certificate_is_not_let_in(line: Line) -> None:
    context = ssl.create_default_context(cadata=line.books.aggregator.authority.pem.decode())
    client = aiomqtt.Client(line.broker.host, line.broker.port, tls_context=context, timeout=3)
    with pytest.raises(aiomqtt.MqttError):
        async with client:
            await client.publish("ts/1/x/up/batch", b"x", qos=1)
