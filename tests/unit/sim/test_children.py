"""Children end when told, die with their parent, and their last words are in the error."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tallystick_sim.children import Child, ChildError

SLEEP = (sys.executable, "-c", "import time; print('here', flush=True); time.sleep(600)")


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


async def test_stop_and_kill_and_restart(tmp_path: Path) -> None:
    child = Child("sleeper", SLEEP, tmp_path / "log", {})
    await child.start()
    assert child.running
    assert await child.stop() == -signal.SIGTERM
    await child.start()
    assert await child.kill() == -signal.SIGKILL
    with pytest.raises(ChildError, match="sleeper ended by itself with code -9"):
        child.check()


async def test_failure_carries_the_last_words(tmp_path: Path) -> None:
    child = Child("sad", (sys.executable, "-c", "import sys; sys.exit('no room at the inn')"), tmp_path / "log", {})
    await child.start()
    with pytest.raises(ChildError, match=r"code 1\n.*no room at the inn"):
        await child.finish(60)


async def test_a_program_that_does_not_end_is_killed_and_named(tmp_path: Path) -> None:
    child = Child("slow", SLEEP, tmp_path / "log", {})
    await child.start()
    with pytest.raises(ChildError, match="slow did not end within 0 s"):
        await child.finish(0.3)
    assert not child.running


def test_children_die_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    program = f"""
import asyncio
from pathlib import Path
from tallystick_sim.children import Child
async def main():
    child = Child("orphan", {SLEEP!r}, Path({str(tmp_path / "log")!r}), {{}})
    await child.start()
    print(child.pid, flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    deadline = time.monotonic() + 60
    while not (tmp_path / "log").read_bytes() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert is_alive(pid)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait(60)
    parent.stdout.close()
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not is_alive(pid)


async def test_no_such_program_is_said(tmp_path: Path) -> None:
    child = Child("ghost", ("/nonexistent/program",), tmp_path / "log", {})
    await child.start()
    with pytest.raises(ChildError, match="No such file"):
        await asyncio.wait_for(child.finish(60), 90)
