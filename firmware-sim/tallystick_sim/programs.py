"""Runs a program to its end and keeps what it said: the aggregator's own commands, and the verifier.
It never runs one in this process, so that nothing is shared with it but the files it is given."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TIMEOUT_S = 300.0  # each takes about a second on an idle machine, far more on one that is busy
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
    """Run `words` with `more` environment. Raises ProgramError when the exit code is not one of `codes`.

    In a thread: an asyncio subprocess that is cancelled while it starts never ends (CPython 3.11).
    """
    async with TOGETHER:
        ran = await asyncio.to_thread(_run, words, {**os.environ, **(more or {})}, cwd)
    if ran.code not in codes:
        raise ProgramError(f"{' '.join(words[2:])}: exit code {ran.code}\n{ran.err.strip() or ran.out.strip()}")
    return ran


def _run(words: Sequence[str], environment: Mapping[str, str], cwd: Path | None) -> Ran:
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=environment,
            cwd=cwd,
            timeout=TIMEOUT_S,
            start_new_session=True,
            check=False,
        )
    except subprocess.TimeoutExpired:
        late = f"{' '.join(words[2:5])} did not end within {TIMEOUT_S:.0f} s; is the machine busy? Try again"
        raise ProgramError(late) from None
    return Ran(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))


def tallystick(data: Path, *words: str) -> tuple[str, ...]:
    """A command of the aggregator on the folder of a demo."""
    return (sys.executable, "-m", "tallystick_cloud", *words, "--data", str(data / "aggregator"))


def verifier(*words: str) -> tuple[str, ...]:
    """The command tallystick-verify."""
    return (sys.executable, "-m", "tallystick_protocol.verify_cli", *words)
