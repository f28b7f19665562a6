"""The page on adding a meter, done as a newcomer would: every command and file of it, in an empty folder."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from support.repository import ROOT
from tallystick_sim.ports import any_free

PAGE = (ROOT / "docs" / "how-to" / "add-a-meter.md").read_text()
BLOCK = re.compile(r"(?:`(?P<file>[\w./-]+)`:\n\n)?```(?P<kind>sh|toml|text)\n(?P<body>.*?)```", re.DOTALL)
PORT = "1502"


def test_the_page_works_as_it_is_written(tmp_path: Path) -> None:
    shutil.copy(ROOT / "docs" / "examples" / "acme-e1.json", tmp_path)
    port = str(any_free())
    programs = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    said, ran, player = "", 0, None
    try:
        for block in BLOCK.finditer(PAGE):
            body = block["body"].replace(PORT, port)
            if block["kind"] == "toml":
                assert block["file"], "a file that is not named"
                (tmp_path / block["file"]).write_text(body)
            elif block["kind"] == "text":
                for line in body.splitlines():
                    assert line in said, f"{line!r} is not what was printed:\n{said}"
            elif body.rstrip().endswith("&"):
                words = body.rstrip(" &\n").split()
                player = subprocess.Popen(words, cwd=tmp_path, env=programs, stdout=subprocess.PIPE, text=True)
                assert player.stdout is not None
                assert "acme-e1 is unit 1" in player.stdout.readline()
            else:
                done = subprocess.run(
                    ["sh", "-ec", body],
                    cwd=tmp_path,
                    env=programs,
                    capture_output=True,
                    text=True,
                    timeout=60,
                    check=False,
                )
                assert done.returncode in (0, 1 if "unknown" in done.stdout else 0), done.stderr
                said, ran = done.stdout, ran + 1
    finally:
        if player is not None:
            player.terminate()
            player.wait(60)
            if player.stdout is not None:
                player.stdout.close()
    assert ran == 5
