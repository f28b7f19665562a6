"""The systemd unit: for this installation, understood by systemd, and exposed at most 2.0 by systemd's own measure."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tallystick_edge.cli import main

CONFIG = 'version = 1\n[gateway]\nname = "test"\ndata = "data"\n[uplink]\ntransport = "https"\n'
EXPOSURE_MAX = 2.0  # devices.md; the anchors have 9.2 to 9.6


@pytest.fixture
def unit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    (tmp_path / "edge.toml").write_text(CONFIG)
    assert main(["service-file", "--config", str(tmp_path / "edge.toml")]) == 0
    return capsys.readouterr().out


def test_it_names_this_python_this_configuration_and_its_data(unit: str, tmp_path: Path) -> None:
    assert f"ExecStart={sys.executable} -OO -m tallystick_edge run --config {tmp_path / 'edge.toml'}\n" in unit
    assert f"ReadWritePaths={tmp_path / 'data'}\n" in unit
    assert "@" not in unit.replace("@system-service", "").replace("~@privileged @resources", "")


def test_a_path_that_systemd_reads_otherwise_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "with blank"
    folder.mkdir()
    (folder / "edge.toml").write_text(CONFIG)
    assert main(["service-file", "--config", str(folder / "edge.toml")]) == 1
    assert "without blanks" in capsys.readouterr().err


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_understands_it_and_finds_it_hardened(unit: str, tmp_path: Path) -> None:
    path = tmp_path / "tallystick-edge.service"
    path.write_text(unit)
    checked = _systemd("verify", str(path))
    assert "tallystick-edge.service:" not in checked.stderr, checked.stderr
    judged = _systemd("security", "--offline=true", "--no-pager", str(path))
    found = re.search(r"Overall exposure level for tallystick-edge.service: ([0-9.]+)", judged.stdout)
    assert found is not None, judged.stdout + judged.stderr
    assert float(found[1]) <= EXPOSURE_MAX


def _systemd(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, timeout=60, check=False)
