"""What the steps of the verifier have established so far about one evidence file.
It holds only what a step has checked; each step reads what those before it left here and adds its own.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

from tallystick_protocol.batch import Batch
from tallystick_protocol.checkpoint import Checkpoint
from tallystick_protocol.codes import Scope, StorageClass
from tallystick_protocol.cose import ContentType, Unverified
from tallystick_protocol.counter_line import Counter
from tallystick_protocol.cover import Cover
from tallystick_protocol.errors import InvariantError
from tallystick_protocol.evidence import Evidence, LoggedObject
from tallystick_protocol.ids import H32, PartyId
from tallystick_protocol.keys import PublicKey
from tallystick_protocol.money.contract import Contract
from tallystick_protocol.money.settle import Version
from tallystick_protocol.money.usage import UsageForm, form_at_close
from tallystick_protocol.part import Event, Part
from tallystick_protocol.policy import Policy
from tallystick_protocol.records import Approval, Continuation, Descriptor, KeyEvent, Resolution, Reversal
from tallystick_protocol.settled_use import Slice, Use
from tallystick_protocol.settlement import Settlement
from tallystick_protocol.statement import Statement
from tallystick_protocol.verify import words
from tallystick_protocol.verify.report import Misfit

_CLOSING = {UsageForm.MINIMUM: "minimum", UsageForm.REBATE: "rebate", UsageForm.STANDING: "standing charge"}
Body: TypeAlias = (
    Batch | Contract | KeyEvent | Descriptor | Settlement | Resolution | Reversal | Approval | Continuation
)
B = TypeVar("B")


@dataclass(frozen=True, slots=True)
class Item:
    """A logged object, read but for its signature, which the step `keys` checks."""

    number: int
    logged: LoggedObject
    unverified: Unverified
    body: Body

    @property
    def h(self) -> H32:
        return self.unverified.hash

    @property
    def kind(self) -> ContentType:
        return self.unverified.content_type

    @property
    def leaf(self) -> int:
        return self.logged.leaf

    def body_as(self, kind: type[B]) -> B:
        """The body, which was read as its content type says; InvariantError for another kind."""
        if not isinstance(self.body, kind):
            raise InvariantError(f"object {self.number} was read as another kind than it says")
        return self.body

    @property
    def name(self) -> str:
        """How people are told about it."""
        match self.body:
            case Batch() as batch:
                return f"batch {batch.epoch}/{batch.seq} of gateway {words.short(batch.gid)}"
            case Contract() as contract:
                return f"contract {contract.name!r}, version {contract.version}"
            case KeyEvent() as event:
                who = event.subject if isinstance(event.subject, str) else words.short(event.subject)
                return f"key record of {who}"
            case Descriptor() as descriptor:
                return f"description of {descriptor.asset}, channel {descriptor.channel}"
            case Settlement() as settlement:
                offsets = [seconds * 1000 for _, seconds in settlement.offsets] or [0]
                first, last = settlement.from_ms + offsets[0], settlement.to_ms + offsets[-1]
                return f"settlement {words.day(first)} to {words.day(last)}"
            case Resolution() as resolution:
                return f"decision about open span {resolution.open_id}"
            case Reversal() as reversal:
                return f"reversal of use {reversal.number}"
            case Approval() as approval:
                return f"answer of party {words.short(approval.party)}"
            case Continuation() as continuation:
                return f"record of {words.day(continuation.epoch * 1000)} that the log was set back"


@dataclass(frozen=True, slots=True)
class OpenPart:
    """A part of a batch that was shown, or (part None) said to be erased."""

    batch: Item
    index: int
    part: Part | None


@dataclass(frozen=True, slots=True)
class Seen:
    """An event with the batch that signed it and the descriptor that its part names."""

    event: Event
    batch: Item
    descriptor: H32


@dataclass(slots=True)
class Leaves:
    """The opened leaves of one settlement by index; slices by the index of their use."""

    covers: dict[int, Cover] = field(default_factory=dict)
    uses: dict[int, Use] = field(default_factory=dict)
    statements: dict[int, Statement] = field(default_factory=dict)
    counters: dict[int, Counter] = field(default_factory=dict)
    slices: dict[int, dict[int, Slice]] = field(default_factory=dict)

    def cover_of(self, channel_hash: H32) -> Cover | None:
        return next((cover for cover in self.covers.values() if cover.channel_hash == channel_hash), None)


@dataclass(frozen=True, slots=True)
class KeySpan:
    """A key, whose it is, what it may sign and from when until when (leaf index, or (epoch, seq))."""

    key: PublicKey
    subject: bytes | str
    may: frozenset[str]
    since: int | tuple[int, int]
    until: int | tuple[int, int] | None
    storage: StorageClass


@dataclass(slots=True)
class Ring:
    """Keys in force: the gateways' by (epoch, seq), parties' and roles' by leaf index."""

    spans: list[KeySpan] = field(default_factory=list)
    histories: dict[bytes | str, list[frozenset[H32]]] = field(default_factory=dict)


