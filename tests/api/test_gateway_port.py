"""The gateway port of a real server: TLS with the aggregator's CA, enrolment, Hello, batches, receipts, refusals."""

import asyncio
import json
import ssl
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from support import postgres
from support.books import ENERGY, TOWN, WASHES
from support.uploads import SimGateway, wash
from tallystick_cloud.cli import main
from tallystick_protocol import cose
from tallystick_protocol.checkpoint import open_checkpoint
from tallystick_protocol.codes import ReceiptStatus
from tallystick_protocol.enrol import EnrolAnswer
from tallystick_protocol.hello import State
from tallystick_protocol.keys import PublicKey
from tallystick_protocol.receipt import Receipt

CBOR = {"Content-Type": "application/cbor"}
HOUR = 3_600_000


@dataclass(frozen=True)
class Server:
    data: Path
    web: str
    gateways: str
    claims: Path
    database: tuple[str, ...]

    def claim(self, site: str) -> str:
        return str(tomllib.loads((self.claims / f"{site}.toml").read_text())["claim"])

    def ca(self) -> str:
        return str(tomllib.loads((self.claims / "cellar.toml").read_text())["ca_pem"])


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Iterator[tuple[str, ...]]:
    """The words that name the database on the command line."""
    if request.param == "sqlite":
        yield ()
        return
    with postgres.database(request.getfixturevalue("postgres_server")) as url:
        yield ("--db", url)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, database: tuple[str, ...]) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    (folder / "town.toml").write_text(TOWN)
    (folder / "washes.toml").write_text(WASHES)
    (folder / "energy.toml").write_text(ENERGY)
    data = str(folder / "data")
    assert main(["init", "--data", data, *database]) == 0
    claims = ("--claims", str(folder / "claims"), "--server", "https://localhost:1")
    assert main(["community", "import", str(folder / "town.toml"), *claims, "--data", data, *database]) == 0
    words = [sys.executable, "-m", "tallystick_cloud", "serve", "--data", data, "--port", "0", "--gateway-port", "0"]
    words += database
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
        try:
            assert child.stdout is not None
            web = child.stdout.readline().removeprefix("people: ").strip()
            gateways = child.stdout.readline().removeprefix("gateways: ").strip()
            yield Server(folder / "data", web, gateways, folder / "claims", database)
        finally:
            child.terminate()
            child.wait(60)


@dataclass
class Enrolled:
    gateway: SimGateway
    answer: EnrolAnswer
    context: ssl.SSLContext


def trusting(server: Server) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=server.ca())


async def post(server: Server, path: str, data: bytes, context: ssl.SSLContext) -> tuple[int, bytes]:
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as http,
        http.post(server.gateways + path, data=data, headers=CBOR) as answer,
    ):
        return answer.status, await answer.read()


async def get(server: Server, enrolled: "Enrolled", path: str) -> tuple[int, bytes]:
    url = f"{server.gateways}/v1/gateways/{enrolled.gateway.gid.hex()}{path}"
    connector = aiohttp.TCPConnector(ssl=enrolled.context)
    async with aiohttp.ClientSession(connector=connector) as http, http.get(url) as answer:
        return answer.status, await answer.read()


async def put(
    server: Server, gid: bytes, epoch: int, seq: int, data: bytes, context: ssl.SSLContext
) -> tuple[int, bytes]:
    url = f"{server.gateways}/v1/gateways/{gid.hex()}/batches/{epoch}/{seq}"
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as http,
        http.put(url, data=data, headers=CBOR) as answer,
    ):
        return answer.status, await answer.read()


async def enrol(server: Server, folder: Path, claim: str) -> Enrolled:
    gateway = SimGateway("cellar")
    key = ec.generate_private_key(ec.SECP256R1())
    csr = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    request = gateway.enrol_request_with(claim, csr.public_bytes(Encoding.PEM))
    status, body = await post(server, "/v1/enrol", request, trusting(server))
    assert status == 200, body
    answer = EnrolAnswer.decode(body)
    chain = folder / "tls.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    chain.write_bytes(private + answer.certificate_pem)
    context = trusting(server)
    context.load_cert_chain(chain)
    return Enrolled(gateway, answer, context)


def key_for(answer: EnrolAnswer, kind: str) -> PublicKey:
    return next(PublicKey.from_spki(grant.spki) for grant in answer.keys if kind in grant.may)


