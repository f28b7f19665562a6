"""A small aggregator for tests of gateways, written from the protocol: real TLS, real signatures, real receipts.
It keeps batches in order and bills by watermark, but has no tariffs, no database and no log tree."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from tallystick_protocol import checkpoint, cose
from tallystick_protocol.batch import LogView, OpenedUpload, first_prev, open_upload
from tallystick_protocol.claim import new_claim
from tallystick_protocol.codes import EventCode, ReceiptStatus
from tallystick_protocol.enrol import EnrolAnswer, EnrolRequest
from tallystick_protocol.hello import ChannelState, Hello, State
from tallystick_protocol.ids import H32, ZERO_H32, Gid, gid_from_spki
from tallystick_protocol.keys import Ed25519Signer, PublicKey
from tallystick_protocol.merkle import EMPTY_ROOT
from tallystick_protocol.part import Part
from tallystick_protocol.receipt import Receipt
from tallystick_protocol.records import Descriptor, KeyGrant

ORIGIN = "test.example/log"
SERVER_MS = 1_780_000_000_000


@dataclass
class Channel:
    """One channel's watermark and last numbers."""

    billed_to: int | None = None
    billed: int = 0
    last_use: int = 0
    page: int = 0
    event: int = 0
    generation: int = 0
    base: int = 0
    serial: str | None = None
    uses: list[int] = field(default_factory=list)


class Books:
    """What the aggregator believes of one gateway. Everything a gateway can observe goes through here."""

    def __init__(self) -> None:
        self.receipt_key, self.log_key = Ed25519Signer.generate(), Ed25519Signer.generate()
        self.key: PublicKey | None = None
        self.gid = Gid(bytes(16))
        self.epoch, self.next, self.head = 1, 1, H32(bytes(32))
        self.batches: dict[tuple[int, int], H32] = {}
        self.forks: list[tuple[int, int]] = []
        self.channels: dict[int, Channel] = {}
        self.parts: list[Part] = []
        self.hellos: list[Hello] = []
        self.duplicates = 0
        self.lost: list[tuple[int, int]] = []

    def admit(self, spki: bytes) -> None:
        if self.key is None:
            self.key, self.gid, self.head = PublicKey.from_spki(spki), gid_from_spki(spki), first_prev(spki)

    def hello(self, envelope: bytes) -> bytes:
        opened = cose.open_envelope(envelope, cose.ContentType.HELLO, lambda _: self.key)
        hello = Hello.decode(opened.payload)
        self.hellos.append(hello)
        for lost in hello.lost:
            if (lost.epoch, lost.from_seq) == (self.epoch, self.next):
                self.next, self.head = lost.to_seq + 1, lost.hash
                self.lost.append((lost.from_seq, lost.to_seq))
        return self.state(hello.nonce)

    def state(self, nonce: bytes | None, signer: Ed25519Signer | None = None) -> bytes:
        channels = tuple(
            ChannelState(n, c.billed_to, c.last_use, c.page, c.event, c.generation, c.base, c.serial)
            for n, c in sorted(self.channels.items())
        )
        view = LogView(checkpoint.log_id(self.log_key.spki), 0, EMPTY_ROOT)
        note = checkpoint.sign_checkpoint(checkpoint.Checkpoint(ORIGIN, 0, EMPTY_ROOT), ORIGIN, self.log_key)
        state = State(self.gid, self.epoch, SERVER_MS, self.next, self.head, view, (1, 1), note, nonce, 0, channels)
        return cose.sign(signer or self.receipt_key, cose.ContentType.STATE, state.encode())

    def batch(self, data: bytes) -> bytes:
        opened = open_upload(data)
        assert self.key is not None
        opened.unverified.verify(self.key)
        return self.receipt(opened, self._take(opened))

    def _take(self, opened: OpenedUpload) -> ReceiptStatus:
        head = opened.header
        place, digest = (head.epoch, head.seq), opened.unverified.hash
        if place in self.batches:
            if self.batches[place] == digest:
                self.duplicates += 1
                return ReceiptStatus.DUPLICATE
            self.forks.append(place)
            return ReceiptStatus.FORK
        fresh = head.epoch == self.epoch + 1 and head.seq == 1 and self._known(head.prev)
        if not fresh and place != (self.epoch, self.next):
            return ReceiptStatus.OUT_OF_ORDER
        if not fresh and head.prev != self.head:
            return ReceiptStatus.REFUSED
        self.batches[place] = digest
        self.epoch, self.next, self.head = head.epoch, head.seq + 1, digest
        for part in opened.parts:
            assert isinstance(part, Part), part
            self._book(part)
        return ReceiptStatus.ACCEPTED

    def _known(self, prev: H32) -> bool:
        assert self.key is not None
        return prev in self.batches.values() or prev == first_prev(self.key.spki)

    def _book(self, part: Part) -> None:
        self.parts.append(part)
        channel = self.channels.setdefault(part.channel, Channel())
        for segment in part.segments:
            channel.page = max(channel.page, segment.last_pagination)
            if (segment.generation, segment.base) >= (channel.generation, channel.base):
                channel.generation, channel.base = segment.generation, segment.base
                channel.serial = segment.serial
            self._bill(channel, segment.first_total, segment.last_total)
        for event in part.events:
            channel.event = max(channel.event, event.number)
            if event.code is EventCode.USE_ENDED and event.use is not None and event.use > channel.last_use:
                channel.last_use = event.use
                channel.uses.append(event.use)
                assert event.total is not None
                self._bill(channel, event.total - 1, event.total)

    def _bill(self, channel: Channel, first: int, last: int) -> None:
        if channel.billed_to is None:
            channel.billed_to = first
        if last > channel.billed_to:
            channel.billed += last - channel.billed_to
            channel.billed_to = last

    def receipt(self, opened: OpenedUpload, status: ReceiptStatus, signer: Ed25519Signer | None = None) -> bytes:
        head = opened.header
        final = status in (ReceiptStatus.ACCEPTED, ReceiptStatus.DUPLICATE)
        receipt = Receipt(
            gid=self.gid,
            epoch=head.epoch,
            from_seq=head.seq,
            to_seq=head.seq,
            hash=opened.unverified.hash,
            status=status,
            leaf_index=len(self.batches) if final else None,
            server_ms=SERVER_MS,
            next_seq=self.next,
            head=self.head,
            log=None,
        )
        return cose.sign(signer or self.receipt_key, cose.ContentType.RECEIPT, receipt.encode())


