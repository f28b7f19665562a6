"""A real Mosquitto for tests, run with the files that `tallystick broker-config` wrote, gone afterwards.

It never touches a broker that it did not start.
"""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

REQUIRED = "TALLYSTICK_REQUIRE_SERVICES"
START_TIMEOUT_S = 110.0
STOP_TIMEOUT_S = 30.0
LOOK_AGAIN_S = 0.02


def binary() -> str | None:
    """The installed broker: Debian puts it where a user's PATH does not look."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


def need() -> str:
    """The broker's path; skips the test where none is installed, fails it where one is required."""
    found = binary()
    if found is None:
        if os.environ.get(REQUIRED) == "1":
            pytest.fail(f"Mosquitto is required here ({REQUIRED}=1) and not installed")
        pytest.skip("Mosquitto is not installed")
    return found


class Mosquitto:
    """One broker on `port`, restartable; what it logs goes to `log`."""

    def __init__(self, conf: Path, port: int, log: Path) -> None:
        self._command = [need(), "-c", str(conf), "-v"]
        self.port = port
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when it takes connections."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        end = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < end and self._process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(LOOK_AGAIN_S)
        self.stop()
        raise RuntimeError(f"the broker did not start: {self.log.read_text()}")

    def stop(self) -> None:
        """Ended by its process id; everything it held in memory is gone."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(STOP_TIMEOUT_S)
            self._process = None
