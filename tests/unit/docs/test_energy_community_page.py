"""The page on energy communities, done as a newcomer would: every command and file of it, in an empty folder."""

import json
import re
import shlex
from pathlib import Path

import pytest
from support.repository import ROOT
from tallystick_cloud.cli import main
from tallystick_protocol.verify_cli import main as verify

PAGE = (ROOT / "docs" / "how-to" / "energy-community.md").read_text()
BLOCK = re.compile(r"(?:`(?P<file>[\w./-]+)`:\n\n)?```(?P<kind>sh|toml|text)\n(?P<body>.*?)```", re.DOTALL)
PROGRAMS = {"tallystick": main, "tallystick-verify": verify}
COMMANDS = 26
PARTS = {"flat-1": "0,500000", "flat-2": "0,300000", "flat-3": "0,200000"}
HOURS = 8760


def test_the_page_works_as_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_parts(Path("parts.txt"))
    said, ran = "", 0
    for block in BLOCK.finditer(PAGE):
        if block["file"]:
            Path(block["file"]).write_text(block["body"])
        elif block["body"].startswith("flat-1;0001"):
            assert set(block["body"].splitlines()) < set(Path("parts.txt").read_text().splitlines())
        elif block["kind"] == "text":
            for line in block["body"].splitlines():
                assert line in said, f"{line!r} is not what was printed:\n{said}"
        else:
            said = ""
            for line in block["body"].splitlines():
                words, _, out = line.partition(" > ")
                program, *arguments = shlex.split(words)
                assert PROGRAMS[program](arguments) == 0, capsys.readouterr().err
                printed = capsys.readouterr().out
                said += printed
                ran += 1
                if out:
                    Path(out).write_text(printed)
    assert ran == COMMANDS
    assert main(["pool", "upload", "grid.csv", "--json", "--data", "D"]) == 0
    assert json.loads(capsys.readouterr().out) == {"new": 0, "known": 4, "corrected": 0, "evidence_level": 0}


def write_parts(path: Path) -> None:
    """A file of coefficients as it comes from outside: too long for a page."""
    lines = (f"{meter};{hour:04d};{part}\n" for meter, part in PARTS.items() for hour in range(1, HOURS + 1))
    path.write_text("".join(lines))
