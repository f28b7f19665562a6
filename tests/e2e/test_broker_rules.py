"""Who may say what at a real Mosquitto set up by `tallystick broker-config`, and that nothing depends on it.

The broker keeps a gateway to its own topics; where a broker does not, signatures still refuse.
"""

import asyncio
import ssl
import subprocess
import time
import tomllib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import aiomqtt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy import update
from support.aggregator import Authority
from support.house import CHANNEL, PROGRAM, House
from support.mosquitto import Mosquitto, need
from support.uploads import SimGateway, money, segment
from tallystick_cloud.clock import real_utc_ms
from tallystick_cloud.db import Database, sqlite_url
from tallystick_cloud.schema import gateway as gateway_table
from tallystick_protocol import cose
from tallystick_protocol.codes import ReceiptStatus
from tallystick_protocol.enrol import EnrolAnswer
from tallystick_protocol.keys import PublicKey
from tallystick_protocol.receipt import Receipt
from tallystick_sim.ports import any_free

ANSWER_S = 40.0  # for what must come
REFUSED_S = 3.0  # what a client waits that the broker does not even tell
TOLD_S = 1.0  # after this it tries once more
QUIET_S = 0.7  # for what must not: an answer takes some 30 ms here
MINUTE = 60_000
OPEN_ACL = "pattern readwrite #\n"
pytestmark = pytest.mark.timeout(300)


@dataclass
class Enrolled:
    """A gateway that seals by hand, with its certificate."""

    gateway: SimGateway
    answer: EnrolAnswer
    tls: ssl.SSLContext
    sealed: int = 0

    @property
    def name(self) -> str:
        return self.gateway.gid.hex()

    def batch(self) -> bytes:
        """The next upload: one reading of the house meter."""
        self.sealed += 1
        t_ms = real_utc_ms() - 60 * MINUTE + self.sealed
        return self.gateway.seal([money(CHANNEL, [segment(self.sealed, [(t_ms, 1_000 + self.sealed)])])])

    def read(self, envelope: object) -> Receipt:
        """A receipt, its signature checked."""
        assert isinstance(envelope, bytes)
        key = next(PublicKey.from_spki(each.spki) for each in self.answer.keys if "receipt" in each.may)
        return Receipt.decode(cose.open_envelope(envelope, cose.ContentType.RECEIPT, lambda kid: key).payload)


@dataclass
class Place:
    """The aggregator at its broker, and two gateways."""

    house: House
    broker: Mosquitto
    house_gateway: Enrolled
    barn_gateway: Enrolled

    @asynccontextmanager
    async def client(
        self, tls: ssl.SSLContext, identifier: str, timeout_s: float = ANSWER_S
    ) -> AsyncIterator[aiomqtt.Client]:
        async with aiomqtt.Client(
            "localhost",
            self.broker.port,
            identifier=identifier,
            protocol=aiomqtt.ProtocolVersion.V311,
            clean_session=True,
            timeout=timeout_s,
            tls_context=tls,
        ) as client:
            yield client

    @asynccontextmanager
    async def session(self, enrolled: Enrolled) -> AsyncIterator[aiomqtt.Client]:
        """Connected as that gateway, listening to its own receipts."""
        async with self.client(enrolled.tls, enrolled.name) as client:
            await client.subscribe(f"ts/1/{enrolled.name}/down/receipt", qos=1)
            yield client

    def heard(self) -> int:
        """Batches in the books."""
        return self.house.books().batches


async def receipt_of(client: aiomqtt.Client, enrolled: Enrolled) -> Receipt:
    async with asyncio.timeout(ANSWER_S):
        return enrolled.read((await anext(aiter(client.messages))).payload)


async def nothing_comes(client: aiomqtt.Client) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(QUIET_S):
            await anext(aiter(client.messages))


async def is_refused(place: Place, tls: ssl.SSLContext, why: str) -> None:
    """The broker ends the connection and says why in its log; the client may only learn that nothing answers."""
    before, end = place.broker.log.read_text().count(why), time.monotonic() + ANSWER_S
    while True:
        with pytest.raises((aiomqtt.MqttError, ssl.SSLError)):
            async with place.client(tls, "whoever", timeout_s=REFUSED_S):
                pass
        if await is_told(place, why, before):
            return
        assert time.monotonic() < end, place.broker.log.read_text()  # a busy machine's client may go before that


