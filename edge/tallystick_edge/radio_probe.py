"""`tallystick-edge probe --bluetooth`: what is in the air, which profile reads it, and what to write into edge.toml.
It listens, prints, connects to nothing and keeps nothing."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tallystick_edge.config import AdapterConfig, EdgeConfig, MeterConfig
from tallystick_edge.errors import ConfigError, EdgeError
from tallystick_edge.profile import Profile, load_profile, profile_names
from tallystick_edge.shown import shown

if TYPE_CHECKING:
    from tallystick_edge.drivers.ble_errors import BleError
    from tallystick_edge.drivers.ble_probe import Enough, Heard, Known

TELL_S = 5  # how often a person who waits hears something
NEAR_DBM = -85  # weaker than this, adverts are lost; move the gateway or its antenna
NOTHING_STEP = "press the sensor's button, bring it nearer, or listen longer: --seconds 120"
NO_ADAPTER = "plug one in, or unblock it: rfkill unblock bluetooth; `doctor` looks at it"
STEPS = {  # by the reason why scanning does not start
    "bluetooth-service-gone": "install and start BlueZ: apt install bluez; systemctl start bluetooth",
    "adapter-gone": NO_ADAPTER,
    "adapter-off": "rfkill unblock bluetooth; bluetoothctl power on",
    "not-permitted": "run it with sudo, or add your user to the group that may: usermod -aG bluetooth NAME",
    "scan-refused": "another program scans; stop it, or try again in a moment",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One device: what was heard, what it is, and the meter of the configuration that it already is."""

    heard: Heard
    known: Known | None
    planned: MeterConfig | None


def add_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("devices in the air")
    group.add_argument("--bluetooth", action="store_true", help="list what advertises nearby, instead of a Modbus line")
    group.add_argument("--adapter", metavar="DEVICE", help="with --bluetooth: hci0, where there are several adapters")


def run(options: argparse.Namespace) -> int:
    """0 = something was heard, 1 = nothing. Raises EdgeError."""
    _refuse_others(options)
    path = options.config or Path("edge.toml")
    config = None
    if options.config is not None or path.exists():
        from tallystick_edge.config_toml import load_config

        config = load_config(path)
    own = options.profiles or (config.profiles if config else None)
    profiles = [load_profile(name, own) for name in profile_names(own)]
    adapter = _adapter(options.adapter, config)
    rows = asyncio.run(look_around(adapter, options.seconds, config, profiles))
    print(as_json(rows, config, options.seconds) if options.json else as_text(rows, config))
    if not rows:
        print(f"nothing was heard in {options.seconds} s. Next: {NOTHING_STEP}", file=sys.stderr)
    return 0 if rows else 1


def _refuse_others(options: argparse.Namespace) -> None:
    given = [name for name in ("tcp", "rtu_tcp", "serial", "line", "find_speed") if getattr(options, name)]
    if given:
        name = f"--{given[0].replace('_', '-')}"
        step = "leave one of them out: lines are asked, the air is listened to"
        raise ConfigError("command line", name, "does not go with --bluetooth", step)


def _adapter(wanted: str | None, config: EdgeConfig | None) -> AdapterConfig:
    """The adapter to listen with, as the configuration calls it where it has it."""
    known = () if config is None else config.adapters
    if wanted is None:
        return known[0] if known else AdapterConfig("radio")
    return next((one for one in known if one.device == wanted), AdapterConfig("radio", wanted))


async def look_around(
    adapter: AdapterConfig,
    seconds: float,
    config: EdgeConfig | None,
    profiles: Sequence[Profile],
    enough: Enough = lambda _: False,
) -> list[Row]:
    """What is heard in so many seconds, recognised first, then the strongest. Raises EdgeError."""
    from tallystick_edge.drivers.ble_errors import BleError
    from tallystick_edge.drivers.ble_probe import listen, recognise

    meters = {} if config is None else {one.address.upper(): one for one in config.meters if one.address is not None}
    count = 0

    def heard(so_far: Mapping[str, Heard]) -> bool:
        nonlocal count
        count = len(so_far)
        return enough(so_far)

    ticking = asyncio.create_task(tell_progress(seconds, lambda: count))
    try:
        found = await listen(adapter.device, seconds, heard)
    except BleError as error:
        raise _error(error, adapter) from error
    finally:
        ticking.cancel()
    rows = []
    for one in found.values():
        planned = meters.get(one.address)
        rows.append(Row(one, recognise(one, profiles, None if planned is None else planned.key), planned))
    return sorted(rows, key=lambda row: (row.known is None, -row.heard.rssi, row.heard.address))


async def tell_progress(seconds: float, count: Callable[[], int]) -> None:
    """Says on stderr how long it still takes, and how many devices were heard."""
    print(f"listening for {seconds:g} s", file=sys.stderr, flush=True)
    left = seconds
    while left > TELL_S:
        await asyncio.sleep(TELL_S)
        left -= TELL_S
        print(f"{left:g} s left, {count()} devices heard", file=sys.stderr, flush=True)


def _error(error: BleError, adapter: AdapterConfig) -> EdgeError:
    where = adapter.device or "the first Bluetooth adapter"
    step = STEPS.get(error.reason, STEPS["scan-refused"])
    return EdgeError(f"{where}: {error.reason}: {error.detail}. Next: {step}")


