"""What to do with each meter's samples: rules per channel and the wash rule, joined from configuration and profiles.
It is made once at the start; it reads profiles but no device."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import TYPE_CHECKING

from tallystick_protocol.measure import Measure

from tallystick_edge.config import ChannelConfig, EdgeConfig, MeterConfig, UseConfig
from tallystick_edge.errors import ConfigError
from tallystick_edge.metering.counter import CounterRule
from tallystick_edge.profile import Profile, ProfileError, ProfileKind, Register, RegisterKind, load_profile
from tallystick_edge.registers import resolution
from tallystick_edge.usage.wash import WashRule

if TYPE_CHECKING:
    from tallystick_edge.usage.session import SessionRule

MILLI_PER_UNIT = {"Wh": 1_000, "kWh": 1_000_000, "W": 1_000, "kW": 1_000_000}
GAP_POLLS = 3  # polls missed before a span counts as unseen
GAP_MS_MIN = 60_000  # a late answer and its quarantine window are no outage

Profiles = Callable[[str], Profile]
"""By name; raises ProfileError."""


@dataclass(frozen=True, slots=True)
class Scale:
    """value * `times` // `over` is in thousandths of the unit (mW, mWh)."""

    times: int
    over: int

    def milli(self, value: int) -> int:
        return value * self.times // self.over


@dataclass(frozen=True, slots=True)
class CounterPlan:
    """A channel that is a counter. `measure`: None where no profile says it."""

    channel: int
    register: str
    rule: CounterRule
    measure: Measure | None = None


@dataclass(frozen=True, slots=True)
class GaugePlan:
    """A channel that may fall."""

    channel: int
    register: str
    measure: Measure | None = None


@dataclass(frozen=True, slots=True)
class WashPlan:
    """A wash machine's rule, and where its power and energy come from."""

    rule: WashRule
    power: str
    power_scale: Scale
    energy_channel: int
    energy_scale: Scale


@dataclass(frozen=True, slots=True)
class MeterPlan:
    """Everything one sample of a meter is good for."""

    meter: str
    every_ms: int
    counters: tuple[CounterPlan, ...]
    gauges: tuple[GaugePlan, ...]
    wash: WashPlan | None
    session: SessionRule | None = None

    @property
    def first_channel(self) -> int | None:
        """Where what its driver threw away is told; None when it has only gauges."""
        if self.session is not None:
            return self.session.channel
        return self.counters[0].channel if self.counters else None


def make_plan(config: EdgeConfig) -> Mapping[str, MeterPlan]:
    """Plans by meter id; ConfigError naming the key when a register or profile does not fit."""
    uses: dict[str, UseConfig] = {}
    for use in config.uses:
        if use.meter in uses:
            raise _error("use.meter", f"names {use.meter!r} twice", "keep one [[use]] per meter")
        uses[use.meter] = use
    profiles = _profiles(config)
    plans = {meter.id: _meter(meter, uses.get(meter.id), profiles) for meter in config.meters}
    for point in config.charge_points:
        from tallystick_edge.usage.session import SessionRule  # half a MiB that others do without

        rule = SessionRule(point.channel, point.exponent, point.serial)
        plans[point.id] = MeterPlan(point.id, point.every_ms, (), (), None, rule)
    return plans


def _meter(meter: MeterConfig, use: UseConfig | None, profiles: Profiles) -> MeterPlan:
    key = f"meter {meter.id}"
    if not meter.channels:
        step = "add [[meter.channel]] with number and register"
        raise _error(f"{key}.channel", "is missing, and nothing of this meter would be kept", step)
    profile = _profile(meter, profiles)
    if (meter.line is None) is (profile.kind is ProfileKind.MODBUS):
        where = "an adapter" if meter.line is None else "a line"
        step = "name a profile of the other kind, or move the meter"
        raise _error(f"{key}.profile", f"{profile.name} is {profile.kind}, and the meter is on {where}", step)
    counters: list[CounterPlan] = []
    gauges: list[GaugePlan] = []
    for channel in meter.channels:
        register = _register(profile, channel.register, f"{key}.channel.register")
        measure = Measure(register.quantity, register.unit, register.exponent)
        if register.kind is RegisterKind.COUNTER:
            _may_be_billed(meter, profile)
            rule = _rule(meter, channel, register)
            if use is not None and channel.register == use.energy:
                rule = replace(rule, still_ms=0)
            counters.append(CounterPlan(channel.number, register.name, rule, measure))
        elif channel.rated_max_per_h is not None:
            raise _error(f"{key}.channel.rated_max_per_h", f"{channel.register} is a gauge", "leave it out")
        else:
            gauges.append(GaugePlan(channel.number, register.name, measure))
    wash = None if use is None else _wash(use, meter, profile, counters)
    return MeterPlan(meter.id, meter.every_ms, tuple(counters), tuple(gauges), wash)


