"""Where test vectors are: ours in the package, and the outside ones in the folder that TALLYSTICK_VECTORS names.
Reads files only; a missing outside folder skips the test and says so."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
OURS = ROOT / "protocol" / "vectors"


def outside(folder: str) -> Path:
    """A folder of vectors that nobody in this project wrote; skips where it is missing."""
    base = Path(os.environ.get("TALLYSTICK_VECTORS", str(ROOT.parent / "shared" / "vectors")))
    path = base / folder
    if not path.is_dir():
        pytest.skip(f"no outside vectors in {path}: set TALLYSTICK_VECTORS to their folder")
    return path


def outside_json(folder: str, pattern: str = "**/*.json") -> list[tuple[str, Any]]:
    """(name, value) of each JSON file below a folder of outside vectors, sorted; skips where there is none."""
    path = outside(folder)
    files = sorted(path.glob(pattern))
    if not files:
        pytest.skip(f"no outside vectors match {path}/{pattern}")
    return [(str(file.relative_to(path)), json.loads(file.read_text(encoding="utf-8"))) for file in files]
