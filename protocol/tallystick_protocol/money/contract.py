"""A contract version as a value: parties, assets, tariff, split and terms, in the one canonical form that is
hashed and signed. It never decides who signed, never reads a file and never prices a use."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from tallystick_protocol.errors import BadValue
from tallystick_protocol.ids import H32, H32_BYTES, NONCE_BYTES, PARTY_BYTES, PartyId
from tallystick_protocol.money.numbers import Exact, Paragraph, Word
from tallystick_protocol.money.pool import Pool, check_pool
from tallystick_protocol.money.rule import check_rule, rule_is_met
from tallystick_protocol.money.split import STEPS_MAX, Scope, Step, check_split
from tallystick_protocol.money.tariff import Form, Tariff
from tallystick_protocol.money.user import UserField
from tallystick_protocol.schema import (
    POSITIVE,
    UINT,
    Bytes,
    Field,
    Int,
    List,
    MapMessage,
    Nullable,
    Of,
    RowMessage,
    Text,
)

PARTIES_MAX = 256
ASSETS_MAX = 1024  # an apartment house has some hundreds of meters
DAY_MS = 24 * 60 * 60 * 1000
INTERVAL_MS_MIN = 60_000  # below a minute gateways' edges would be most of their readings
LATE_DAYS_MAX = 3660
_PARTY = Bytes(PARTY_BYTES)
_DAYS = Int(0, LATE_DAYS_MAX)


class ContractState(StrEnum):
    """Where a version stands. Shadow computes and shows everything and makes nothing payable."""

    DRAFT = "draft"
    SHADOW = "shadow"
    LIVE = "live"
    PAUSED = "paused"
    ENDED = "ended"


class Mode(StrEnum):
    """Who moves the money: the collector owes the others; split instructions are exported; parties pay each other."""

    PRINCIPAL = "principal"
    PSP = "psp"
    DIRECT = "direct"


class RatingPeriod(StrEnum):
    """Over what tiers, quota, minimum and cap count; ends at local midnight of the contract's zone."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


class GapRule(StrEnum):
    """How a slice over a hole longer than `max_gap` is priced: in the cheapest band, in the band at its start, or
    not at all until a person decides (it stays open)."""

    CHEAPEST = "cheapest"
    START = "start"
    HOLD = "hold"


class TimeRule(StrEnum):
    """How a reading whose time stays unknown is priced after `unknown_time_days`."""

    CHEAPEST = "cheapest"
    HOLD = "hold"


class PayoutApproval(StrEnum):
    """Who releases a payout beside whoever proposed it: any second person who may, or a party of this contract other
    than the collector."""

    SECOND_PERSON = "second-person"
    OTHER_PARTY = "other-party"


@dataclass(frozen=True, slots=True)
class PartyRef(RowMessage):
    """A party as this contract names it. Roles: owner, user, servicer, financier, community-manager, ..."""

    NAME = "party"
    FIELDS = (Field(0, "name", Text()), Field(1, "id", _PARTY), Field(2, "role", Text()))
    name: str
    id: PartyId
    role: str


@dataclass(frozen=True, slots=True)
class AssetTerms(RowMessage):
    """One asset under the contract: the channel of it that is priced (its descriptor's quantity) and who pays.

    `user` is one of the parties, or the commitment to a user who does not sign and whom only the aggregator and the
    user can name (money/user.py). An asset of single uses may be listed once for each of several users who share it.
    """

    NAME = "asset"
    FIELDS = (Field(0, "asset", Text()), Field(1, "quantity", Text()), Field(2, "user", UserField()))
    asset: str
    quantity: str
    user: PartyId | H32

    @property
    def is_committed(self) -> bool:
        """Whether the contract does not say who the user is."""
        return len(self.user) == H32_BYTES

    @property
    def named_user(self) -> PartyId | None:
        """The party that pays, None behind a commitment."""
        return None if self.is_committed else PartyId(self.user)


