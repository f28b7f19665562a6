"""The processes that a demo starts: each with its log file, each ended by its own process id, none left behind.
It starts and ends; what the processes do and whether they do it well is for others to judge."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

STOP_TIMEOUT_S = 8.0  # an agent seals and flushes before it goes; after this it is killed
LOG_TAIL_LINES = 12


class ChildError(RuntimeError):
    """A process did not start, ended by itself or ended badly; the message carries the end of its log."""


class Child:
    """One program, restartable. All its output goes to `log`, appended."""

    def __init__(self, name: str, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        self.log = log
        self._command = tuple(command)
        self._environment = {**os.environ, **environment}
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start it in a session of its own, so that Ctrl-C reaches only the demo, which then ends it in order."""
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tallystick_sim.tether"),
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                start_new_session=True,
            )

    async def finish(self, timeout_s: float) -> None:
        """Wait for a program that is meant to end. Raises ChildError unless it ends well and in time."""
        if self._process is None:
            raise ChildError(f"{self.name} was never started")
        try:
            async with asyncio.timeout(timeout_s):
                code = await self._process.wait()
        except TimeoutError:
            await self.kill()
            late = f"{self.name} did not end within {timeout_s:.0f} s; is the machine busy? Try again"
            raise ChildError(f"{late}\n{self.tail()}") from None
        if code:
            raise ChildError(f"{self.name} ended with code {code}\n{self.tail()}")

    async def stop(self) -> int | None:
        """SIGTERM, then SIGKILL when it does not go; the exit code, None when it was not running."""
        if self._process is None or self._process.returncode is not None:
            return None
        self._process.terminate()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                return await self._process.wait()
        except TimeoutError:
            return await self.kill()

    async def kill(self) -> int | None:
        """SIGKILL, as a power cut: no farewell, no flush."""
        if self._process is None or self._process.returncode is not None:
            return None
        self._process.kill()
        return await self._process.wait()

    def check(self) -> None:
        """Raises ChildError when it should be running and is not."""
        if self._process is not None and self._process.returncode is not None:
            raise ChildError(f"{self.name} ended by itself with code {self._process.returncode}\n{self.tail()}")

    def tail(self) -> str:
        """The end of its log, for a message."""
        try:
            lines = self.log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
        except OSError:
            return "(no log)"
        return "\n".join(f"  {self.name}: {line}" for line in lines) or "(its log is empty)"
