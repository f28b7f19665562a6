"""A gateway as a process: started, watched (memory, processor time), stopped or killed by its own id."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
from tallystick_sim.tether import PR_SET_PDEATHSIG

STOP_S = 15.0
MIB = 1024 * 1024
_LIBC = ctypes.CDLL(None)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a process took between two looks. `cpu`: share of one core; `rss_mib`: at the second look."""

    cpu: float
    rss_mib: float
    seconds: float


BARE = {"SETUPTOOLS_USE_DISTUTILS": "stdlib"}
"""Of both gateways alike: an environment made for developing has setuptools, which hooks itself into every start and
takes 0.2 MiB; what is installed on a gateway has none."""


def _die_with_me() -> None:
    """A bench that is broken off leaves no gateway behind."""
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """One program, restartable; what it says goes to `log`."""

    def __init__(self, command: Sequence[str], folder: Path, log: Path, environment: Mapping[str, str]) -> None:
        self._command, self._folder, self._log = command, folder, log
        self._environment = environment
        self._running: asyncio.subprocess.Process | None = None
        self.started_at = 0.0

    async def start(self) -> None:
        self.started_at = time.monotonic()
        with self._log.open("ab") as log:
            self._running = await asyncio.create_subprocess_exec(
                *self._command,
                cwd=self._folder,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **BARE, **self._environment},
                preexec_fn=_die_with_me,
            )

    def look(self) -> tuple[float, float, float]:
        """(when, processor seconds, resident MiB); raises RuntimeError when it has ended."""
        if self._running is None or self._running.returncode is not None:
            raise RuntimeError(f"{self._command[0]} does not run: see {self._log}\n{self.tail()}")
        seen = psutil.Process(self._running.pid)
        times = seen.cpu_times()
        return time.monotonic(), times.user + times.system, seen.memory_info().rss / MIB

    async def cost(self, seconds: float) -> Cost:
        """Watch for so long."""
        since, cpu_before, _ = self.look()
        await asyncio.sleep(seconds)
        until, cpu_after, rss = self.look()
        return Cost((cpu_after - cpu_before) / (until - since), rss, until - since)

    async def kill(self) -> None:
        """SIGKILL: no farewell, no flush."""
        if self._running is not None and self._running.returncode is None:
            self._running.kill()
            await self._running.wait()

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL for one that does not go."""
        if self._running is None or self._running.returncode is not None:
            return
        self._running.terminate()
        try:
            async with asyncio.timeout(STOP_S):
                await self._running.wait()
        except TimeoutError:
            await self.kill()

    def tail(self) -> str:
        """The end of its log."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-12:]) if self._log.exists() else ""
