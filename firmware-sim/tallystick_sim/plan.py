"""What hangs where in the demo's laundry: gateways, meters, addresses and what the registers show on the first day.
Constants only; the town file, the agents' configurations and the simulated devices are all made from these."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Gateway(StrEnum):
    """The two gateways, by the names they carry in configuration."""

    CELLAR = "cellar"
    ATTIC = "attic"


@dataclass(frozen=True, slots=True)
class Washer:
    """A washing machine behind an SDM120. `first_wh`: the register on the first day, kept below 8,192 kWh, where a
    float32 kWh still shows every watt-hour. Channel numbers: `energy` of the register, `cycles` of counted washes."""

    name: str
    gateway: Gateway
    unit: int
    serial: int
    first_wh: int
    energy: int
    cycles: int


WASHERS = (
    Washer("washer-1", Gateway.CELLAR, unit=11, serial=20_261_101, first_wh=1_834_207, energy=1, cycles=11),
    Washer("washer-2", Gateway.CELLAR, unit=12, serial=20_261_102, first_wh=912_644, energy=2, cycles=12),
    Washer("washer-3", Gateway.ATTIC, unit=11, serial=20_261_103, first_wh=2_405_018, energy=1, cycles=11),
    Washer("washer-4", Gateway.CELLAR, unit=13, serial=20_261_104, first_wh=77_310, energy=5, cycles=13),
    Washer("washer-5", Gateway.ATTIC, unit=12, serial=20_261_105, first_wh=1_120_455, energy=3, cycles=12),
    Washer("washer-6", Gateway.ATTIC, unit=13, serial=20_261_106, first_wh=640_002, energy=4, cycles=13),
)
DRYER_ADDRESS, DRYER_FIRST_MWH, DRYER_CHANNEL = "7C:2C:67:5A:10:0D", 318_442_000, 3
WATER_ADDRESS, WATER_FIRST_ML, WATER_CHANNEL = "A4:C1:38:5A:10:0E", 48_210_500, 4
WATER_KEY = bytes.fromhex("231d39c1d7cc1ab1aee224cd096db932")  # a demo's key; a real one is printed on the sensor's box
HOUSE_UNIT, HOUSE_SERIAL, HOUSE_FIRST_WH, HOUSE_CHANNEL = 1, 3_155_000_123, 88_204_611, 2
BAUD = 9_600
