"""A site's meter plan: which channel of the gateway there measures which asset, in what.

It never holds a reading.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum

from tallystick_cloud.errors import BadInput

CHANNELS_MAX = 1000  # channels of one gateway: ten lines of a hundred meters


class Form(StrEnum):
    """How uses come about on a channel: told by the gateway, or cut from totals."""

    EVENT = "event"
    INTERVAL = "interval"


@dataclass(frozen=True, slots=True)
class PlannedChannel:
    """One row of the plan. `exponent`: one count is 10^exponent of `unit`; `modulus`: where the register wraps."""

    number: int
    meter: str
    asset: str
    quantity: str
    unit: str
    exponent: int
    form: Form
    profile: str
    profile_hash: str
    serial: str | None = None
    modulus: int | None = None
    type_approval: str | None = None
    accuracy_class: str | None = None
    verified_until_ms: int | None = None
    meter_key: str | None = None  # hex of the public key (DER SPKI) of a meter that signs its own records
    since_ms: int | None = None  # of one that came to a running site: from when on it is billed


@dataclass(frozen=True, slots=True)
class Plan:
    channels: tuple[PlannedChannel, ...]

    def __post_init__(self) -> None:
        numbers = [channel.number for channel in self.channels]
        if len(set(numbers)) != len(numbers):
            raise BadInput("channel.number", "is given twice at one site; give every channel its own")
        if len(numbers) > CHANNELS_MAX:
            raise BadInput("channel", f"{len(numbers)} channels are more than {CHANNELS_MAX}; use a second gateway")
        if any(number < 1 for number in numbers):
            raise BadInput("channel.number", "must be 1 or more; 0 is the gateway itself")

    def to_json(self) -> str:
        return json.dumps([asdict(channel) for channel in self.channels], sort_keys=True)


def plan_from_json(text: str) -> Plan:
    return Plan(tuple(PlannedChannel(**{**row, "form": Form(row["form"])}) for row in json.loads(text)))


@dataclass(frozen=True, slots=True)
class NewAsset:
    id: str
    name: str
    kind: str
    site: str | None
    owner: bytes | None
    user: bytes | None
    essential: bool
    latitude_e7: int | None
    longitude_e7: int | None


@dataclass(frozen=True, slots=True)
class NewSite:
    id: str
    name: str
    address: str | None
    latitude_e7: int | None
    longitude_e7: int | None
    plan: Plan


def meters_of(plan: Plan) -> Sequence[PlannedChannel]:
    """One row per meter: the first channel that names it."""
    return list({channel.meter: channel for channel in reversed(plan.channels)}.values())[::-1]


def extended(plan: Plan, wanted: Sequence[PlannedChannel], since_ms: int) -> tuple[Plan, tuple[PlannedChannel, ...]]:
    """The plan with those of the wanted channels that it does not have, billed from `since_ms` on, and these alone.

    Raises BadInput for a channel that says something else than the plan's: what was signed under it would change its
    meaning. Channels of the plan that are not wanted again stay."""
    known = {channel.number: channel for channel in plan.channels}
    fresh = []
    for channel in wanted:
        before = known.get(channel.number)
        if before is None:
            fresh.append(replace(channel, since_ms=since_ms))
        elif replace(before, since_ms=None) != channel:
            raise BadInput(f"channel {channel.number}, {_differs(before, channel)}", _NEVER)
    return Plan((*plan.channels, *fresh)), tuple(fresh)


_NEVER = "differs from the plan in force, and what a channel means never changes; give the new meter another number"


def _differs(before: PlannedChannel, wanted: PlannedChannel) -> str:
    """The first field that is not the same."""
    names = (one.name for one in fields(PlannedChannel) if one.name != "since_ms")
    return next(name for name in names if getattr(before, name) != getattr(wanted, name))
