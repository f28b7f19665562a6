"""The page about backups: its commands run, one after the other, and bring the same community back."""

import re
import shlex
from pathlib import Path

import pytest
from support.books import ENERGY, TOWN, WASHES
from support.repository import ROOT
from tallystick_cloud.cli import main

PAGE = (ROOT / "docs/how-to/back-up-and-restore.md").read_text()
COMMANDS = re.findall(r"^\.venv/bin/tallystick (.+)$", PAGE, re.MULTILINE)


def test_the_commands_of_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in (("town", TOWN), ("washes", WASHES), ("energy", ENERGY)):
        Path(f"{name}.toml").write_text(text)
    Path("passphrase.txt").write_text("correct horse battery staple\n")
    main(["init", "--data", "DIR"])
    main(["community", "import", "town.toml", "--claims", "claims", "--server", "https://localhost:1", "--data", "DIR"])
    assert len(COMMANDS) == 3
    for command in COMMANDS:
        assert main(shlex.split(command)) == 0, command
    assert "restored 19 entries" in capsys.readouterr().out
