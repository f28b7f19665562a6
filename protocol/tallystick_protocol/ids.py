"""The names of things: gateway, party, key, channel and use ids, each a hash or random bytes of one fixed length.
It never looks anything up and never makes random bytes."""

from collections.abc import Callable
from hashlib import sha256 as _sha256
from typing import NewType

from tallystick_protocol import cbor
from tallystick_protocol.errors import BadValue

Gid = NewType("Gid", bytes)  # 16 bytes: the start of SHA-256 of the gateway's first proof SPKI
PartyId = NewType("PartyId", bytes)  # 16 random bytes, given by the community
H32 = NewType("H32", bytes)  # 32 bytes of SHA-256
Kid = NewType("Kid", bytes)  # 8 bytes: the start of SHA-256 of a key's SPKI

GID_BYTES = 16
PARTY_BYTES = 16
H32_BYTES = 32
KID_BYTES = 8
BOOT_BYTES = 6
NONCE_BYTES = 16
LOG_ID_BYTES = 4
_PAIR_WITH_H32 = b"\x82\x58\x20"  # CBOR: an array of two, the first of them 32 bytes

ZERO_H32 = H32(bytes(H32_BYTES))
"""As a part's descriptor: no descriptor was in force at the gateway yet (docs/adr/0001)."""


def sha256(data: bytes) -> H32:
    """SHA-256 of `data`, 32 bytes."""
    return H32(_sha256(data).digest())


def gid_from_spki(spki: bytes) -> Gid:
    """The gateway id that belongs to its first proof key (DER SubjectPublicKeyInfo)."""
    return Gid(sha256(spki)[:GID_BYTES])


def channel_hash(gid: bytes, channel: int) -> H32:
    """SHA-256(CBOR [gid, channel]): names a channel without saying which gateway it hangs on."""
    if len(gid) != GID_BYTES:
        raise BadValue("gid", f"is {len(gid)} bytes long, must be {GID_BYTES}")
    return sha256(cbor.encode([gid, _number(channel, "channel")]))


def use_id(channel: bytes, number: int) -> H32:
    """SHA-256(CBOR [channel hash, number]); an interval use's number is its from-total, so it may be negative."""
    return use_ids(channel)(number)


def use_ids(channel: bytes) -> Callable[[int], H32]:
    """`use_id` for many numbers of one channel; BadValue for a hash of another length."""
    if len(channel) != H32_BYTES:
        raise BadValue("channel hash", f"is {len(channel)} bytes long, must be {H32_BYTES}")
    begin, number_of = _PAIR_WITH_H32 + channel, cbor.encode_int

    def of(number: int) -> H32:
        return H32(_sha256(begin + number_of(number)).digest())

    return of


def _number(value: int, field: str) -> int:
    if value < 0:
        raise BadValue(field, "is negative, must be 0 or more")
    return value
