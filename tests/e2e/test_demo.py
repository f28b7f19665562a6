"""The demo as a newcomer runs it, headless: it ends well, and its report says what must be true."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tallystick_sim.plan import WASHERS
from tallystick_sim.ports import any_free
from tallystick_sim.trouble import Kind

DEMO = (sys.executable, "-W", "error", "-m", "tallystick_sim", "demo", "--headless")
KEYS = {
    *("gateways", "meters", "readings", "batches", "receipts", "uses", "fees_nano", "splits_nano", "imbalance_nano"),
    *("truth", "ledger", "mismatches", "faults", "log", "urls"),
}


def children_of(pid: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(stat.parent.name))
    return found


@pytest.mark.timeout(240)
def test_headless_demo_reports_that_truth_and_ledger_agree(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    command = [*DEMO, "--seconds", "20", "--data", str(tmp_path / "data"), "--report", str(report)]
    done = subprocess.run(
        [*command, "--port", str(any_free())], capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr

    said = json.loads(report.read_text())
    assert said.keys() >= KEYS
    assert said["gateways"] == 2
    assert said["meters"] == len(WASHERS) + 3
    assert said["readings"] > 200
    assert said["batches"] == said["receipts"] > 10
    assert said["uses"] > 50
    assert int(said["imbalance_nano"]) == 0
    assert said["mismatches"] == 0
    assert said["amiss"] == []
    assert said["truth"] == said["ledger"]
    assert len(said["truth"]) == 2 * len(WASHERS) + 3
    assert sum(said["truth"].values()) > 1_000
    assert int(said["fees_nano"]) > 0
    assert sum(int(nano) for nano in said["splits_nano"].values()) == int(said["fees_nano"])
    assert {fault["kind"] for fault in said["faults"]} == {kind.value for kind in Kind}
    assert all(fault["recovered"] for fault in said["faults"])
    assert said["log"]["size"] > 10
    assert len(bytes.fromhex(said["log"]["root"])) == 32
    for milestone in ("enrolled", "first readings", "first receipt", "first charge"):
        assert milestone in done.stdout


@pytest.mark.timeout(90)
def test_ctrl_c_leaves_no_process_behind(tmp_path: Path) -> None:
    command = [*DEMO, "--seconds", "60", "--data", str(tmp_path / "data"), "--port", str(any_free())]
    demo = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert demo.stdout is not None
    for line in demo.stdout:
        if "the laundry opens" in line:
            break
    children = children_of(demo.pid)
    assert len(children) == 4
    demo.send_signal(signal.SIGINT)
    time.sleep(1)
    demo.send_signal(signal.SIGINT)
    demo.communicate(timeout=40)
    assert demo.returncode == 1  # left before it was settled
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]


def test_a_folder_with_content_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("do not touch")
    done = subprocess.run([*DEMO, "--data", str(tmp_path)], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert "not an empty folder" in done.stderr
    assert os.listdir(tmp_path) == ["mine.txt"]


@pytest.mark.parametrize("arguments", [["--seconds", "3"], ["--seconds", "many"], ["--port", "70000"]])
def test_bad_arguments_are_refused_by_name(arguments: list[str]) -> None:
    done = subprocess.run([*DEMO, *arguments], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert arguments[0] in done.stderr
