"""A computer that can lose its power: between two steps of a task, or inside any effect on its disk.
Once dead it does nothing any more: whatever still runs in it meets `Crash` at its next effect."""

from __future__ import annotations

import asyncio


class Crash(BaseException):
    """The power went. Not an Exception, so that no product code can think it handled it."""


class Machine:
    """One boot of one computer. `main` is its process; it is cancelled when the power goes."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.dead = False
        self.main: asyncio.Task[None] | None = None
        self._steps_left: int | None = None

    def step(self) -> None:
        """Called before every step of every task of this machine."""
        if self._steps_left is not None:
            self._steps_left -= 1
            if self._steps_left <= 0:
                self.die()

    def doom(self, steps: int) -> None:
        """Die before the `steps`-th step from now."""
        self._steps_left = steps

    def die(self) -> None:
        self._steps_left = None
        if not self.dead:
            self.dead = True
            if self.main is not None:
                self.main.cancel()

    def crash(self) -> None:
        """Die in the middle of a call."""
        self.die()
        raise Crash(self.name)

    def alive(self) -> None:
        """Raise Crash when the power is gone."""
        if self.dead:
            raise Crash(self.name)
