"""The policy file that a party holds: which community, log, keys and witnesses it believes, and who it is itself.
It never comes out of an evidence file: whoever gives you evidence must not tell you whom to trust.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from tallystick_protocol.cbor import INT_MAX
from tallystick_protocol.cose import ContentType
from tallystick_protocol.errors import BadValue, ProtocolError
from tallystick_protocol.ids import H32, H32_BYTES, PARTY_BYTES, PartyId
from tallystick_protocol.keys import Alg, PublicKey
from tallystick_protocol.note import check_name

POLICY_BYTES_MAX = 256 * 1024
LIST_MAX = 1024
VERSION = 1
SUBJECT_BYTES = 16
KINDS = frozenset(kind.kind for kind in ContentType)
T = TypeVar("T")


class PolicyError(BadValue):
    """The policy file is wrong at `field`; the reason says what to write."""


@dataclass(frozen=True, slots=True)
class Witness:
    """A witness by the name of its key in notes."""

    name: str
    key: PublicKey


@dataclass(frozen=True, slots=True)
class OperatorKey:
    """A key of the host, and which kinds it may sign."""

    key: PublicKey
    may: frozenset[str]


@dataclass(frozen=True, slots=True)
class PartyKey:
    """A key that a party gave away itself."""

    party: PartyId
    key: PublicKey


@dataclass(frozen=True, slots=True)
class KnownVersion:
    """A contract version that this party knows to be agreed: its chain, its hash, and from when it prices uses."""

    chain: H32
    h: H32
    from_ms: int


@dataclass(frozen=True, slots=True)
class Policy:
    """`roots_needed` of `roots` sign what stands above the host; `witnesses_needed` may be 0: then nobody witnesses.

    `contracts` are versions that this party knows to be agreed; `subjects` its own pseudonyms at machines.
    """

    community: str
    party: PartyId
    log_origin: str
    log_key: PublicKey
    roots: tuple[PublicKey, ...]
    roots_needed: int = 1
    keys: tuple[OperatorKey, ...] = ()
    witnesses: tuple[Witness, ...] = ()
    witnesses_needed: int = 0
    party_keys: tuple[PartyKey, ...] = ()
    contracts: tuple[KnownVersion, ...] = ()
    subjects: tuple[bytes, ...] = ()

    def to_json(self) -> str:
        """The file's text, ending in a newline; `load_policy` reads it back."""
        value: dict[str, Any] = {
            "version": VERSION,
            "community": self.community,
            "party": self.party.hex(),
            "log": {"origin": self.log_origin, "key": self.log_key.spki.hex()},
            "roots": {"needed": self.roots_needed, "keys": [key.spki.hex() for key in self.roots]},
            "keys": [{"key": one.key.spki.hex(), "may": sorted(one.may)} for one in self.keys],
            "witnesses": {
                "needed": self.witnesses_needed,
                "keys": [{"name": one.name, "key": one.key.spki.hex()} for one in self.witnesses],
            },
            "parties": [{"party": one.party.hex(), "key": one.key.spki.hex()} for one in self.party_keys],
            "contracts": [
                {"chain": one.chain.hex(), "version": one.h.hex(), "from_ms": one.from_ms} for one in self.contracts
            ],
            "subjects": [subject.hex() for subject in self.subjects],
        }
        return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def load_policy(data: bytes) -> Policy:
    """Read a policy file (JSON, UTF-8); raises PolicyError naming field and reason. Unknown fields are refused."""
    if len(data) > POLICY_BYTES_MAX:
        raise PolicyError("policy", f"is {len(data)} bytes long, the limit is {POLICY_BYTES_MAX}")
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_once)
    except (UnicodeDecodeError, ValueError, RecursionError):
        raise PolicyError("policy", "is not a JSON file; ask your community for it, or export it again") from None
    return _Reader(value, "policy").policy()


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) != len(pairs):
        raise PolicyError("policy", "names a field twice")
    return dict(pairs)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Takes an object apart field by field; every field that is there must have been asked for."""

    value: Any
    at: str

    def policy(self) -> Policy:
        self.only("version", "community", "party", "log", "roots", "keys", "witnesses", "parties", "contracts",
                  "subjects")  # fmt: skip
        if self.field("version") != VERSION:
            raise PolicyError(f"{self.at}.version", f"must be {VERSION}")
        log, roots = self.inner("log").only("origin", "key"), self.inner("roots").only("needed", "keys")
        names = self.inner("witnesses", {"needed": 0, "keys": []}).only("needed", "keys")
        root_keys = tuple(_key(item, at) for item, at in roots.items("keys"))
        witnesses = tuple(_Reader(item, at).witness() for item, at in names.items("keys"))
        if not root_keys:
            raise PolicyError(f"{roots.at}.keys", "is empty: name at least one root key of the community")
        _distinct((key.spki for key in root_keys), f"{roots.at}.keys")
        _distinct((witness.name for witness in witnesses), f"{names.at}.keys")
        _distinct((witness.key.spki for witness in witnesses), f"{names.at}.keys")
        return Policy(
            community=self.text("community"),
            party=PartyId(self.octets("party", PARTY_BYTES)),
            log_origin=_named(log.text("origin"), f"{log.at}.origin"),
            log_key=_note_key(log.field("key"), f"{log.at}.key"),
            roots=root_keys,
            roots_needed=roots.count("needed", 1, len(root_keys)),
            keys=tuple(_Reader(item, at).operator_key() for item, at in self.items("keys")),
            witnesses=witnesses,
            witnesses_needed=names.count("needed", 0, len(witnesses)),
            party_keys=tuple(_Reader(item, at).party_key() for item, at in self.items("parties")),
            contracts=tuple(_Reader(item, at).known() for item, at in self.items("contracts")),
            subjects=tuple(_octets(item, at, SUBJECT_BYTES) for item, at in self.items("subjects")),
        )

    def witness(self) -> Witness:
        self.only("name", "key")
        return Witness(_named(self.text("name"), f"{self.at}.name"), _note_key(self.field("key"), f"{self.at}.key"))

    def operator_key(self) -> OperatorKey:
        self.only("key", "may")
        kinds = [item for item, _ in self.items("may")]
        for kind in kinds:
            if kind not in KINDS:
                raise PolicyError(f"{self.at}.may", f"{kind!r} is not a kind; write one of {', '.join(sorted(KINDS))}")
        return OperatorKey(_key(self.field("key"), f"{self.at}.key"), frozenset(kinds))

    def party_key(self) -> PartyKey:
        self.only("party", "key")
        return PartyKey(PartyId(self.octets("party", PARTY_BYTES)), _key(self.field("key"), f"{self.at}.key"))

    def known(self) -> KnownVersion:
        self.only("chain", "version", "from_ms")
        chain, h = H32(self.octets("chain", H32_BYTES)), H32(self.octets("version", H32_BYTES))
        return KnownVersion(chain, h, self.count("from_ms", 0, INT_MAX))

    def only(self, *names: str) -> "_Reader":
        if not isinstance(self.value, dict):
            raise PolicyError(self.at, "must be an object")
        unknown = sorted(set(self.value) - set(names))
        if unknown:
            raise PolicyError(f"{self.at}.{unknown[0][:40]}", f"is not a field; the fields are {', '.join(names)}")
        return self

    def field(self, name: str) -> Any:
        if name not in self.value:
            raise PolicyError(f"{self.at}.{name}", "is missing")
        return self.value[name]

    def inner(self, name: str, default: Any = None) -> "_Reader":
        value = self.value.get(name, default)
        if value is None:
            raise PolicyError(f"{self.at}.{name}", "is missing")
        return _Reader(value, f"{self.at}.{name}")

    def items(self, name: str) -> Iterable[tuple[Any, str]]:
        value = self.value.get(name, [])
        if not isinstance(value, list) or len(value) > LIST_MAX:
            raise PolicyError(f"{self.at}.{name}", f"must be a list of at most {LIST_MAX}")
        return [(item, f"{self.at}.{name}[{index}]") for index, item in enumerate(value)]

    def text(self, name: str) -> str:
        value = self.field(name)
        if not isinstance(value, str) or not value or len(value) > 64:
            raise PolicyError(f"{self.at}.{name}", "must be text of 1 to 64 characters")
        return value

    def octets(self, name: str, size: int) -> bytes:
        return _octets(self.field(name), f"{self.at}.{name}", size)

    def count(self, name: str, low: int, high: int) -> int:
        value = self.field(name)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise PolicyError(f"{self.at}.{name}", f"must be a whole number from {low} to {high}")
        return value


def _octets(value: Any, at: str, size: int | None) -> bytes:
    try:
        data = bytes.fromhex(value) if isinstance(value, str) and value == value.strip().lower() else None
    except ValueError:
        data = None
    if data is None or (size is not None and len(data) != size):
        length = "" if size is None else f" of {size} bytes"
        raise PolicyError(at, f"must be lower-case hexadecimal{length}")
    return data


def _key(value: Any, at: str) -> PublicKey:
    return _wrapped(lambda: PublicKey.from_spki(_octets(value, at, None)), at)


def _note_key(value: Any, at: str) -> PublicKey:
    key = _key(value, at)
    if key.alg is not Alg.EDDSA:
        raise PolicyError(at, "is not an Ed25519 key, which checkpoints need")
    return key


def _named(value: str, at: str) -> str:
    return _wrapped(lambda: check_name(value), at)


def _wrapped(read: Callable[[], T], at: str) -> T:
    try:
        return read()
    except PolicyError:
        raise
    except ProtocolError as error:
        raise PolicyError(at, error.reason) from None


def _distinct(values: Iterable[object], at: str) -> None:
    found = list(values)
    if len(set(found)) != len(found):
        raise PolicyError(at, "names one key or name twice")
