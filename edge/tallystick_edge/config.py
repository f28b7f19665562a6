"""The agent's configuration as typed values: gateway, uplink, lines, adapters, meters, channels, use rules.
The values are immutable and already checked; reading the file is `config_toml.py`'s work."""

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
    """A register of a meter under its channel number (>= 1, never reused for another register)."""

    number: int
    register: str


@dataclass(frozen=True, slots=True)
class MeterConfig:
    """One meter on exactly one of a line (with `unit`) or an adapter (with `address`).

    `every_ms`: poll interval in domain time, aligned to multiples of it in UTC. `key`: Bluetooth bind key (16 bytes)."""

    id: str
    profile: str
    every_ms: int
    line: str | None = None
    adapter: str | None = None
    unit: int | None = None
    address: str | None = None
    serial: str | None = None
    key: bytes | None = field(default=None, repr=False)
    channels: tuple[ChannelConfig, ...] = ()
