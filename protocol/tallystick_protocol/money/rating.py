"""Rating: from uses in canonical order and the counters before them to fees, counters after them and shares.
It is a pure function: the same uses give the same money whoever computes it, and a use that comes late is rated by
rating the later uses of its counters again from the values before it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from tallystick_protocol.errors import InvariantError
from tallystick_protocol.ids import H32, PartyId
from tallystick_protocol.money.contract import Contract, version_at
from tallystick_protocol.money.errors import UsageError
from tallystick_protocol.money.plan import Counter, Plan, Shape, plan_of, problem
from tallystick_protocol.money.price import capped, rounded_up, top_up
from tallystick_protocol.money.usage import Usage, UsageForm, canonical, minimum_usage

__all__ = [
    "Counter",
    "Rated",
    "Shape",
    "Usage",
    "UsageForm",
    "canonical",
    "counter_keys",
    "counters_of",
    "minimum_usage",
    "rate",
]

Versions = Callable[[Usage], Contract] | Sequence[Contract]


class Rated(NamedTuple):
    """A use with its fee and its parts in nano; `old` and `new` are the values of its counters before and after it.

    A named tuple of numbers beside one shared shape, because one is made per use: a frozen dataclass takes three times
    as long to make, and pairs with their keys again as long. `amounts` sum to the fee.
    """

    usage: Usage
    fee: int
    amounts: tuple[int, ...]
    old: tuple[int, ...]
    new: tuple[int, ...]
    shape: Shape

    @property
    def shares(self) -> tuple[tuple[PartyId, int], ...]:
        """Each party with its amount, in contract order."""
        return tuple(zip(self.shape.parties, self.amounts, strict=True))

    @property
    def before(self) -> tuple[tuple[H32, int], ...]:
        """Each counter's key with its value before the use."""
        return tuple(zip(self.shape.keys, self.old, strict=True))

    @property
    def after(self) -> tuple[tuple[H32, int], ...]:
        """Each counter's key with its value after the use, in the same order."""
        return tuple(zip(self.shape.keys, self.new, strict=True))

    @property
    def band(self) -> str | None:
        """The band or programme that priced it, None for a minimum."""
        return self.shape.band

    @classmethod
    def of(
        cls,
        usage: Usage,
        fee: int,
        before: Sequence[tuple[H32, int]],
        after: Sequence[tuple[H32, int]],
        shares: Sequence[tuple[PartyId, int]],
        band: str | None,
    ) -> "Rated":
        """From pairs; `before` and `after` name the same counters in the same order."""
        shape = Shape(tuple(party for party, _ in shares), tuple(key for key, _ in before), band)
        old, new = tuple(value for _, value in before), tuple(value for _, value in after)
        return cls(usage, fee, tuple(amount for _, amount in shares), old, new, shape)


def counter_keys(contract: Contract, chain: H32, usage: Usage) -> tuple[H32, ...]:
    """Keys of the counters that a use reads and moves; empty for an aborted use and for plain prices without caps.

    Raises UsageError when the contract has no price for it.
    """
    plan = plan_of(contract, chain)
    return () if usage.aborted else plan.keys(usage, plan.band(usage))


def counters_of(contract: Contract, chain: H32, usage: Usage) -> tuple[Counter, ...]:
    """The same counters with their meaning, for tables and settlements."""
    plan = plan_of(contract, chain)
    return () if usage.aborted else plan.counters(usage, plan.band(usage))


def rate(versions: Versions, chain: H32, usages: Iterable[Usage], counters: Mapping[H32, int]) -> list[Rated]:
    """Rate uses of one contract chain that come in canonical order, from the counters before the first of them.

    `versions` gives the version for a use, or is the list of versions (the one at the use's start applies). A counter
    that is not in `counters` is 0. Raises UsageError for a use without a price (ask `plan.problem` first) and
    InvariantError when the uses are not in canonical order. Nothing that is passed in is changed.
    """
    find = versions if callable(versions) else _by_start(versions)
    moved: dict[H32, int] = {}
    rated = []
    last: tuple[int, bytes, int] | None = None
    plan: Plan | None = None
    for usage in usages:
        position = (usage.end_ms, usage.channel_hash, usage.number)
        if last is not None and position <= last:
            raise InvariantError("uses are rated in canonical order, each once: sort them by position")
        last = position
        version = find(usage)
        if plan is None or plan.contract is not version:
            plan = plan_of(version, chain)
        rated.append(_rate_one(plan, usage, moved, counters))
    return rated