@dataclass
class Authority:
    """A throw-away CA with one server certificate for localhost."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    client_validity: tuple[dt.timedelta, dt.timedelta] = (dt.timedelta(minutes=-5), dt.timedelta(days=2))  # from now

    @classmethod
    def make(cls) -> Authority:
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("test CA")
        builder = _builder(name, name, key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        ski = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        builder = builder.add_extension(usage, critical=True).add_extension(ski, critical=False)
        return cls(key, builder.sign(key, hashes.SHA256()))

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, name: str, public: ec.EllipticCurvePublicKey, server: bool) -> bytes:
        validity = SERVER_VALIDITY if server else self.client_validity
        builder = _builder(_name(name), self.certificate.subject, public, validity)
        use = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = builder.add_extension(x509.ExtendedKeyUsage([use]), critical=False)
        aki = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        builder = builder.add_extension(aki, critical=False)
        if server:
            names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def write_server(self, folder: Path) -> tuple[Path, Path]:
        """(certificate, key) files for localhost."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate_file, key_file = folder / "server.crt", folder / "server.key"
        certificate_file.write_bytes(self.issue("localhost", key.public_key(), server=True))
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        key_file.write_bytes(pem)
        return certificate_file, key_file


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


SERVER_VALIDITY = (dt.timedelta(minutes=-5), dt.timedelta(days=2))


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    validity: tuple[dt.timedelta, dt.timedelta] = SERVER_VALIDITY,
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public)
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now + validity[0])
    return builder.not_valid_after(now + validity[1])


def planned_channel(channel: int, quantity: str, unit: str, exponent: int = 0, gid: Gid | None = None) -> Descriptor:
    """A row of a site's plan, as a descriptor."""
    of, none = gid or Gid(bytes(16)), ZERO_H32
    return Descriptor(bytes(16), None, of, channel, None, quantity, unit, exponent, None, "test", none, "asset")


