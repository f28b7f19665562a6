"""Does the site's plan, as the community signed it, say of each channel what this gateway reads there? Pure.

A register in thousandths of a Wh that the plan calls Wh is a bill a thousand times too high, signed and balanced. The
signed bytes hold counts alone, so that only here, where both are known, it can be seen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256

from tallystick_protocol.ids import H32
from tallystick_protocol.measure import CYCLES, Measure, fits, unplanned_name
from tallystick_protocol.records import Descriptor

from tallystick_edge.plan import MeterPlan


def misfits(plans: Mapping[str, MeterPlan], planned: Iterable[Descriptor]) -> Mapping[int, str]:
    """By channel: what does not fit, and what to do. Channels that the plan does not have are in it too."""
    by_channel = {each.channel: each for each in planned}
    found: dict[int, str] = {}
    for plan in plans.values():
        for channel, read in channels_of(plan):
            words = _misfit(by_channel.get(channel), read)
            if words is not None:
                found[channel] = f"channel {channel} (meter {plan.meter}): {words}"
    return found


def unread(plans: Mapping[str, MeterPlan], planned: Iterable[Descriptor]) -> list[Descriptor]:
    """What the plan has and nobody reads here: it would never be billed."""
    read = {channel for plan in plans.values() for channel, _ in channels_of(plan)}
    return [each for each in planned if each.channel not in read]


def names(
    plans: Mapping[str, MeterPlan], planned: Iterable[Descriptor], descriptors: Mapping[int, H32], wrong: Iterable[int]
) -> dict[int, H32]:
    """What parts name as their description, by channel. Where it does not fit (`wrong`), something that the aggregator
    has no descriptor of, so that it sets the part aside instead of billing it: of a channel that is not in the plan,
    what is read there, which a later plan may cover; else the hash of both."""
    by_channel = {each.channel: each for each in planned}
    found = dict(descriptors)
    read = dict(each for plan in plans.values() for each in channels_of(plan))
    for channel in wrong:
        found[channel] = _unfit_name(by_channel.get(channel), read[channel])
    return found


def _unfit_name(planned: Descriptor | None, read: Measure | None) -> H32:
    if planned is None and read is not None:
        return unplanned_name(read)
    return H32(sha256(repr((planned, read)).encode()).digest())


def channels_of(plan: MeterPlan) -> Iterator[tuple[int, Measure | None]]:
    """Every channel that a meter's samples go to, and what a count of it means."""
    for counter in plan.counters:
        yield counter.channel, counter.measure
    for gauge in plan.gauges:
        yield gauge.channel, gauge.measure
    if plan.wash is not None:
        yield plan.wash.rule.channel, CYCLES
    if plan.session is not None:
        yield plan.session.channel, Measure("session", "Wh", plan.session.exponent)


def _misfit(planned: Descriptor | None, read: Measure | None) -> str | None:
    if planned is None:
        return "it is not in the site's plan. Next: compare its number with the plan, or have the plan extended"
    if read is None or fits(Measure(planned.quantity, planned.unit, planned.exponent), read):
        return None
    there = f"{planned.quantity} in {_unit(planned.unit, planned.exponent)}"
    here = f"{read.quantity} in {_unit(read.unit, read.exponent)}"
    step = "name the right register in edge.toml, or give it a channel of its own in plan and edge.toml"
    return f"the plan says {there}, and read is {here}. Next: {step}"


def _unit(unit: str, exponent: int) -> str:
    return unit if exponent == 0 else f"10^{exponent} {unit}"
