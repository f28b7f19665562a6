"""Runs a program to its end and keeps what it said: the aggregator's own commands, and the verifier.
It never runs one in this process, so that nothing is shared with it but the files it is given."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TIMEOUT_S = 60.0  # each takes about a second on an idle machine
TOGETHER = asyncio.Semaphore(2)  # more at once only take turns on a small machine
OK: Collection[int] = (0,)


class ProgramError(RuntimeError):
    """A program that was meant to end well did not; the message has its words."""


@dataclass(frozen=True, slots=True)
class Ran:
    """Exit code and what it printed."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """What it printed, as JSON. Raises ProgramError."""
        try:
            return json.loads(self.out)
        except ValueError as error:
            raise ProgramError(f"no JSON: {self.out[:200]!r} {self.err[:200]!r}") from error


async def run_program(
    words: Sequence[str], more: Mapping[str, str] | None = None, cwd: Path | None = None, codes: Collection[int] = OK
) -> Ran:
    """Run `words` with `more` environment. Raises ProgramError when the exit code is not one of `codes`."""
    async with TOGETHER:
        process = await asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **(more or {})},
            cwd=cwd,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(TIMEOUT_S):
                out, err = await process.communicate()
        except TimeoutError:
            raise ProgramError(f"{' '.join(words[2:5])} did not end within {TIMEOUT_S:.0f} s") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    code = process.returncode or 0
    ran = Ran(code, out.decode(errors="replace"), err.decode(errors="replace"))
    if code not in codes:
        raise ProgramError(f"{' '.join(words[2:])}: exit code {code}\n{ran.err.strip() or ran.out.strip()}")
    return ran


def tallystick(data: Path, *words: str) -> tuple[str, ...]:
    """A command of the aggregator on the folder of a demo."""
    return (sys.executable, "-m", "tallystick_cloud", *words, "--data", str(data / "aggregator"))


def verifier(*words: str) -> tuple[str, ...]:
    """The command tallystick-verify."""
    return (sys.executable, "-m", "tallystick_protocol.verify_cli", *words)
