"""Becoming known to an aggregator: once, by a one-time claim; and what that gave, kept in one file written whole.
It never sends a private key, keeps the claim only until it is burned, and is harmless to run again."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from tallystick_protocol import cbor, cose
from tallystick_protocol.codes import StorageClass
from tallystick_protocol.enrol import ANSWER_BYTES_MAX, EnrolAnswer, EnrolRequest
from tallystick_protocol.errors import BadValue, ProtocolError
from tallystick_protocol.ids import H32
from tallystick_protocol.keys import PublicKey
from tallystick_protocol.records import Descriptor

from tallystick_edge.claim_file import ClaimFile, ServerInfo, load_claim
from tallystick_edge.errors import ConfigError, EnrolmentError
from tallystick_edge.files import PUBLIC, erase, write_whole
from tallystick_edge.identity import Identity
from tallystick_edge.ports import Entropy
from tallystick_edge.uplink.trust import Trust
from tallystick_edge.whose import STEP, words_of

ENROLMENT_FILE, CERTIFICATE_FILE = "enrolment.cbor", "tls.crt"
USED_FILE = "claim.used"  # SHA-256 of the claim file that was used last
VERSION = 1
FILE_BYTES_MAX = ANSWER_BYTES_MAX + 64 * 1024
TEXT_BYTES_MAX = 32 * 1024  # a CA certificate in PEM, the one long text of this file
NONCE_BYTES = 16
SERIAL_FILE = Path("/sys/firmware/devicetree/base/serial-number")  # of a Raspberry Pi; also where /proc is hidden

log = logging.getLogger("tallystick.enrolment")

Post = Callable[[ClaimFile, bytes], Awaitable[bytes]]
"""Sends the request to {server}/v1/enrol with the CA pin; returns the body or raises EnrolmentError / UplinkError."""


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What enrolment gave: where the aggregator is and everything it answered, already checked."""

    info: ServerInfo
    answer: EnrolAnswer
    trust: Trust
    descriptors: dict[int, H32]


def load_enrolment(data: Path, identity: Identity) -> Enrolment | None:
    """The stored enrolment, None before it; EnrolmentError for a file that is damaged, unreadable or another's."""
    path = data / ENROLMENT_FILE
    try:
        stored = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise EnrolmentError(f"{path}: {error.strerror}. Next: give it to the agent's user (chown)") from error
    try:
        match cbor.decode(stored, FILE_BYTES_MAX, field="enrolment", text_bytes_max=TEXT_BYTES_MAX):
            case [1, bytes(answer), str(server), str(ca), host, port]:
                info = ServerInfo(server, ca, _text(host), _port(port))
                theirs = EnrolAnswer.decode(answer).gid
                if theirs != identity.gid:
                    raise EnrolmentError(f"{words_of(path, theirs, identity.gid)}. Next: {STEP}")
                return _checked(info, answer, identity)
            case _:
                raise BadValue("enrolment", "has an unknown shape")
    except ProtocolError as error:
        raise EnrolmentError(f"{path}: {error}. Next: remove it and enrol with a new claim") from error


async def enrol(data: Path, identity: Identity, claim: Path, software: str, entropy: Entropy, post: Post) -> Enrolment:
    """Use the claim. Raises ConfigError (claim file), EnrolmentError (refused), UplinkError (not reached)."""
    file = load_claim(claim)
    body = await post(file, _request(identity, file.claim, software, entropy))
    try:
        enrolment = _checked(file.info, body, identity)
    except ProtocolError as error:
        step = "check the server address in the claim file"
        raise EnrolmentError(f"{file.info.server}: the answer is not an enrolment ({error}). Next: {step}") from error
    _keep(data, enrolment, claim)
    return enrolment


def _keep(data: Path, enrolment: Enrolment, claim: Path) -> None:
    """The claim is used up then: one that cannot be erased is no secret any more, and no reason to stop."""
    try:
        store_enrolment(data, enrolment)
        write_whole(data / USED_FILE, sha256(claim.read_bytes()).digest())
    except OSError as error:  # the claim stays, and this gateway may use it again
        step = "free the disk and check the folder's owner; the claim is still good for this gateway"
        raise EnrolmentError(f"{data}: the enrolment cannot be kept ({error.strerror}). Next: {step}") from error
    try:
        erase(claim)
    except OSError as error:
        log.warning("%s: the used claim cannot be erased (%s). Next: remove it", claim, error.strerror)


def store_enrolment(data: Path, enrolment: Enrolment) -> None:
    """Keep it, whole or not at all; a renewed certificate replaces the old one by this."""
    info, body = enrolment.info, enrolment.answer.encode()
    stored = cbor.encode(
        [VERSION, body, info.server, info.ca_pem, info.mqtt_host, info.mqtt_port], text_bytes_max=TEXT_BYTES_MAX
    )
    write_whole(data / ENROLMENT_FILE, stored)


def renewal_request(identity: Identity, software: str, entropy: Entropy) -> bytes:
    """The same message without a claim: the proof key in it is what the aggregator knows."""
    return _request(identity, "", software, entropy)


