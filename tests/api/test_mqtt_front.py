"""The MQTT front against a real Mosquitto with mutual TLS: receipts, identity, and what the broker may not do."""

import asyncio
import os
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
from support.books import T0, Books, open_books
from support.mosquitto import Mosquitto, need
from support.uploads import SimGateway, wash
from tallystick_cloud import schema
from tallystick_cloud.broker import BrokerPlan
from tallystick_cloud.clock import SystemClock, SystemEntropy, real_utc
from tallystick_cloud.commands.broker import write_files
from tallystick_cloud.errors import BadInput
from tallystick_cloud.gateways.commands import HOUR_MS, configure
from tallystick_cloud.home import Home
from tallystick_cloud.mqtt import Answer, MqttFront, Question, TlsFiles, _Session, broker_at, question_of
from tallystick_cloud.ports import NoEvents
from tallystick_cloud.uplink import Uplink
from tallystick_protocol import cose
from tallystick_protocol.codes import ReceiptStatus
from tallystick_protocol.command import Command
from tallystick_protocol.configure import Settings
from tallystick_protocol.hello import State
from tallystick_protocol.receipt import Receipt
from tallystick_sim.ports import any_free

ANSWER_S = 40.0


@dataclass
class Line:
    """A broker, the books, and an aggregator listening there."""

    port: int
    books: Books
    folder: Path

    def client(self, name: str, certificate: Path) -> aiomqtt.Client:
        context = ssl.create_default_context(cadata=self.books.aggregator.authority.pem.decode())
        context.load_cert_chain(certificate)
        return aiomqtt.Client(
            "localhost",
            self.port,
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
    need()
    books, port, user = open_books(), any_free(), "root" if os.geteuid() == 0 else None
    authority = books.aggregator.authority
    tls = tmp_path / "keys" / "ca"
    tls.mkdir(parents=True)
    (tls / "ca.pem").write_bytes(authority.pem)
    (tls / "ca.key").touch(0o600)
    (tls / "ca.key").write_bytes(authority.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    write_files(authority, [], BrokerPlan(tmp_path / "broker", port, user=user), real_utc())
    broker = Mosquitto(tmp_path / "broker" / "mosquitto.conf", port, tmp_path / "broker.log")
    broker.start()
    yield Line(port, books, tmp_path)
    broker.stop()
    books.database.close()


@asynccontextmanager
async def listening(line: Line) -> AsyncIterator[None]:
    uplink = Uplink(line.books.database, line.books.aggregator, SystemClock(), real_utc, NoEvents())
    broker = broker_at(urlsplit(f"mqtts://localhost:{line.port}"), Home(line.folder), real_utc())
    task = asyncio.create_task(MqttFront(broker, uplink, SystemEntropy()).run())
    log = line.folder / "broker.log"
    async with asyncio.timeout(ANSWER_S):
        while "aggregator 1 ts/1/+/up/batch" not in log.read_text():  # noqa: ASYNC110 - of the broker we only see its log
            await asyncio.sleep(0.02)
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


async def test_a_command_given_after_the_hello_comes_with_the_next_batch_and_once(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tallystick_cloud.mqtt.POLL_LOOK_S", 0.0)
    gateway = SimGateway("cellar")
    line.books.enrol(gateway, "cellar")
    name = gateway.gid.hex()
    async with listening(line), line.client(name, line.certificate(name)) as client:
        await client.subscribe(f"ts/1/{name}/down/+", qos=1)
        await client.publish(f"ts/1/{name}/up/hello", gateway.hello(), qos=1)
        assert (await answer(client))[0] == "state"
        aggregator, now = line.books.aggregator, SystemClock().utc_ms()
        what = (bytes(gateway.gid), Settings(poll_ms=30_000), HOUR_MS, now)
        line.books.database.write_now(configure, aggregator, *what)
        upload = gateway.seal(wash(2, 1, 1, 1, T0, T0 + 3_600_000))
        await client.publish(f"ts/1/{name}/up/batch", upload, qos=1)
        assert (await answer(client))[0] == "receipt"
        kind, body = await answer(client)
        assert kind == "cmd"
        assert Command.decode(cose.parse(body).payload).args == (("poll", 30_000),)
        await client.publish(f"ts/1/{name}/up/batch", upload, qos=1)
        await client.publish(f"ts/1/{name}/up/batch", upload, qos=1)
        assert [(await answer(client))[0] for _ in range(2)] == ["receipt", "receipt"]


class LastWord:
    """A client whose broker acknowledges in the very moment in which the front is told to stop."""

    def __init__(self) -> None:
        self.acknowledged, self.is_waiting = asyncio.Event(), asyncio.Event()

    async def publish(self, *_: object, **__: object) -> None:
        self.is_waiting.set()
        await asyncio.wait_for(self.acknowledged.wait(), 60)  # as aiomqtt does


@pytest.mark.virtual_time
async def test_a_lane_ends_also_when_an_acknowledgement_comes_with_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    async def answer_one(_: MqttFront, asked: Question) -> list[Answer]:
        return [Answer("receipt", asked.payload)]

    monkeypatch.setattr(MqttFront, "answer", answer_one)
    client, lane = LastWord(), asyncio.Queue[Question]()
    session = _Session(client, object.__new__(MqttFront))  # type: ignore[arg-type]
    session._waiting[b"g"] = 1
    lane.put_nowait(Question(b"g", "batch", b"x"))
    task = asyncio.create_task(session._answer_all(lane))
    await client.is_waiting.wait()
    await asyncio.sleep(0)  # its wait has begun
    client.acknowledged.set()
    await asyncio.sleep(0)  # the acknowledgement is in, and the lane was not told yet
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=30)
    assert task in done


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
    client = aiomqtt.Client("localhost", line.port, tls_context=context, timeout=1)
    with pytest.raises(aiomqtt.MqttError):
        async with client:
            await client.publish("ts/1/x/up/batch", b"x", qos=1)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://localhost:8883", "write mqtts://HOST"),
        ("mqtts://", "write mqtts://HOST"),
        ("mqtts://localhost:port", "no valid port"),
        ("mqtt://broker.example:1883", "plain is for loopback only"),
    ],
)
def test_address_that_is_no_brokers_is_refused_with_what_to_write(tmp_path: Path, url: str, reason: str) -> None:
    with pytest.raises(BadInput, match=reason) as refused:
        broker_at(urlsplit(url), Home(tmp_path), real_utc())
    assert refused.value.field == "--mqtt"


