"""Are the lines and adapters of the configuration there, and may this user open them? `meters.py` asks the meters."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

from tallystick_edge.config import AdapterConfig, ChargePointConfig, EdgeConfig, LineConfig, LineKind
from tallystick_edge.doctor.places import Machine
from tallystick_edge.doctor.verdict import Verdict, fail, ok, warn

REACH_S = 5.0
BUS_VARIABLE = "DBUS_SYSTEM_BUS_ADDRESS"


def check_devices(config: EdgeConfig, machine: Machine) -> Iterator[Verdict]:
    for line in config.lines:
        yield _serial(line) if line.kind is LineKind.RTU else _tcp(line)
    for adapter in config.adapters:
        yield from _adapter(adapter, machine)
    for point in config.charge_points:
        yield _sessions(point)


def _sessions(point: ChargePointConfig) -> Verdict:
    where = f"charge point {point.id} ({point.file})"
    if not point.file.exists():
        step = "correct `file`, or wait for the first session to end"
        return warn("SESSION-FILE", where, "is not there", step)
    if not point.file.is_file() or not os.access(point.file, os.R_OK):
        step = "it must be a file that the agent's user may read: chmod, or a group of both programs"
        return fail("SESSION-FILE", where, "cannot be read by this user", step)
    return ok("SESSION-FILE", where, "is there and may be read")


def _serial(line: LineConfig) -> Verdict:
    device = Path(line.device or "")
    where = f"line {line.id} ({device})"
    try:
        mode = device.stat().st_mode
    except OSError:
        step = "plug the adapter in; `ls /dev/serial/by-id` shows what is there, and a name that stays the same"
        return fail("LINE-DEVICE", where, "is not there", step)
    if not stat.S_ISCHR(mode):
        return fail("LINE-DEVICE", where, "is no serial port", "correct `device` of this line")
    if not os.access(device, os.R_OK | os.W_OK):
        step = "add the agent's user to the port's group: usermod -aG dialout tallystick"
        return fail("LINE-DEVICE", where, "may not be opened by this user", step)
    return ok("LINE-DEVICE", where, "is there and may be opened")


def _tcp(line: LineConfig) -> Verdict:
    where = f"line {line.id} ({line.host}:{line.port})"
    try:
        with socket.create_connection((line.host or "", line.port or 502), timeout=REACH_S):
            return ok("LINE-DEVICE", where, "takes connections")
    except OSError as error:
        step = "check its power, network and address; some meters take one connection only, and the agent may have it"
        return fail("LINE-DEVICE", where, f"does not take a connection: {error.strerror or error}", step)


def _adapter(adapter: AdapterConfig, machine: Machine) -> Iterator[Verdict]:
    where = f"adapter {adapter.id} ({adapter.device or 'default'})"
    address = os.environ.get(BUS_VARIABLE, "")
    bus = Path(address.removeprefix("unix:path=").partition(",")[0]) if address else machine.bus
    if not bus.exists():
        step = "install and start BlueZ: apt install bluez; systemctl start bluetooth"
        yield fail("BLE-BUS", where, f"no system bus at {bus}", step)
    found = sorted(path.name for path in machine.bluetooth.glob("hci*"))
    if address:
        yield ok("BLE-ADAPTER", where, f"{BUS_VARIABLE} names another bus than this machine's")
    elif not found or adapter.device not in (None, *found):
        step = "plug it in, or unblock it: rfkill unblock bluetooth"
        yield fail("BLE-ADAPTER", where, f"is not there; there are: {', '.join(found) or 'none'}", step)
    else:
        yield ok("BLE-ADAPTER", where, f"there are: {', '.join(found)}")