def has_claim(claim: Path | None) -> bool:
    """Whether there is a claim to use."""
    return claim is not None and claim.exists()


def has_other_claim(data: Path, claim: Path | None) -> bool:
    """Whether there is a claim that is not the one this gateway was let in by, which may lie there still."""
    try:
        return claim is not None and sha256(claim.read_bytes()).digest() != (data / USED_FILE).read_bytes()
    except FileNotFoundError:
        return has_claim(claim)
    except OSError:
        return False  # nobody can use it


def client_context(enrolment: Enrolment, data: Path, identity: Identity) -> ssl.SSLContext:
    """TLS with the CA pin and this gateway's certificate; raises EnrolmentError when they do not fit."""
    certificate = data / CERTIFICATE_FILE
    try:
        _lay_out(certificate, enrolment.answer.certificate_pem)
        context = pinned_context(enrolment.answer.ca_pem.decode())
        context.load_cert_chain(certificate, identity.tls_key)
    except (ssl.SSLError, ValueError) as error:
        step = f"remove {data / ENROLMENT_FILE} and enrol with a new claim"
        raise EnrolmentError(f"the stored certificate is unusable ({error}). Next: {step}") from error
    except OSError as error:
        step = "free the disk and check the folder's owner; it is tried again"
        raise EnrolmentError(f"{certificate}: {error.strerror}. Next: {step}") from error
    return context


def _lay_out(certificate: Path, pem: bytes) -> None:
    """TLS takes it from a file. One that is there is left alone: a full disk must not keep it from being used."""
    if not certificate.exists() or certificate.read_bytes() != pem:
        write_whole(certificate, pem, PUBLIC)


def pinned_context(ca_pem: str) -> ssl.SSLContext:
    """TLS that believes this one CA and checks host names."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = True
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        context.load_verify_locations(cadata=ca_pem)
    except (ssl.SSLError, ValueError) as error:
        step = "copy claim.toml again, whole"
        raise ConfigError("claim", "ca_pem", f"is not a certificate ({error})", step) from error
    return context


def _request(identity: Identity, claim: str, software: str, entropy: Entropy) -> bytes:
    request = EnrolRequest(
        spki=identity.signer.spki,
        csr=identity.csr(),
        serial=_hardware_serial(),
        storage=StorageClass.FILE,
        software=software,
        nonce=entropy.bytes(NONCE_BYTES),
        claim=claim,
    )
    return cose.sign(identity.signer, cose.ContentType.ENROL, request.encode())


def _hardware_serial() -> str:
    try:
        return SERIAL_FILE.read_text("ascii").strip("\0\n ")[:64] or "unknown"
    except (OSError, UnicodeDecodeError):
        return "unknown"


def _checked(info: ServerInfo, body: bytes, identity: Identity) -> Enrolment:
    answer = EnrolAnswer.decode(body)
    if answer.gid != identity.gid:
        raise BadValue("enrol-answer.gid", "is another gateway's")
    trust = Trust(answer.gid, answer.keys, answer.log_origin, answer.log_spki)
    trust.state(answer.state)
    return Enrolment(info, answer, trust, _descriptors(answer))


def with_new_channels(enrolment: Enrolment, plan: Sequence[bytes]) -> Enrolment:
    """The same with those rows of a newer plan whose channels it does not have yet. What a channel means stays as it
    was first signed, whoever answers. EnrolmentError for a row that is not signed by a key that may."""
    try:
        fresh = {Descriptor.decode(cose.parse(row).payload).channel: row for row in plan}
        rows = [row for channel, row in fresh.items() if channel not in enrolment.descriptors]
        answer = replace(enrolment.answer, descriptors=(*enrolment.answer.descriptors, *rows))
        return replace(enrolment, answer=answer, descriptors=_descriptors(answer))
    except ProtocolError as error:
        step = "tell the host; the plan that was there stays in force"
        raise EnrolmentError(f"the new plan is not the community's ({error}). Next: {step}") from error


def _descriptors(answer: EnrolAnswer) -> dict[int, H32]:
    """Channel to hash(x) of the descriptor in force; each must be signed by a key that may."""
    keys = {PublicKey.from_spki(each.spki).kid: each for each in answer.keys if "descriptor" in each.may}
    found: dict[int, H32] = {}
    for envelope in answer.descriptors:
        opened = cose.open_envelope(
            envelope,
            cose.ContentType.DESCRIPTOR,
            lambda kid: PublicKey.from_spki(keys[kid].spki) if kid in keys else None,
        )
        descriptor = Descriptor.decode(opened.payload)
        if descriptor.gid != answer.gid:
            raise BadValue("descriptor.gid", "is another gateway's")
        found[descriptor.channel] = opened.hash
    return found


def planned_in(answer: EnrolAnswer) -> Iterator[Descriptor]:
    """The site's plan, a row for each channel; its signatures were checked when the enrolment was read."""
    return (Descriptor.decode(cose.parse(envelope).payload) for envelope in answer.descriptors)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _port(value: object) -> int | None:
    return value if isinstance(value, int) else None
