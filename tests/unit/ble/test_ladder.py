"""The watchdog's decision: which rung follows which silence."""

from __future__ import annotations

import pytest
from bleak.exc import BleakBluetoothNotAvailableError, BleakBluetoothNotAvailableReason, BleakDBusError, BleakError
from tallystick_edge.drivers.ble_errors import BleError, BleReason
from tallystick_edge.drivers.ble_scanner import Rung, next_rung, reason_of
from tallystick_edge.drivers.ble_times import BleTimes

TIMES = BleTimes(silent_s=60, power_cycle_s=180)
LONG_AGO = float("inf")


@pytest.mark.parametrize(
    ("rung", "silence_s", "since_cycle_s", "following"),
    [
        (Rung.LISTENING, 60, LONG_AGO, Rung.NEW_SCANNER),
        (Rung.LISTENING, 1_000, LONG_AGO, Rung.NEW_SCANNER),
        (Rung.NEW_SCANNER, 120, LONG_AGO, Rung.NEW_SCANNER),
        (Rung.NEW_SCANNER, 180, LONG_AGO, Rung.POWER_CYCLED),
        (Rung.NEW_SCANNER, 180, 10, Rung.NEW_SCANNER),
        (Rung.POWER_CYCLED, 240, 60, Rung.REPORTED),
        (Rung.REPORTED, 300, 120, Rung.REPORTED),
        (Rung.REPORTED, 360, 180, Rung.POWER_CYCLED),
    ],
)
def test_ladder_is_climbed_one_rung_at_a_time(rung, silence_s, since_cycle_s, following) -> None:
    assert next_rung(rung, silence_s, since_cycle_s, TIMES) is following


def test_backoff_doubles_to_its_limit_and_stays_there() -> None:
    times = BleTimes(backoff_s=1, backoff_max_s=300)
    assert [times.backoff(n) for n in (1, 2, 3, 9, 10, 10_000)] == [1, 2, 4, 256, 300, 300]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (BleError(BleReason.REFUSED, "x"), BleReason.REFUSED),
        (BleakBluetoothNotAvailableError("x", BleakBluetoothNotAvailableReason.POWERED_OFF), BleReason.ADAPTER_OFF),
        (BleakBluetoothNotAvailableError("x", BleakBluetoothNotAvailableReason.NO_BLUETOOTH), BleReason.ADAPTER_GONE),
        (BleakError("adapter 'hci0' not found"), BleReason.ADAPTER_GONE),
        (BleakDBusError("org.bluez.Error.NotReady", ["Resource Not Ready"]), BleReason.ADAPTER_OFF),
        (BleakDBusError("org.bluez.Error.InProgress", ["x"]), BleReason.SCAN_REFUSED),
        (ConnectionRefusedError(), BleReason.BUS_GONE),
        (EOFError(), BleReason.BUS_GONE),
    ],
)
def test_start_errors_are_told_apart(error: Exception, reason: BleReason) -> None:
    assert reason_of(error) is reason
