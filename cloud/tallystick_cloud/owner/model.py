"""What a party is owed and where it is: the four steps of the money line, bars per asset, a loan's repayment; pure.

It never rounds and never counts an amount in two steps: the steps sum to what is still to come. Money in nano."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from tallystick_cloud.owner.payoff import Payoff
from tallystick_cloud.uses.model import Brought, Joined

CENT_NANO = 10**7
PAYOUT_PREFIX = "payout-"


class Stage(StrEnum):
    """Where a payout of the party stood at a moment."""

    PROPOSED = "proposed"  # waits for its second person: still confirmed money
    RELEASED = "released"  # approved, or the bank file is written
    SENT = "sent"
    PAID = "paid"
    REFUSED = "refused"  # by a payment provider; a bank's refusal is a payout that came back
    RETURNED = "returned"
    CANCELLED = "cancelled"


ON_THE_WAY = frozenset({Stage.RELEASED, Stage.SENT})
OUTCOMES = {"paid": Stage.PAID, "refused": Stage.REFUSED}


@dataclass(frozen=True, slots=True)
class PayoutView:
    """A payout to the party; `day` is when the bank executes it (YYYY-MM-DD), `since_ms` when it came to its stage.

    `by_provider`: its part of what a payment provider collects, which the books know when that is paid."""

    run: int
    contract: str
    cents: int
    day: str
    stage: Stage
    since_ms: int
    by_provider: bool = False

    @property
    def is_in_transit(self) -> bool:
        """Whether the books have it in transit."""
        return self.stage is Stage.SENT and not self.by_provider

    @property
    def nano(self) -> int:
        return self.cents * CENT_NANO


@dataclass(frozen=True, slots=True)
class Account:
    """The party's account over the month: what was still to come at its start and end, and what moved it.

    `opening + earned - paid == to_come`; `in_transit` is the part of it that banks have; `own` the part that the party
    collects itself, which nobody transfers; `owes` what the party owes for its own uses."""

    opening: int
    earned: int
    paid: int
    to_come: int
    in_transit: int
    own: int
    owes: int
    settled: int


@dataclass(frozen=True, slots=True)
class MoneyLine:
    """The four steps; the first three sum to what is still to come, the last is of the month."""

    accrued: int
    confirmed: int
    on_the_way: int
    paid: int

    @property
    def to_come(self) -> int:
        return self.accrued + self.confirmed + self.on_the_way


@dataclass(frozen=True, slots=True)
class AssetIncome:
    """What one asset brought in the month."""

    asset: str
    name: str
    form: str
    uses: int
    nano: int


@dataclass(frozen=True, slots=True)
class Loan:
    """A capped step of a split in the party's favour: repaid so far, the cap, and when it is likely to end."""

    chain: bytes
    contract: str
    counter: str
    repaid: int
    cap: int
    payoff: Payoff | None = None

    @property
    def left(self) -> int:
        """Nothing where a later version has a lower cap than was repaid before."""
        return max(0, self.cap - self.repaid)

    @property
    def percent(self) -> int:
        return min(100, self.repaid * 100 // self.cap) if self.cap else 100


@dataclass(frozen=True, slots=True)
class Threshold:
    """From which amount on a contract pays out."""

    contract: str
    nano: int


@dataclass(frozen=True, slots=True)
class Home:
    """Everything the page shows."""

    account: Account
    line: MoneyLine
    payouts: tuple[PayoutView, ...]
    assets: tuple[AssetIncome, ...]
    loans: tuple[Loan, ...]
    newest: tuple[Joined, ...]
    threshold: Threshold | None
    has_account: bool


def account_of(
    before: Mapping[str, int], by_cause: Mapping[str, int], transit: int, own: int, owes: int, settled: int
) -> Account:
    """From sums of postings (what is owed is negative there). `by_cause`: what moved the accounts within the month."""
    opening = -sum(before.values())
    paid = sum(amount for cause, amount in by_cause.items() if cause.startswith(PAYOUT_PREFIX))
    earned = -sum(amount for cause, amount in by_cause.items() if not cause.startswith(PAYOUT_PREFIX))
    return Account(opening, earned, paid, opening + earned - paid, transit, own, owes, settled)


def money_line(account: Account, payouts: Iterable[PayoutView]) -> MoneyLine:
    """Every nano that is still to come stands in exactly one of three steps."""
    released = sum(one.nano for one in payouts if one.stage in ON_THE_WAY and not one.is_in_transit)
    on_the_way = account.in_transit + released
    rest = account.to_come - on_the_way
    confirmed = max(0, min(account.settled - released, rest))
    return MoneyLine(rest - confirmed, confirmed, on_the_way, account.paid)


def by_asset(brought: Iterable[Brought]) -> tuple[AssetIncome, ...]:
    """Shares per asset, the largest first; a correction counts as money, not as another use."""
    found: dict[str, AssetIncome] = {}
    for one in brought:
        before = found.get(one.asset)
        uses, nano = (0, 0) if before is None else (before.uses, before.nano)
        found[one.asset] = AssetIncome(one.asset, one.asset_name, one.form, uses + one.uses, nano + one.nano)
    return tuple(sorted(found.values(), key=lambda one: (-one.nano, one.name)))


def stage_of(row: "PayoutTimes", at_ms: int) -> tuple[Stage, int] | None:
    """(stage, since when) of a payout at a moment; None before it was proposed."""
    if row.proposed_ms > at_ms:
        return None
    if row.outcome is not None and row.outcome_ms is not None and row.outcome_ms <= at_ms:
        return OUTCOMES.get(row.outcome, Stage.RETURNED), row.outcome_ms
    if row.sent_ms is not None and row.sent_ms <= at_ms:
        return Stage.SENT, row.sent_ms
    if row.cancelled_ms is not None and row.cancelled_ms <= at_ms:
        return Stage.CANCELLED, row.cancelled_ms
    if row.approved_ms is not None and row.approved_ms <= at_ms:
        return Stage.RELEASED, row.approved_ms
    return Stage.PROPOSED, row.proposed_ms


@dataclass(frozen=True, slots=True)
class PayoutTimes:
    """When a payout came to which stage."""

    proposed_ms: int
    approved_ms: int | None
    sent_ms: int | None
    outcome: str | None
    outcome_ms: int | None
    cancelled_ms: int | None
