"""All checks in the order in which a person would look: configuration, machine, store, network, devices, meters.
A check that fails by a bug is a verdict too, so that the others still speak."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from tallystick_edge.clock import real_utc, system_clock
from tallystick_edge.config import EdgeConfig
from tallystick_edge.config_toml import load_config
from tallystick_edge.doctor.channels import CODE, check_channels
from tallystick_edge.doctor.devices import check_devices
from tallystick_edge.doctor.meters import check_meters
from tallystick_edge.doctor.network import check_network
from tallystick_edge.doctor.places import Machine, check_places
from tallystick_edge.doctor.store import check_store
from tallystick_edge.doctor.verdict import Verdict, fail, ok
from tallystick_edge.errors import ConfigError, EdgeError
from tallystick_edge.plan import make_plan
from tallystick_edge.ports import Clock
from tallystick_edge.settings import SETTINGS_FILE, in_force, load_settings

REPORT = "tell us, with what was printed here: it is a fault of the doctor"


def examine(path: Path, machine: Machine | None = None) -> list[Verdict]:
    """`path`: the configuration file. Raises nothing that a person could cause."""
    machine = machine or Machine()
    try:
        config, clock = load_config(path), system_clock()
        meters = len(make_plan(config))
    except ConfigError as error:
        return [fail("CONFIG", f"{error.file}: {error.key}", error.reason, error.step)]
    if config.data.is_dir() and not os.access(config.data, os.R_OK | os.X_OK):
        step = "run the doctor as root (sudo) or as the agent's user"
        return [
            fail("DATA-RIGHTS", str(config.data), "is closed to you, and most of what is to be seen is in it", step)
        ]
    config, settings = _as_set(config)
    found = [ok("CONFIG", str(path), f"accepted: {meters} meters, {len(config.uses)} uses"), *settings]
    for code, checks in _checks(config, clock, machine, real_utc()):
        try:
            found.extend(checks())
        except Exception as error:  # a border: one check that breaks must not hide what the others found
            found.append(fail(code, str(path), f"{type(error).__name__}: {error}", REPORT))
    return found


def _as_set(config: EdgeConfig) -> tuple[EdgeConfig, list[Verdict]]:
    """With what commands set, as the agent goes by it: what is late depends on it."""
    try:
        settings = load_settings(config.data)
    except (EdgeError, OSError) as error:
        seen, _, step = str(error).partition(" Next: ")
        return config, [fail("CONFIG", str(config.data / SETTINGS_FILE), seen, step or "give it to the agent's user")]
    if settings is None:
        return config, []
    given = {"poll": settings.poll_ms, "seal": settings.seal_ms, "heartbeat": settings.heartbeat_ms}
    words = ", ".join(f"{name} every {ms / 1000:g} s" for name, ms in given.items() if ms)
    seen = f"by command, before what the file says: {words or 'nothing'}"
    return in_force(config, settings), [ok("CONFIG", str(config.data / SETTINGS_FILE), seen)]


def _checks(
    config: EdgeConfig, clock: Clock, machine: Machine, now: datetime
) -> Iterator[tuple[str, Callable[[], Iterator[Verdict]]]]:
    yield "DATA-FOLDER", lambda: check_places(config, clock, machine)
    yield "JOURNAL", lambda: check_store(config, clock.utc_ms())
    yield "ENROLMENT", lambda: check_network(config, now)
    yield CODE, lambda: check_channels(config)
    yield "LINE-DEVICE", lambda: check_devices(config, machine)
    yield "METER-ANSWER", lambda: check_meters(config, clock, machine)
