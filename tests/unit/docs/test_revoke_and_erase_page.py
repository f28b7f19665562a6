"""The page about revoking, erasing and quarantine: its commands are understood, its reasons exist."""

import re
import shlex

import pytest
from support.repository import ROOT
from tallystick_cloud.cli import parser
from tallystick_protocol.codes import Reason

PAGE = (ROOT / "docs/how-to/revoke-and-erase.md").read_text()
COMMANDS = re.findall(r"^\.venv/bin/tallystick (.+)$", PAGE, re.MULTILINE)
REASONS = re.findall(r"^\| (`[^|]+`) \|", PAGE, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_understood(command: str) -> None:
    words = shlex.split(command)
    parser(words[0]).parse_args(words)


def test_every_reason_exists() -> None:
    named = [word for cell in REASONS for word in re.findall(r"`([^`]+)`", cell)]
    assert len(COMMANDS) == 9
    assert named
    assert {word.upper().replace("-", "_") for word in named} <= {reason.name for reason in Reason}
