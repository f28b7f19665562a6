"""The two agents' configuration files for the demo's laundry, as text that a person could have written.
It knows where the simulated meters answer; it never writes to disk itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tallystick_sim.plan import (
    BAUD,
    DRYER_ADDRESS,
    DRYER_CHANNEL,
    HOUSE_CHANNEL,
    HOUSE_SERIAL,
    HOUSE_UNIT,
    WASHERS,
    WATER_ADDRESS,
    WATER_CHANNEL,
    WATER_KEY,
    Gateway,
    Washer,
)

# Times below are domain time unless they say real; at 60x a second of domain time is 17 ms.
EVERY_S = 30  # three washers at 9600 baud take 270 ms of the line's 500 ms (real)
FLUSH_S = "0.25"  # real
SEAL_EVERY_S = 60
HEARTBEAT_S = 600
LINE_TIMEOUT_S = "0.30"  # real
RESEND_S, RESEND_MAX_S = "1.5", "4"  # real: the demo's network cut lasts a few seconds


@dataclass(frozen=True, slots=True)
class Where:
    """Where the simulated meters answer: serial lines by gateway, and the house meter's port."""

    lines: Mapping[str, str]
    house_port: int


def edge_toml(gateway: Gateway, where: Where, claim: Path) -> str:
    """The whole configuration of one agent; its data goes into the folder `data` beside the file."""
    parts = [_head(gateway, claim), _line(gateway.value, where.lines[gateway])]
    parts += [_washer(w) for w in WASHERS if w.gateway is gateway]
    match gateway:
        case Gateway.CELLAR:
            parts.append(_bluetooth())
        case Gateway.ATTIC:
            parts.append(_house(where.house_port))
    return "\n".join(parts)


def _head(gateway: Gateway, claim: Path) -> str:
    return f"""\
version = 1

[gateway]
name = "{gateway.value}"
data = "data"
flush_s = {FLUSH_S}

[uplink]
transport = "https"
claim = {json.dumps(str(claim))}
seal_every_s = {SEAL_EVERY_S}
heartbeat_s = {HEARTBEAT_S}
resend_s = {RESEND_S}
resend_max_s = {RESEND_MAX_S}
"""


def _line(name: str, device: str) -> str:
    return f"""\
[[line]]
id = "{name}"
kind = "rtu"
device = {json.dumps(device)}
baud = {BAUD}
timeout_s = {LINE_TIMEOUT_S}
"""


def _washer(washer: Washer) -> str:
    return f"""\
[[meter]]
id = "{washer.name}"
line = "{washer.gateway.value}"
unit = {washer.unit}
profile = "eastron-sdm120"
serial = "{washer.serial}"
every_s = {EVERY_S}

[[meter.channel]]
number = {washer.energy}
register = "energy_import"

[[use]]
channel = {washer.cycles}
meter = "{washer.name}"
kind = "wash"
power = "power"
energy = "energy_import"
start_w = 15
end_w = 8
heat_w = 1000
heat_over_s = 60
end_after_s = 120
billable_wh = 60

[[use.programme]]
name = "30"
heat_wh = 0

[[use.programme]]
name = "60"
heat_wh = 160
"""


def _bluetooth() -> str:
    return f"""\
[[adapter]]
id = "radio"
kind = "bluetooth"

[[meter]]
id = "dryer"
adapter = "radio"
address = "{DRYER_ADDRESS}"
profile = "shelly-plug-gen3"
every_s = {EVERY_S}

[[meter.channel]]
number = {DRYER_CHANNEL}
register = "energy"

[[meter]]
id = "hot-water"
adapter = "radio"
address = "{WATER_ADDRESS}"
profile = "bthome-water"
key = "{WATER_KEY.hex()}"
every_s = {EVERY_S}

[[meter.channel]]
number = {WATER_CHANNEL}
register = "water"
"""


def _house(port: int) -> str:
    return f"""\
[[line]]
id = "meters"
kind = "tcp"
host = "127.0.0.1"
port = {port}
timeout_s = {LINE_TIMEOUT_S}

[[meter]]
id = "house"
line = "meters"
unit = {HOUSE_UNIT}
profile = "schneider-iem3155"
serial = "{HOUSE_SERIAL}"
every_s = {EVERY_S}

[[meter.channel]]
number = {HOUSE_CHANNEL}
register = "energy_import"
"""
