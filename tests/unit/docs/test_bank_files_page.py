"""The page about files from the bank: its commands are understood, and it names every standing of an entry."""

import re
import shlex

import pytest
from support.repository import ROOT
from tallystick_cloud.bank.model import Standing
from tallystick_cloud.cli import parser

PAGE = (ROOT / "docs/how-to/bank-files.md").read_text()
COMMANDS = re.findall(r"^\.venv/bin/tallystick (.+)$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_understood(command: str) -> None:
    parser().parse_args(shlex.split(command))


def test_every_standing_is_explained() -> None:
    assert len(COMMANDS) == 6
    for standing in Standing:
        assert standing.value in PAGE or standing is Standing.ASSIGNED
