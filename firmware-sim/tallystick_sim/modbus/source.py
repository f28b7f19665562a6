"""What a simulated meter measures, as the simulated world supplies it.
Meters read this at the instant of each request; they keep no consumption of their own."""

from __future__ import annotations

from typing import Protocol


class EnergySource(Protocol):
    """The truth behind one electricity meter; whatever has these two methods will do."""

    def energy_wh(self) -> int:
        """Active energy imported since the meter was made, in whole watt-hours; never falls."""
        ...

    def power_w(self) -> int:
        """Active power at this instant in watts; negative when exporting."""
        ...
