"""An event loop whose clock jumps to the next timer when nothing else is to be done, so that waits cost nothing and
their order is certain. It fits what waits only; with another process, thread or socket, time would run ahead of it."""

from __future__ import annotations

import asyncio
import selectors


class _JumpingSelector(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    """What asks how long to wait is told at once that this long has passed."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            return super().select(None)  # type: ignore[no-any-return]
        found = super().select(0)
        if not found:
            self.now += timeout
        return found  # type: ignore[no-any-return]


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """`loop.time()` begins at 0 and is seconds of this loop's own."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now