async def is_told(place: Place, why: str, before: int) -> bool:
    """Whether the broker's log says so once more, which it may do a moment later."""
    end = time.monotonic() + TOLD_S
    while place.broker.log.read_text().count(why) == before:
        if time.monotonic() > end:
            return False
        await asyncio.sleep(0.05)
    return True


def up(enrolled: Enrolled) -> str:
    return f"ts/1/{enrolled.name}/up/batch"


async def enrol(house: House, url: str, site: str) -> Enrolled:
    """Over HTTPS with the site's claim, as every gateway does."""
    claim = tomllib.loads((house.folder / "claims" / f"{site}.toml").read_text())
    gateway = SimGateway(site)
    key = ec.generate_private_key(ec.SECP256R1())
    csr = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    request = gateway.enrol_request_with(claim["claim"], csr.public_bytes(Encoding.PEM))
    tls = ssl.create_default_context(cadata=claim["ca_pem"])
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls)) as http,
        http.post(f"{url}/v1/enrol", data=request, headers={"Content-Type": "application/cbor"}) as answered,
    ):
        body = await answered.read()
        assert answered.status == 200, body
    answer = EnrolAnswer.decode(body)
    chain = house.folder / f"{site}.pem"
    chain.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + answer.certificate_pem)
    tls.load_cert_chain(chain)
    return Enrolled(gateway, answer, tls)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    need()
    port, gateway_port = any_free(), any_free()
    house = House(tmp_path_factory.mktemp("place"))
    house.found(gateway_port, f"localhost:{port}")
    broker = house.broker(port)
    broker.start()
    ports = ("--port", "0", "--gateway-port", str(gateway_port), "--mqtt", f"mqtts://localhost:{port}")
    command = [*PROGRAM, "tallystick_cloud", "serve", *house.data, *ports]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            assert server.stdout is not None
            server.stdout.readline()
            url = server.stdout.readline().removeprefix("gateways: ").strip()
            enrolled = [asyncio.run(enrol(house, url, site)) for site in ("meter-room", "barn")]
            until_listening(broker)
            yield Place(house, broker, *enrolled)
        finally:
            server.terminate()
            server.wait(60)
            broker.stop()


def until_listening(broker: Mosquitto, times: int = 1) -> None:
    """Until the aggregator has subscribed to everything `times` times."""
    end = time.monotonic() + ANSWER_S
    while broker.log.read_text().count("aggregator 1 ts/1/+/up/batch") < times:
        assert time.monotonic() < end, broker.log.read_text()
        time.sleep(0.05)


def restart(place: Place) -> None:
    """A broker reads access list and revocation list at its start; the aggregator comes back by itself."""
    before = place.broker.log.read_text().count("aggregator 1 ts/1/+/up/batch")
    place.broker.stop()
    place.broker.start()
    until_listening(place.broker, before + 1)


async def test_a_gateway_gets_receipts_for_its_own_batches(place: Place) -> None:
    gateway = place.house_gateway
    async with place.session(gateway) as client:
        upload = gateway.batch()
        for expected in (ReceiptStatus.ACCEPTED, ReceiptStatus.DUPLICATE):
            await client.publish(up(gateway), upload, qos=1)
            receipt = await receipt_of(client, gateway)
            assert (receipt.status, receipt.hash) == (expected, gateway.gateway.prev)


async def test_a_gateway_cannot_publish_for_another(place: Place) -> None:
    own, other = place.house_gateway, place.barn_gateway
    stolen, before = own.batch(), place.heard()
    async with place.session(own) as victim:
        async with place.client(other.tls, other.name) as client:
            await client.publish(up(own), stolen, qos=1)  # looks successful: a PUBACK proves nothing
            await nothing_comes(victim)
        assert place.heard() == before
        await victim.publish(up(own), stolen, qos=1)
        assert (await receipt_of(victim, own)).status is ReceiptStatus.ACCEPTED  # it had never arrived before


