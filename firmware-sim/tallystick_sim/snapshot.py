"""The aggregator's figures at one moment, typed: what a demo counts, compares and tells.
Parsed once at the border; a summary that lacks something is refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tallystick_sim.aggregator import Aggregator, AggregatorError
from tallystick_sim.compare import Booked, ChannelKey
from tallystick_sim.picture import Figures
from tallystick_sim.plan import DRYER_CHANNEL, HOUSE_CHANNEL, WASHERS, WATER_CHANNEL, Gateway
from tallystick_sim.town_files import COMMUNITY

SUMMARY = f"/v1/communities/{COMMUNITY}/summary"
REGISTERS = frozenset(
    {ChannelKey(w.gateway.value, w.energy) for w in WASHERS}
    | {ChannelKey(Gateway.CELLAR.value, number) for number in (DRYER_CHANNEL, WATER_CHANNEL)}
    | {ChannelKey(Gateway.ATTIC.value, HOUSE_CHANNEL)}
)
"""Channels with a register behind them: each must have been read once before the laundry opens."""


@dataclass(frozen=True, slots=True)
class GatewayNow:
    """One enrolled gateway: its name, and how many of its batches the aggregator has accepted."""

    name: str
    batches: int


@dataclass(frozen=True, slots=True)
class Charge:
    """One charged use: what was used, by which programme if any, its fee, and each party's share (nano-euro)."""

    asset: str
    programme: str | None
    fee_nano: int
    shares: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All of it."""

    figures: Figures
    gateways: tuple[GatewayNow, ...]
    channels: Mapping[ChannelKey, Booked]
    imbalance_nano: int
    log_size: int
    log_root: str
    first_charge: Charge | None
    first_wash: Charge | None
    washes: tuple[Charge, ...] = ()

    def batches_of(self, gateway: str) -> int:
        return sum(one.batches for one in self.gateways if one.name == gateway)

    def has_every_register(self) -> bool:
        return self.channels.keys() >= REGISTERS

    def missing(self) -> str:
        names = sorted(f"{key.gateway}/{key.number}" for key in REGISTERS - self.channels.keys())
        return f"gateways {', '.join(g.name for g in self.gateways) or 'none'}; channels not heard: {', '.join(names)}"


async def take_snapshot(outside: Aggregator) -> Snapshot:
    """Ask the aggregator. Raises AggregatorError."""
    summary = await outside.json(SUMMARY)
    try:
        return parse_summary(summary)
    except (KeyError, TypeError, ValueError) as error:
        raise AggregatorError(f"{SUMMARY}: {type(error).__name__} {error}") from error


def parse_summary(summary: Mapping[str, Any]) -> Snapshot:
    """Raises KeyError, TypeError or ValueError naming what is missing or odd."""
    sites = {str(one["gid"]): str(one["site"]) for one in summary["gateways"]}
    charges = [_charge(one) for one in (summary["first_charge"], *summary["latest_charges"]) if one is not None]
    return Snapshot(
        figures=Figures(
            readings=int(summary["readings"]),
            batches=int(summary["batches"]),
            receipts=int(summary["receipts"]),
            uses=int(summary["uses"]),
            fees_nano=int(summary["fees_nano"]),
            splits_nano={str(party): int(nano) for party, nano in summary["splits_nano"].items()},
        ),
        gateways=tuple(GatewayNow(sites[one["gid"]], int(one["batches"])) for one in summary["gateways"]),
        channels={
            ChannelKey(sites[one["gid"]], int(one["channel"])): Booked(
                int(one["billed"]), int(one["exceptions"]), int(one["open"]), dict(one["programmes"])
            )
            for one in summary["ledger"]
        },
        imbalance_nano=int(summary["imbalance_nano"]),
        log_size=int(summary["log"]["size"]),
        log_root=str(summary["log"]["root"]),
        first_charge=charges[0] if charges else None,
        first_wash=next((charge for charge in charges if charge.programme is not None), None),
        washes=tuple(charge for charge in charges if charge.programme is not None),
    )


def _charge(charge: Mapping[str, Any]) -> Charge:
    shares = {str(party): int(nano) for party, nano in charge["shares_nano"].items()}
    return Charge(str(charge["asset"]), charge["programme"], int(charge["fee_nano"]), shares)
