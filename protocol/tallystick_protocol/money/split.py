"""How a fee is divided: the ordered steps of a contract as data, and the dithered floor that shares inside a step.
It never rounds anywhere else: a step takes a floor, the last step takes the rest, every share is exact to the nano."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from tallystick_protocol.errors import BadValue
from tallystick_protocol.ids import PARTY_BYTES, PartyId
from tallystick_protocol.money.numbers import Exact, Ratio, Word
from tallystick_protocol.schema import POSITIVE, Bytes, Field, List, MapMessage, Nullable, Of, Row, Text

STEPS_MAX = 16
WEIGHTED_MAX = 64  # parties of one step


class Scope(StrEnum):
    """Over what a cap, a floor or a fixed amount counts."""

    USE = "use"
    PERIOD = "period"
    LIFETIME = "lifetime"


class Group(StrEnum):
    """Members of a pool that a step may go to: those who injected, by the worth of what was shared of it; those who
    used what was shared, by how much; those of them who are households; every member alike."""

    PRODUCERS = "producers"
    CONSUMERS = "consumers"
    HOUSEHOLDS = "households"
    MEMBERS = "members"


@dataclass(frozen=True, slots=True)
class Step(MapMessage):
    """Takes `portion` of what is left, or the `fixed` amount, or (neither) the rest; then `floor`, then `cap`.

    `to` are weighted parties in contract order, or empty when the step goes to a `group` of a pool. `per` says whether
    fixed and floor count per event use or per rating period. A cap counts in the counter `counter` over `cap_per`
    (period or lifetime), across payers and assets; steps that name one counter share it.
    """

    NAME = "step"
    FIELDS = (
        Field(0, "to", List(Row((Bytes(PARTY_BYTES), POSITIVE)), 0, WEIGHTED_MAX)),
        Field(1, "portion", Nullable(Of(Ratio)), optional=True),
        Field(2, "fixed", Nullable(Of(Exact)), optional=True),
        Field(3, "floor", Nullable(Of(Exact)), optional=True),
        Field(4, "per", Word(Scope), optional=True, empty=Scope.USE),
        Field(5, "cap", Nullable(Of(Exact)), optional=True),
        Field(6, "cap_per", Nullable(Word(Scope)), optional=True),
        Field(7, "counter", Nullable(Text()), optional=True),
        Field(8, "group", Nullable(Word(Group)), optional=True),
    )
    to: tuple[tuple[PartyId, int], ...]
    portion: Ratio | None = None
    fixed: Exact | None = None
    floor: Exact | None = None
    per: Scope = Scope.USE
    cap: Exact | None = None
    cap_per: Scope | None = None
    counter: str | None = None
    group: Group | None = None

    def check_rules(self) -> None:
        if self.group is None and not self.to:
            raise BadValue("step.to", "holds 0 items, must hold at least 1")
        if self.group is not None and self.to:
            raise BadValue("step.group", "stands beside parties: a step goes to one or the other")
        if self.portion is not None and self.fixed is not None:
            raise BadValue("step", "has a portion and a fixed amount: use one of them")
        if self.portion is not None and self.portion.n > self.portion.d:
            raise BadValue("step.portion", "is more than all of what is left")
        for name in ("fixed", "floor", "cap"):
            amount: Exact | None = getattr(self, name)
            if amount is not None and amount.nano(f"step.{name}") < 0:
                raise BadValue(f"step.{name}", "is negative")
        if self.per is Scope.LIFETIME:
            raise BadValue("step.per", "must be use or period")
        if (self.cap is None) != (self.cap_per is None) or self.cap_per is Scope.USE:
            raise BadValue("step.cap_per", "a cap counts per period or per lifetime: say which")
        if (self.cap is None) != (self.counter is None):
            raise BadValue("step.counter", "a cap needs a named counter, and only a cap has one")

    @property
    def takes_rest(self) -> bool:
        """Whether it takes all that is left (up to its cap)."""
        return self.portion is None and self.fixed is None


def check_split(steps: Sequence[Step]) -> None:
    """Raise BadValue unless the last step takes the rest and nothing before it makes a later step pointless."""
    if not steps:
        raise BadValue("split", "is empty")
    last = steps[-1]
    if not last.takes_rest or last.cap is not None or last.floor is not None:
        raise BadValue("split", "does not sum to the fee: the last step must take the rest, without floor or cap")
    for index, step in enumerate(steps[:-1]):
        if step.takes_rest and step.cap is None:
            raise BadValue(f"split[{index}]", "takes the rest, so nothing reaches the steps after it: give it a cap")


def dither(use_id: bytes, weight_sum: int) -> int:
    """r of the dithered floor: first 8 bytes of SHA-256(use id), big-endian, mod W."""
    return int.from_bytes(sha256(use_id).digest()[:8], "big") % weight_sum


def share(amount: int, weights: Sequence[int], use_id: bytes) -> list[int]:
    """Divide `amount` >= 0 nano by positive integer `weights`: exact sum, each the floor or ceiling of its exact share.

    share_k = (a*C_k + r)//W - (a*C_(k-1) + r)//W with C the running sum of the weights: no state, and over many uses
    nobody is favoured (drift after 100,000 uses at most 201 nano).
    """
    total = sum(weights)
    r = dither(use_id, total)
    running, before, shares = 0, r // total, []
    for weight in weights:
        running += weight
        after = (amount * running + r) // total
        shares.append(after - before)
        before = after
    return shares
