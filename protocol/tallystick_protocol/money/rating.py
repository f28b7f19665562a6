"""Rating: from uses in canonical order and the counters before them to fees, counters after them and shares.
It is a pure function: the same uses give the same money whoever computes it, and a use that comes late is rated by
rating the later uses of its counters again from the values before it."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from tallystick_protocol.errors import InvariantError
from tallystick_protocol.ids import H32
from tallystick_protocol.money.contract import Contract, version_at
from tallystick_protocol.money.errors import UsageError
from tallystick_protocol.money.plan import FOR_REBATE, FOR_STANDING, Counter, Plan, plan_of, problem
from tallystick_protocol.money.price import capped, part_of_days, rebate, rounded_up, top_up
from tallystick_protocol.money.rated import Rated, Shape
from tallystick_protocol.money.straight import Straight, straight_of
from tallystick_protocol.money.usage import (
    AT_CLOSE,
    Usage,
    UsageForm,
    canonical,
    minimum_usage,
    rebate_usage,
    standing_usage,
)

__all__ = [
    "AT_CLOSE",
    "Counter",
    "Rated",
    "Shape",
    "Standing",
    "Usage",
    "UsageForm",
    "Versions",
    "canonical",
    "counter_keys",
    "counter_keys_of",
    "counters_of",
    "minimum_usage",
    "rate",
    "rate_plainly",
    "rebate_usage",
    "standing_usage",
]

Versions = Contract | Sequence[Contract] | Callable[[Usage], Contract]
_NEVER = -(1 << 64)  # before every metered start and end
_AFTER_ALL = 1 << 64  # later than any metered start


def counter_keys(contract: Contract, chain: H32, usage: Usage) -> tuple[H32, ...]:
    """Keys of the counters that a use reads and moves; empty for an aborted use and for plain prices without caps.

    Raises UsageError when the contract has no price for it.
    """
    plan = plan_of(contract, chain)
    return () if usage.aborted else plan.keys(usage, plan.band(usage))


def counter_keys_of(contract: Contract, chain: H32, usages: Iterable[Usage]) -> set[H32]:
    """Keys of the counters that any of these uses reads or moves, in whatever order they come; raises UsageError.

    Asked once for each payer and programme of a stretch of time in which band and period stay the same.
    """
    plan = plan_of(contract, chain)
    found: set[H32] = set()
    asked: set[object] = set()
    start_low = start_high = end_low = end_high = 0
    for usage in usages:
        start, end = usage.start_ms, usage.end_ms
        if usage.form is not plan.use_form or usage.aborted or usage.gap:
            found.update(counter_keys(contract, chain, usage))
            continue
        if not (start_low <= start < start_high and end_low < end <= end_high):
            start_low, start_high, end_low, end_high = plan.stretch(start, end)
            asked = set()
        like = usage.payer, usage.programme
        if like not in asked:
            asked.add(like)
            found.update(counter_keys(contract, chain, usage))
    return found


def counters_of(contract: Contract, chain: H32, usage: Usage) -> tuple[Counter, ...]:
    """The same counters with their meaning, for tables and settlements."""
    plan = plan_of(contract, chain)
    return () if usage.aborted else plan.counters(usage, plan.band(usage))


def rate(versions: Versions, chain: H32, usages: Iterable[Usage], counters: Mapping[H32, int]) -> list[Rated]:
    """Rate uses of one contract chain that come in canonical order, from the counters before the first of them.

    `versions` is the one version that applies, or the list of them (the one at the use's start applies), or gives the
    version for a use. A counter that is not in `counters` is 0. Raises UsageError for a use without a price (ask
    `plan.problem` first) and InvariantError when the uses are not in canonical order. Nothing that is passed in is
    changed.
    """
    one, one_from_ms, find = _found_by(versions)
    standing = Standing(counters)
    rated: list[Rated] = []
    lines: dict[object, Straight] = {}  # by payer, or payer and programme, while version and stretch stay
    plan = contract = usual = None
    last_end, last_channel, last_number = _NEVER, b"", 0
    start_low = start_high = end_low = end_high = 0
    for usage in usages:
        use_id, channel, number, start, end, low, high, _, payer, programme, form, aborted, gap = usage
        if end <= last_end and (end, channel, number) <= (last_end, last_channel, last_number):
            raise InvariantError("uses are rated in canonical order, each once: sort them by position")
        last_end, last_channel, last_number = end, channel, number
        version = one if one is not None and start >= one_from_ms else find(usage)
        if version is not contract or plan is None:
            plan, contract = plan_of(version, chain), version
            usual, start_low, start_high = plan.use_form, 0, 0
        if form is not usual or aborted or gap or high < low or end < start:
            rated.append(rate_plainly(plan, usage, standing))
            continue
        if not (start_low <= start < start_high and end_low < end <= end_high):
            start_low, start_high, end_low, end_high = plan.stretch(start, end)
            lines = {}
        like = payer if programme is None else (payer, programme)
        line = lines.get(like)
        if line is None:
            _check(plan, usage)
            line = lines[like] = straight_of(plan, usage)
        rated.append(line(usage, use_id, high - low, standing))
    return rated


class Standing(dict[H32, int]):
    """Counters as the uses so far left them; those that none has moved stand where they stood before."""

    def __init__(self, before: Mapping[H32, int]) -> None:
        self._before = before

    def __missing__(self, key: H32) -> int:
        return self._before.get(key, 0)


def _found_by(versions: Versions) -> tuple[Contract | None, int, Callable[[Usage], Contract]]:
    """The version that applies to most uses, as calling for each would cost more than some prices do; from which start
    on it does; and who gives the version of any other use."""
    if isinstance(versions, Contract):
        return versions, _NEVER, lambda _: versions
    if callable(versions):
        return None, _AFTER_ALL, versions

    def find(usage: Usage) -> Contract:
        found = version_at(versions, usage.start_ms)
        if found is None:
            raise UsageError("use.start_ms", f"no version of the contract is in force at {usage.start_ms} ms")
        return found

    if len(versions) == 1 and versions[0].effective_to_ms is None:
        return versions[0], versions[0].effective_from_ms, find
    return None, _AFTER_ALL, find


def rate_plainly(plan: Plan, usage: Usage, standing: Standing) -> Rated:
    """One use by the plain rules, whatever it is: the few that are no usual ones, and what the straight lines equal."""
    _check(plan, usage)
    if usage.aborted:
        band = plan.band(usage) if usage.form is UsageForm.INTERVAL else -1  # a reversed slice keeps its band
        name = plan.names[band] if band >= 0 else usage.programme
        parties = plan.waterfall.beneficiaries
        return Rated(usage, 0, (0,) * len(parties), (), (), Shape(parties, (), name))
    band = plan.band(usage)
    shape = plan.shape(usage, band)
    old = tuple(standing[key] for key in shape.keys)
    values = list(old)
    fee, prices = _fee(plan, usage, band, values)
    split = values[prices:]
    amounts = plan.waterfall.divide(fee, usage.use_id, usage.form is UsageForm.EVENT, split)
    new = (*values[:prices], *split)
    standing.update(zip(shape.keys, new, strict=True))
    return Rated(usage, fee, tuple(amounts), old, new, shape)


def _check(plan: Plan, usage: Usage) -> None:
    reason = problem(plan.contract, usage)
    if reason is not None:
        raise UsageError("use", reason)


def _fee(plan: Plan, usage: Usage, band: int, values: list[int]) -> tuple[int, int]:
    """The fee, moving the price counters in `values`; and how many of these there are. A rebate's is negative."""
    if band == FOR_STANDING:
        return part_of_days(plan.standing, usage.from_total, usage.to_total, plan.days(usage.end_ms)), 0
    at = 0
    raw = 0
    if band >= 0:
        raw, at = _raw(plan, usage, band, values)
    elif band == FOR_REBATE:
        at = len(plan.volumes)
        raw = -sum(rebate(plan.curves[one], counts) for one, counts in zip(plan.volumes, values, strict=False))
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
