"""What a driver threw away leaves a trace: one signed event per meter, reason and minute, and never a reading."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.edge import CountedEntropy, HandClock, plans, sample
from tallystick_edge.core import Core
from tallystick_edge.drivers.ble_errors import BleReason
from tallystick_edge.drivers.modbus_errors import ReadFailure
from tallystick_edge.metering.refusals import REASONS, TELL_AGAIN_MS
from tallystick_edge.sample import Fault
from tallystick_protocol.batch import open_upload
from tallystick_protocol.codes import EventCode, Reason, Sensitivity
from tallystick_protocol.keys import P256Signer, public_key_of
from tallystick_protocol.part import Event, Part

ENERGY = 1  # the washer's first channel


class Gateway:
    """A core on a fresh journal, driven by hand."""

    def __init__(self, folder: Path) -> None:
        self.clock, self.signer = HandClock(), P256Signer.generate()
        self.core = Core(folder / "journal", self.signer, plans(), self.clock, CountedEntropy(), "test/1")

    def refuse(self, reason: str, at_ms: int, meter: str = "washer") -> None:
        self.clock.ms = at_ms
        self.core.desk.fault(Fault(meter, at_ms, reason, "thrown away"))

    def sealed(self) -> list[Part]:
        """All parts of what waits to be sent, their batches' signatures checked."""
        self.core.seal()
        found: list[Part] = []
        for each in self.core.waiting(100):
            data = self.core.upload(each)
            assert data is not None
            opened = open_upload(data)
            opened.unverified.verify(public_key_of(self.signer))
            found += [part for part in opened.parts if isinstance(part, Part)]
        return found

    def events(self) -> list[Event]:
        return [event for part in self.sealed() for event in part.events if event.code is EventCode.QUARANTINED]


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    return Gateway(tmp_path)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("replayed", Reason.REPLAYED),
        ("late-answer", Reason.STALE),
        ("serial-mismatch", Reason.SERIAL_UNEXPECTED),
        ("wrong-meter", Reason.SERIAL_UNEXPECTED),
        ("wrong-key-or-forged", Reason.DECODE),
    ],
)
def test_what_was_thrown_away_is_told_signed_and_is_no_reading(gateway: Gateway, fault: str, reason: Reason) -> None:
    gateway.refuse(fault, 1_000)
    (part,) = gateway.sealed()
    (event,) = part.events
    assert (part.channel, part.sensitivity) == (ENERGY, Sensitivity.MONEY)
    assert (event.code, event.reason, event.use, event.total) == (EventCode.QUARANTINED, reason, None, None)
    assert (part.segments, part.gauges, part.raws) == ((), (), ())


def test_a_flood_is_told_once_a_minute_per_meter_and_reason(gateway: Gateway) -> None:
    for at_ms in range(0, 2 * TELL_AGAIN_MS + 1, 100):
        gateway.refuse("replayed", at_ms)
    gateway.refuse("late-answer", 2 * TELL_AGAIN_MS)
    told = [event.reason for event in gateway.events()]
    assert sorted(told) == sorted([Reason.REPLAYED] * 3 + [Reason.STALE])


def test_silence_and_unknown_meters_are_no_refusal(gateway: Gateway) -> None:
    gateway.refuse("timeout", 0)
    gateway.refuse("silent", 100)
    gateway.refuse("replayed", 200, meter="somebody's")
    assert gateway.events() == []


def test_readings_before_and_after_a_refusal_stand_as_they_were(gateway: Gateway) -> None:
    gateway.core.desk.sample(sample(0, 100, 0))
    gateway.refuse("replayed", 2_000)
    gateway.clock.ms = 5_000
    gateway.core.desk.sample(sample(5_000, 101, 0))
    totals = [
        reading.total
        for part in gateway.sealed()
        if part.channel == ENERGY
        for segment in part.segments
        for reading in segment.readings()
    ]
    assert totals == [100, 101]
    assert len(gateway.events()) == 1


def test_every_reason_is_one_that_a_driver_gives() -> None:
    modbus = {each.reason for each in _below(ReadFailure)}
    assert set(REASONS) <= modbus | {each.value for each in BleReason}


def _below(cause: type[ReadFailure]) -> list[type[ReadFailure]]:
    return [each for child in cause.__subclasses__() for each in (child, *_below(child))]
