"""What people do to a gateway over the years, beside the real aggregator: another claim, another agent's run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from support.edge import EDGE_TOML
from support.real_aggregator import Gateway, RealAggregator
from tallystick_cloud.gateways import claims
from tallystick_edge.app import obtain_enrolment
from tallystick_edge.config import EdgeConfig
from tallystick_edge.config_toml import load_config
from tallystick_edge.enrolment import Enrolment

SITE = "cellar"


def claim_text(aggregator: RealAggregator) -> str:
    """What the office makes for a site that exists: `tallystick site new`."""
    issued = claims.issue, aggregator.community, SITE, aggregator.aggregator.entropy, aggregator.clock.utc_ms()
    made = aggregator.database.write_now(*issued)
    server = f"https://localhost:{aggregator.port}"
    return claims.file_text(made, SITE, server, aggregator.aggregator.authority.pem.decode())


def put_claim(gateway: Gateway, aggregator: RealAggregator) -> Path:
    """A new claim, where the configuration says."""
    path = gateway.data / "claim.toml"
    path.write_text(claim_text(aggregator))
    return path


def config_of(gateway: Gateway) -> EdgeConfig:
    path = gateway.data.parent / "edge.toml"
    path.write_text(EDGE_TOML)
    config = load_config(path)
    return replace(config, data=gateway.data, uplink=replace(config.uplink, claim=gateway.data / "claim.toml"))


async def start_again(gateway: Gateway) -> Enrolment:
    """What the agent makes of enrolment and claim at its start."""
    return await obtain_enrolment(config_of(gateway), gateway.identity, gateway.entropy)
