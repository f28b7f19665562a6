"""Which contract version prices a use; pure, so that the same books follow from the same contracts.

It never asks who signed: a version that is not in force is not handed in.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from tallystick_protocol.ids import PartyId
from tallystick_protocol.money.contract import AssetTerms, Contract, ContractState, version_at
from tallystick_protocol.money.user import UserOpening

MAX_GAP_MS_DEFAULT = 2 * 60 * 60 * 1000  # Terms.max_gap_ms: for spans that no contract covers


@dataclass(frozen=True, slots=True)
class Version:
    """One version in force. `live`: its uses are posted; else they are shown only (shadow).

    `openings` name the users that the contract only commits to, as far as nobody was erased.
    """

    h: bytes
    chain: bytes
    contract: Contract
    openings: tuple[UserOpening, ...] = ()

    @property
    def live(self) -> bool:
        return self.contract.state is ContractState.LIVE

    @property
    def prices(self) -> bool:
        return self.contract.state in (ContractState.LIVE, ContractState.SHADOW)

    def payer(self, terms: AssetTerms) -> PartyId | None:
        """Who pays for an asset: the named party, or the opened user; None when that was erased."""
        if not terms.is_committed:
            return terms.named_user
        place = (terms.asset, terms.quantity)
        return next((one.party for one in self.openings if (one.asset, one.quantity) == place), None)

    @property
    def payers(self) -> frozenset[PartyId]:
        """Everybody who pays for an asset."""
        found = (self.payer(terms) for terms in self.contract.assets)
        return frozenset(payer for payer in found if payer is not None)

    def concerns(self, party: bytes) -> bool:
        """Whether it names a party or makes it a user."""
        return any(one.id == party for one in self.contract.parties) or party in self.payers


@dataclass(frozen=True, slots=True)
class Found:
    """The version for a use and what it says of the asset; `payer` None: who it was is erased."""

    version: Version
    terms: AssetTerms

    @property
    def payer(self) -> PartyId | None:
        return self.version.payer(self.terms)


@dataclass(frozen=True, slots=True)
class Book:
    """All versions in force of a community."""

    versions: tuple[Version, ...]

    def by_h(self) -> dict[bytes, Version]:
        return {version.h: version for version in self.versions}

    def of_channel(self, asset: str, quantity: str) -> "ChannelContracts":
        """A contract with a pool prices no channel: it counts the same energy once more, to share its worth."""
        chains: dict[bytes, list[Version]] = {}
        for version in self.versions:
            if version.contract.pool is None and version.contract.asset_terms(asset, quantity) is not None:
                chains.setdefault(version.chain, [])
        for version in self.versions:
            if version.chain in chains:
                chains[version.chain].append(version)
        return ChannelContracts(asset, quantity, tuple(tuple(found) for _, found in sorted(chains.items())))


@dataclass(frozen=True, slots=True)
class ChannelContracts:
    """The chains that ever priced one channel."""

    asset: str
    quantity: str
    chains: tuple[tuple[Version, ...], ...]

    def at(self, t_ms: int) -> Found | None:
        """The version for a use that starts then: live before shadow, then the younger contract."""
        found = [one for chain in self.chains if (one := self._in_chain(chain, t_ms)) is not None]
        return max(found, key=_precedence, default=None)

    def versions(self) -> Sequence[Contract]:
        return [version.contract for chain in self.chains for version in chain]

    def max_gap_ms(self, t_ms: int) -> int:
        found = self.at(t_ms)
        return MAX_GAP_MS_DEFAULT if found is None else found.version.contract.terms.max_gap_ms

    def _in_chain(self, chain: Sequence[Version], t_ms: int) -> Found | None:
        contract = version_at([version.contract for version in chain], t_ms)
        if contract is None:
            return None
        version = next(version for version in chain if version.contract is contract)
        terms = contract.asset_terms(self.asset, self.quantity)
        return Found(version, terms) if terms is not None and version.prices else None


def _precedence(found: Found) -> tuple[bool, int, bytes]:
    return found.version.live, found.version.contract.effective_from_ms, found.version.chain
