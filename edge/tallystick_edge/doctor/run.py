"""All checks in the order in which a person would look: configuration, machine, store, network, devices, meters.
A check that fails by a bug is a verdict too, so that the others still speak."""

from __future__ import annotations

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
from tallystick_edge.errors import ConfigError
from tallystick_edge.plan import make_plan
from tallystick_edge.ports import Clock

REPORT = "tell us, with what was printed here: it is a fault of the doctor"


def examine(path: Path, machine: Machine | None = None) -> list[Verdict]:
    """`path`: the configuration file. Raises nothing that a person could cause."""
    machine = machine or Machine()
    try:
        config, clock = load_config(path), system_clock()
        meters = len(make_plan(config))
    except ConfigError as error:
        return [fail("CONFIG", f"{error.file}: {error.key}", error.reason, error.step)]
    found = [ok("CONFIG", str(path), f"accepted: {meters} meters, {len(config.uses)} uses")]
    for code, checks in _checks(config, clock, machine, real_utc()):
        try:
            found.extend(checks())
        except Exception as error:  # a border: one check that breaks must not hide what the others found
            found.append(fail(code, str(path), f"{type(error).__name__}: {error}", REPORT))
    return found


def _checks(
    config: EdgeConfig, clock: Clock, machine: Machine, now: datetime
) -> Iterator[tuple[str, Callable[[], Iterator[Verdict]]]]:
    yield "DATA-FOLDER", lambda: check_places(config, clock, machine)
    yield "JOURNAL", lambda: check_store(config, clock.utc_ms())
    yield "ENROLMENT", lambda: check_network(config, now)
    yield CODE, lambda: check_channels(config)
    yield "LINE-DEVICE", lambda: check_devices(config, machine)
    yield "METER-ANSWER", lambda: check_meters(config, clock, machine)
