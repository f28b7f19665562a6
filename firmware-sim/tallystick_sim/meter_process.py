"""`tallystick-sim meter`: one meter that does not exist, on a TCP port or a serial line, by type or from a raw dump.
For trying a profile or a command without a meter at hand; it runs until it is stopped."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tallystick_sim.modbus.line import SerialLine
from tallystick_sim.modbus.register_map import (
    MapError,
    MappedMeter,
    Quantities,
    RegisterMap,
    load_map,
    map_names,
    map_of_reads,
)
from tallystick_sim.modbus.tcp import MeterServer
from tallystick_sim.modbus.timing import LineTiming

HOUR_S = 3_600
DUMP_BYTES_MAX = 1_048_576


def add_meter_command(commands: Any) -> None:
    """Put `meter` under the parser's COMMAND."""
    meter = commands.add_parser(
        "meter",
        help="one meter on a port of its own, for trying a profile",
        description="Plays one Modbus meter until it is stopped. MODEL is one of: " + ", ".join(map_names()),
        epilog="examples: tallystick-sim meter eastron-sdm630 --tcp 1502; tallystick-sim meter house.json",
    )
    meter.add_argument(
        "model", metavar="MODEL", help="a type of meter, or a file that `tallystick-edge read --raw` printed"
    )
    meter.add_argument("--tcp", type=int, metavar="PORT", help="serve Modbus/TCP on this port of 127.0.0.1 (1502)")
    meter.add_argument("--serial", type=Path, metavar="LINK", help="make a serial line and a link to it with this name")
    meter.add_argument("--baud", type=int, default=9_600, help="of the serial line (9600)")
    meter.add_argument("--unit", type=int, default=1, help="its address (1)")
    meter.add_argument("--load", type=int, default=2_000, metavar="W", help="what is drawn all the time (2000)")
    meter.add_argument("--serial-number", default="20260001", help="what it says of itself (20260001)")
    meter.set_defaults(run=_run)


def _run(given: argparse.Namespace) -> int:
    try:
        kind = _from_dump(Path(given.model)) if given.model.endswith(".json") else load_map(given.model)
        asyncio.run(_serve(given, kind))
    except (MapError, OSError, ValueError) as error:
        print(f"tallystick-sim: {error}", file=sys.stderr)
        return 1
    return 0


async def _serve(given: argparse.Namespace, kind: RegisterMap) -> None:
    meter = MappedMeter(kind, _steady(given.load, given.serial_number))
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    if given.serial is not None:
        line = SerialLine(LineTiming(given.baud), link=given.serial.absolute())
        line.attach(given.unit, meter)
        line.open()
        print(f"{kind.name} is unit {given.unit} on {given.serial}, {given.baud} 8N1; Ctrl-C ends it", flush=True)
        await stopped.wait()
        line.close()
        return
    server = MeterServer(port=1_502 if given.tcp is None else given.tcp)
    server.attach(given.unit, meter)
    await server.start()
    print(f"{kind.name} is unit {given.unit} at 127.0.0.1:{server.port}; Ctrl-C ends it", flush=True)
    await stopped.wait()
    with contextlib.suppress(OSError):
        await server.stop()


def _steady(load_w: int, serial: str) -> Quantities:
    """A truth that draws the same power all the time, from a reading that is not zero."""
    loop = asyncio.get_running_loop()
    began = loop.time()

    def grown(start: int, per_hour: int) -> Callable[[], int]:
        return lambda: start + int((loop.time() - began) * per_hour / HOUR_S)

    def fixed(value: int) -> Callable[[], int]:
        return lambda: value

    return {
        "serial": fixed(int(serial)) if serial.isdigit() else lambda: serial,
        "voltage_dv": fixed(2_305),
        "current_ma": fixed(load_w * 10_000 // 2_305),
        "power_w": fixed(load_w),
        "energy_wh": grown(1_234_567, load_w),
        "export_wh": fixed(7_000),
        "total_wh": grown(1_241_567, load_w),
        "heat_wh": grown(12_345_000, load_w),
        "volume_l": grown(429_940, 20),
        "water_ml": grown(1_234_567_890, 318_000),
        "reverse_ml": fixed(12),
        "flow_lh": fixed(318),
    }


def _from_dump(path: Path) -> RegisterMap:
    """The first reading of a raw dump. Raises MapError, OSError."""
    data = path.read_bytes()
    if len(data) > DUMP_BYTES_MAX:
        raise MapError(f"{path}: longer than {DUMP_BYTES_MAX} bytes")
    try:
        reads = [
            (each["function"], int(each["address"], 16), [int(word, 16) for word in each["words"].split()])
            for each in json.loads(data)["readings"][0]["reads"]
        ]
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise MapError(f"{path}: not a raw dump: {error!r}; make one with `tallystick-edge read --raw`") from error
    return map_of_reads(path.stem, reads)
