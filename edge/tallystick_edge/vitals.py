"""What the agent counts about itself: polls and faults per meter, group commits, and whether all of it still moves.
It decides whether the watchdog may be fed; it feeds nobody and keeps no values of any meter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tallystick_edge.config import EdgeConfig
from tallystick_edge.sample import Fault, Sample

REST_S_MAX = 300  # a silent unit is left alone for so long; then it is asked again, and that is progress
SILENT_INTERVALS = 3  # after so many intervals without an advert a sensor is told silent
PATIENCE_S = 60  # for what comes late on a busy board
REASONS_MAX = 32  # kinds of faults told apart; what a driver invents beyond that is counted together
OTHER = "other"


@dataclass(frozen=True, slots=True)
class Stall:
    """Something that does not move any more."""

    what: str
    seconds: int


class Vitals:
    """`now`: seconds on a clock that never goes back. `allowed_s`: how long each driver may bring nothing at all."""

    def __init__(self, now: Callable[[], float], allowed_s: Mapping[str, float], flush_s: float) -> None:
        self._now = now
        self._allowed_s = dict(allowed_s)
        self._flush_allowed_s = 3 * flush_s + PATIENCE_S
        self.started = now()
        self._polled = dict.fromkeys(allowed_s, self.started)
        self._stored = self.started
        self.samples: Counter[str] = Counter()
        self.faults: Counter[tuple[str, str]] = Counter()
        self.values = 0

    @property
    def up_s(self) -> int:
        return int(self._now() - self.started)

    def sample(self, driver: str, s: Sample) -> None:
        self._polled[driver] = self._now()
        self.samples[s.meter] += 1
        self.values += len(s.values)

    def fault(self, driver: str, f: Fault) -> None:
        self._polled[driver] = self._now()
        kinds = {reason for meter, reason in self.faults if meter == f.meter}
        reason = f.reason if f.reason in kinds or len(kinds) < REASONS_MAX else OTHER
        self.faults[f.meter, reason] += 1

    def moved(self, driver: str) -> None:
        """It failed and is started again: absent hardware is told in the log, the watchdog is for what hangs."""
        self._polled[driver] = self._now()

    def stored(self) -> None:
        """The store took what there was, or said that the disk is full."""
        self._stored = self._now()

    def stall(self) -> Stall | None:
        """The first thing that does not move; None when the watchdog may be fed."""
        now = self._now()
        if now - self._stored > self._flush_allowed_s:
            return Stall("the store", int(now - self._stored))
        for driver, allowed_s in self._allowed_s.items():
            silent_s = now - self._polled[driver]
            if silent_s > allowed_s:
                return Stall(driver, int(silent_s))
        return None


def allowed_s(config: EdgeConfig) -> dict[str, float]:
    """Driver name -> longest time without sample or fault: its laziest meter, or the rest of a silent one, twice."""
    every_ms: dict[str, int] = {}
    for meter in config.meters:
        name = f"line {meter.line}" if meter.line is not None else f"adapter {meter.adapter}"
        every_ms[name] = max(every_ms.get(name, 0), meter.every_ms)
    return {name: 2 * max(SILENT_INTERVALS * ms / 1000, REST_S_MAX) + PATIENCE_S for name, ms in every_ms.items()}
