"""The page about setting up a community: its commands run as they stand there, but for those that stay running."""

import re
import shlex
from pathlib import Path

import pytest
from support.books import ENERGY, TOWN, WASHES
from support.repository import ROOT
from tallystick_cloud.cli import main, parser
from tallystick_cloud.town.toml import load_site

PAGE = (ROOT / "docs/how-to/set-up-a-community.md").read_text()
COMMANDS = [shlex.split(line) for line in re.findall(r"^\.venv/bin/tallystick (.+)$", PAGE, re.MULTILINE)]


def test_the_commands_of_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in (("town", TOWN), ("washes", WASHES), ("energy", ENERGY)):
        Path(f"{name}.toml").write_text(text)
    assert [words[0] for words in COMMANDS] == [
        *("init", "init", "init", "serve", "token"),
        *("party", "party", "party", "party", "asset", "community"),
    ]
    for words in COMMANDS:
        if words[0] == "serve":
            parser().parse_args(words)
        else:
            assert main(words) == 0, words
    printed = capsys.readouterr().out
    for line in re.findall(r"^(?:\.venv/bin/)?((?:tallystick serve|scp|tallystick token) .+)$", PAGE, re.MULTILINE):
        assert line.replace('"', "'") in printed  # what init says comes next is what the page says


def test_the_new_meter_of_the_page_is_a_site_file_and_its_command_is_understood(tmp_path: Path) -> None:
    text = next(block for block in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL) if "dryer-1" in block)
    (tmp_path / "cellar.toml").write_text(text)
    assert [one.number for one in load_site(tmp_path / "cellar.toml").plan.channels] == [3]
    command = re.search(r"^tallystick (site extend .+)$", PAGE, re.MULTILINE)
    assert command is not None
    parser().parse_args(shlex.split(command[1]))
