"""The repository as data: its distributions, what they declare to need, and the locks.
Reads files only; it installs and imports nothing."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
DISTRIBUTIONS = {
    "protocol": "tallystick_protocol",
    "edge": "tallystick_edge",
    "cloud": "tallystick_cloud",
    "firmware-sim": "tallystick_sim",
}
LOCK_LINE = re.compile(r"^([a-z0-9][a-z0-9._-]*)==([^ ;\\]+)", re.MULTILINE)


def pyproject(folder: str = ".") -> dict[str, Any]:
    return tomllib.loads((ROOT / folder / "pyproject.toml").read_text())


def name_of(requirement: str) -> str:
    """`psycopg[binary]>=3.3,<4; python_version > "3"` -> `psycopg`, in the index's spelling."""
    return re.split(r"[\[<>=!~;, ]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def declared(folder: str) -> set[str]:
    """Third-party packages that a distribution says it needs."""
    return {n for n in map(name_of, pyproject(folder)["project"]["dependencies"]) if not n.startswith("tallystick-")}


def group(name: str) -> set[str]:
    return {name_of(entry) for entry in pyproject()["dependency-groups"][name] if isinstance(entry, str)}


def locked(name: str) -> dict[str, str]:
    """Package -> version in `requirements/NAME.lock`."""
    return dict(LOCK_LINE.findall((ROOT / "requirements" / f"{name}.lock").read_text()))
