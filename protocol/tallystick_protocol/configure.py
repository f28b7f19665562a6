"""The arguments of the command `configure`: how often a gateway polls, seals and reports, within limits.
Pure: the aggregator refuses by it what it would sign, and the gateway what it would obey.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tallystick_protocol.command import Arg
from tallystick_protocol.errors import BadType, BadValue

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
AS_IN_THE_FILE = 0
LIMITS_MS: Mapping[str, tuple[int, int]] = {
    "poll": (1_000, HOUR_MS),  # faster is decided beside the line, not from afar; slower misses contract edges
    "seal": (1_000, HOUR_MS),
    "heartbeat": (60_000, DAY_MS),  # faster fills the log with nothing; slower hides a dead gateway for days
}
"""Setting -> (least, most) milliseconds."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Milliseconds; None: as it was, 0: as in the gateway's own configuration file."""

    poll_ms: int | None = None
    seal_ms: int | None = None
    heartbeat_ms: int | None = None

    def args(self) -> tuple[Arg, ...]:
        """As a command's arguments. Raises BadValue beyond the limits, or when nothing is set."""
        given = {"poll": self.poll_ms, "seal": self.seal_ms, "heartbeat": self.heartbeat_ms}
        args = tuple((name, value) for name, value in given.items() if value is not None)
        read(args)
        return args

    def over(self, before: "Settings") -> "Settings":
        """These, and what they leave as it was."""
        return Settings(
            before.poll_ms if self.poll_ms is None else self.poll_ms,
            before.seal_ms if self.seal_ms is None else self.seal_ms,
            before.heartbeat_ms if self.heartbeat_ms is None else self.heartbeat_ms,
        )


def read(args: Sequence[Arg]) -> Settings:
    """What the arguments say: each is [setting, milliseconds]. Raises BadType or BadValue naming the setting."""
    found: dict[str, int] = {}
    for index, arg in enumerate(args):
        match arg:
            case (str(name), int(value)) if not isinstance(value, bool):
                _check_name(name, found)
                found[name] = _within(name, value)
            case _:
                raise BadType(f"configure[{index}]", "must be [setting, milliseconds]")
    if not found:
        raise BadValue("configure", f"sets nothing; there are: {', '.join(LIMITS_MS)}")
    return Settings(found.get("poll"), found.get("seal"), found.get("heartbeat"))


def _check_name(name: str, found: Mapping[str, int]) -> None:
    if name not in LIMITS_MS:
        raise BadValue(f"configure.{name}", f"is no setting; there are: {', '.join(LIMITS_MS)}")
    if name in found:
        raise BadValue(f"configure.{name}", "is set twice")


def _within(name: str, value: int) -> int:
    least, most = LIMITS_MS[name]
    if value != AS_IN_THE_FILE and not least <= value <= most:
        raise BadValue(f"configure.{name}", f"is {value} ms, not 0 (as in the file) or {least} to {most}")
    return value
