"""Sites and channels as their page shows them."""

from collections.abc import Mapping
from dataclasses import dataclass

from tallystick_cloud.assets.model import Form, Plan, PlannedChannel
from tallystick_cloud.gateways.look import SiteView
from tallystick_cloud.http.locale import Wording


@dataclass(frozen=True, slots=True)
class ChannelLine:
    """A row of a plan."""

    number: int
    asset: str
    what: str
    meter: str
    is_event: bool


@dataclass(frozen=True, slots=True)
class SiteLine:
    """A site with its gateway, or until when a claim waits for one."""

    id: str
    name: str
    gateway: str
    until: str
    channels: tuple[ChannelLine, ...]


def site(one: SiteView, plan: Plan, names: Mapping[str, str], w: Wording) -> SiteLine:
    until = "" if one.open_until_ms is None else w.date(one.open_until_ms)
    return SiteLine(one.id, one.name, one.gateway, until, tuple(channel(each, names) for each in plan.channels))


def channel(one: PlannedChannel, names: Mapping[str, str]) -> ChannelLine:
    """The register, the meter with its serial number if the plan knows it, and its asset by name."""
    meter = one.meter if one.serial is None else f"{one.meter} ({one.serial})"
    return ChannelLine(
        one.number, names.get(one.asset, one.asset), f"{one.quantity}, {one.unit}", meter, one.form is Form.EVENT
    )