def check_registers(config: EdgeConfig, meters: Sequence[MeterConfig]) -> None:
    """Whether the profiles of these meters have the registers of their channels. Raises ConfigError."""
    profiles = _profiles(config)
    for meter in meters:
        profile = _profile(meter, profiles)
        for channel in meter.channels:
            _register(profile, channel.register, f"meter {meter.id}.channel.register")


def _profiles(config: EdgeConfig) -> Profiles:
    """Each is read once, for all its meters."""
    return cache(partial(load_profile, own=config.profiles))


def _profile(meter: MeterConfig, profiles: Profiles) -> Profile:
    try:
        return profiles(meter.profile)
    except ProfileError as error:
        raise _error(f"meter {meter.id}.profile", str(error), "name a profile that is there") from error


def _may_be_billed(meter: MeterConfig, profile: Profile) -> None:
    """A map that nobody could check is billed only after a person compared it with a display."""
    if profile.source.unchecked is None or meter.compared is not None:
        return
    reason = f"profile {profile.name} has not been checked: {profile.source.unchecked}"
    step = f'run `read {meter.id}`, compare with the meter\'s display, then write compared = "NAME, DATE"'
    raise _error(f"meter {meter.id}.compared", reason, step)


def _rule(meter: MeterConfig, channel: ChannelConfig, register: Register) -> CounterRule:
    rated = channel.rated_max_per_h or register.rated_max_per_h
    return CounterRule(register.modulus, rated, meter.every_ms, *resolution(register))


def _wash(use: UseConfig, meter: MeterConfig, profile: Profile, counters: list[CounterPlan]) -> WashPlan:
    power = _register(profile, use.power, "use.power")
    energy = _register(profile, use.energy, "use.energy")
    counter = next((each for each in counters if each.register == use.energy), None)
    if counter is None:
        step = f'add [[meter.channel]] with register = "{use.energy}" to meter {meter.id}'
        raise _error("use.energy", f"{use.energy!r} is not a counter channel of meter {meter.id}", step)
    scale, rated = _scale(energy, "use.energy"), counter.rule.rated_max_per_h
    rule = WashRule(
        channel=use.channel,
        start_mw=use.start_w * 1_000,
        end_mw=use.end_w * 1_000,
        heat_mw=use.heat_w * 1_000,
        heat_over_ms=use.heat_over_ms,
        end_after_ms=use.end_after_ms,
        billable_mwh=use.billable_wh * 1_000,
        gap_ms=max(GAP_POLLS * meter.every_ms, GAP_MS_MIN),
        programmes=tuple((each.heat_wh * 1_000, each.name) for each in use.programmes),
        rated_mw=None if rated is None else scale.milli(rated),
    )
    return WashPlan(rule, use.power, _scale(power, "use.power"), counter.channel, scale)


def _register(profile: Profile, name: str, key: str) -> Register:
    register = profile.registers.get(name)
    if register is None:
        raise _error(key, f"{name!r} is not in profile {profile.name}", f"use one of {', '.join(profile.registers)}")
    return register


def _scale(register: Register, key: str) -> Scale:
    milli = MILLI_PER_UNIT.get(register.unit)
    if milli is None:
        raise _error(key, f"register {register.name} is in {register.unit}", "name a register in W or Wh")
    if register.exponent >= 0:
        return Scale(milli * 10**register.exponent, 1)
    return Scale(milli, 10**-register.exponent)


def _error(key: str, reason: str, step: str) -> ConfigError:
    return ConfigError("configuration", key, reason, step)
