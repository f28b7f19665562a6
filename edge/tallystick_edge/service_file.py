"""The systemd unit of this agent, for where it is installed and the configuration it runs with.
It only makes text; whoever is root puts it in its place."""

from __future__ import annotations

import sys
from pathlib import Path

from tallystick_edge.config import EdgeConfig
from tallystick_edge.errors import ConfigError

TEMPLATE = Path(__file__).with_name("tallystick-edge.service")


def service_file(config: EdgeConfig, config_path: Path, python: str = sys.executable) -> str:
    """The unit's text. Raises ConfigError for a path that systemd would read as something else."""
    text = TEMPLATE.read_text("utf-8")
    places = {"@PYTHON@": python, "@CONFIG@": str(config_path.absolute()), "@DATA@": str(config.data)}
    for word, place in places.items():
        if any(character in place for character in " \t\"'\\%$;"):
            step = "use a path without blanks, quotes, backslashes, % or $"
            raise ConfigError("service file", word.strip("@").lower(), f"is {place!r}", step)
        text = text.replace(word, place)
    return text
