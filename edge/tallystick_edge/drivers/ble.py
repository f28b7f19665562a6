"""The Bluetooth driver: one adapter, one scanner, and the meters on it, each unable to stop another.
It joins scanner, sensors and plugs, and never raises for anything a radio does.

bleak finds the system bus by DBUS_SYSTEM_BUS_ADDRESS, which is how a simulated adapter takes a real one's place."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData

from tallystick_edge.config import AdapterConfig, MeterConfig
from tallystick_edge.drivers.ble_advert import AdvertMeter
from tallystick_edge.drivers.ble_dialogue import ReadDialogue, ShellyDialogue
from tallystick_edge.drivers.ble_errors import BleError, BleReason
from tallystick_edge.drivers.ble_faults import FaultReporter
from tallystick_edge.drivers.ble_formats import ADVERTS
from tallystick_edge.drivers.ble_notified import Notified, is_summed
from tallystick_edge.drivers.ble_polled import Polled
from tallystick_edge.drivers.ble_replay import ReplayGuard
from tallystick_edge.drivers.ble_scanner import Scanner
from tallystick_edge.drivers.ble_times import BleTimes
from tallystick_edge.errors import ConfigError
from tallystick_edge.ports import Clock, ReplayStore, Sink
from tallystick_edge.profile import Profile, ProfileKind, RadioFormat, load_profile

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
        profiles: Callable[[str], Profile] = load_profile,
    ) -> None:
        self._adapter = adapter
        self._meters = tuple(meters)
        self._clock = clock
        self._times = times or BleTimes()
        self._replay = replay
        self._guard = ReplayGuard(replay)
        self._adverts: dict[str, AdvertMeter] = {}
        self._connected: dict[str, Polled | Notified] = {}
        self.scanner: Scanner | None = None
        known = [profiles(meter.profile) for meter in meters]
        hold = sum(profile.kind is ProfileKind.BLE_GATT for profile in known) <= CONNECTIONS_MAX
        for meter, profile in zip(meters, known, strict=True):
            self._add(meter, profile, hold)

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
            for device in self._connected.values():
                tasks.create_task(device.run(sink, faults, slots, scanner.sign_of_life))

    def _heard(self, device: BLEDevice, advert: AdvertisementData, sink: Sink, faults: FaultReporter) -> None:
        address = device.address.upper()
        if (sensor := self._adverts.get(address)) is not None:
            sensor.heard(advert, sink, faults)
        elif (known := self._connected.get(address)) is not None:
            known.heard(device)

    def _add(self, meter: MeterConfig, profile: Profile, hold: bool) -> None:
        if meter.address is None:
            raise ConfigError("edge.toml", f"meter {meter.id}.address", "is missing", "write it as on the label")
        address = meter.address.upper()
        if address in self._adverts or address in self._connected:
            raise ConfigError("edge.toml", f"meter {meter.id}.address", f"{address} is used twice", "give it one meter")
        match profile.kind:
            case ProfileKind.BLE_ADVERT:
                if meter.key is not None and not ADVERTS[profile.format].encrypts:
                    reason = f"is set, but {profile.format} has no encryption"
                    step = "leave it out, or let the sensor speak BTHome"
                    raise ConfigError("edge.toml", f"meter {meter.id}.key", reason, step)
                self._adverts[address] = AdvertMeter(meter, address, profile, self._clock, self._guard)
            case ProfileKind.BLE_GATT:
                try:
                    self._connected[address] = self._gatt(meter, address, profile, hold)
                except BleError as error:
                    step = "correct the profile's keys"
                    raise ConfigError(f"{profile.name}.toml", "register", error.detail, step) from None
            case ProfileKind.MODBUS:
                reason, step = f"{meter.profile} is a Modbus profile", "name a Bluetooth one, or a line for the meter"
                raise ConfigError("edge.toml", f"meter {meter.id}.profile", reason, step)

    def _gatt(self, meter: MeterConfig, address: str, profile: Profile, hold: bool) -> Polled | Notified:
        match profile.format:
            case RadioFormat.GATT_NOTIFY:
                if is_summed(profile) and not hold:
                    reason = f"adds up what a device tells once, and over {CONNECTIONS_MAX} devices share the links"
                    raise ConfigError("edge.toml", f"meter {meter.id}.profile", reason, "give it another adapter")
                return Notified(meter, address, profile, self._clock, self._times, hold, self._replay, self._guard)
            case RadioFormat.GATT_READ:
                return Polled(meter, address, ReadDialogue(profile), self._clock, self._times, hold)
            case _:
                return Polled(meter, address, ShellyDialogue(profile, self._times), self._clock, self._times, hold)
