"""The page about backups: its commands run, one after the other, and bring the same community back."""

import re
import shlex
from pathlib import Path

import pytest
from support.books import ENERGY, TOWN, WASHES
from support.repository import ROOT
from tallystick_cloud.cli import main
from tallystick_protocol.verify_cli import main as verify

PAGE = (ROOT / "docs/how-to/back-up-and-restore.md").read_text()
COMMANDS = re.findall(r"^\.venv/bin/(tallystick|tallystick-verify) (.+)$", PAGE, re.MULTILINE)


def test_the_commands_of_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in (("town", TOWN), ("washes", WASHES), ("energy", ENERGY)):
        Path(f"{name}.toml").write_text(text)
    Path("passphrase.txt").write_text("correct horse battery staple\n")
    main(["init", "--data", "DIR"])
    main(["community", "import", "town.toml", "--claims", "claims", "--server", "https://localhost:1", "--data", "DIR"])
    assert len(COMMANDS) == 6
    main(["log", "export", "--out", "log", "--data", "DIR"])
    main(["policy", "export", "Anna", "--out", "policy.json", "--data", "DIR"])
    seen = ["--policy", "policy.json", "--state", "seen.json", "--tiles", "log"]
    assert verify(["witness", "log/checkpoint.txt", *seen]) == 0
    monkeypatch.setattr("tallystick_cloud.commands.witness.ask", lambda is_yes, question: None)
    for program, command in COMMANDS:
        assert (verify if program == "tallystick-verify" else main)(shlex.split(command)) == 0, command
    said = capsys.readouterr().out
    assert "restored 19 entries" in said
    assert said.count("log goes on as log.example/lindenhof/e") == 2
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert main(["log", "begin-epoch", "--data", "DIR"]) == 1
    assert "--yes: is missing" in capsys.readouterr().err


def test_serve_does_not_start_on_a_file_that_was_copied_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in (("town", TOWN), ("washes", WASHES), ("energy", ENERGY)):
        Path(f"{name}.toml").write_text(text)
    main(["init", "--data", "DIR"])
    main(["community", "import", "town.toml", "--claims", "claims", "--server", "https://localhost:1", "--data", "DIR"])
    old = Path("DIR/cloud.db").read_bytes()
    main(["log", "begin-epoch", "--yes", "--data", "DIR"])
    for name in ("cloud.db", "cloud.db-wal", "cloud.db-shm"):
        Path("DIR", name).unlink(missing_ok=True)
    Path("DIR/cloud.db").write_bytes(old)
    capsys.readouterr()
    assert main(["serve", "--data", "DIR", "--port", "0", "--gateway-port", "0"]) == 1
    assert "run `tallystick log begin-epoch --community lindenhof`, then serve again" in capsys.readouterr().err
