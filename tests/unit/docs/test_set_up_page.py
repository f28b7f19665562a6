"""The page about setting up a community: its commands run as they stand there, but for those that stay running."""

import re
import shlex
from pathlib import Path

import pytest
from support.books import ENERGY, TOWN, WASHES
from support.repository import ROOT
from tallystick_cloud.cli import main, parser

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
