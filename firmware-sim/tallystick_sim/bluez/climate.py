"""Simulated climate sensors: a RuuviTag, a Xiaomi thermometer, and an Environmental Sensing device to read.
They tell what their truth says, in bytes written from the formats' own documents."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from tallystick_sim.bluez.emulator import BluezEmulator
from tallystick_sim.bluez.names import uuid_of_16
from tallystick_sim.bluez.peripheral import Characteristic, Peripheral, Service
from tallystick_sim.bluez.truth import ClimateTruth

RUUVI_COMPANY: Final = 0x0499
ENVIRONMENTAL: Final = 0x181A
ACCELERATION_1G: Final = (4, -4, 1_036)  # thousandths of g: it lies flat
POWER_2977_MV_4_DBM: Final = (2_977 - 1_600) << 5 | (4 + 40) // 2


class RuuviTag:
    """Data format 5 in the manufacturer data; `sequence` moves on with each advert."""

    def __init__(self, address: str, truth: ClimateTruth, sequence: int = 0) -> None:
        self.peripheral = Peripheral(address, "Ruuvi " + address[-5:].replace(":", ""), connectable=False)
        self.sequence = sequence
        self._truth = truth

    def advertise(self, air: BluezEmulator) -> bool:
        """Send the next advert; True when a client was told of it."""
        temperature = self._truth.temperature_mdeg() // 5
        head = struct.pack(">BhHH", 5, temperature, self._truth.humidity_ppm() // 25, 100_044 - 50_000)
        tail = struct.pack(">hhhHBH", *ACCELERATION_1G, POWER_2977_MV_4_DBM, 66, self.sequence % 65_535)
        mac = bytes.fromhex(self.peripheral.address.replace(":", ""))
        self.peripheral.manufacturer_data = {RUUVI_COMPANY: head + tail + mac}
        self.sequence += 1
        return air.advertise(self.peripheral)


class Thermometer:
    """A Xiaomi thermometer with the firmware of atc1441, or with `custom` the format of pvvx's."""

    def __init__(self, address: str, truth: ClimateTruth, custom: bool = False, packet: int = 0) -> None:
        self.peripheral = Peripheral(address, "ATC_" + address[-8:].replace(":", ""), connectable=False)
        self.packet = packet
        self._truth = truth
        self._custom = custom

    def advertise(self, air: BluezEmulator) -> bool:
        """Send the next advert; True when a client was told of it."""
        mac = bytes.fromhex(self.peripheral.address.replace(":", ""))
        mdeg, ppm, packet = self._truth.temperature_mdeg(), self._truth.humidity_ppm(), self.packet & 0xFF
        if self._custom:
            data = mac[::-1] + struct.pack("<hHHBBB", mdeg // 10, ppm // 100, 2_983, 85, packet, 4)
        else:
            data = mac + struct.pack(">hBBHB", mdeg // 100, ppm // 10_000, 85, 2_983, packet)
        self.peripheral.service_data = {uuid_of_16(ENVIRONMENTAL): data}
        self.packet += 1
        return air.advertise(self.peripheral)


class ClimateStation:
    """The Environmental Sensing service: temperature, humidity and pressure as characteristics to read."""

    def __init__(self, address: str, truth: ClimateTruth) -> None:
        def read(number: int, form: str, value: Callable[[], int]) -> Characteristic:
            return Characteristic(uuid_of_16(number), ("read",), on_read=lambda: struct.pack(form, value()))

        characteristics = (
            read(0x2A6E, "<h", lambda: truth.temperature_mdeg() // 10),
            read(0x2A6F, "<H", lambda: truth.humidity_ppm() // 100),
            read(0x2A6D, "<I", lambda: 1_013_250),
        )
        self.peripheral = Peripheral(
            address, "Climate", services=(Service(uuid_of_16(ENVIRONMENTAL), characteristics),)
        )

    def advertise(self, air: BluezEmulator) -> bool:
        """One advert; True when a client was told of it."""
        return air.advertise(self.peripheral)
