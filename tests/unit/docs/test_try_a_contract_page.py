"""The page about trying a contract: its commands are understood, and the templates it speaks of are there."""

import re
import shlex

import pytest
from support.repository import ROOT
from tallystick_cloud.cli import parser
from tallystick_cloud.contracts import library

PAGE = (ROOT / "docs/how-to/try-a-contract.md").read_text()
COMMANDS = re.findall(r"^\.venv/bin/tallystick ([^>\n]+?)(?: > .*)?$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_understood(command: str) -> None:
    parser().parse_args(shlex.split(command))


def test_every_step_has_its_command() -> None:
    assert [command.split()[1] for command in COMMANDS] == [
        "template",
        "template",
        "check",
        "simulate",
        "simulate",
        "diff",
        "list",
        "switch",
        "switch",
    ]
    assert "laundry" in library.names()