def _by_start(versions: Sequence[Contract]) -> Callable[[Usage], Contract]:
    only = versions[0] if len(versions) == 1 and versions[0].effective_to_ms is None else None

    def find(usage: Usage) -> Contract:
        if only is not None and only.effective_from_ms <= usage.start_ms:
            return only
        found = version_at(versions, usage.start_ms)
        if found is None:
            raise UsageError("use.start_ms", f"no version of the contract is in force at {usage.start_ms} ms")
        return found

    return find


def _rate_one(plan: Plan, usage: Usage, moved: dict[H32, int], counters: Mapping[H32, int]) -> Rated:
    if not plan.is_usual(usage):
        reason = problem(plan.contract, usage)
        if reason is not None:
            raise UsageError("use", reason)
        if usage.aborted:
            band = plan.band(usage) if usage.form is UsageForm.INTERVAL else -1  # a reversed slice keeps its band
            name = plan.names[band] if band >= 0 else usage.programme
            parties = plan.waterfall.beneficiaries
            return Rated(usage, 0, (0,) * len(parties), (), (), Shape(parties, (), name))
    elif plan.flat >= 0:
        fee = (usage.to_total - usage.from_total) * plan.flat
        return Rated(usage, fee, _amounts(plan, usage, fee, []), (), (), plan.bare[0])
    band = plan.band(usage)
    if not plan.moves(band):
        fee = _raw(plan, usage, band, [])[0]
        return Rated(usage, fee, _amounts(plan, usage, fee, []), (), (), plan.bare[band])
    shape = plan.shape(usage, band)
    values = [moved[key] if key in moved else counters.get(key, 0) for key in shape.keys]
    old = tuple(values)
    fee, prices = _fee(plan, usage, band, values)
    split = values[prices:]
    amounts = _amounts(plan, usage, fee, split)
    values[prices:] = split
    new = tuple(values)
    moved.update(zip(shape.keys, new, strict=True))
    return Rated(usage, fee, amounts, old, new, shape)


def _amounts(plan: Plan, usage: Usage, fee: int, values: list[int]) -> tuple[int, ...]:
    """The shares in contract order; moves the split's counters in `values`."""
    if plan.waterfall.is_alone:
        return (fee,)
    return tuple(plan.waterfall.divide(fee, usage.use_id, usage.form is UsageForm.EVENT, values))


def _fee(plan: Plan, usage: Usage, band: int, values: list[int]) -> tuple[int, int]:
    """The fee, moving the price counters in `values`; and how many of these there are."""
    at = 0
    raw = 0
    if band >= 0:
        raw, at = _raw(plan, usage, band, values)
    if not plan.counts_money:
        return raw, at
    if usage.form is UsageForm.MINIMUM:
        fee = raw = top_up(values[at], plan.minimum, plan.cap)
    else:
        fee = raw if plan.cap is None else capped(values[at], raw, plan.cap)
    values[at] += raw
    return fee, at + 1


def _raw(plan: Plan, usage: Usage, band: int, values: list[int]) -> tuple[int, int]:
    """The price of a use before the period's cap, and the number of quantity counters it moved (0 or 1)."""
    curve = plan.curves[band]
    counts = usage.to_total - usage.from_total
    event = usage.form is UsageForm.EVENT
    if event:
        counts = rounded_up(counts, plan.contract.tariff.step)
    if curve.is_plain:
        raw, at = counts * curve.slopes[0], 0
    else:
        raw, at = curve.total(values[0] + counts) - curve.total(values[0]), 1
        values[0] += counts
    return (max(raw + plan.start_fee, plan.session_minimum), at) if event else (raw, at)
