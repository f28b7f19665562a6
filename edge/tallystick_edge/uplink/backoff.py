"""How long to wait before trying again: 30 s doubled each time, full jitter, never more than 15 minutes.
Pure but for the randomness it is given; it never sleeps."""

from __future__ import annotations

from dataclasses import dataclass

from tallystick_edge.ports import Entropy

DOUBLINGS_MAX = 16  # 2^16 times the first wait is beyond any maximum


@dataclass(frozen=True, slots=True)
class Backoff:
    """`first_ms` and `max_ms` of real time (protocol.md, "Sync")."""

    first_ms: int
    max_ms: int

    def ceiling_ms(self, attempt: int) -> int:
        """The longest wait after `attempt` failures (0 = the first)."""
        return min(self.max_ms, self.first_ms << min(attempt, DOUBLINGS_MAX))

    def wait_ms(self, attempt: int, entropy: Entropy) -> int:
        """Full jitter: evenly from 1/8 of the ceiling to the ceiling, so that a fleet never comes back at once."""
        ceiling = self.ceiling_ms(attempt)
        floor = ceiling // 8
        return floor + int.from_bytes(entropy.bytes(4), "big") * (ceiling - floor) // 2**32
