"""Changes of a CBOR value by path, for whoever forges: each is a function of the old bytes."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import cbor2
from fuzz.forged import Change, near
from support.vector_case import plain

Step = int | str


def edit(*path: Step, to: Callable[[Any], Any]) -> Change:
    """What stands at `path`, made anew of the old."""

    def change(data: bytes) -> bytes:
        value = {0: plain(cbor2.loads(data))}
        *steps, last = (0, *path)
        holder = reduce(lambda inner, step: inner[step], steps, value)
        holder[last] = to(holder.get(last) if isinstance(holder, dict) else holder[last])
        return cbor2.dumps(value[0], canonical=True)

    return change


def put(*path: Step, value: Any) -> Change:
    return edit(*path, to=lambda _: value)


def add(*path: Step, n: int = 1) -> Change:
    return edit(*path, to=lambda old: old + n)


def other(*path: Step) -> Change:
    """Another value close by."""
    return edit(*path, to=lambda old: near(old, 129))


def all_of(*changes: Change) -> Change:
    return lambda data: reduce(lambda now, change: change(now), changes, data)
