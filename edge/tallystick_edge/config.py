"""The agent's configuration as typed values: gateway, uplink, lines, adapters, meters, channels, use rules.
The values are immutable and already checked; reading and refusing a file is `config_toml.py`'s work."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class LineKind(StrEnum):
    """How a Modbus line is reached."""

    RTU = "rtu"
    TCP = "tcp"
    RTU_TCP = "rtu-tcp"


class Parity(StrEnum):
    """Serial parity."""

    NONE = "N"
    EVEN = "E"
    ODD = "O"


class TransportKind(StrEnum):
    """Which of the two transports carries the same bytes."""

    HTTPS = "https"
    MQTT = "mqtt"


@dataclass(frozen=True, slots=True)
class LineConfig:
    """One Modbus line. `device` is set for rtu; `host` and `port` for tcp and rtu-tcp. `timeout_ms` is real time."""

    id: str
    kind: LineKind
    device: str | None = None
    host: str | None = None
    port: int | None = None
    baud: int = 9600
    parity: Parity = Parity.NONE
    stop_bits: int = 1
    timeout_ms: int = 1_000


@dataclass(frozen=True, slots=True)
class AdapterConfig:
    """One Bluetooth adapter; `device` is the BlueZ name (hci0), None for the default one."""

    id: str
    device: str | None = None


@dataclass(frozen=True, slots=True)
class ChannelConfig:
    """A register of a meter under its channel number (>= 1, never reused for another register).

    `rated_max_per_h`: in value units, instead of the profile's, where transformers or a smaller fuse say otherwise."""

    number: int
    register: str
    rated_max_per_h: int | None = None


@dataclass(frozen=True, slots=True)
class MeterConfig:
    """One meter on exactly one of a line (with `unit`) or an adapter (with `address`).

    `every_ms`: poll interval in domain time, aligned to multiples of it in UTC. `key`: Bluetooth key (16 bytes).
    `restarted`: who changed an encrypting sensor's battery, and when: its packet counter may begin anew, once.
    `compared`: who compared the values with the meter's display, and when; needed where a profile says `unchecked`."""

    id: str
    profile: str
    every_ms: int
    line: str | None = None
    adapter: str | None = None
    unit: int | None = None
    address: str | None = None
    serial: str | None = None
    key: bytes | None = field(default=None, repr=False)
    compared: str | None = None
    restarted: str | None = None
    channels: tuple[ChannelConfig, ...] = ()


class UseKind(StrEnum):
    """Which state machine cuts a meter's samples into uses."""

    WASH = "wash"


@dataclass(frozen=True, slots=True)
class ProgrammeConfig:
    """A wash programme, told by the energy that went into heating: at least `heat_wh` and less than the next one's."""

    name: str
    heat_wh: int


@dataclass(frozen=True, slots=True)
class UseConfig:
    """Event uses of one meter, counted on the cycles channel `channel` (a number of its own, no register behind it).

    `power`, `energy`: register names of the meter's profile. Powers in W, energies in Wh, times in ms of domain time:
    a use starts above `start_w`, heating is above `heat_w`, heating is over after `heat_over_ms` below it, the use is
    billable when heating is over and `billable_wh` were used, and it ends after `end_after_ms` below `end_w`."""

    channel: int
    meter: str
    kind: UseKind
    power: str
    energy: str
    start_w: int
    end_w: int
    heat_w: int
    heat_over_ms: int
    end_after_ms: int
    billable_wh: int
    programmes: tuple[ProgrammeConfig, ...] = ()


@dataclass(frozen=True, slots=True)
class ChargePointConfig:
    """A charge point whose meter signs its sessions (OCMF): its software appends them to `file` as JSON lines.

    `channel` counts their energy in 10^`exponent` Wh. `every_ms`: how often the file is looked at, in domain time."""

    id: str
    file: Path
    channel: int
    exponent: int = -3
    serial: str | None = None
    every_ms: int = 1_000


@dataclass(frozen=True, slots=True)
class UplinkConfig:
    """How and how often the gateway talks. `seal_every_ms`, `heartbeat_ms` are domain time, the rest real time."""

    transport: TransportKind
    claim: Path | None
    seal_every_ms: int = 60_000
    heartbeat_ms: int = 900_000
    resend_ms: int = 30_000
    resend_max_ms: int = 900_000


@dataclass(frozen=True, slots=True)
class EdgeConfig:
    """Everything one agent does. `data`: folder of keys and journal; `flush_ms`: group commit, in domain time.
    `profiles`: folder of this site's own profiles, None when there are none. `metrics_port`: where figures are served
    on 127.0.0.1, None: nowhere. `store_mib`: limit of the journal's file; `keep_days`: evidence after its receipt."""

    name: str
    data: Path
    flush_ms: int
    uplink: UplinkConfig
    lines: tuple[LineConfig, ...]
    adapters: tuple[AdapterConfig, ...]
    meters: tuple[MeterConfig, ...]
    uses: tuple[UseConfig, ...]
    profiles: Path | None = None
    metrics_port: int | None = None
    charge_points: tuple[ChargePointConfig, ...] = ()
    store_mib: int = 2_048
    keep_days: int = 730
