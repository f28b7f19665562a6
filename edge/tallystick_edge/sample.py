"""What one poll of one meter gave: register values, or why there are none.
It carries numbers as the profile's integers and never decides whether they may be billed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tallystick_protocol.codes import MeterState


@dataclass(frozen=True, slots=True)
class Sample:
    """Registers of one meter read at one instant.

    `values`: register name of the profile -> integer in the profile's unit times 10^exponent.
    `uptime_ms`, `utc_ms`: domain time of the answer. `serial`: as read from the meter now, None when it was not read.
    `state`: as OCMF table 10. `raw`: the register bytes as they came, None when the driver keeps none."""

    meter: str
    uptime_ms: int
    utc_ms: int
    values: Mapping[str, int]
    serial: str | None
    state: MeterState
    raw: bytes | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """A poll that gave nothing; `reason` is a kebab-case code ("timeout", "late-answer"), `detail` is for people."""

    meter: str
    uptime_ms: int
    reason: str
    detail: str
