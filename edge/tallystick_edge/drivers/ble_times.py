"""How long the Bluetooth driver waits for what, in real seconds; tests shorten them.
Domain time has no place here: radios and buses do not run faster in a demo."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BleTimes:
    """Real seconds throughout.

    `silent_s`: age of the last advert of any kind after which the scanner is replaced; a laundry hears some a second.
    `power_cycle_s`: silence after which the adapter's power is switched off and on, and the pause between two such.
    `call_s`: one bus call. `connect_s`: a connection with service discovery; BlueZ itself gives up after 40.
    `rpc_s`: a request over GATT, about ten round trips of at most 50 ms. `ready_s`: between looks for an answer.
    `away_s`: age of a plug's last advert after which it counts as out of range.
    `backoff_s` doubles up to `backoff_max_s`. `fault_every_s`: least distance of two equal faults of one meter."""

    silent_s: float = 60.0
    power_cycle_s: float = 180.0
    call_s: float = 10.0
    settle_s: float = 1.0
    connect_s: float = 20.0
    rpc_s: float = 10.0
    ready_s: float = 0.05
    away_s: float = 30.0
    backoff_s: float = 1.0
    backoff_max_s: float = 300.0
    fault_every_s: float = 30.0

    def backoff(self, failures: int) -> float:
        """Pause after the `failures`-th failure in a row, counted from 1."""
        return min(self.backoff_s * 2.0 ** min(failures - 1, 16), self.backoff_max_s)
