"""The demo as a newcomer runs it, headless: it ends well, and its report says what must be true."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from tallystick_sim.cheat_plays import NAMES, PAST_THE_METER, PLAYS
from tallystick_sim.plan import WASHERS
from tallystick_sim.ports import any_free
from tallystick_sim.trouble import Kind

pytestmark = pytest.mark.alone
DEMO = (sys.executable, "-W", "error", "-m", "tallystick_sim", "demo", "--headless")
VERIFY = (sys.executable, "-W", "error", "-m", "tallystick_protocol.verify_cli")
KEYS = {
    *("gateways", "meters", "readings", "batches", "receipts", "uses", "fees_nano", "splits_nano", "imbalance_nano"),
    *("truth", "ledger", "mismatches", "faults", "log", "urls", "payouts", "evidence", "policy", "cheats"),
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


@pytest.mark.timeout(700)
def test_headless_demo_reports_that_truth_and_ledger_agree(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    command = [*DEMO, "--seconds", "20", "--data", str(tmp_path / "data"), "--report", str(report)]
    done = subprocess.run(
        [*command, "--port", str(any_free())], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr

    said = json.loads(report.read_text())
    assert said.keys() >= KEYS
    assert said["gateways"] == 2
    assert said["meters"] == len(WASHERS) + 3
    # How many more is the machine's speed; that they are right stands below.
    assert said["readings"] >= 2 * said["meters"]  # before the doors opened, and after
    assert said["batches"] == said["receipts"] >= 2 * said["gateways"]  # before its trouble, and after
    assert said["uses"] >= len(WASHERS)
    assert int(said["imbalance_nano"]) == 0
    assert said["mismatches"] == 0
    assert said["amiss"] == []
    assert said["truth"] == said["ledger"]
    assert len(said["truth"]) == 2 * len(WASHERS) + 3
    assert all(said["truth"].values())  # each meter counted, each machine washed
    assert int(said["fees_nano"]) > 0
    assert sum(int(nano) for nano in said["splits_nano"].values()) == int(said["fees_nano"])
    assert {fault["kind"] for fault in said["faults"]} == {kind.value for kind in Kind}
    assert all(fault["recovered"] for fault in said["faults"])
    assert said["log"]["size"] >= said["batches"]
    assert len(bytes.fromhex(said["log"]["root"])) == 32
    for milestone in ("enrolled", "first readings", "first receipt", "first charge", "the loan is repaid"):
        assert milestone in done.stdout
    check_month_end(said)
    check_cheats(said["cheats"])


def check_month_end(said: dict[str, Any]) -> None:
    """The loan's rest of EUR 1.00 is paid out whole, and every file verifies once more."""
    cents = {payout["party"]: payout["cents"] for payout in said["payouts"]}
    assert cents["Elena Moser"] == 100
    assert cents["Kofler Repairs"] % 15 == 0
    bank = said["bank"]
    assert (bank["payouts"], bank["suspense"], bank["unseen_nano"]) == (len(said["payouts"]), 0, "0")
    assert bank["payments"] >= len(WASHERS)
    assert b"camt.053.001.08" in Path(bank["statement"]).read_bytes()
    assert said["documents"] == {"invoices": bank["payments"], "self_billed": len(said["payouts"])}
    members = {one["member"]: one for one in said["members"]}
    assert len(members) == 12
    assert sum(one["washes"] > 0 for one in members.values()) >= len(WASHERS)  # one slot of the plan at least
    assert sum(int(one["fees_nano"]) for one in members.values()) > 0
    assert all(b"pain.001.001.09" in Path(payout["file"]).read_bytes() for payout in said["payouts"])
    assert {one["party"] for one in said["evidence"]} >= {*cents, "Family Conti"}
    for one in said["evidence"]:
        words = ("evidence", one["file"], "--policy", one["policy"], "--json")
        again = subprocess.run([*VERIFY, *words], capture_output=True, text=True, timeout=110, check=True)
        assert json.loads(again.stdout)["verdict"] == one["verdict"]
    assert Path(said["policy"]).is_file()


def check_cheats(cheats: list[dict[str, Any]]) -> None:
    assert {one["kind"]: one["detected"] for one in cheats} == {kind: kind != PAST_THE_METER for kind in NAMES}
    named = {play.kind: play.named for play in PLAYS}
    assert all(named[one["kind"]] in one["message"] for one in cheats if one["kind"] in named)


def read_to(words: str, lines: Iterable[str]) -> None:
    assert any(words in line for line in lines), f"ended before {words!r}"


@pytest.mark.timeout(300)
def test_ctrl_c_leaves_no_process_behind(tmp_path: Path) -> None:
    command = [*DEMO, "--seconds", "60", "--data", str(tmp_path / "data"), "--port", str(any_free())]
    demo = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert demo.stdout is not None
    read_to("the laundry opens", demo.stdout)
    children = found = set(children_of(demo.pid))
    while len(found) < 4:  # the demo kills a gateway by itself and starts it again, maybe right now
        assert demo.poll() is None
        time.sleep(0.1)
        found = set(children_of(demo.pid))
        children |= found
    assert len(found) == 4
    demo.send_signal(signal.SIGINT)
    read_to("the laundry closes", demo.stdout)
    demo.send_signal(signal.SIGINT)
    demo.communicate(timeout=150)
    assert demo.returncode == 1  # left before it was settled
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]


def test_a_folder_with_content_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("do not touch")
    done = subprocess.run([*DEMO, "--data", str(tmp_path)], capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 2
    assert "not an empty folder" in done.stderr
    assert os.listdir(tmp_path) == ["mine.txt"]


@pytest.mark.parametrize("arguments", [["--seconds", "3"], ["--seconds", "many"], ["--port", "70000"]])
def test_bad_arguments_are_refused_by_name(arguments: list[str]) -> None:
    done = subprocess.run([*DEMO, *arguments], capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 2
    assert arguments[0] in done.stderr