async def test_a_gateway_cannot_listen_to_another(place: Place) -> None:
    own, other = place.house_gateway, place.barn_gateway
    async with place.client(other.tls, other.name) as listener, place.session(own) as client:
        for topic in (f"ts/1/{own.name}/down/#", f"ts/1/{own.name}/up/#", "ts/1/+/down/receipt", "#"):
            await listener.subscribe(topic, qos=1)
        await client.publish(up(own), own.batch(), qos=1)
        await receipt_of(client, own)
        await nothing_comes(listener)


async def test_a_gateway_cannot_answer_in_the_aggregators_place(place: Place) -> None:
    own, other = place.house_gateway, place.barn_gateway
    async with place.session(own) as client, place.client(other.tls, other.name) as forger:
        for receiver in (own, other):
            await forger.publish(f"ts/1/{receiver.name}/down/receipt", b"forged", qos=1)
        await nothing_comes(client)


async def test_a_gateway_cannot_take_over_anothers_client_id(place: Place) -> None:
    own, other = place.house_gateway, place.barn_gateway
    async with place.session(own) as client, place.client(other.tls, own.name):
        await client.publish(up(own), own.batch(), qos=1)
        assert (await receipt_of(client, own)).status is ReceiptStatus.ACCEPTED


async def test_strangers_are_not_let_in(place: Place, tmp_path: Path) -> None:
    own = place.house_gateway
    ca = place.house.folder / "broker" / "ca.pem"
    without = ssl.create_default_context(cafile=ca)
    forged = ssl.create_default_context(cafile=ca)
    key = ec.generate_private_key(ec.SECP256R1())
    chain = tmp_path / "forged.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    chain.write_bytes(private + Authority.make().issue(own.name, key.public_key(), server=False))
    forged.load_cert_chain(chain)
    for tls, why in ((without, "peer did not return a certificate"), (forged, "certificate verify failed")):
        await is_refused(place, tls, why)


async def test_where_a_broker_lets_everything_through_signatures_refuse(place: Place) -> None:
    own, other = place.house_gateway, place.barn_gateway
    acl = place.house.folder / "broker" / "acl"
    rules = acl.read_text()
    acl.write_text(OPEN_ACL)
    try:
        restart(place)
        before = place.heard()
        async with place.session(own) as victim, place.client(other.tls, other.name) as client:
            await client.publish(up(own), other.batch(), qos=1)
            assert (await receipt_of(victim, own)).status is ReceiptStatus.REFUSED
            await client.publish(up(own), SimGateway("liar").seal([], gid=own.gateway.gid), qos=1)
            assert (await receipt_of(victim, own)).status is ReceiptStatus.KEY_UNKNOWN
            await client.publish(f"ts/1/{own.name}/up/hello", other.gateway.hello(), qos=1)
            await client.publish(up(own), b"\xff\x00", qos=1)
            await client.publish(f"ts/1/{bytes(16).hex()}/up/batch", other.gateway.hello(), qos=1)
            await nothing_comes(victim)
            assert place.heard() == before
            await victim.publish(up(own), own.batch(), qos=1)
            assert (await receipt_of(victim, own)).status is ReceiptStatus.ACCEPTED
    finally:
        acl.write_text(rules)
        restart(place)


async def test_a_revoked_certificate_is_refused_after_the_list_is_written_anew(place: Place) -> None:
    own, other = place.house_gateway, place.barn_gateway
    set_state(place, other, "revoked")
    try:
        await is_refused(place, other.tls, "certificate verify failed")
        async with place.session(own) as client:
            await client.publish(up(own), own.batch(), qos=1)
            assert (await receipt_of(client, own)).status is ReceiptStatus.ACCEPTED
    finally:
        set_state(place, other, "active")  # tests of this place may come in any order


def set_state(place: Place, enrolled: Enrolled, state: str) -> None:
    """In the books, in the broker's list, and at the broker."""
    database = Database(sqlite_url(place.house.folder / "data"))
    changed = update(gateway_table).where(gateway_table.c.gid == enrolled.gateway.gid).values(state=state)
    database.write_now(lambda conn: conn.execute(changed).rowcount)
    database.close()
    place.house.broker(place.broker.port)
    restart(place)
