"""Is the machine fit for an agent: folders and their rights, room on the card, clock, power, and does the agent run?"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tallystick_protocol.codes import TimeQuality

from tallystick_edge.ballast import BALLAST_BYTES
from tallystick_edge.clock import TRUSTED_AFTER_MS
from tallystick_edge.config import EdgeConfig
from tallystick_edge.doctor.verdict import Verdict, fail, ok, warn
from tallystick_edge.ports import Clock

SECRET_FILES = ("proof.pem", "tls.pem", "enrolment.cbor")  # the folder keeps the journal
LOW_BYTES = 256 * 1024**2  # weeks of readings; the journal itself refuses telemetry far below
LOCK_FILE = "lock"
MIB = 1024**2


@dataclass(frozen=True, slots=True)
class Machine:
    """Where the kernel and its services tell things; tests give folders of their own."""

    locks: Path = Path("/proc/locks")
    throttled: Path = Path("/sys/devices/platform/soc/soc:firmware/get_throttled")  # Raspberry Pi firmware
    timesync: Path = Path("/run/systemd/timesync")
    bluetooth: Path = Path("/sys/class/bluetooth")
    bus: Path = Path("/run/dbus/system_bus_socket")


def check_places(config: EdgeConfig, clock: Clock, machine: Machine) -> Iterator[Verdict]:
    """Everything about this machine that is no network and no meter."""
    yield from _data(config.data)
    yield _agent(config.data, machine)
    yield _clock(clock, machine)
    yield from _power(machine)


def _data(data: Path) -> Iterator[Verdict]:
    if not data.is_dir():
        step = "start the agent once, it makes the folder; or correct gateway.data"
        yield fail("DATA-FOLDER", str(data), "is not there", step)
        return
    room = os.statvfs(data)
    if room.f_flag & os.ST_RDONLY or not os.access(data, os.W_OK):
        step = "mount it writable, and give it to the agent's user (chown); a card that turned read-only is worn out"
        yield fail("CARD-READ-ONLY", str(data), "cannot be written to", step)
    yield _room(data, room.f_bavail * room.f_frsize)
    loose = [path for path in (data, *(data / name for name in SECRET_FILES)) if path.exists() and _is_open(path)]
    if loose:
        names = " ".join(str(path) for path in loose)
        yield fail("DATA-RIGHTS", names, "may be read by others", f"chmod go= {names}")
    else:
        yield ok("DATA-RIGHTS", str(data), "closed to others")


def _room(data: Path, free: int) -> Verdict:
    seen = f"{free // MIB} MiB free"
    step = "free the disk or use a larger card; what is read is kept as long as there is room"
    if free < BALLAST_BYTES:
        return fail("CARD-FULL", str(data), seen, step)
    if free < LOW_BYTES:
        return warn("CARD-FULL", str(data), seen, step)
    return ok("CARD-FULL", str(data), seen)


def _is_open(path: Path) -> bool:
    return bool(path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))


def _agent(data: Path, machine: Machine) -> Verdict:
    lock = data / LOCK_FILE
    step = "start it: systemctl start tallystick-edge; its log: journalctl -u tallystick-edge"
    if not lock.exists():
        return warn("AGENT", str(data), "never ran here", step)
    try:
        process = agent_of(data, machine)
    except OSError as error:
        return warn("AGENT", str(machine.locks), f"cannot be read: {error.strerror}", "run the doctor as root")
    if process is not None:
        return ok("AGENT", str(data), f"runs as process {process}")
    return warn("AGENT", str(data), "does not run", step)


def agent_of(data: Path, machine: Machine) -> str | None:
    """The process that holds our lock, as the kernel's list of locks says it: trying to take the lock could keep a
    starting agent out. None when nobody does; OSError when the list cannot be read."""
    lock = data / LOCK_FILE
    if not lock.exists():
        return None
    number = str(lock.stat().st_ino)
    for words in (line.split() for line in machine.locks.read_text().splitlines()):
        if len(words) > 5 and words[1] == "FLOCK" and words[5].rpartition(":")[2] == number:
            return words[4]
    return None


def _clock(clock: Clock, machine: Machine) -> Verdict:
    if clock.quality() is TimeQuality.U and clock.utc_ms() > TRUSTED_AFTER_MS:
        step = "let NTP through (UDP port 123) or add a clock with a battery; the aggregator's time is used meanwhile"
        return warn("CLOCK-UNTRUSTED", "clock", "was set by nobody who knows since the start", step)
    if clock.quality() is TimeQuality.U:
        step = "connect the network and wait for the time (timedatectl), or set it; readings are kept meanwhile"
        return fail("CLOCK-UNTRUSTED", "clock", "was never set since the board started", step)
    if machine.timesync.is_dir() and not (machine.timesync / "synchronized").exists():
        step = "see `timedatectl timesync-status`; a firewall may hold back NTP (UDP port 123)"
        return warn("CLOCK-UNTRUSTED", "clock", "is set, but no time server was heard since the start", step)
    return ok("CLOCK-UNTRUSTED", "clock", "is set")


def _power(machine: Machine) -> Iterator[Verdict]:
    try:
        bits = int(machine.throttled.read_text(), 16)
    except (OSError, ValueError):
        return  # not a Raspberry Pi
    step = "use the board's own power supply and a short cable; low voltage spoils cards"
    if bits & 0x1:
        yield fail("POWER-UNDERVOLT", "power supply", "the voltage is too low now", step)
    elif bits & 0x1_0000:
        yield warn("POWER-UNDERVOLT", "power supply", "the voltage was too low since the start", step)
    else:
        yield ok("POWER-UNDERVOLT", "power supply", "the voltage held")
