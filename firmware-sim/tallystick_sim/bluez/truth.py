"""What was really consumed, as a simulated meter asks for it.
It is only the question; the world that answers it belongs to whoever runs the simulation."""

from __future__ import annotations

from typing import Protocol


class WaterTruth(Protocol):
    """Water that has flowed through a sensor since it was installed."""

    def volume_ml(self) -> int:
        """Millilitres, never falling."""
        ...


class PowerTruth(Protocol):
    """Electricity that has gone through a plug since it was installed."""

    def energy_mwh(self) -> int:
        """Milliwatt hours, never falling."""
        ...

    def power_w(self) -> int:
        """Active power at this moment, in watts."""
        ...


class ClimateTruth(Protocol):
    """The air around a sensor."""

    def temperature_mdeg(self) -> int:
        """Thousandths of a degree Celsius."""
        ...

    def humidity_ppm(self) -> int:
        """Relative humidity in millionths."""
        ...


class WheelTruth(Protocol):
    """A wheel since its sensor was mounted."""

    def turns(self) -> int:
        """Whole turns, never falling."""
        ...
