"""The commands a person looks at meters with: read, probe, replay, check-profile.
They open lines, print, and keep nothing."""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import json
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tallystick_edge import radio_probe
from tallystick_edge.config import EdgeConfig, LineConfig, LineKind, MeterConfig
from tallystick_edge.config_toml import load_config
from tallystick_edge.errors import ConfigError, EdgeError
from tallystick_edge.link_options import (
    UNIT_MAX,
    add_link_options,
    line_of,
    link_given,
    other_speeds,
    registers_of,
    speed_of,
    units_of,
)
from tallystick_edge.profile import Profile, ProfileError, ProfileKind, load_profile
from tallystick_edge.shown import shown

if TYPE_CHECKING:
    from tallystick_edge.drivers.modbus_probe import Found
    from tallystick_edge.look import Look

TIMEOUT_S_MAX = 600  # a person waits
SCAN_S = 30
SPEED_UNITS = 32  # asked at each speed: where installers put meters; 20 speeds in two minutes
LOCK_FILE = "lock"  # in the data folder; held by a running agent (`app.DataLock`)
NEXT = {  # by the reason of a fault: what a person does about it
    "timeout": "check its power and address, speed and parity (`probe --find-speed`), and whether A and B are swapped",
    "line-down": "check the cable, the device path or host and port, and that no other program has it open",
    "refused": "`probe` names what answers; compare the profile with the meter's manual",
    "late-answer": "try again; a slow meter needs a longer timeout_s on its line",
    "wrong-meter": "`probe` names what answers there",
    "serial-mismatch": "compare the serial numbers of plan and meter; an exchanged meter is planned anew",
    "bluetooth-service-gone": "`doctor` looks at the adapter; BlueZ must run: systemctl start bluetooth",
    "adapter-gone": "`doctor` looks at the adapter; plug it in, or unblock it: rfkill unblock bluetooth",
    "key-missing": "copy the bind key from the sensor's app to `key` of this meter",
    "wrong-key-or-forged": "compare `key` of this meter with the bind key in the sensor's app",
    "radio": "check its battery or power, its distance, and its address: `probe --bluetooth` lists what is heard",
    "no-value": "the meter has no value for it; look at its display",
}
EXAMPLES = {
    "read": (
        "tallystick-edge read --config edge.toml washer-1",
        "tallystick-edge read --profile eastron-sdm630 --unit 1 --serial /dev/ttyUSB0",
        "tallystick-edge read --profile schneider-iem3155 --unit 1 --tcp 192.168.1.20 --raw > house.json",
        "tallystick-edge read --registers 4:0x0048:2 --unit 1 --serial /dev/ttyUSB0",
    ),
    "probe": (
        "tallystick-edge probe --config edge.toml --line rs485",
        "tallystick-edge probe --serial /dev/ttyUSB0 --baud 9600 --units 1-32",
        "tallystick-edge probe --serial /dev/ttyUSB0 --find-speed --units 1-10",
        "tallystick-edge probe --tcp 192.168.1.20 --json",
        "tallystick-edge probe --bluetooth --seconds 60",
    ),
    "replay": (
        "tallystick-edge replay house.json",
        "tallystick-edge replay house.json --profile my-meter --profiles ./profiles --json",
    ),
    "check-profile": ("tallystick-edge check-profile profiles/my-meter.toml",),
}
HELP = {
    "read": "read meters once and print their values, or the raw registers",
    "probe": "name what answers on a Modbus line, or what is in the air (--bluetooth)",
    "replay": "decode a dump of `read --raw` again",
    "check-profile": "check a profile file and its test vectors, open nothing",
}


