"""The laundry's meters as devices that answer on real ports: two RS-485 lines, Modbus/TCP, and Bluetooth.
They show the world's registers at the instant they are asked; what was used is the world's business."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tallystick_sim.appliance import MJ_PER_WH
from tallystick_sim.bluez import BluezEmulator, BthomeSensor, ShellyPlug
from tallystick_sim.control import ControlError
from tallystick_sim.laundry import Laundry
from tallystick_sim.modbus.faults import UnitFaults
from tallystick_sim.modbus.iem3155 import Iem3155
from tallystick_sim.modbus.line import SerialLine
from tallystick_sim.modbus.sdm120 import Sdm120
from tallystick_sim.modbus.tcp import MeterServer
from tallystick_sim.modbus.timing import LineTiming
from tallystick_sim.plan import (
    BAUD,
    DRYER_ADDRESS,
    DRYER_FIRST_MWH,
    HOUSE_FIRST_WH,
    HOUSE_SERIAL,
    HOUSE_UNIT,
    WASHERS,
    WATER_ADDRESS,
    WATER_FIRST_ML,
    WATER_KEY,
    Gateway,
    Washer,
)

ADVERT_EVERY_S = 0.25  # real time; at 60x that is every 15 s of domain time, as a sensor's own second is at 1x
REPLAY_BACK = 4  # how old the replayed advert is: a second


@dataclass(frozen=True, slots=True)
class Register:
    """What a meter measures, read from the world: counters that began before the first day, and a power."""

    first_mwh: int
    millijoules: Callable[[], int]
    watts: Callable[[], int]

    def energy_wh(self) -> int:
        return self.first_mwh // 1_000 + self.millijoules() // MJ_PER_WH

    def energy_mwh(self) -> int:
        return self.first_mwh + self.millijoules() * 1_000 // MJ_PER_WH

    def power_w(self) -> int:
        return self.watts()


@dataclass(frozen=True, slots=True)
class Water:
    millilitres: Callable[[], int]

    def volume_ml(self) -> int:
        return WATER_FIRST_ML + self.millilitres()


class Devices:
    """`now_ms` brings the world up to date before every answer; `folder` takes the sockets (keep its path short)."""

    def __init__(self, laundry: Laundry, now_ms: Callable[[], int], folder: Path) -> None:
        self._laundry = laundry
        self._now_ms = now_ms
        self.lines = {gateway: SerialLine(LineTiming(BAUD), link=folder / gateway.value) for gateway in Gateway}
        self.house = MeterServer()
        self.air = BluezEmulator(folder / "bluez")
        self._adverts: list[asyncio.Task[None]] = []
        self._faults: dict[str, UnitFaults] = {}
        self._wire()
        self.dryer = ShellyPlug(
            DRYER_ADDRESS, self._register(DRYER_FIRST_MWH, lambda w: w.dryer.millijoules, lambda w: w.dryer.watts)
        )
        self.water = BthomeSensor(WATER_ADDRESS, Water(self._ask(lambda w: w.millilitres)), key=WATER_KEY)

    async def start(self) -> None:
        for line in self.lines.values():
            line.open()
        await self.house.start()
        await self.air.start()
        self.air.add(self.dryer.peripheral)
        self.air.add(self.water.peripheral)
        for device in (self.dryer, self.water):
            self._adverts.append(asyncio.create_task(device.run(self.air, ADVERT_EVERY_S)))

    async def stop(self) -> None:
        for task in self._adverts:
            task.cancel()
        await asyncio.gather(*self._adverts, return_exceptions=True)
        await self.air.stop()
        await self.house.stop()
        for line in self.lines.values():
            line.close()

    def where(self) -> dict[str, object]:
        """What an agent's configuration needs to know to reach the meters."""
        return {
            "lines": {gateway.value: line.port for gateway, line in self.lines.items()},
            "house_port": self.house.port,
            "bus": self.air.address,
        }

    def late(self, meter: str, ms: int) -> None:
        """The next answer of that meter comes `ms` (real time) late."""
        self._faults_of(meter).late_once(ms)

    def played(self, meter: str, fault: str) -> int:
        """How often that fault was really played to an agent."""
        return self._faults_of(meter).played.get(fault, 0)

    def _faults_of(self, meter: str) -> UnitFaults:
        if meter not in self._faults:
            raise ControlError(f"meter: no {meter!r} on Modbus; there are: {', '.join(self._faults)}")
        return self._faults[meter]

    def replay(self) -> None:
        """Somebody sends a recorded advert of the water sensor again."""
        try:
            self.water.replay(self.air, REPLAY_BACK)
        except ValueError as error:
            raise ControlError(str(error)) from error

    def _wire(self) -> None:
        for washer in WASHERS:
            model = Sdm120(self._washer_register(washer), washer.serial)
            self._faults[washer.name] = self.lines[washer.gateway].attach(washer.unit, model)
        house = self._register(HOUSE_FIRST_WH * 1_000, lambda w: w.house_millijoules, lambda w: w.house_watts)
        self._faults["house"] = self.house.attach(HOUSE_UNIT, Iem3155(house, HOUSE_SERIAL))

    def _washer_register(self, washer: Washer) -> Register:
        name = washer.name
        return self._register(
            washer.first_wh * 1_000, lambda w: w.washers[name].millijoules, lambda w: w.washers[name].watts
        )

    def _register(
        self, first_mwh: int, millijoules: Callable[[Laundry], int], watts: Callable[[Laundry], int]
    ) -> Register:
        return Register(first_mwh, self._ask(millijoules), self._ask(watts))

    def _ask(self, what: Callable[[Laundry], int]) -> Callable[[], int]:
        def now() -> int:
            self._laundry.advance(self._now_ms())
            return what(self._laundry)

        return now
