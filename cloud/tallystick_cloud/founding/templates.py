"""Contract templates that a first community can begin with, and whose names stand in them.

Pools are not among them: they need meters at many sites.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from tallystick_cloud.contracts import library
from tallystick_cloud.errors import BadInput


@dataclass(frozen=True, slots=True)
class Template:
    text: str
    values: Mapping[str, Any]

    @property
    def collector(self) -> str:
        return str(self.values["collector"])

    @property
    def names(self) -> list[str]:
        """Everybody it names, the collector first."""
        found = [one["name"] for kind in ("party", "user") for one in self.values.get(kind, [])]
        return [self.collector, *(name for name in found if name != self.collector)]

    def role(self, name: str) -> str:
        roles = {one["name"]: one["role"] for one in self.values["party"]}
        collects = "; collects the money" if name == self.collector else ""
        return f"{roles.get(name, 'user')}{collects}"


@cache
def names() -> tuple[str, ...]:
    return tuple(name for name in library.names() if "tariff" in tomllib.loads(library.template(name)))


def read(name: str) -> Template:
    """Raises BadInput naming those that there are."""
    if name not in names():
        raise BadInput("--template", f"is {name!r}; use one of {', '.join(names())}")
    text = library.template(name)
    return Template(text, tomllib.loads(text))