def add_commands(commands: Any) -> None:
    """Put the four commands under the parser's COMMAND."""
    for name, text in HELP.items():
        parser = commands.add_parser(
            name,
            help=text,
            description=text,
            epilog="examples:\n" + "\n".join(f"  {line}" for line in EXAMPLES[name]),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        parser.add_argument("--json", action="store_true", help="print JSON")
        parser.add_argument("--verbose", action="store_true", help="also log what goes well in detail")
        if name != "check-profile":
            parser.add_argument("--profiles", type=Path, metavar="DIR", help="folder with profiles of your own")
        if name in ("read", "probe"):
            parser.add_argument("--config", type=Path, help="configuration file (edge.toml, where there is one)")
            add_link_options(parser)
        _ADD[name](parser)


def _add_read(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("meter", nargs="*", metavar="METER", help="ids of the configuration; none means all")
    parser.add_argument("--profile", help="read a meter that no configuration names, by this profile")
    parser.add_argument("--unit", type=_unit, default=1, help="its unit address (1)")
    parser.add_argument(
        "--registers", type=registers_of, action="append", default=[], metavar="F:ADDR:N", help="just these registers"
    )
    parser.add_argument("--raw", action="store_true", help="print the raw registers as a dump for `replay`")
    parser.add_argument("--timeout", type=_seconds, default=15, metavar="S", help="seconds to wait (15)")


def _add_probe(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--line", help="line id of the configuration; may be left out when there is one")
    parser.add_argument("--units", default=f"1-{UNIT_MAX}", help=f'unit addresses, "1-32" or "1,5,7" (1-{UNIT_MAX})')
    parser.add_argument("--find-speed", action="store_true", help="a serial line: also try other speeds and parities")
    text = f"when to stop asking, or listening ({SCAN_S})"
    parser.add_argument("--seconds", type=_seconds, default=SCAN_S, metavar="S", help=text)
    radio_probe.add_options(parser)


def _add_replay(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="what `read --raw` printed")
    parser.add_argument("--profile", help="decode with this profile instead of the dump's own")


def _add_check_profile(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="a profile, named after itself: my-meter.toml")


_ADD: dict[str, Callable[[argparse.ArgumentParser], None]] = {
    "read": _add_read,
    "probe": _add_probe,
    "replay": _add_replay,
    "check-profile": _add_check_profile,
}


def run_command(options: argparse.Namespace) -> int:
    """0 = every meter gave values, 1 = some did not. Raises EdgeError."""
    run = {"read": _read, "probe": _probe, "replay": _replay, "check-profile": _check_profile}[options.command]
    from tallystick_edge.drivers.modbus_errors import ReadFailure

    try:
        return run(options)
    except ReadFailure as failure:
        raise EdgeError(f"{failure}. Next: {NEXT.get(failure.reason, NEXT['timeout'])}") from failure
    except ProfileError as error:
        step = "correct that key; `check-profile` says whether it is right"
        raise ConfigError(error.file, error.key, error.reason, step) from error


# --- read -------------------------------------------------------------------------------------------------------


def _read(options: argparse.Namespace) -> int:
    if options.registers:
        return _read_registers(options)
    if link_given(options):
        looks = asyncio.run(_read_named(options))
        return _show(options, looks, [])
    config = load_config(_config_path(options))
    looks, rows = asyncio.run(_read_configured(options, config))
    return _show(options, looks, rows)


def _read_registers(options: argparse.Namespace) -> int:
    from tallystick_edge.clock import system_clock
    from tallystick_edge.dump import dump_text
    from tallystick_edge.look import look_at_registers

    config = None if link_given(options) else load_config(_config_path(options))
    line = line_of(options, config)
    _not_beside_an_agent(line, config)
    reading = asyncio.run(look_at_registers(line, options.unit, options.registers, system_clock()))
    if options.raw or options.json:
        print(dump_text([reading]))
        return 0
    for read in reading.reads:
        words = " ".join(f"{word:04x}" for word in read.words)
        print(f"function {read.span.function}  {read.span.address:#06x}  {words}")
    return 0


async def _read_named(options: argparse.Namespace) -> list[Look]:
    """A meter that no configuration names; without --profile whatever the unit's identity says it is."""
    from tallystick_edge.clock import system_clock
    from tallystick_edge.look import look_at_line

    line = line_of(options, None)
    name = options.profile or await _identify(options, line)
    meter = MeterConfig(f"unit-{options.unit}", name, 1_000, line=line.id, unit=options.unit)
    return await look_at_line(line, [meter], partial(_modbus_profile, own=options.profiles), system_clock())


async def _identify(options: argparse.Namespace, line: LineConfig) -> str:
    from tallystick_edge.drivers.modbus_probe import probe_line

    found = [each async for each in probe_line(line, [options.unit], planned=[options.unit], profiles=_known(options))]
    step = "name the profile with --profile, or look at registers with --registers"
    if not found:
        raise ConfigError("command line", "--unit", f"{options.unit} does not answer on {line.id}", NEXT["timeout"])
    if found[0].profile is None:
        raise ConfigError("command line", "--profile", f"unit {options.unit} answers, and no profile knows it", step)
    return found[0].profile


async def _read_configured(options: argparse.Namespace, config: EdgeConfig) -> tuple[list[Look], list[dict[str, Any]]]:
    """Modbus meters line by line, lines side by side; Bluetooth meters as their driver gives them."""
    from tallystick_edge.clock import system_clock
    from tallystick_edge.look import look_at_line
    from tallystick_edge.once import read_once
    from tallystick_edge.plan import check_registers

    meters = _chosen(config, options.meter)
    check_registers(config, meters)  # a register or profile that is not there is named before any line is opened
    profiles = partial(_modbus_profile, own=options.profiles or config.profiles)
    for line in config.lines:
        if any(meter.line == line.id for meter in meters):
            _not_beside_an_agent(line, config)
    wired = [
        look_at_line(line, at_it, profiles, system_clock())
        for line in config.lines
        if (at_it := [meter for meter in meters if meter.line == line.id])
    ]
    radio = [meter for meter in meters if meter.adapter is not None]
    heard = asyncio.create_task(read_once(config, radio, options.timeout)) if radio else None
    looks = [look for each in await asyncio.gather(*wired) for look in each]
    rows = [] if heard is None else await heard
    order = {meter.id: place for place, meter in enumerate(meters)}
    return sorted(looks, key=lambda look: order[look.raw.meter]), rows


def _chosen(config: EdgeConfig, ids: Sequence[str]) -> list[MeterConfig]:
    known = {meter.id: meter for meter in config.meters}
    for each in ids:
        if each not in known:
            names = ", ".join(known) or "(none configured)"
            raise ConfigError("command line", "METER", f"{each!r} is not configured", f"write one of {names}")
    return [known[each] for each in ids] if ids else list(config.meters)


# --- probe ------------------------------------------------------------------------------------------------------


def _probe(options: argparse.Namespace) -> int:
    if options.bluetooth:
        return radio_probe.run(options)
    if options.adapter:
        raise ConfigError("command line", "--adapter", "goes with --bluetooth", "add --bluetooth, or leave it out")
    config = None if link_given(options) else load_config(_config_path(options))
    line = line_of(options, config)
    if options.find_speed and line.kind is not LineKind.RTU:
        step = "leave it out, or name a serial port"
        raise ConfigError("command line", "--find-speed", f"{line.id} is no serial line", step)
    _not_beside_an_agent(line, config)
    return asyncio.run(_scan(options, line, config))


async def _scan(options: argparse.Namespace, line: LineConfig, config: EdgeConfig | None) -> int:
    """Plan addresses first, then 1 to 32, then the rest; what is found is printed as it is found."""
    from tallystick_edge.drivers.modbus_probe import Scan, probe_line, scan_order

    meters = {} if config is None else {each.unit: each for each in config.meters if each.line == line.id}
    planned = [unit for unit in meters if unit is not None]
    own = options.profiles or (config.profiles if config else None)
    profiles = _known(options, own)
    if options.find_speed:
        line = await _at_its_speed(line, scan_order(planned, units_of(options.units))[:SPEED_UNITS], profiles)
    scan, rows = Scan(), []
    async for found in probe_line(
        line,
        units_of(options.units),
        planned=planned,
        profiles=profiles,
        seconds=options.seconds,
        scan=scan,
    ):
        row = {
            "unit": found.unit,
            "profile": found.profile,
            "serial": found.serial,
            "doubt": found.doubt,
            "planned": None if found.unit not in meters else meters[found.unit].id,
            "differs": None if found.unit not in meters else _differs(meters[found.unit], found),
        }
        rows.append(row)
        if not options.json:
            print(_found_line(row), flush=True)
    silent = [meters[unit].id for unit in scan.asked if unit in meters and unit not in {row["unit"] for row in rows}]
    if options.json:
        print(json.dumps({"found": rows, "asked": len(scan.asked), "not_asked": scan.left, "silent": silent}))
        return 0 if rows else 1
    for name in silent:
        print(f"planned and silent: {name}. Next: its power, its address, its two wires")
    print(f"{len(rows)} found, {len(scan.asked)} addresses asked", file=sys.stderr)
    if scan.left:
        spans = f"{scan.left[0]} to {scan.left[-1]}"
        print(f"no time for {len(scan.left)} addresses ({spans}). Next: --seconds 120", file=sys.stderr)
    if not rows:
        print(f"nobody answers on {line.id}. Next: {NEXT['timeout']}", file=sys.stderr)
    return 0 if rows else 1


async def _at_its_speed(line: LineConfig, units: Sequence[int], profiles: Sequence[Profile]) -> LineConfig:
    """The line as somebody answers on it; as it is when nobody does at any speed."""
    for tried in (line, *other_speeds(line)):
        print(f"asking at {speed_of(tried)}", file=sys.stderr)
        if await _anybody(tried, units, profiles, may_fail=tried != line):
            if tried != line:
                step = f'write baud = {tried.baud} and parity = "{tried.parity.value}" for this line, or set the meter'
                print(f"somebody answers at {speed_of(tried)}. Next: {step}", file=sys.stderr)
            return tried
    return line


async def _anybody(line: LineConfig, units: Sequence[int], profiles: Sequence[Profile], *, may_fail: bool) -> bool:
    """`may_fail`: an adapter that cannot be set so is one that nobody is heard with."""
    from tallystick_edge.drivers.modbus_errors import LineDown
    from tallystick_edge.drivers.modbus_probe import probe_line

    try:
        async with aclosing(probe_line(line, units, profiles=profiles)) as answers:
            return await anext(answers, None) is not None
    except LineDown:
        if not may_fail:
            raise
        return False


def _differs(planned: MeterConfig, found: Found) -> str | None:
    """What the configuration says of this address and the meter does not."""
    if found.profile != planned.profile:
        return f"the configuration says {planned.profile}"
    if planned.serial is not None and found.serial != planned.serial:
        return f"the configuration says serial {planned.serial}"
    return None


def _found_line(row: dict[str, Any]) -> str:
    name = "unknown to every profile" if row["profile"] is None else row["profile"]
    doubt = f"  perhaps: {row['doubt']}" if row["doubt"] else ""
    serial = f"  serial {row['serial']}" if row["serial"] else ""
    planned = f"  is {row['planned']}" if row["planned"] else ""
    differs = f", but {row['differs']}" if row["differs"] else ""
    return f"{row['unit']:>3}  {name}{serial}{doubt}{planned}{differs}"


# --- replay and check -------------------------------------------------------------------------------------------


def _replay(options: argparse.Namespace) -> int:
    from tallystick_edge.dump import DumpError, load_dump
    from tallystick_edge.look import look_at_dump

    looks = []
    for index, raw in enumerate(load_dump(options.file)):
        name = options.profile or raw.profile
        if name is None:
            raise DumpError(options.file.name, f"readings[{index}].profile", "is not named", "give one with --profile")
        profile = _modbus_profile(name, options.profiles)
        if raw.sha256 is not None and options.profile is None and raw.sha256 != profile.sha256.hex():
            print(f"{options.file.name}: {name} has changed since this dump was made", file=sys.stderr)
        looks.append(look_at_dump(raw, profile))
    return _show(options, looks, [])


def _check_profile(options: argparse.Namespace) -> int:
    from tallystick_edge.profile import read_own
    from tallystick_edge.profile_check import check_vectors
    from tallystick_edge.profile_toml import parse_profile

    profile = parse_profile(options.file.stem, read_own(options.file))
    check_vectors(profile)
    if options.json:
        print(json.dumps({"profile": profile.name, "registers": list(profile.registers), "ok": True}))
        return 0
    print(f"{profile.name}: {len(profile.registers)} registers, {len(profile.vectors)} vectors decode as they say")
    if profile.source.unchecked:
        print(f"not checked yet: {profile.source.unchecked}")
    return 0


# --- what they share --------------------------------------------------------------------------------------------


def _not_beside_an_agent(line: LineConfig, config: EdgeConfig | None) -> None:
    """Two masters on one pair of wires spoil each other's frames; a running agent is told by its lock."""
    if config is None or line.kind is not LineKind.RTU:
        return
    try:
        lock = os.open(config.data / LOCK_FILE, os.O_RDWR)
    except OSError:
        return  # no agent ever ran on this folder
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        step = "stop it first (systemctl stop tallystick-edge), two masters on one line spoil each other's frames"
        raise ConfigError("command line", f"line {line.id}", "is in use by the agent that runs here", step) from None
    finally:
        os.close(lock)


def _config_path(options: argparse.Namespace) -> Path:
    return options.config or Path("edge.toml")


def _modbus_profile(name: str, own: Path | None = None) -> Profile:
    profile = load_profile(name, own)
    if profile.kind is not ProfileKind.MODBUS:
        raise ProfileError(f"{name}.toml", "kind", f"is {profile.kind}, and this is a Modbus line")
    return profile


def _known(options: argparse.Namespace, own: Path | None = None) -> tuple[Profile, ...]:
    from tallystick_edge.drivers.modbus_probe import modbus_profiles
    from tallystick_edge.profile import profile_names

    folder = own or options.profiles
    return modbus_profiles(partial(profile_names, folder), partial(load_profile, own=folder))


def _show(options: argparse.Namespace, looks: Sequence[Look], rows: Sequence[dict[str, Any]]) -> int:
    """Print what was read; the exit code says whether every meter gave values."""
    from tallystick_edge.dump import dump_text

    if getattr(options, "raw", False):
        print(dump_text([look.raw for look in looks]))
    elif options.json:
        print(json.dumps({"meters": [*map(_row, looks), *rows]}, ensure_ascii=False))
    else:
        for look in looks:
            print("\n".join(_lines(look)))
        for row in rows:
            step = f" Next: {NEXT.get(row['fault'], NEXT['radio'])}" if "fault" in row else ""
            print(" ".join(f"{name}={text}" for name, text in row.items()) + step)
    for look in looks:
        if look.fault is not None and getattr(options, "raw", False):
            print("".join(_lines(look)[1:]).strip(), file=sys.stderr)
    return 0 if all(look.fault is None for look in looks) and all("fault" not in row for row in rows) else 1


def _row(look: Look) -> dict[str, Any]:
    head = {"meter": look.raw.meter, "unit": look.raw.unit, "profile": look.raw.profile, "serial": look.serial}
    if look.decoded is None:
        return {**head, "fault": look.fault, "detail": look.detail}
    units = {each.name: [each.exponent, each.unit] for each in look.registers()}
    return {**head, "values": dict(look.decoded.values), "units": units, "absent": dict(look.decoded.absent)}


def _lines(look: Look) -> list[str]:
    serial = f"  serial {look.serial}" if look.serial else ""
    head = f"{look.raw.meter}  unit {look.raw.unit}  {look.raw.profile}{serial}"
    if look.decoded is None:
        return [head, f"  {look.fault}: {look.detail}. Next: {NEXT.get(look.fault or '', NEXT['timeout'])}"]
    lines = [head]
    for register in look.registers():
        if register.name in look.decoded.values:
            lines.append(f"  {register.name:<16} {shown(register, look.decoded.values[register.name])}")
        else:
            lines.append(f"  {register.name:<16} -  {look.decoded.absent[register.name]}")
    if look.profile is not None and look.profile.source.unchecked:
        lines.append(f"  compare with the display before you bill: {look.profile.source.unchecked}")
    return lines


def _unit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and 1 <= int(text) <= UNIT_MAX):
        raise argparse.ArgumentTypeError(f"{text!r} is no unit address; give 1 to {UNIT_MAX}")
    return int(text)


def _seconds(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= TIMEOUT_S_MAX):
        raise argparse.ArgumentTypeError(f"{text!r} is no waiting time; give 1 to {TIMEOUT_S_MAX} seconds")
    return int(text)
