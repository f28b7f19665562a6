"""The Bluetooth driver: one adapter, one scanner, and the meters on it, each unable to stop another.
It joins scanner, sensors and plugs, and never raises for anything a radio does.

bleak finds the system bus by DBUS_SYSTEM_BUS_ADDRESS, which is how a simulated adapter takes a real one's place."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData

from tallystick_edge.config import AdapterConfig, MeterConfig
from tallystick_edge.drivers.ble_advert import AdvertMeter
from tallystick_edge.drivers.ble_errors import BleReason
from tallystick_edge.drivers.ble_faults import FaultReporter
from tallystick_edge.drivers.ble_plug import Plug
from tallystick_edge.drivers.ble_replay import ReplayGuard
from tallystick_edge.drivers.ble_scanner import Scanner
from tallystick_edge.drivers.ble_times import BleTimes
from tallystick_edge.errors import ConfigError
from tallystick_edge.ports import Clock, ReplayStore, Sink
from tallystick_edge.profile import ProfileKind, load_profile

CONNECTIONS_MAX = 4  # links one adapter keeps up without starving its own scanning; more plugs take turns


class BleDriver:
    """All meters of one adapter. Raises ConfigError for a meter without address or with a profile of another kind."""

    def __init__(
        self,
        adapter: AdapterConfig,
        meters: Sequence[MeterConfig],
        clock: Clock,
        replay: ReplayStore,
        times: BleTimes | None = None,
    ) -> None:
        self._adapter = adapter
        self._meters = tuple(meters)
        self._clock = clock
        self._times = times or BleTimes()
        self._guard = ReplayGuard(replay)
        self._adverts: dict[str, AdvertMeter] = {}
        self._plugs: dict[str, Plug] = {}
        self.scanner: Scanner | None = None
        hold = sum(load_profile(meter.profile).kind is ProfileKind.BLE_GATT for meter in meters) <= CONNECTIONS_MAX
        for meter in meters:
            self._add(meter, hold)

    async def run(self, sink: Sink) -> None:
        """Scan and poll until cancelled."""
        faults = FaultReporter(sink, self._clock, self._times.fault_every_s)
        slots = asyncio.Semaphore(CONNECTIONS_MAX)

        def heard(device: BLEDevice, advert: AdvertisementData) -> None:
            self._heard(device, advert, sink, faults)

        def trouble(reason: BleReason, detail: str) -> None:
            for meter in self._meters:
                faults.fault(meter.id, reason, detail)

        scanner = self.scanner = Scanner(self._adapter.device, self._times, heard, trouble)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(scanner.run())
            for sensor in self._adverts.values():
                tasks.create_task(sensor.watch(faults))
            for plug in self._plugs.values():
                tasks.create_task(plug.run(sink, faults, slots, scanner.sign_of_life))

    def _heard(self, device: BLEDevice, advert: AdvertisementData, sink: Sink, faults: FaultReporter) -> None:
        address = device.address.upper()
        if (sensor := self._adverts.get(address)) is not None:
            sensor.heard(advert, sink, faults)
        elif (plug := self._plugs.get(address)) is not None:
            plug.heard(device)

    def _add(self, meter: MeterConfig, hold: bool) -> None:
        profile = load_profile(meter.profile)
        if meter.address is None:
            raise ConfigError("edge.toml", f"meter {meter.id}.address", "is missing", "write it as on the label")
        address = meter.address.upper()
        if address in self._adverts or address in self._plugs:
            raise ConfigError("edge.toml", f"meter {meter.id}.address", f"{address} is used twice", "give it one meter")
        match profile.kind:
            case ProfileKind.BLE_ADVERT:
                self._adverts[address] = AdvertMeter(meter, address, profile, self._clock, self._guard)
            case ProfileKind.BLE_GATT:
                self._plugs[address] = Plug(meter, address, profile, self._clock, self._times, hold)
            case ProfileKind.MODBUS:
                reason, step = f"{meter.profile} is a Modbus profile", "name a Bluetooth one, or a line for the meter"
                raise ConfigError("edge.toml", f"meter {meter.id}.profile", reason, step)
