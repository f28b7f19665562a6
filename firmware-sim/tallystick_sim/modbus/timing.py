"""How long characters take on an RS-485 line, in integer microseconds.
Pure arithmetic from Modbus over serial line V1.02, 2.5.1; nothing waits here."""

from __future__ import annotations

from dataclasses import dataclass

BITS_PER_CHAR = 11  # start, 8 data, parity or second stop, stop
FIXED_GAP_ABOVE_BAUD = 19_200
FIXED_GAP_US = 1_750


@dataclass(frozen=True, slots=True)
class LineTiming:
    """`turnaround_us`: from the end of the request's gap to the first character of the answer."""

    baud: int = 9_600
    turnaround_us: int = 20_000

    def chars_us(self, count: int) -> int:
        """Time of `count` characters on the wire."""
        return count * BITS_PER_CHAR * 1_000_000 // self.baud

    def gap_us(self) -> int:
        """The silence that ends a frame: 3.5 characters, 1.75 ms above 19200 baud."""
        if self.baud > FIXED_GAP_ABOVE_BAUD:
            return FIXED_GAP_US
        return 7 * BITS_PER_CHAR * 1_000_000 // (2 * self.baud)
