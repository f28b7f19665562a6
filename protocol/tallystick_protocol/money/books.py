"""What a settlement is made of and what it becomes: rated uses, covers and openings in, four trees with their rows out.
It holds values only; `settle` makes the one from the other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tallystick_protocol.codes import EvidenceLevel, UseKind
from tallystick_protocol.counter_line import Counter
from tallystick_protocol.cover import Cover
from tallystick_protocol.ids import H32, PartyId
from tallystick_protocol.money.calendar import Period
from tallystick_protocol.money.contract import Contract
from tallystick_protocol.money.rating import Rated
from tallystick_protocol.salted_tree import SaltedTree
from tallystick_protocol.settled_use import Replaced, Use
from tallystick_protocol.settlement import Settlement
from tallystick_protocol.statement import Line, Statement


@dataclass(frozen=True, slots=True)
class Version:
    """A contract version in force and the hash of its envelope."""

    h: H32
    contract: Contract


@dataclass(frozen=True, slots=True)
class Was:
    """What a corrected use said in the settlement before: statements get the difference.

    `counters`: (key, value before it) as settled, which a reversed use leaves.
    """

    where: Replaced
    fee: int
    shares: tuple[tuple[PartyId, int], ...]
    counters: tuple[tuple[H32, int], ...] = ()


@dataclass(frozen=True, slots=True)
class RatedUse:
    """A use as the books have it. `rated.usage.payer` pays; `tag` stands for that payer in this rating period.

    `reversal`: hash of the decision by which it counts as if it had never been; it is rated like an aborted one.
    """

    rated: Rated
    version: H32
    tag: bytes
    kind: UseKind = UseKind.LIVE
    level: EvidenceLevel = EvidenceLevel.GATEWAY_FILE
    was: Was | None = None
    reversal: H32 | None = None


@dataclass(frozen=True, slots=True)
class CounterOpening:
    """Where a counter stood when the settlement before closed."""

    period: Period | None
    value: int


@dataclass(frozen=True, slots=True)
class Account:
    """A party's statement before (its hash and closing), and what else happened on the account."""

    prev: H32 | None = None
    opening: int = 0
    lines: tuple[Line, ...] = ()
    payout_cents: int | None = None


@dataclass(frozen=True, slots=True)
class Books:
    """All that one settlement is made of. `versions` in the order of their chain, whose first names it.

    `uses` are in canonical order; `counters` and `accounts` are what the settlement before left. A counter stays
    `late_ms` after its period, because uses of that period may come so late.
    """

    versions: Sequence[Version]
    from_ms: int
    to_ms: int
    uses: Sequence[RatedUse]
    covers: Sequence[Cover]
    prev: H32 | None = None
    counters: Mapping[H32, CounterOpening] = field(default_factory=dict)
    accounts: Mapping[PartyId, Account] = field(default_factory=dict)
    inputs: tuple[H32, ...] = ()
    late_ms: int = 0

    @property
    def chain(self) -> H32:
        """The hash of the first version."""
        return self.versions[0].h


@dataclass(frozen=True, slots=True)
class Settled:
    """A use of the settlement, whose it is, and the slices it was joined from (None: it was not joined)."""

    use: Use
    payer: PartyId
    slices: SaltedTree | None = None


@dataclass(frozen=True, slots=True)
class Built:
    """A settlement with everything it commits to; leaves stand in the order of the lists beside them."""

    settlement: Settlement
    covers: tuple[Cover, ...]
    uses: tuple[Settled, ...]
    counters: tuple[Counter, ...]
    statements: tuple[Statement, ...]
    cover_tree: SaltedTree
    use_tree: SaltedTree
    counter_tree: SaltedTree
    statement_tree: SaltedTree

    def tree(self, key: int) -> SaltedTree:
        """The tree at a wire key of the settlement: 5 covers, 7 uses, 10 statements, 12 counters."""
        return {5: self.cover_tree, 7: self.use_tree, 10: self.statement_tree, 12: self.counter_tree}[key]
