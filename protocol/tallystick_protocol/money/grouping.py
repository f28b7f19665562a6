"""Which slices of a meter make one settled use: those of one channel, version, band, price step and rating period.
It never looks at an amount.
"""

from bisect import bisect_right

from tallystick_protocol.ids import H32
from tallystick_protocol.money.books import (
    RatedUse,
)
from tallystick_protocol.money.contract import Contract
from tallystick_protocol.money.plan import Plan, plan_of
from tallystick_protocol.money.rating import Rated, UsageForm


def group_of(contract: Contract, chain: H32, one: RatedUse) -> tuple[object, ...]:
    """What makes one settled use: the use itself, or (channel, version, band, price step, rating period, kind).

    Of what replaces a leaf the price step is left out: a late use may have moved it, and one leaf replaces one leaf.
    """
    usage = one.rated.usage
    if usage.form is not UsageForm.INTERVAL:
        return (usage.channel_hash, usage.number)
    plan = plan_of(contract, chain)
    period = plan.period(usage.end_ms)
    return (
        usage.channel_hash,
        one.version,
        one.rated.band,
        price_step(plan, one.rated) if one.was is None else -1,
        period.from_ms,
        one.kind,
        one.tag,
        None if one.was is None else (one.was.where.settlement, one.was.where.leaf),
    )


def price_step(plan: Plan, rated: Rated) -> int:
    """In which tier of its band a use begins; 0 where the price does not depend on what came before."""
    if rated.band is None or not rated.before:
        return 0
    curve = plan.curves[plan.names.index(rated.band)]
    return 0 if curve.is_plain else bisect_right(curve.starts, rated.before[0][1]) - 1
