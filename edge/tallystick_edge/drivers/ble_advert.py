"""Sensors that only advertise: adverts in, samples and faults out.
It decodes, refuses old ones and thins out to the meter's interval; it never connects."""

from __future__ import annotations

from collections.abc import Mapping

from bleak.backends.scanner import AdvertisementData
from tallystick_protocol.codes import MeterState

from tallystick_edge.config import MeterConfig
from tallystick_edge.drivers.ble_errors import BleError, BleReason
from tallystick_edge.drivers.ble_faults import FaultReporter
from tallystick_edge.drivers.ble_formats import ADVERTS
from tallystick_edge.drivers.ble_replay import Freshness, ReplayGuard, place_of
from tallystick_edge.ports import Clock, Sink
from tallystick_edge.profile import Profile
from tallystick_edge.sample import Sample

SILENT_INTERVALS = 3  # one lost advert is normal, three intervals without any are not
SILENT_MS_MIN = 60_000  # sensors on a battery advertise up to a minute apart


class AdvertMeter:
    """One advertising sensor. The first new advert in each interval of `every_ms` (aligned in UTC) becomes a sample."""

    def __init__(self, meter: MeterConfig, address: str, profile: Profile, clock: Clock, guard: ReplayGuard) -> None:
        self.address = address
        self._meter = meter
        self._registers = profile.registers
        self._format = ADVERTS[profile.format]
        self._clock = clock
        self._guard = guard
        self._place = place_of(address, meter.key, meter.restarted)
        self._interval = -1
        self._last_good_ms = clock.uptime_ms()

    def heard(self, data: AdvertisementData, sink: Sink, faults: FaultReporter) -> None:
        """One advert of this sensor; adverts without its format's data (scan responses) are ignored."""
        payload = self._format.payload(data)
        if payload is None:
            return
        try:
            sample = self._sample(payload)
        except BleError as error:
            faults.fault(self._meter.id, error.reason, error.detail)
            return
        if sample is not None:
            faults.well(self._meter.id)
            sink.sample(sample)

    async def watch(self, faults: FaultReporter) -> None:
        """Report silence until cancelled."""
        limit_ms = max(SILENT_INTERVALS * self._meter.every_ms, SILENT_MS_MIN)
        while True:
            await self._clock.sleep_ms(limit_ms)
            age_ms = self._clock.uptime_ms() - self._last_good_ms
            if age_ms >= limit_ms:
                faults.fault(self._meter.id, BleReason.SILENT, f"no good advert of {self.address} for {age_ms} ms")

    def _sample(self, payload: bytes) -> Sample | None:
        frame, values = self._format.decode(payload, self.address, self._meter.key, self._registers)
        match self._guard.judge(self._place, frame):
            case Freshness.OLD:
                raise BleError(BleReason.REPLAYED, self._behind(frame.counter))
            case Freshness.REPEAT:
                return None
            case Freshness.NEW:
                return self._in_new_interval(values, payload)

    def _behind(self, counter: int) -> str:
        seen = f"packet counter {counter} is behind the last one"
        if self._meter.key is None:
            return f"{seen}; a sensor that began anew is believed again after a run of adverts"
        step = 'write restarted = "NAME, DATE" at this meter and start the agent again, or give the sensor a new key'
        return f"{seen}; after a battery change {step}"

    def _in_new_interval(self, values: Mapping[str, int], raw: bytes) -> Sample | None:
        utc_ms = self._clock.utc_ms()
        self._last_good_ms = self._clock.uptime_ms()
        interval = utc_ms // self._meter.every_ms
        if interval == self._interval:
            return None
        self._interval = interval
        return Sample(self._meter.id, self._last_good_ms, utc_ms, values, None, MeterState.OK, raw)
