"""Fuzz targets of the wire and the log: CBOR, envelopes, every message, notes and tiles, and a meter's signed record.
Only ProtocolError may come out of any of them."""

from __future__ import annotations

from collections.abc import Callable

import cbor2
from fuzz import seeds
from fuzz.target import Target, as_text, choosing, chosen
from support.protocol_readers import READERS
from support.protocol_samples import GATEWAY, LOG, ORIGIN, WITNESS
from tallystick_protocol import cbor, cose, merkle, tiles
from tallystick_protocol.batch import open_upload, read_batch
from tallystick_protocol.checkpoint import open_checkpoint, verify_cosignature
from tallystick_protocol.claim import parse_claim
from tallystick_protocol.cose import ContentType
from tallystick_protocol.errors import ProtocolError
from tallystick_protocol.ids import H32
from tallystick_protocol.keys import PublicKey, public_key_of
from tallystick_protocol.note import Note
from tallystick_protocol.ocmf import read_ocmf
from tallystick_protocol.ocmf_session import counts_of, read_session
from tallystick_protocol.part import Part

_GATEWAY, _LOG, _WITNESS = public_key_of(GATEWAY), public_key_of(LOG), public_key_of(WITNESS)
_OCMF_READING = '{"TM":"2026-01-01T00:00:00,000+0100 S","TX":"B","RV":0.2596,"RI":"1-b:1.8.0","RU":"kWh","ST":"G"}'
_OCMF_KEY = PublicKey.from_spki(GATEWAY.spki).spki
_RECORDS = ("descriptor", "key-event", "approval", "resolution", "reversal", "continuation", "enrol", "enrol-answer")
_SUMS = ("pool-settlement", "meter-piece", "interval", "cost-settlement", "cost-piece")
_SETTLED = ("settlement", "cover", "counter", "use", "slice", "statement", "tree")


def _reader(kind: str) -> Callable[[bytes], object]:
    return lambda data: READERS[kind](data, {})


def _message(kind: str, ci: int = 20_000) -> Target:
    return Target(kind, _reader(kind), (ProtocolError,), seeds.vectors(kind), ci=ci)


def _messages(name: str, kinds: tuple[str, ...]) -> Target:
    return Target(
        name,
        chosen(*map(_reader, kinds)),
        (ProtocolError,),
        lambda: choosing(*map(seeds.vectors_of, kinds)),
        ci=10_000,
    )


def _cbor(data: bytes) -> None:
    value = cbor.decode(data)
    if not cbor.encode(value) == cbor2.dumps(value, canonical=True) == data:
        raise AssertionError("what was read is not written as it came")


def _envelope(data: bytes) -> None:
    cose.open_envelope(data, ContentType.BATCH, lambda kid: _GATEWAY if kid == _GATEWAY.kid else None)


def _upload(data: bytes) -> None:
    for part in open_upload(data).parts:
        if isinstance(part, Part):
            [segment.readings() for segment in part.segments]


def _part(data: bytes) -> None:
    part = Part.decode(data)
    for segment in part.segments:
        segment.readings()
    for gauge in part.gauges:
        gauge.values()
    if Part.decode(part.encode()) != part:
        raise AssertionError("what was read is not written as it came")


def _proof(data: bytes) -> None:
    index, size = (data[0], data[1]) if len(data) > 1 else (0, 0)
    hashes = [H32(data[at : at + 32]) for at in range(2, len(data), 32)]
    if index % 2:
        merkle.verify_inclusion(index // 2, size, H32(bytes(32)), hashes, H32(bytes(32)))
    else:
        merkle.verify_consistency(index // 2, size, hashes, H32(bytes(32)), H32(b"\1" * 32))


def _ocmf(data: bytes) -> None:
    read_ocmf(data).verify(_OCMF_KEY)


def _session(data: bytes) -> None:
    """With the frame and signature section already in place, so that the readings are reached."""
    session = read_session(b"OCMF|" + data + b'|{"SD":""}')
    counts_of(session.begin.wh, "Wh", -3)
    counts_of(session.end.wh, "kWh", 0)


def _ocmf_seeds() -> list[bytes]:
    head = 'OCMF|{"FV":"1.0","GI":"G","GS":"1","PG":"T1","MS":"7","IS":false,"RD":['
    tail = ']}|{"SA":"ECDSA-secp256r1-SHA256","SD":"3006020101020101"}'
    end = _OCMF_READING.replace('"B"', '"E"').replace("0.2596", '"  12.5 "')
    return [
        f"{head}{_OCMF_READING},{end}{tail}".encode(),
        f"{head}{_OCMF_READING}{tail}".encode(),
        b'OCMF|{}|{"SD":""}',
    ]


PROTOCOL = (
    Target("cbor", _cbor, (ProtocolError,), seeds.vectors("cbor", "part", "contract")),
    Target("envelope", _envelope, (ProtocolError,), seeds.vectors("envelope", "upload")),
    Target("upload", _upload, (ProtocolError,), seeds.vectors("upload"), bytes_max=8192, ci=10_000),
    Target("part", _part, (ProtocolError,), seeds.vectors("part"), ci=10_000),
    Target(
        "batch",
        chosen(_reader("batch"), read_batch),
        (ProtocolError,),
        lambda: choosing(seeds.vectors_of("batch"), seeds.vectors_of("batch")),
    ),
    _message("receipt"),
    _message("hello"),
    _message("state"),
    _message("command"),
    _messages("records", _RECORDS),
    _message("contract", ci=4_000),
    _messages("settled", _SETTLED),
    _messages("sums", _SUMS),
    _message("pool-proof", ci=2_000),
    _message("cost-proof", ci=2_000),
    Target("evidence-message", _reader("evidence"), (ProtocolError,), seeds.vectors("evidence")),
    Target("note", Note.decode, (ProtocolError,), seeds.vectors("checkpoint", "cosignature")),
    Target(
        "checkpoint",
        chosen(
            lambda d: open_checkpoint(d, ORIGIN, _LOG), lambda d: verify_cosignature(d, "witness.example/w1", _WITNESS)
        ),
        (ProtocolError,),
        lambda: choosing(seeds.vectors_of("checkpoint"), seeds.vectors_of("cosignature")),
    ),
    Target(
        "tiles",
        chosen(
            as_text(tiles.parse_path), lambda d: tiles.decode_entries(d[1:], d[0]) if d else None, _reader("log-leaf")
        ),
        (ProtocolError,),
        lambda: choosing(
            seeds.vectors_of("tile-path"),
            [b"\x01" + d for d in seeds.vectors_of("entries")],
            seeds.vectors_of("log-leaf"),
        ),
    ),
    Target("merkle-proof", _proof, (ProtocolError,), lambda: [bytes([3, 4]) + bytes(64), bytes([4, 7]) + bytes(96)]),
    Target("compact-range", merkle.CompactRange.decode, (ProtocolError,), lambda: [b"", bytes(40)]),
    Target("public-key", PublicKey.from_spki, (ProtocolError,), seeds.vectors("spki"), bytes_max=300),
    Target("claim", as_text(parse_claim), (ProtocolError,), seeds.vectors("claim"), bytes_max=128),
    Target("ocmf", _ocmf, (ProtocolError,), _ocmf_seeds),
    Target(
        "ocmf-session",
        _session,
        (ProtocolError,),
        lambda: [seed[5 : seed.rindex(b"|")] for seed in _ocmf_seeds()],
    ),
)