@dataclass(slots=True)
class Account:
    """One settlement to be verified, with the one before it (None: it is the first of its chain)."""

    item: Item
    settlement: Settlement
    before: "Account | None"
    is_base: bool
    leaves: Leaves
    versions: tuple[Version, ...] = ()
    chain: H32 = H32(b"")  # noqa: RUF009 - bytes are immutable

    @property
    def name(self) -> str:
        return self.item.name


@dataclass(slots=True)
class Case:
    """One evidence file under one policy."""

    evidence: Evidence
    policy: Policy
    items: tuple[Item, ...]
    checkpoint: Checkpoint | None = None
    epoch: int = 0  # of the log, as the checkpoint's origin names it
    ring: Ring = field(default_factory=Ring)
    parts: list[OpenPart] = field(default_factory=list)
    leaves: dict[H32, Leaves] = field(default_factory=dict)
    accounts: list[Account] = field(default_factory=list)
    descriptors: dict[H32, list[Item]] = field(default_factory=dict)
    aborted: dict[H32, bool] = field(default_factory=dict)
    mine: dict[H32, set[int]] = field(default_factory=dict)  # contract -> its assets that were opened to the party
    erased_uses: int = 0
    records: dict[bytes, bytes] = field(default_factory=dict)  # SHA-256 -> a record that a meter signed
    meter_signed: int = 0

    @property
    def is_own(self) -> bool:
        return self.evidence.scope is Scope.OWN

    @property
    def party(self) -> PartyId:
        return self.policy.party

    def of(self, kind: ContentType) -> list[Item]:
        """Objects of one kind, in the order of the log."""
        return sorted((item for item in self.items if item.kind is kind), key=lambda item: item.leaf)

    def verified(self) -> list[Account]:
        """The settlements that are verified line by line."""
        return [account for account in self.accounts if not account.is_base]

    def pays_for(self, version: Version, index: int) -> bool:
        """Whether the party is the user of a contract's asset: by name, or behind a commitment opened to it."""
        named = version.contract.assets[index].named_user == self.party
        return named or index in self.mine.get(version.h, ())

    def asset_of(self, channel_hash: H32) -> str:
        """The asset's name, or the channel's hash when nothing describes it."""
        found = self.descriptors.get(channel_hash)
        body = found[-1].body if found else None
        return body.asset if isinstance(body, Descriptor) else f"channel {words.short(channel_hash)}"

    def use_name(self, use: Use) -> str:
        """`use 17 of washer-1`."""
        closing = form_at_close(use.channel_hash)
        if closing is not None:
            return f"{_CLOSING[closing]} of the period that ends {words.day(use.end_ms)}"
        if use.slices is not None:
            return f"readings of {self.asset_of(use.channel_hash)} from {use.number} on, {use.programme}"
        return f"use {use.number} of {self.asset_of(use.channel_hash)}"


def is_metered(use: Use) -> bool:
    """Whether something was used; the others are what a period's closing made."""
    return form_at_close(use.channel_hash) is None


def ensure(fits: bool, where: str, why: str) -> None:
    """Raise Misfit unless it fits."""
    if not fits:
        raise Misfit(where, why)


def first_missing(known: Iterable[int], n: int) -> int | None:
    """The lowest of 0..n-1 that is not known; takes time in what is known, not in n."""
    have: Sequence[int] = sorted(known)
    for expected, found in enumerate(have):
        if found != expected:
            return expected
    return len(have) if len(have) < n else None
