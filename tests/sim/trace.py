"""What happened in a run: a hash over every event, the lines when somebody wants to read them, and what is amiss.
It decides nothing, and nothing in it depends on the machine it runs on."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What sort of wrong."""

    LOST = "lost"  # used, kept by a gateway, and neither billed nor open
    TWICE = "duplicated"  # billed without being used, or more than once
    UNBALANCED = "unbalanced"  # books that do not add up
    BACKLOG = "backlog"  # still waiting an hour after everything healed
    BROKEN = "broken"  # any other promise


@dataclass(frozen=True, slots=True)
class Amiss:
    """One thing that must not be."""

    kind: Kind
    sentence: str

    def __str__(self) -> str:
        return f"{self.kind.value}: {self.sentence}"


AMISS_MAX = 50  # more sentences tell nothing new


class Trace:
    """`now`: virtual seconds. `show` prints each line as it comes."""

    def __init__(self, now: Callable[[], float], show: Callable[[str], None] | None = None) -> None:
        self._now, self._show = now, show
        self._hash = hashlib.sha256()
        self.counts: Counter[str] = Counter()
        self.amiss: list[Amiss] = []

    def tell(self, who: str, what: str, detail: object = "") -> None:
        """One event; `what` is a word that is counted."""
        line = f"{self._now():11.3f} {who:10} {what} {detail}"
        self._hash.update(line.encode() + b"\n")
        self.counts[what] += 1
        if self._show is not None:
            self._show(line)

    def wrong(self, sentence: str, kind: Kind = Kind.BROKEN) -> None:
        """Something that must not be."""
        self.tell("CHECK", "amiss", f"{kind.value}: {sentence}")
        if len(self.amiss) < AMISS_MAX:
            self.amiss.append(Amiss(kind, sentence))

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()
