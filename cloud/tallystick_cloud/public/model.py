"""The part of an asset's ledger that a rule lets everybody see; pure.

It never holds a name of a person or organisation, a running month, or a month of few people: shares go by role.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from tallystick_cloud.assets.ledger import AssetLedger, Claim, MonthOfAsset

PAYERS_MIN = 3  # of two people each knows the other's part
NO_ROLE = "party"  # somebody whom no contract gives a role


class Shows(StrEnum):
    USES = "uses"
    REVENUE = "revenue"
    SHARES = "shares"
    CLAIMS = "claims"


@dataclass(frozen=True, slots=True)
class Rule:
    """What is published of one asset, and what fixed it."""

    asset: str
    shows: frozenset[Shows]
    payers_min: int
    decision: str
    decided_ms: int


@dataclass(frozen=True, slots=True)
class PublicMonth:
    """`is_hidden`: fewer people than the rule wants; nothing of it is told. None: the rule does not show it.

    Amounts in nano as text; JSON numbers are not exact."""

    month: str
    is_hidden: bool
    uses: int | None = None
    revenue_nano: str | None = None
    shares_nano: dict[str, str] | None = None  # by role


@dataclass(frozen=True, slots=True)
class PublicClaim:
    """A capped part of the split: who has it by role, and how much of the cap was taken, in whole percent."""

    role: str
    per: str
    percent: int


@dataclass(frozen=True, slots=True)
class PublicAsset:
    id: str
    name: str
    kind: str
    payers_min: int
    months: list[PublicMonth] = field(default_factory=list)
    claims: list[PublicClaim] | None = None


@dataclass(frozen=True, slots=True)
class PublicSlice:
    """Of a community, as it was known at `as_of_ms`, the end of its last whole month."""

    community: str
    name: str
    unit: str
    as_of_ms: int
    assets: list[PublicAsset]


def asset_of(ledger: AssetLedger, rule: Rule, roles: Mapping[str, str]) -> PublicAsset:
    """`ledger` as of the end of a month; `roles`: name -> role in the asset's contracts."""
    months = [_month(one, rule, roles) for one in ledger.months]
    claims = None
    if Shows.CLAIMS in rule.shows and not any(one.is_hidden for one in months):  # a claim would tell what is hidden
        claims = [_claim(one, roles) for one in ledger.claims]
    return PublicAsset(ledger.id, ledger.name, ledger.kind, rule.payers_min, months, claims)


def _month(one: MonthOfAsset, rule: Rule, roles: Mapping[str, str]) -> PublicMonth:
    if one.payers < rule.payers_min:
        return PublicMonth(one.month, is_hidden=True)
    return PublicMonth(
        one.month,
        is_hidden=False,
        uses=one.uses if Shows.USES in rule.shows else None,
        revenue_nano=str(one.revenue) if Shows.REVENUE in rule.shows else None,
        shares_nano=_by_role(one.shares, roles) if Shows.SHARES in rule.shows else None,
    )


def _by_role(shares: Mapping[str, int], roles: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, int] = {}
    for name, nano in shares.items():
        role = roles.get(name, NO_ROLE)
        found[role] = found.get(role, 0) + nano
    return {role: str(found[role]) for role in sorted(found)}


def _claim(one: Claim, roles: Mapping[str, str]) -> PublicClaim:
    holders = sorted({roles.get(name, NO_ROLE) for name in one.holders})
    percent = min(100, one.taken * 100 // one.cap) if one.cap else 100
    return PublicClaim(", ".join(holders), one.per, percent)
