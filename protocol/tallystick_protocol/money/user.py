"""Users whom a contract does not name: a salted commitment per asset in the contract, opened to its user alone.
It never makes a salt: whoever writes a contract hands in random bytes, fresh for every asset of every version.
"""

from dataclasses import dataclass

from tallystick_protocol import cbor
from tallystick_protocol.errors import BadType, BadValue
from tallystick_protocol.ids import H32, H32_BYTES, PARTY_BYTES, PartyId, sha256

USER_SALT_BYTES = 16  # a party id is random too, but known to many: without a salt anybody could try those he knows
_LABEL = "tallystick user"
_VERSION = 1


def commit_user(salt: bytes, party: PartyId) -> H32:
    """SHA-256(CBOR ["tallystick user", 1, salt, party]); BadValue for another size of either."""
    for name, value, size in (("salt", salt, USER_SALT_BYTES), ("party", party, PARTY_BYTES)):
        if len(value) != size:
            raise BadValue(f"user.{name}", f"is {len(value)} bytes long, must be {size}")
    return sha256(cbor.encode([_LABEL, _VERSION, salt, party]))


@dataclass(frozen=True, slots=True)
class UserOpening:
    """What opens the commitment of one asset of one contract version: kept, shown and erased as one."""

    asset: str
    quantity: str
    salt: bytes
    party: PartyId

    @property
    def commitment(self) -> H32:
        return commit_user(self.salt, self.party)


@dataclass(frozen=True, slots=True)
class UserField:
    """A codec: the id of a party (16 bytes), or the commitment to a user whom the contract does not name (32)."""

    def check(self, value: object, at: str) -> None:
        if not isinstance(value, bytes):
            raise BadType(at, "must be a byte string")
        if len(value) not in (PARTY_BYTES, H32_BYTES):
            reason = f"must be a party ({PARTY_BYTES}) or a commitment to one ({H32_BYTES})"
            raise BadValue(at, f"is {len(value)} bytes long, {reason}")

    def read(self, value: object, at: str) -> object:
        self.check(value, at)
        return value

    def write(self, value: object) -> object:
        return value
