"""Inputs that fuzzing begins with: the vectors, the profiles, docs/examples, and files like users write.
Nothing here is random."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@cache
def _vectors() -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = {}
    for path in sorted((ROOT / "protocol" / "vectors").glob("*.json")):
        for case in json.loads(path.read_text(encoding="utf-8"))["cases"]:
            if len(case["hex"]) <= 8_192:
                found.setdefault(case["kind"], []).append(bytes.fromhex(case["hex"]))
    return found


def vectors(*kinds: str) -> Callable[[], list[bytes]]:
    """Every vector of these kinds, good and refused, up to 4 kB."""
    return lambda: [data for kind in kinds for data in _vectors().get(kind, [])]


def vectors_of(kind: str) -> list[bytes]:
    return vectors(kind)()


def files(pattern: str) -> Callable[[], list[bytes]]:
    """The files of the repository that match."""
    return lambda: [path.read_bytes() for path in sorted(ROOT.glob(pattern))]


def texts(*given: str) -> Callable[[], list[bytes]]:
    return lambda: [text.encode() for text in given]


def hexes(*given: str) -> Callable[[], list[bytes]]:
    return lambda: [bytes.fromhex(text) for text in given]


@cache
def evidence() -> list[bytes]:
    """The smallest real file: a user's, of one wash in one month."""
    from fuzz.forged import forgers
    from support.evidence_world import ANNA

    return [forger.make(-1, bytes).encode() for party, forger in forgers() if party == ANNA]


@cache
def policy() -> list[bytes]:
    from support import evidence_world

    return [evidence_world.policy(evidence_world.ANNA).to_json().encode()]