# --- what is printed --------------------------------------------------------------------------------------------


def as_text(rows: Sequence[Row], config: EdgeConfig | None) -> str:
    """A table, then the lines for each device that is not configured yet."""
    if not rows:
        return "no devices"
    cells = [("address", "dBm", "name", "what it is"), *(_cells(row) for row in rows)]
    widths = [max(len(cell[at]) for cell in cells) for at in range(3)]
    lines = [
        f"{address:{widths[0]}}  {dbm:>{widths[1]}}  {name:{widths[2]}}  {what}" for address, dbm, name, what in cells
    ]
    plan = Plan(config)
    for row in rows:
        text = plan.lines(row)
        if text:
            lines += ["", f"# {_name(row) or row.heard.address}, for edge.toml:", text]
    return "\n".join(lines)


def as_json(rows: Sequence[Row], config: EdgeConfig | None, seconds: float) -> str:
    plan = Plan(config)
    found = [
        {
            "address": row.heard.address,
            "name": row.heard.name,
            "rssi_dbm": row.heard.rssi,
            "adverts": row.heard.adverts,
            "private_address": row.heard.rotates,
            "what": None if row.known is None else row.known.what,
            "profiles": [] if row.known is None else [one.name for one in row.known.profiles],
            "key": None if row.known is None else row.known.key.value,
            "values": {} if row.known is None else dict(row.known.values),
            "detail": "" if row.known is None else row.known.detail,
            "planned": None if row.planned is None else row.planned.id,
            "edge_toml": plan.lines(row) or None,
        }
        for row in rows
    ]
    return json.dumps({"found": found, "seconds": seconds}, ensure_ascii=False)


def _cells(row: Row) -> tuple[str, str, str, str]:
    weak = "  weak" if row.heard.rssi < NEAR_DBM else ""
    return row.heard.address, str(row.heard.rssi), _name(row) or "-", f"{_what(row)}{weak}"


def _name(row: Row) -> str:
    """Anybody may call a device anything: nothing in it may move a terminal's cursor or begin a line."""
    return "".join(each if each.isprintable() else "?" for each in row.heard.name or "")


def _what(row: Row) -> str:
    """In words: format, profiles, key, meter of the configuration."""
    if row.known is None:
        private = "its address changes: a phone or a watch" if row.heard.rotates else "known to no profile"
        return private if row.planned is None else f"{private}, but is {row.planned.id}"
    known = row.known
    names = ", ".join(one.name for one in known.profiles)
    key = {
        "none": "",
        "needed": "; needs the key from its app",
        "fits": "; the key fits",
        "wrong": "; the key in edge.toml is not its key",
    }[known.key.value]
    read = f": {names}" if names else f": no profile reads it ({known.detail})" if known.detail else ""
    planned = "" if row.planned is None else f"; is {row.planned.id}"
    differs = ""
    if row.planned is not None and names and row.planned.profile not in names.split(", "):
        differs = f", but the configuration says {row.planned.profile}"
    now = "".join(f", {shown(known.profiles[0].registers[name], value)}" for name, value in known.values.items())
    return f"{known.what}{read}{now}{key}{planned}{differs}"


class Plan:
    """The lines of new meters, with ids and channel numbers that nothing has yet."""

    def __init__(self, config: EdgeConfig | None) -> None:
        meters = () if config is None else config.meters
        self._adapter = None if config is None or not config.adapters else config.adapters[0].id
        self._has_adapter = self._adapter is not None
        self._ids = {meter.id for meter in meters}
        used = [channel.number for meter in meters for channel in meter.channels]
        if config is not None:
            used += [use.channel for use in config.uses] + [point.channel for point in config.charge_points]
        self._next = max(used, default=0) + 1

    def lines(self, row: Row) -> str:
        """Empty for a device that is planned already, or that nothing reads, or whose address changes."""
        from tallystick_edge.drivers.ble_probe import KeyNeed, billed

        if row.known is None or not row.known.profiles or row.planned is not None or row.heard.rotates:
            return ""
        first, *others = row.known.profiles
        lines = [] if self._has_adapter else ["[[adapter]]", 'id = "radio"', 'kind = "bluetooth"', ""]
        self._has_adapter = True
        lines += ["[[meter]]", f'id = "{self._id(first.name, row.heard.address)}"']
        lines += [f'adapter = "{self._adapter or "radio"}"', f'address = "{row.heard.address}"']
        more = f"  # or {', '.join(one.name for one in others)}" if others else ""
        lines += [f'profile = "{first.name}"{more}']
        if row.known.key is KeyNeed.NEEDED:
            lines += ['key = ""  # 32 hex digits, from the sensor\'s app']
        lines += ["every_s = 60"]
        for register in billed(first):
            lines += ["", "[[meter.channel]]", f"number = {self._next}  # as in the site's plan"]
            lines += [f'register = "{register.name}"']
            self._next += 1
        return "\n".join(lines)

    def _id(self, profile: str, address: str) -> str:
        name = f"{profile}-{address[-5:].replace(':', '').lower()}"
        while name in self._ids:
            name += "-2"
        self._ids.add(name)
        return name
