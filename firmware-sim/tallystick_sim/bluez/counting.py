"""Simulated devices that tell by themselves over GATT: a bicycle's wheel sensor, and a scale that weighs waste.
The wheel counts whether or not anybody listens; the scale keeps a weighing until it was told."""

from __future__ import annotations

import struct
from datetime import datetime
from typing import Final

from tallystick_sim.bluez.emulator import BluezEmulator
from tallystick_sim.bluez.names import uuid_of_16
from tallystick_sim.bluez.peripheral import Characteristic, Peripheral, Service
from tallystick_sim.bluez.truth import WheelTruth

CSC_SERVICE: Final = 0x1816
CSC_MEASUREMENT: Final = 0x2A5B
SCALE_SERVICE: Final = 0x181D
WEIGHT_MEASUREMENT: Final = 0x2A9D
WHEEL_AND_CRANK: Final = 0x03
WITH_TIME: Final = 0x02
WEIGHT_STEP_G: Final = 5
COUNT_END: Final = 2**32


class Bicycle:
    """The sensor at the wheel; `turn_s` is the time of one turn, for the event times beside the counts."""

    def __init__(self, address: str, truth: WheelTruth, turn_s: float = 0.5) -> None:
        self._truth = truth
        self._turn_s = turn_s
        self.measurement = Characteristic(uuid_of_16(CSC_MEASUREMENT), ("notify",))
        service = Service(uuid_of_16(CSC_SERVICE), (self.measurement,))
        self.peripheral = Peripheral(address, "Wheel", services=(service,))

    def advertise(self, air: BluezEmulator) -> bool:
        """One advert; True when a client was told of it."""
        return air.advertise(self.peripheral)

    def notify(self, air: BluezEmulator) -> bool:
        """Tell the counts; True when a client was told."""
        turns = self._truth.turns()
        ticks = int(turns * self._turn_s * 1_024) & 0xFFFF
        value = struct.pack("<BIHHH", WHEEL_AND_CRANK, turns % COUNT_END, ticks, turns // 2 & 0xFFFF, ticks)
        return air.notify(self.measurement, value)


class WasteScale:
    """A scale under a bin. `weigh` keeps a weighing, `tell` tells those kept, `again` an old one once more."""

    def __init__(self, address: str, clock_set: bool = True) -> None:
        self.measurement = Characteristic(uuid_of_16(WEIGHT_MEASUREMENT), ("indicate",))
        service = Service(uuid_of_16(SCALE_SERVICE), (self.measurement,))
        self.peripheral = Peripheral(address, "Bin", services=(service,))
        self._clock_set = clock_set
        self._kept: list[bytes] = []
        self._told: list[bytes] = []

    def advertise(self, air: BluezEmulator) -> bool:
        """One advert; True when a client was told of it."""
        return air.advertise(self.peripheral)

    def weigh(self, grams: int, at: datetime) -> None:
        """Something is thrown in, at the scale's own time."""
        time = struct.pack("<HBBBBB", at.year, at.month, at.day, at.hour, at.minute, at.second)
        flags = WITH_TIME if self._clock_set else 0
        weight = struct.pack("<BH", flags, grams // WEIGHT_STEP_G)
        self._kept.append(weight + time if self._clock_set else weight)

    def tell(self, air: BluezEmulator) -> int:
        """Tell what was kept, oldest first; how many a client took."""
        count = 0
        while self._kept and air.notify(self.measurement, self._kept[0]):
            self._told.append(self._kept.pop(0))
            count += 1
        return count

    def again(self, air: BluezEmulator, back: int = 0) -> bool:
        """Tell an old weighing once more, as a scale does that missed the confirmation."""
        return air.notify(self.measurement, self._told[-1 - back])
