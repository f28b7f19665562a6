"""What signed commands set on this gateway beyond its configuration file: durable first, then told, then in force.
They set nothing that the file's owner could not have written into the file himself, and within narrower limits."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from tallystick_protocol import cbor, configure
from tallystick_protocol.codes import Reason
from tallystick_protocol.command import Arg
from tallystick_protocol.configure import Settings
from tallystick_protocol.errors import ProtocolError

from tallystick_edge.config import EdgeConfig
from tallystick_edge.errors import EdgeError
from tallystick_edge.files import write_whole

SETTINGS_FILE = "settings.cbor"
VERSION = 1
FILE_BYTES_MAX = 1_024
log = logging.getLogger("tallystick.settings")


def load_settings(data: Path) -> Settings | None:
    """None when nothing was ever set. Raises EdgeError for a damaged file."""
    path = data / SETTINGS_FILE
    try:
        stored = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        match cbor.decode(stored, FILE_BYTES_MAX, field="settings"):
            case [1, poll, seal, heartbeat]:
                return Settings(_ms(poll), _ms(seal), _ms(heartbeat))
    except ProtocolError:
        pass
    raise EdgeError(f"{path}: is damaged. Next: remove it, and send the command again")


def _ms(value: object) -> int | None:
    return value if isinstance(value, int) else None


def in_force(config: EdgeConfig, settings: Settings) -> EdgeConfig:
    """The configuration with what was set; 0 and None leave what the file says."""
    uplink = replace(
        config.uplink,
        seal_every_ms=settings.seal_ms or config.uplink.seal_every_ms,
        heartbeat_ms=settings.heartbeat_ms or config.uplink.heartbeat_ms,
    )
    meters = tuple(replace(each, every_ms=settings.poll_ms or each.every_ms) for each in config.meters)
    return replace(config, uplink=uplink, meters=meters)


class Configure:
    """Obeys `configure`; doing it twice is doing it once. `changed`: the agent must go on with other settings."""

    def __init__(self, data: Path, changed: Callable[[], None]) -> None:
        self._data, self._changed = data, changed

    def __call__(self, args: Sequence[Arg]) -> Reason | None:
        """The reason when it is refused, and then nothing has changed."""
        try:
            wanted = configure.read(args)
        except ProtocolError as error:
            log.warning("refused to configure: %s", error)
            return Reason.CONFIGURATION
        before = load_settings(self._data)
        settings = wanted if before is None else wanted.over(before)
        kept = [VERSION, settings.poll_ms, settings.seal_ms, settings.heartbeat_ms]
        write_whole(self._data / SETTINGS_FILE, cbor.encode(kept))
        log.info("configured by command: %s", settings)
        self._changed()
        return None
