"""Which code the seeds of a target get into: what its executions count for, and how a decoder without one is found."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from types import CodeType, FrameType

from fuzz.target import Target
from support.repository import ROOT

PACKAGES = {name: ROOT / name / f"tallystick_{name}" for name in ("protocol", "edge", "cloud")}


def reached(targets: Iterable[Target]) -> set[CodeType]:
    """The code of every function that their seeds enter."""
    found: set[CodeType] = set()

    def see(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            found.add(frame.f_code)

    before = sys.getprofile()
    for target in targets:
        for seed in target.seeds():
            sys.setprofile(see)
            try:
                target.run(seed)
            finally:
                sys.setprofile(before)
    return found


def places(code: Iterable[CodeType]) -> set[str]:
    """`package/file.py function` of what is ours."""
    found = set()
    for one in code:
        for name, folder in PACKAGES.items():
            if one.co_filename.startswith(f"{folder}/"):
                found.add(f"{name}/{one.co_filename.removeprefix(f'{folder}/')} {one.co_name}")
    return found


def fingerprint(target: Target) -> str:
    """Of the files that the target gets into: executions on other code are told apart from those on this one."""
    folders = tuple(f"{folder}/" for folder in PACKAGES.values())
    names = {code.co_filename for code in reached([target]) if code.co_filename.startswith(folders)}
    parts = (sha256(Path(name).read_bytes()).digest() for name in sorted(names))
    return sha256(b"".join(parts)).hexdigest()[:12]
