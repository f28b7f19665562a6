"""CI's short cut of `make fuzz`: coverage-guided, from the seeds, a fresh random seed each time; some 90 s.
`make fuzz` does 500,000 of each target and goes on where it stopped."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "run_all.py"
SECONDS_EACH = 1  # of the processor; what got fewer executions than its goal says so in the table


@pytest.mark.timeout(1200)  # a second of work for each target and the start of each; a machine may have others to do
def test_no_border_lets_anything_out_but_its_own_error(tmp_path: Path) -> None:
    if importlib.util.find_spec("atheris") is None:
        if os.environ.get("TALLYSTICK_REQUIRE_SERVICES") and sys.platform == "linux":
            pytest.fail("atheris is not installed")
        pytest.skip("atheris has no wheel for this platform")
    command = [sys.executable, str(SCRIPT), "--ci", "--seconds", str(SECONDS_EACH), "--state", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1100, check=False)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
