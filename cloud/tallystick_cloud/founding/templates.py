"""Contracts that a first community can begin with, from the library or the founder's own, and whose names they hold.

It never changes one.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tallystick_cloud.contracts import library
from tallystick_cloud.contracts.file import contract_text
from tallystick_cloud.errors import BadInput

_NEEDED = ("collector", "unit", "zone", "effective_from", "party", "asset")


@dataclass(frozen=True, slots=True)
class Template:
    """`is_own`: a file that the founder has written, whose first day holds unless another is asked for."""

    text: str
    values: Mapping[str, Any]
    is_own: bool = False

    @property
    def collector(self) -> str:
        return str(self.values["collector"])

    @property
    def is_pool(self) -> bool:
        """Whether it shares energy by the data of the grid: its meters are at no site of ours."""
        return "pool" in self.values

    @property
    def has_coefficients(self) -> bool:
        """Whether each member's part of the energy is fixed, in the contract or in a file by the hour."""
        return self.is_pool and self.values["pool"].get("consumers") == "coefficients"

    @property
    def names(self) -> list[str]:
        """Everybody it names, the collector first."""
        found = [one["name"] for kind in ("party", "user") for one in self.values.get(kind, [])]
        return [self.collector, *(name for name in found if name != self.collector)]

    def role(self, name: str) -> str:
        roles = {one["name"]: one["role"] for one in self.values["party"]}
        collects = "; collects the money" if name == self.collector else ""
        return f"{roles.get(name, 'user')}{collects}"


def names() -> tuple[str, ...]:
    return library.names()


def read(name: str) -> Template:
    """One of the library, or a contract file by its path. Raises BadInput naming those that there are."""
    if name.endswith(".toml"):
        return _own(Path(name))
    if name not in names():
        raise BadInput(
            "--template", f"is {name!r}; use one of {', '.join(names())}, or a contract file of yours (.toml)"
        )
    text = library.template(name)
    return Template(text, tomllib.loads(text))


def _own(path: Path) -> Template:
    """A contract file; what an import would refuse of it is refused when its community is founded."""
    step = f"`tallystick contract check {path}` says what is wrong"
    text = contract_text(path)
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadInput("--template", f"{path} is no contract file ({error}); {step}") from None
    missing = [key for key in _NEEDED if key not in values]
    if missing:
        raise BadInput("--template", f"{path} has no {missing[0]}; {step}")
    return Template(text, values, is_own=True)
