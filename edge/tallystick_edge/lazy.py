"""Puts off loading a module that a library imports and this program never uses, because a small board has 512 MB.
It changes nothing about the module: the first look at any of its names loads it."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType


def not_before_used(name: str) -> None:
    """Call it before the library is imported; a module that is loaded already stays as it is.

    importlib.util.LazyLoader does not serve here: a second `import` of its module looks at `__spec__` and loads it."""
    if name in sys.modules:
        return
    placeholder = ModuleType(name)

    def look(attribute: str) -> object:
        if attribute.startswith("__"):
            raise AttributeError(attribute)  # the import machinery looks at these
        if sys.modules.get(name) is placeholder:
            del sys.modules[name]
        return getattr(import_module(name), attribute)

    placeholder.__getattr__ = look  # type: ignore[method-assign]
    sys.modules[name] = placeholder
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(import_module(parent), child, placeholder)
