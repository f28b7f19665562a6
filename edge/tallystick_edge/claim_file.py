"""Reads claim.toml, which the office made for this gateway's site: where to enrol, whom to trust, the one-time claim.
It checks the claim's check characters before anything is sent and never prints the claim."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from tallystick_protocol.claim import parse_claim
from tallystick_protocol.errors import ProtocolError

from tallystick_edge.toml_table import read_toml


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """Where the aggregator is and the CA its certificates must come from; MQTT only where a broker is used."""

    server: str
    ca_pem: str
    mqtt_host: str | None = None
    mqtt_port: int | None = None


@dataclass(frozen=True, slots=True)
class ClaimFile:
    """One claim; `claim` is a secret until it is burned."""

    info: ServerInfo
    site: str | None
    claim: str = field(repr=False)


def load_claim(path: Path) -> ClaimFile:
    """Read and check; raises ConfigError naming file, key (and the wrong group), reason, next step."""
    root = read_toml(path)
    root.integer("version", 1, 1, 1)
    server = root.text("server")
    if not _is_server(server):
        root.fail("server", f"is {server!r}", 'write an address like "https://tally.example:8443"')
    ca_pem = root.text("ca_pem")
    if "BEGIN CERTIFICATE" not in ca_pem:
        root.fail("ca_pem", "is not a certificate in PEM", "copy claim.toml again, whole")
    claim = root.text("claim")
    try:
        parse_claim(claim)
    except ProtocolError as error:
        root.fail("claim", error.reason, "compare it with the label or ask the office for a new claim")
    site = root.text_or_none("site")
    mqtt = root.table("mqtt") if root.has("mqtt") else None
    host = None if mqtt is None else mqtt.text("host")
    port = None if mqtt is None else mqtt.integer("port", 1, 65_535, 8883)
    for table in (mqtt, root):
        if table is not None:
            table.done()
    return ClaimFile(ServerInfo(server, ca_pem, host, port), site, claim)


def _is_server(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return parts.scheme == "https" and bool(parts.hostname) and parts.port != 0
    except ValueError:  # half an IPv6 address, a port that is none
        return False
