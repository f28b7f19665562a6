"""Which contract version prices a use; pure, so that the same books follow from the same contracts.

It never asks who signed: a version that is not in force is not handed in.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from tallystick_protocol.ids import H32, PartyId
from tallystick_protocol.money.calendar import edges
from tallystick_protocol.money.contract import AssetTerms, Contract, ContractState, version_at
from tallystick_protocol.money.user import UserOpening

DAY_MS = 86_400_000
MAX_GAP_MS_DEFAULT = 2 * 60 * 60 * 1000  # Terms.max_gap_ms: for spans that no contract covers


@dataclass(frozen=True)
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
        return self._opened.get(H32(terms.user))

    @cached_property
    def _opened(self) -> Mapping[H32, PartyId]:
        """Commitment -> who is behind it; a hash for each, which a contract over a thousand meters asks for often."""
        return {one.commitment: one.party for one in self.openings}

    def users_of(self, asset: str, quantity: str) -> list[PartyId | None]:
        """Who may pay for uses of a channel, first who pays for what nobody claims; None: erased."""
        assets = self.contract.assets
        return [self.payer(assets[index]) for index in self.contract.asset_indexes(asset, quantity)]

    @property
    def payers(self) -> frozenset[PartyId]:
        """Everybody who pays for an asset."""
        found = (self.payer(terms) for terms in self.contract.assets)
        return frozenset(payer for payer in found if payer is not None)

    @property
    def period_payers(self) -> frozenset[PartyId]:
        """Everybody who owes what a period costs, used or not (minimum, standing charge): not who only pays for what
        nobody claims of a shared asset."""
        users = Counter((terms.asset, terms.quantity) for terms in self.contract.assets)
        firsts = {(terms.asset, terms.quantity): terms for terms in reversed(self.contract.assets)}
        fallbacks = [terms for place, terms in firsts.items() if users[place] > 1]
        found = (self.payer(terms) for terms in self.contract.assets if terms not in fallbacks)
        return frozenset(payer for payer in found if payer is not None)

    def splits_with(self, party: bytes) -> bool:
        """Whether a party collects the fees or takes part in the split: who may open every use of the contract."""
        takes = {owner for step in self.contract.split for owner, _ in step.to}
        return party == self.contract.collector or party in takes

    def concerns(self, party: bytes) -> bool:
        """Whether it names a party or makes it a user."""
        return any(one.id == party for one in self.contract.parties) or party in self.payers


def held_until(versions: Sequence[Contract], t_ms: int) -> tuple[Contract, int] | None:
    """The version in force at a time, or, when none is any more, the one that was last; and the last moment, the time
    itself or one before it, at which it was."""
    begun = [one for one in versions if one.effective_from_ms <= t_ms]
    last_ms = max((min(t_ms, (one.effective_to_ms or t_ms + 1) - 1) for one in begun), default=None)
    found = None if last_ms is None else version_at(versions, last_ms)
    return None if found is None or last_ms is None else (found, last_ms)


@dataclass(frozen=True, slots=True)
class Found:
    """The version for a use and what it says of the asset; `payer` None: who it was is erased.

    `sharers`: everybody who pays for a use that begins in their turn; empty where one pays for all."""

    version: Version
    terms: AssetTerms
    payer: PartyId | None
    is_live: bool
    late_ms: int  # a use that ended so long ago is a person's decision
    sharers: frozenset[PartyId] = frozenset()

    def payer_of(self, turn: PartyId | None) -> PartyId | None:
        """Who pays for a use that began in somebody's turn, or in nobody's."""
        return turn if turn is not None and turn in self.sharers else self.payer


class Book:
    """All versions in force of a community; what is asked twice is computed once."""

    def __init__(self, versions: tuple[Version, ...]) -> None:
        self.versions = versions
        self._by_h = {version.h: version for version in versions}
        self._by_channel: dict[tuple[str, str], ChannelContracts] = {}

    def by_h(self) -> Mapping[bytes, Version]:
        return self._by_h

    def of_channel(self, asset: str, quantity: str) -> "ChannelContracts":
        """A contract with a pool prices no channel: it counts the same energy once more, to share its worth."""
        found = self._by_channel.get((asset, quantity))
        if found is None:
            found = self._by_channel[asset, quantity] = self._channel(asset, quantity)
        return found

    def _channel(self, asset: str, quantity: str) -> "ChannelContracts":
        chains: dict[bytes, list[Version]] = {}
        for version in self.versions:
            if version.contract.pool is None and version.contract.asset_terms(asset, quantity) is not None:
                chains.setdefault(version.chain, [])
        for version in self.versions:
            if version.chain in chains:
                chains[version.chain].append(version)
        return ChannelContracts(asset, quantity, tuple(tuple(found) for _, found in sorted(chains.items())))


class ChannelContracts:
    """The chains that ever priced one channel. Between two moments at which a version begins or ends nothing changes,
    so that each stretch is looked for once."""

    def __init__(self, asset: str, quantity: str, chains: tuple[tuple[Version, ...], ...]) -> None:
        self.asset, self.quantity, self.chains = asset, quantity, chains
        contracts = [version.contract for chain in chains for version in chain]
        bounds = {one.effective_from_ms for one in contracts} | {one.effective_to_ms for one in contracts}
        self._contracts = tuple(contracts)
        self._bounds = sorted(bound for bound in bounds if bound is not None)
        self._stretches: dict[int, Found | None] = {}
        self._cutting = _cutting_of(self._contracts)
        self.is_shared = any(len(one.asset_indexes(asset, quantity)) > 1 for one in contracts)

    def at(self, t_ms: int) -> Found | None:
        """The version for a use that starts then: live before shadow, then the younger contract."""
        return self.stretch(t_ms)[0]

    def stretch(self, t_ms: int) -> tuple[Found | None, int | None]:
        """The same, and from when on another one may be found; None: never."""
        at = bisect_right(self._bounds, t_ms)
        if at not in self._stretches:
            found = [one for chain in self.chains if (one := self._in_chain(chain, t_ms)) is not None]
            self._stretches[at] = max(found, key=_precedence, default=None)
        return self._stretches[at], self._bounds[at] if at < len(self._bounds) else None

    def edges(self, from_ms: int, to_ms: int) -> list[int]:
        """Where intervals are cut between two moments; none where no contract ever priced the channel."""
        if not self._contracts:
            return []
        first, last = from_ms // DAY_MS, to_ms // DAY_MS
        if last - first >= DAYS_MAX:
            return edges(self._contracts, from_ms, to_ms)
        marks = [mark for day in range(first, last + 1) for mark in _edges_of_day(self._cutting, day)]
        return marks[bisect_left(marks, from_ms) : bisect_right(marks, to_ms)]

    def max_gap_ms(self, t_ms: int) -> int:
        found = self.at(t_ms)
        return MAX_GAP_MS_DEFAULT if found is None else found.version.contract.terms.max_gap_ms

    def _in_chain(self, chain: Sequence[Version], t_ms: int) -> Found | None:
        contract = version_at([version.contract for version in chain], t_ms)
        if contract is None:
            return None
        version = next(version for version in chain if version.contract is contract)
        terms = contract.asset_terms(self.asset, self.quantity)
        if terms is None or not version.prices:
            return None
        late_ms = (contract.terms.late_days + 1) * DAY_MS
        first, *others = version.users_of(self.asset, self.quantity)
        sharers = {user for user in (first, *others) if user is not None} if others else ()
        return Found(version, terms, first, version.live, late_ms, frozenset(sharers))


DAYS_MAX = 32  # a gateway that was away longer has its edges computed at once
EDGES_DAYS_MAX = 256  # contracts of one template cut alike, and nearly all that comes is of today


@dataclass(frozen=True, slots=True, eq=False)
class _Cutting:
    """Contracts that stand for all others which cut at the same moments."""

    contracts: tuple[Contract, ...]


_CUTTING: dict[tuple[object, ...], _Cutting] = {}
CUTTING_MAX = 1024  # kinds of contracts in one process; most communities have a handful


def _cutting_of(contracts: tuple[Contract, ...]) -> _Cutting:
    """The same object for contracts with the same rules: what was computed for one holds for the other."""
    if len(_CUTTING) >= CUTTING_MAX:
        _CUTTING.clear()
    return _CUTTING.setdefault(tuple(map(_cuts_of, contracts)), _Cutting(contracts))


def _cuts_of(contract: Contract) -> object:
    """All of a contract that `calendar.edges` looks at."""
    bands = tuple((band.windows, band.is_rest) for band in contract.tariff.bands)
    spans = contract.version, contract.effective_from_ms, contract.effective_to_ms
    return *spans, contract.terms.interval_ms, contract.terms.rating_period, contract.zone, bands


@lru_cache(maxsize=EDGES_DAYS_MAX)
def _edges_of_day(cutting: _Cutting, day: int) -> tuple[int, ...]:
    """Edges of a UTC day but those at its end, which are the next day's."""
    begin = day * DAY_MS
    return tuple(mark for mark in edges(cutting.contracts, begin, begin + DAY_MS) if mark < begin + DAY_MS)


def _precedence(found: Found) -> tuple[bool, int, bytes]:
    return found.version.live, found.version.contract.effective_from_ms, found.version.chain