@dataclass(frozen=True, slots=True)
class Terms(MapMessage):
    """What holds beside price and split. Durations in ms or days, amounts in the contract's unit."""

    NAME = "terms"
    FIELDS = (
        Field(0, "rating_period", Word(RatingPeriod)),
        Field(1, "interval_ms", Int(INTERVAL_MS_MIN, DAY_MS)),
        Field(2, "max_gap_ms", POSITIVE),
        Field(3, "gap_rule", Word(GapRule)),
        Field(4, "late_days", _DAYS),
        Field(5, "unknown_time", Word(TimeRule)),
        Field(6, "unknown_time_days", _DAYS),
        Field(7, "payout_threshold", Of(Exact)),
        Field(8, "dispute_days", _DAYS),
        Field(9, "payout_approval", Word(PayoutApproval), optional=True, empty=PayoutApproval.SECOND_PERSON),
        Field(10, "charge_threshold", Nullable(Of(Exact)), optional=True),
    )
    rating_period: RatingPeriod = RatingPeriod.MONTH
    interval_ms: int = 15 * 60 * 1000
    max_gap_ms: int = 2 * 60 * 60 * 1000
    gap_rule: GapRule = GapRule.CHEAPEST
    late_days: int = 90
    unknown_time: TimeRule = TimeRule.CHEAPEST
    unknown_time_days: int = 30
    payout_threshold: Exact = Exact(1, 1)  # noqa: RUF009 - an immutable value: 10 units
    dispute_days: int = 30
    payout_approval: PayoutApproval = PayoutApproval.SECOND_PERSON
    charge_threshold: Exact | None = None  # the least that a payment provider charges; None: the payout threshold

    def check_rules(self) -> None:
        if DAY_MS % self.interval_ms:
            raise BadValue("terms.interval_ms", "must divide a day, so that edges repeat every day")
        self.payout_threshold.nano("terms.payout_threshold")
        if self.charge_threshold is not None and self.charge_threshold.nano("terms.charge_threshold") < 0:
            raise BadValue("terms.charge_threshold", "is negative")

    @property
    def least_charge(self) -> Exact:
        """What a payment provider charges at least."""
        return self.payout_threshold if self.charge_threshold is None else self.charge_threshold


@dataclass(frozen=True, slots=True)
class Notice(RowMessage):
    """The data notice: what is collected, why, how long it is kept, and who sees it."""

    NAME = "notice"
    FIELDS = (
        Field(0, "what", Paragraph()),
        Field(1, "why", Paragraph()),
        Field(2, "keep_days", UINT),
        Field(3, "who", Paragraph()),
    )
    what: str
    why: str
    keep_days: int
    who: str


