"""The page about invoices: its commands are understood, its setup is read."""

import re
import shlex

import pytest
from support.repository import ROOT
from tallystick_cloud.cli import parser
from tallystick_cloud.invoices.setup import parse

PAGE = (ROOT / "docs/how-to/invoices.md").read_text()
COMMANDS = re.findall(r"^\.venv/bin/tallystick (.+)$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_understood(command: str) -> None:
    parser().parse_args(shlex.split(command))


def test_the_setup_is_read_and_every_word_of_invoice_is_there() -> None:
    (setup,) = re.findall(r"^```toml\n(.+?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert parse(setup, "page").treatment("any").rate == 2200
    said = {command.split()[1] for command in COMMANDS if command.startswith("invoice ")}
    assert said == {"setup", "issue", "self-bill", "list", "show", "pdf", "xml", "credit"}
