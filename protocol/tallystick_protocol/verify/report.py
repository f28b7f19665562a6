"""What the verifier says: one check after the other in words, and a verdict that is `valid` or the first misfit.
It never says valid of something that was not looked at: a check that could not be made says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

VALID = "valid"
VALID_SPLIT_AS_COMMITTED = "valid, split counter as committed"
ERASED = "erased"
_GOOD = frozenset({VALID, VALID_SPLIT_AS_COMMITTED, ERASED})


class Misfit(Exception):
    """The first thing that does not fit: which object, and why."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"{where}: {why}")
        self.where = where
        self.why = why


@dataclass(frozen=True, slots=True)
class Check:
    """One step: its name, whether it fits, a sentence for people, and the figures behind it."""

    name: str
    ok: bool
    words: str
    figures: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Report:
    """The verdict and the checks up to the first that does not fit."""

    verdict: str
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether everything that was looked at fits; `erased` is ok: it was so committed."""
        return self.verdict in _GOOD

    def as_json(self) -> dict[str, Any]:
        """Plain values for `json.dumps`."""
        checks = [{"name": c.name, "ok": c.ok, "words": c.words, "figures": dict(c.figures)} for c in self.checks]
        return {"verdict": self.verdict, "ok": self.ok, "checks": checks}
