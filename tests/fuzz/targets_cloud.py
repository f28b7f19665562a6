"""Fuzz targets of what people and programs send to the server: forms and calls, a gateway's enrolment and messages,
certificate requests, keys, uses as CSV, proofs that a witness asks for."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from urllib.parse import urlencode

import tallystick_cloud
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from fuzz import seeds
from fuzz.target import Target, as_file, as_text, choosing, chosen
from fuzz.targets_files import PARTIES
from pydantic import BaseModel, TypeAdapter, ValidationError
from support import protocol_samples as s
from tallystick_cloud.ca import _read_csr
from tallystick_cloud.contracts.uses_file import usages_of
from tallystick_cloud.errors import CloudError, KeyStoreError
from tallystick_cloud.gateways.enrol import open_request
from tallystick_cloud.http.errors import Problem
from tallystick_cloud.http.route import Parameter, Source
from tallystick_cloud.http.serve import _field_errors, _form_fields
from tallystick_cloud.log import signed_file
from tallystick_cloud.mqtt import question_of
from tallystick_cloud.town.service import read_public_key
from tallystick_protocol import cose
from tallystick_protocol.errors import ProtocolError
from tallystick_protocol.keys import load_signer
from tallystick_protocol.money.contract import Contract
from tallystick_protocol.money.contract_toml import load_contract
from tallystick_protocol.verify_cli import _proof

_EXAMPLES = seeds.ROOT / "docs" / "examples"
_WASHES = """\
asset,start,end,amount,programme,user
washer-1,2026-11-02T09:00,2026-11-02T10:00,1,60,
washer-2,2026-11-02T09:00+01:00,2026-11-02T10:00+01:00,1,cold,Ahmed Haddad
"""
_HOUSE = "asset,start,end,amount\nhouse,2026-11-02T09:00,2026-11-02T10:00,1.25\n"
_TOPIC = f"ts/1/{s.GID.hex()}/up/hello"
_SIGNED = b'{"version": 1, "origin": "log.example", "size": 3, "root": "' + b"00" * 32 + b'"}'


@cache
def _contract(name: str) -> Contract:
    return load_contract((_EXAMPLES / name).read_text(encoding="utf-8"), PARTIES)


def _uses(name: str, text: str) -> None:
    contract = _contract(name)
    payers = {one.asset: PARTIES["Ahmed Haddad"] for one in contract.assets}
    usages_of(text, contract, PARTIES, payers)


@cache
def _models() -> list[type[BaseModel]]:
    """Every form and body that a page or a call takes, and every answer."""
    for module in pkgutil.walk_packages(tallystick_cloud.__path__, "tallystick_cloud."):
        if module.name.rsplit(".", 1)[-1] in ("pages", "api", "sessions", "forms"):
            importlib.import_module(module.name)
    ours = [one for one in BaseModel.__subclasses__() if one.__module__.startswith("tallystick_cloud.")]
    return sorted(ours, key=lambda one: (one.__module__, one.__qualname__))


@cache
def _validator(number: int) -> TypeAdapter[BaseModel]:
    return TypeAdapter(_models()[number % len(_models())])


def _form(data: bytes) -> None:
    """The first byte says which form or body it is for."""
    if not data:
        return
    try:
        _validator(data[0]).validate_python(_form_fields(data[1:]))
    except ValidationError as error:
        _told(error, Source.FORM)


def _body(data: bytes) -> None:
    if not data:
        return
    try:
        _validator(data[0]).validate_json(data[1:])
    except ValidationError as error:
        _told(error, Source.BODY)


def _told(error: ValidationError, source: Source) -> None:
    """Every refusal names its field."""
    for one in _field_errors(Parameter("it", source, bytes, None), error):
        if not one.field or not one.reason:
            raise AssertionError("a refusal says nothing")


def _form_seeds() -> list[bytes]:
    filled = {
        "sure": "yes",
        "day": "2026-12-01",
        "reason": "it never ran",
        "iban": "DE89370400440532013000",
        "name": "A",
    }
    return [bytes([number]) + urlencode(filled).encode() for number in range(len(_models()))]


def _body_seeds() -> list[bytes]:
    return [bytes([number]) + b'{"day": "2026-12-01", "number": 1, "reason": "x"}' for number in range(len(_models()))]


def _question(data: bytes) -> None:
    topic, _, payload = data.partition(b"\n")
    found = question_of(topic.decode("utf-8", "replace"), payload)
    if found is not None and len(found.gid) != 16:
        raise AssertionError("a gateway of another size")


@cache
def _csr_seeds() -> list[bytes]:
    """Not the same bytes each time: a signature has a random number in it."""
    key = ec.derive_private_key(5, ec.SECP256R1())
    made = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, SHA256())
    return [made.public_bytes(Encoding.PEM), made.public_bytes(Encoding.DER)]


def _enrolments() -> list[bytes]:
    return [cose.sign(s.GATEWAY, cose.ContentType.ENROL, s.ENROL_REQUEST.encode())]


CLOUD = (
    Target(
        "uses-csv",
        chosen(
            as_text(lambda text: _uses("laundry.toml", text)), as_text(lambda text: _uses("house-meter.toml", text))
        ),
        (CloudError,),
        lambda: choosing([_WASHES.encode()], [_HOUSE.encode()]),
        ci=500,
    ),
    Target("form", _form, (Problem,), _form_seeds, ci=3_000),
    Target("body", _body, (), _body_seeds, ci=3_000),
    Target("mqtt-question", _question, (), lambda: [_TOPIC.encode() + b"\nhello", b"ts/1/xx/up/batch\n"]),
    Target("enrolment", open_request, (ProtocolError,), _enrolments, ci=5_000),
    Target("certificate-request", _read_csr, (CloudError,), _csr_seeds, ci=2_000),
    Target(
        "key-file",
        chosen(load_signer, lambda data: read_public_key(as_file(data))),
        (ProtocolError, CloudError),
        lambda: choosing([s.GATEWAY.to_pem(), s.LOG.to_pem()], [_public_pem()]),
        bytes_max=2048,
        ci=5_000,
    ),
    Target("log-proof", _proof, (ProtocolError,), seeds.texts("AAAA", "A" * 43 + "=\n" + "B" * 43 + "=\n")),
    Target("signed-checkpoint", lambda data: signed_file.read(as_file(data)), (KeyStoreError,), lambda: [_SIGNED]),
)


def _public_pem() -> bytes:
    from cryptography.hazmat.primitives.serialization import PublicFormat, load_der_public_key

    return load_der_public_key(s.GATEWAY.spki).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