@dataclass(frozen=True, slots=True)
class Contract(MapMessage):
    """One version. `prev` is the hash of the version before (null in the first), whose hash names the whole chain.

    In force for uses that start in [effective_from_ms, effective_to_ms).
    """

    NAME = "contract"
    VERSION = 1
    FIELDS = (
        Field(1, "nonce", Bytes(NONCE_BYTES)),
        Field(2, "prev", Nullable(Bytes(H32_BYTES))),
        Field(3, "name", Text()),
        Field(4, "version", POSITIVE),
        Field(5, "community", Text()),
        Field(6, "unit", Text()),
        Field(7, "zone", Text()),
        Field(8, "state", Word(ContractState)),
        Field(9, "mode", Word(Mode)),
        Field(10, "collector", _PARTY),
        Field(11, "change_rule", Text()),
        Field(12, "decision_ref", Nullable(Text())),
        Field(13, "effective_from_ms", UINT),
        Field(14, "effective_to_ms", Nullable(UINT)),
        Field(15, "parties", List(Of(PartyRef), 1, PARTIES_MAX)),
        Field(16, "assets", List(Of(AssetTerms), 1, ASSETS_MAX)),
        Field(17, "tariff", Of(Tariff)),
        Field(18, "split", List(Of(Step), 1, STEPS_MAX)),
        Field(19, "terms", Of(Terms)),
        Field(20, "notice", Of(Notice)),
        Field(21, "pool", Nullable(Of(Pool)), optional=True),
    )
    nonce: bytes
    prev: H32 | None
    name: str
    version: int
    community: str
    unit: str
    zone: str
    state: ContractState
    mode: Mode
    collector: PartyId
    change_rule: str
    decision_ref: str | None
    effective_from_ms: int
    effective_to_ms: int | None
    parties: tuple[PartyRef, ...]
    assets: tuple[AssetTerms, ...]
    tariff: Tariff
    split: tuple[Step, ...]
    terms: Terms
    notice: Notice
    pool: Pool | None = None

    def check_rules(self) -> None:
        if (self.version == 1) != (self.prev is None):
            raise BadValue("contract.prev", "version 1 has none, every later one names the hash of the one before")
        if self.effective_to_ms is not None and self.effective_to_ms <= self.effective_from_ms:
            raise BadValue("contract.effective_to_ms", "is not after effective_from")
        self._check_parties()
        self._check_assets()
        check_split(self.split)
        self._check_per()
        self._check_pool()
        if self.terms.charge_threshold is not None and self.mode is not Mode.PSP:
            reason = 'is the least that a payment provider charges: only with mode = "psp"'
            raise BadValue("contract.terms.charge_threshold", reason)
        check_rule(self.change_rule, len(self.parties), self.decision_ref)

    def _check_parties(self) -> None:
        ids = {party.id for party in self.parties}
        if len(ids) != len(self.parties) or len({party.name for party in self.parties}) != len(self.parties):
            raise BadValue("contract.parties", "names one party twice")
        if self.collector not in ids:
            raise BadValue("contract.collector", "is not one of the parties")
        for index, asset in enumerate(self.assets):
            if not asset.is_committed and asset.user not in ids:
                raise BadValue(f"contract.assets[{index}].user", "is not one of the parties")
        order = [party.id for party in self.parties]
        for index, step in enumerate(self.split):
            places = [order.index(party) if party in ids else -1 for party, _ in step.to]
            if -1 in places:
                raise BadValue(f"contract.split[{index}].to", "names somebody who is not one of the parties")
            if any(after <= before for before, after in pairwise(places)):
                raise BadValue(f"contract.split[{index}].to", "must list parties in contract order, each once")

    def _check_assets(self) -> None:
        keys = [(asset.asset, asset.quantity) for asset in self.assets]
        if len(set(keys)) != len(keys) and (self.tariff.form is Form.INTERVAL or self.pool is not None):
            raise BadValue("contract.assets", "lists one channel twice; only an asset of single uses can be shared")
        users = [(asset.asset, asset.quantity, asset.user) for asset in self.assets]
        if len(set(users)) != len(users):
            raise BadValue("contract.assets", "lists one user of a channel twice")
        committed = [asset.user for asset in self.assets if asset.is_committed]
        if len(set(committed)) != len(committed):
            raise BadValue("contract.assets", "commits to one user twice under one salt, which links the two assets")

    def _check_per(self) -> None:
        for index, step in enumerate(self.split):
            per_use = (step.fixed is not None or step.floor is not None) and step.per is Scope.USE
            if per_use and self.tariff.form is Form.INTERVAL:
                at = f"contract.split[{index}].per"
                raise BadValue(at, 'fixed and floor of intervals count per period: write per = "period"')

    def _check_pool(self) -> None:
        check_pool(self.pool, self.tariff, self.split, len(self.assets))
        if self.pool is None:
            return
        ways = [(a.asset, p.direction) for a, p in zip(self.assets, self.pool.points, strict=True)]
        if len(set(ways)) != len(ways):
            asset = next(asset for (asset, way) in ways if ways.count((asset, way)) > 1)
            raise BadValue("contract.assets", f"count one direction of {asset} twice")
        named = {"payer": self.pool.payer, "above.to": self.pool.above.to if self.pool.above else None}
        for field, party in named.items():
            if party is not None and party not in {one.id for one in self.parties}:
                raise BadValue(f"contract.pool.{field}", "is not one of the parties")
        if self.mode is Mode.DIRECT:
            reason = 'of a pool cannot be direct: members would owe each other by the hour and see it; use "principal"'
            raise BadValue("contract.mode", reason)
        if self.pool.trued_up and self.terms.rating_period is RatingPeriod.WEEK:
            raise BadValue("contract.terms.rating_period", "must end with the year that is trued up: a week does not")

    def asset_terms(self, asset: str, quantity: str) -> AssetTerms | None:
        """The terms of one channel of one asset, None when this contract does not price it. Of a shared asset those of
        the first user, who pays for what nobody says is his."""
        return next((a for a in self.assets if a.asset == asset and a.quantity == quantity), None)

    def asset_indexes(self, asset: str, quantity: str) -> tuple[int, ...]:
        """The places of one channel among the assets, one for each of its users; none where it has no price here."""
        return tuple(i for i, a in enumerate(self.assets) if a.asset == asset and a.quantity == quantity)

    @property
    def has_sharers(self) -> bool:
        """Whether several users share one of its assets."""
        return len({(one.asset, one.quantity) for one in self.assets}) < len(self.assets)

    def party_name(self, party: PartyId) -> str:
        """The name that this contract gives a party; raises BadValue for a stranger."""
        for known in self.parties:
            if known.id == party:
                return known.name
        raise BadValue("party", "is not one of the contract's parties")

    def is_agreed(self, approvals: Collection[PartyId]) -> bool:
        """Whether the parties that said yes meet the change rule; the proposer's signature counts as one."""
        return rule_is_met(self.change_rule, [party.id for party in self.parties], approvals, self.decision_ref)

    def is_valid(self, approvals: Collection[PartyId], earlier: Iterable["Contract"]) -> bool:
        """Whether this version may be in force, after the `earlier` ones that were.

        Shadow needs nobody's yes, for nothing in it is payable. After a version that was live it would stop what is
        owed to others by one signature, so there it needs the change rule as every other state does.
        """
        if self.state is ContractState.DRAFT:
            return False
        is_harmless = self.state is ContractState.SHADOW and all(one.state is ContractState.SHADOW for one in earlier)
        return is_harmless or self.is_agreed(approvals)


