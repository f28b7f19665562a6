"""Which evidence is asked for, and what was made; which settlements a file of it must hold (pure).

It never opens anything.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tallystick_protocol.codes import Scope
from tallystick_protocol.ids import H32, PartyId
from tallystick_protocol.money.contract import Contract

from tallystick_cloud.contracts.model import Version
from tallystick_cloud.settlement.model import Stored


@dataclass(frozen=True, slots=True)
class Wanted:
    """`chain` None: every contract of that scope; `scope` None: `contract` where the party takes part in a split."""

    party: PartyId
    at_ms: int
    chain: bytes | None = None
    scope: Scope | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """The file and what it is about."""

    data: bytes
    party: PartyId
    scope: Scope
    contracts: tuple[str, ...]
    from_ms: int
    to_ms: int
    objects: int


@dataclass(frozen=True, slots=True)
class Chain:
    """One contract chain as a file shows it: `base` only to begin from, `shown` line by line, oldest first."""

    id: H32
    versions: Mapping[H32, Version]
    base: Stored | None
    shown: Sequence[Stored]

    @property
    def contracts(self) -> Mapping[H32, Contract]:
        """The versions as they are signed."""
        return {h: version.contract for h, version in self.versions.items()}

    @property
    def settlements(self) -> list[Stored]:
        return [*([] if self.base is None else [self.base]), *self.shown]


def scope_of(versions: Iterable[Version], party: PartyId) -> Scope:
    """`contract` for collector and split, `own` for everybody else."""
    return Scope.CONTRACT if any(one.splits_with(party) for one in versions) else Scope.OWN


def cut_chain(settlements: Sequence[Stored], wanted: int, oldest: int) -> tuple[Stored | None, list[Stored]]:
    """(base, shown) for the settlement at index `wanted`, when corrections reach back to index `oldest`.

    A first settlement begins from nothing, so that it is shown whole instead of as a base.
    """
    first = min(wanted, oldest)
    if first == 1:
        first = 0
    base = settlements[first - 1] if first else None
    return base, list(settlements[first : wanted + 1])