def test_files_of_another_authority_are_refused_by_option(tmp_path: Path) -> None:
    there = tmp_path / "there.pem"
    there.write_text("no certificate")
    missing = TlsFiles(there, there, tmp_path / "key.pem")
    with pytest.raises(BadInput, match=r"--mqtt-key: .* is not a file"):
        broker_at(urlsplit("mqtts://localhost"), Home(tmp_path), real_utc(), missing)
    with pytest.raises(BadInput, match="--mqtt-certificate: cannot be used"):
        broker_at(urlsplit("mqtts://localhost"), Home(tmp_path), real_utc(), TlsFiles(there, there, there))


@pytest.mark.parametrize(
    "topic",
    [
        "ts/1/00112233445566778899AABBCCDDEEFF/up/batch",
        "ts/1/00112233445566778899aabbccddeeff/up/enrol",
        "ts/1/00112233445566778899aabbccddeeff/down/batch",
        "ts/2/00112233445566778899aabbccddeeff/up/batch",
        "ts/1/0011/up/batch",
        "ts/1/gateway/up/batch",
        "ts/1",
    ],
)
def test_topics_that_are_none_of_ours_ask_nothing(topic: str) -> None:
    assert question_of("ts/1/00112233445566778899aabbccddeeff/up/batch", b"x") is not None
    assert question_of(topic, b"x") is None
