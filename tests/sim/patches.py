"""Puts functions over real ones for a while, and the real ones back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Patches:
    """Attributes replaced for a while; `undo` puts them back in reverse order."""

    def __init__(self) -> None:
        self._before: list[tuple[Any, str, Any]] = []

    def put(self, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        """Replace `owner.name` by what `make` builds around the real one."""
        real = owner.__dict__[name] if isinstance(owner, type) else getattr(owner, name)
        plain = real.__func__ if isinstance(real, classmethod | staticmethod) else real
        self._before.append((owner, name, real))
        made = make(plain)
        setattr(owner, name, type(real)(made) if isinstance(real, classmethod | staticmethod) else made)

    def undo(self) -> None:
        for owner, name, real in reversed(self._before):
            setattr(owner, name, real)