@pytest.fixture(scope="module")
def enrolled(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Enrolled:
    return asyncio.run(enrol(server, tmp_path_factory.mktemp("gateway"), server.claim("cellar")))


async def test_enrolled_gateway_sends_batches_gets_signed_receipts_and_the_command_line_counts_them(
    server: Server, enrolled: Enrolled
) -> None:
    gateway, answer, context = enrolled.gateway, enrolled.answer, enrolled.context
    path = f"/v1/gateways/{gateway.gid.hex()}"
    status, body = await post(server, path + "/hello", gateway.hello(), context)
    assert status == 200, body
    key_for(answer, "state")
    opened = cose.open_envelope(body, cose.ContentType.STATE, lambda kid: key_for(answer, "state"))
    state = State.decode(opened.payload)
    assert (state.epoch, state.next, state.head) == (1, 1, gateway.prev)
    upload = gateway.seal(wash(2, 1, 1, 1, state.server_ms - HOUR, state.server_ms))
    for expected in (ReceiptStatus.ACCEPTED, ReceiptStatus.DUPLICATE):
        status, body = await put(server, gateway.gid, 1, 1, upload, context)
        assert status == 200, body
        opened = cose.open_envelope(body, cose.ContentType.RECEIPT, lambda kid: key_for(answer, "receipt"))
        receipt = Receipt.decode(opened.payload)
        assert (receipt.status, receipt.hash, receipt.next_seq) == (expected, gateway.prev, 2)
    found = await asyncio.to_thread(summary_of, server)
    assert found["audit"] == []
    assert (found["batches"], found["uses"], found["imbalance_nano"]) == (1, 1, "0")
    assert sum(int(amount) for amount in found["splits_nano"].values()) == int(found["fees_nano"])


def summary_of(server: Server) -> dict[str, Any]:
    """`tallystick summary`, beside the running server."""
    words = ["-m", "tallystick_cloud", "summary", "--json", "--data", str(server.data), *server.database]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


async def test_claim_lets_in_one_gateway_only(server: Server, enrolled: Enrolled) -> None:
    other = SimGateway("other")
    status, body = await post(server, "/v1/enrol", other.enrol_request(server.claim("cellar")), trusting(server))
    assert status == 400
    assert b"was used by another gateway" in body


async def test_gateway_whose_answer_got_lost_enrols_again_with_its_claim(server: Server, enrolled: Enrolled) -> None:
    request = enrolled.gateway.enrol_request(server.claim("cellar"))
    status, body = await post(server, "/v1/enrol", request, trusting(server))
    assert status == 200
    assert EnrolAnswer.decode(body).gid == enrolled.gateway.gid


async def test_certificate_is_renewed_by_the_proof_key_without_showing_one(server: Server, enrolled: Enrolled) -> None:
    gateway = enrolled.gateway
    path = f"/v1/gateways/{gateway.gid.hex()}/certificate"
    status, body = await post(server, path, gateway.enrol_request(""), trusting(server))
    assert status == 200, body
    assert EnrolAnswer.decode(body).certificate_pem != enrolled.answer.certificate_pem
    status, body = await post(server, path, SimGateway("thief").enrol_request(""), trusting(server))
    assert (status, b"is not the key of the gateway in the path" in body) == (422, True)
    status, body = await post(server, path, b"\xd2rubbish", trusting(server))
    assert (status, b"envelope" in body) == (422, True)


async def test_batches_without_certificate_are_refused(server: Server, enrolled: Enrolled) -> None:
    status, body = await put(server, enrolled.gateway.gid, 1, 2, b"", trusting(server))
    assert status == 401
    assert b"enrol the gateway first" in body


async def test_certificate_of_another_ca_is_refused(server: Server, enrolled: Enrolled, tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, enrolled.gateway.gid.hex())])
    now = datetime.now(UTC)
    forged = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    chain = tmp_path / "forged.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    chain.write_bytes(private + forged.public_bytes(Encoding.PEM))
    context = trusting(server)
    context.load_cert_chain(chain)
    with pytest.raises((aiohttp.ClientError, ssl.SSLError)):
        await put(server, enrolled.gateway.gid, 1, 2, b"", context)


async def test_gateway_cannot_send_for_another(server: Server, enrolled: Enrolled) -> None:
    status, _ = await put(server, bytes(16), 1, 1, b"x", enrolled.context)
    assert status == 403


async def test_bytes_that_are_no_upload_are_refused_by_field(server: Server, enrolled: Enrolled) -> None:
    status, body = await put(server, enrolled.gateway.gid, 1, 2, b"\xff\x00", enrolled.context)
    assert status == 422
    assert b"upload" in body


async def test_oversized_upload_is_refused(server: Server, enrolled: Enrolled) -> None:
    status, _ = await put(server, enrolled.gateway.gid, 1, 2, bytes(70_000), enrolled.context)
    assert status == 413


async def test_checkpoint_is_signed_by_the_log_key(server: Server, enrolled: Enrolled) -> None:
    async with aiohttp.ClientSession() as http, http.get(server.web + "/log/checkpoint") as answer:
        note = await answer.read()
    found = open_checkpoint(note, enrolled.answer.log_origin, PublicKey.from_spki(enrolled.answer.log_spki))
    assert found.size > 0


async def test_command_list_is_empty_at_first(server: Server, enrolled: Enrolled) -> None:
    status, body = await get(server, enrolled, "/commands?after=0&wait_s=0")
    assert (status, body) == (200, b"\x80")


async def test_question_for_commands_waits_as_long_as_it_says(server: Server, enrolled: Enrolled) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert await get(server, enrolled, "/commands?wait_s=1") == (200, b"\x80")
    assert 1.0 <= loop.time() - began < 20.0  # far above what a busy machine adds, below the longest wait it takes


@pytest.mark.parametrize("query", [f"after={2**63}", "after=x", "wait_s=26", "wait_s=-1"])
async def test_number_that_no_database_holds_is_refused_by_name(server: Server, enrolled: Enrolled, query: str) -> None:
    status, body = await get(
        server, enrolled, f"/commands?wait_s=0&{query}" if "after" in query else f"/commands?{query}"
    )
    assert status == 422
    assert query.partition("=")[0].encode() in body