@lru_cache(maxsize=256)  # contracts in use at once; a decoded version is about 10 kB
def read_contract(payload: bytes) -> Contract:
    """Contract.decode, remembered, so that rating the next use need not read and precompile it again."""
    return Contract.decode(payload)


def version_at(versions: Sequence[Contract], t_ms: int) -> Contract | None:
    """The version in force at a time: of those whose span holds it the one with the highest number."""
    found = None
    for version in versions:
        begun = version.effective_from_ms <= t_ms
        if begun and (version.effective_to_ms is None or t_ms < version.effective_to_ms):
            found = version if found is None or version.version > found.version else found
    return found


class InForce(NamedTuple):
    """A version and the time [from, until) in which it stood."""

    contract: Contract
    from_ms: int
    until_ms: int


def in_force(versions: Sequence[Contract], state: ContractState, from_ms: int, to_ms: int) -> list[InForce]:
    """Versions in that state that were in force in [from_ms, to_ms), the last one first. One stands there again where
    another began between."""
    edges = {edge for one in versions for edge in (one.effective_from_ms, one.effective_to_ms or to_ms)}
    found: list[InForce] = []
    for begin_ms, until_ms in pairwise(sorted({from_ms, to_ms, *(edge for edge in edges if from_ms < edge < to_ms)})):
        version = version_at(versions, begin_ms)
        if version is None or version.state is not state:
            continue
        if found and found[-1].contract is version and found[-1].until_ms == begin_ms:
            found[-1] = found[-1]._replace(until_ms=until_ms)
        else:
            found.append(InForce(version, begin_ms, until_ms))
    return found[::-1]
