"""One check's answer: a stable code, how bad it is, what was seen, and what to do.
Values only; looking is done by `places.py`, `store.py`, `network.py` and `devices.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum


class Level(StrEnum):
    OK = "OK"
    WARN = "WARN"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`code`: which check. `where`: the file, address or device it was about. `step`: what to do; empty when OK."""

    code: str
    level: Level
    where: str
    seen: str
    step: str = ""


def ok(code: str, where: str, seen: str) -> Verdict:
    return Verdict(code, Level.OK, where, seen)


def warn(code: str, where: str, seen: str, step: str) -> Verdict:
    return Verdict(code, Level.WARN, where, seen, step)


def fail(code: str, where: str, seen: str, step: str) -> Verdict:
    return Verdict(code, Level.FAIL, where, seen, step)


def is_well(verdicts: Sequence[Verdict]) -> bool:
    """Nothing failed; a warning is for a person to judge."""
    return all(each.level is not Level.FAIL for each in verdicts)


def as_text(verdicts: Sequence[Verdict]) -> str:
    """For people: one line each, the step under it."""
    width = max(len(each.code) for each in verdicts)
    lines: list[str] = []
    for each in verdicts:
        lines.append(f"{each.level:4}  {each.code:{width}}  {each.where}: {each.seen}")
        if each.step:
            lines.append(f"{'':4}  {'':{width}}  Next: {each.step}")
    return "\n".join(lines)


def as_json(verdicts: Sequence[Verdict]) -> dict[str, object]:
    return {"ok": is_well(verdicts), "checks": [asdict(each) for each in verdicts]}
