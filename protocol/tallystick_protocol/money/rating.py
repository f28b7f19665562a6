"""Rating: from uses in canonical order and the counters before them to fees, counters after them and shares.
It is a pure function: the same uses give the same money whoever computes it, and a use that comes late is rated by
rating the later uses of its counters again from the values before it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from tallystick_protocol.errors import InvariantError
from tallystick_protocol.ids import H32, PartyId
from tallystick_protocol.money.contract import Contract, version_at
from tallystick_protocol.money.errors import UsageError
from tallystick_protocol.money.plan import Counter, Plan, plan_of, problem
from tallystick_protocol.money.price import capped, rounded_up, top_up
from tallystick_protocol.money.usage import Usage, UsageForm, canonical, minimum_usage

__all__ = [
    "Counter",
    "Rated",
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
    """A use with its fee and shares in nano, and the counters (key, value) before and after it in one order.

    A named tuple because one is made per use and a frozen dataclass takes three times as long to make.
    `shares` holds every party that the split names, in contract order, and sums to the fee. `band` is the band or
    programme that priced it, None for a minimum.
    """

    usage: Usage
    fee: int
    before: tuple[tuple[H32, int], ...]
    after: tuple[tuple[H32, int], ...]
    shares: tuple[tuple[PartyId, int], ...]
    band: str | None = None


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
            return Rated(usage, 0, (), (), plan.waterfall.nothing, name)
    elif plan.flat >= 0:
        fee = (usage.to_total - usage.from_total) * plan.flat
        return Rated(usage, fee, (), (), _shares(plan, usage, fee, []), plan.names[0])
    band = plan.band(usage)
    name = plan.names[band] if band >= 0 else None
    if not plan.moves(band):
        fee = _raw(plan, usage, band, [])[0]
        return Rated(usage, fee, (), (), _shares(plan, usage, fee, []), name)
    keys = plan.keys(usage, band)
    values = [moved[key] if key in moved else counters.get(key, 0) for key in keys]
    before = tuple(zip(keys, values, strict=True))
    fee, prices = _fee(plan, usage, band, values)
    split = values[prices:]
    shares = _shares(plan, usage, fee, split)
    values[prices:] = split
    after = tuple(zip(keys, values, strict=True))
    moved.update(after)
    return Rated(usage, fee, before, after, shares, name)


def _shares(plan: Plan, usage: Usage, fee: int, values: list[int]) -> tuple[tuple[PartyId, int], ...]:
    """The shares in contract order; moves the split's counters in `values`."""
    waterfall = plan.waterfall
    if waterfall.is_alone:
        return ((waterfall.beneficiaries[0], fee),)
    shares = waterfall.divide(fee, usage.use_id, usage.form is UsageForm.EVENT, values)
    return tuple(zip(waterfall.beneficiaries, shares, strict=True))


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