class TestAggregator:
    """The books behind HTTPS on localhost. Faults are switched on by attributes."""

    __test__ = False

    def __init__(self, folder: Path) -> None:
        self.books, self.authority, self._folder = Books(), Authority.make(), folder
        self.claim = new_claim(bytes(range(16)))
        self.claim_used_by: bytes | None = None
        self.swallow_receipts = 0  # take the batch, lose the answer
        self.forge_receipts = False
        self.down = False  # refuse with 503
        self.revoked = False  # refuse with 403 and a problem document
        self.tamper: Callable[[bytes], bytes] | None = None
        self.planned = ((1, "1-0:1.8.0", "Wh", 0),)  # channel, quantity, unit, exponent
        self.port = 0
        self.requests = 0
        self.renewals = 0
        self._runner: web.AppRunner | None = None

    async def start(self, port: int = 0) -> None:
        app = web.Application(client_max_size=256 * 1024)
        app.router.add_post("/v1/enrol", self._enrol)
        app.router.add_post("/v1/gateways/{gid}/certificate", self._renew)
        app.router.add_post("/v1/gateways/{gid}/hello", self._hello)
        app.router.add_put("/v1/gateways/{gid}/batches/{epoch}/{seq}", self._batch)
        app.router.add_get("/v1/gateways/{gid}/commands", self._commands)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.authority.write_server(self._folder))
        context.verify_mode = ssl.CERT_OPTIONAL
        context.load_verify_locations(cadata=self.authority.pem.decode())
        self._runner = web.AppRunner(app, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port, ssl_context=context)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def claim_toml(self, mqtt_port: int | None = None) -> str:
        mqtt = "" if mqtt_port is None else f'\n[mqtt]\nhost = "localhost"\nport = {mqtt_port}\n'
        head = f'version = 1\nserver = "https://localhost:{self.port}"\nclaim = "{self.claim}"\nsite = "test"\n'
        return f'{head}ca_pem = """\n{self.authority.pem.decode()}"""\n{mqtt}'

    def answer(self, request: EnrolRequest) -> EnrolAnswer:
        csr = x509.load_pem_x509_csr(request.csr)
        public = csr.public_key()
        assert isinstance(public, ec.EllipticCurvePublicKey)
        certificate = self.authority.issue(self.books.gid.hex(), public, server=False)
        keys = (KeyGrant(self.books.receipt_key.spki, ("receipt", "state", "descriptor")),)
        state = self.books.state(request.nonce)
        spki = self.books.log_key.spki
        plan = tuple(self._described(*each) for each in self.planned)
        return EnrolAnswer(self.books.gid, certificate, self.authority.pem, keys, plan, ORIGIN, spki, state, ())

    def _described(self, channel: int, quantity: str, unit: str, exponent: int) -> bytes:
        what = planned_channel(channel, quantity, unit, exponent, self.books.gid)
        return cose.sign(self.books.receipt_key, cose.ContentType.DESCRIPTOR, what.encode())

    async def _enrol(self, request: web.Request) -> web.Response:
        envelope = await request.read()
        unverified = cose.parse(envelope)
        wanted = EnrolRequest.decode(unverified.payload)
        unverified.verify(PublicKey.from_spki(wanted.spki))
        if wanted.claim != self.claim or self.claim_used_by not in (None, wanted.spki):
            problem = {"title": "claim refused", "detail": "claim: was used by another gateway; ask for a new claim"}
            return web.json_response(problem, status=403, content_type="application/problem+json")
        self.claim_used_by = wanted.spki
        self.books.admit(wanted.spki)
        return self._cbor(self.answer(wanted).encode())

    async def _renew(self, request: web.Request) -> web.Response:
        """By the proof key alone: no client certificate is asked for."""
        self.renewals += 1
        if self.down:
            raise web.HTTPServiceUnavailable(text="down for a test")
        unverified = cose.parse(await request.read())
        wanted = EnrolRequest.decode(unverified.payload)
        unverified.verify(PublicKey.from_spki(wanted.spki))
        assert (wanted.claim, wanted.spki) == ("", self.claim_used_by)
        answer = self.answer(wanted).encode()
        return self._cbor(self.tamper(answer) if self.tamper else answer)

    async def _hello(self, request: web.Request) -> web.Response:
        self._check(request)
        return self._cbor(self.books.hello(await request.read()))

    async def _batch(self, request: web.Request) -> web.Response:
        self._check(request)
        data = await request.read()
        opened = open_upload(data)
        assert (opened.header.epoch, opened.header.seq) == (
            int(request.match_info["epoch"]),
            int(request.match_info["seq"]),
        )
        if self.forge_receipts:
            return self._cbor(self.books.receipt(opened, ReceiptStatus.ACCEPTED, Ed25519Signer.generate()))
        receipt = self.books.batch(data)
        if self.swallow_receipts:
            self.swallow_receipts -= 1
            assert request.transport is not None
            request.transport.close()
            await asyncio.sleep(0.05)
        return self._cbor(self.tamper(receipt) if self.tamper else receipt)

    async def _commands(self, request: web.Request) -> web.Response:
        self._check(request)
        await asyncio.sleep(int(request.query.get("wait_s", "30")))
        return self._cbor(b"\x80")

    def _check(self, request: web.Request) -> None:
        self.requests += 1
        assert request.transport is not None
        peer = request.transport.get_extra_info("peercert")
        names = [value for row in (peer or {}).get("subject", ()) for key, value in row if key == "commonName"]
        if names != [request.match_info["gid"]]:
            raise web.HTTPForbidden(text="no client certificate of this gateway")
        if self.down:
            raise web.HTTPServiceUnavailable(text="down for a test")
        if self.revoked:
            problem = {"detail": "gateway cellar is revoked", "next_step": "Ask the community why."}
            text, kind = json.dumps(problem), "application/problem+json"
            raise web.HTTPForbidden(text=text, content_type=kind)

    def _cbor(self, body: bytes) -> web.Response:
        return web.Response(body=body, content_type="application/cbor")
