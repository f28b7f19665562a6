"""The next run of each collector, looked at before anybody proposes it.

It never stores anything and asks for no right: a look moves no money.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Generic, Protocol, TypeVar

from tallystick_cloud.errors import CloudError

from .model import Names, Proposal
from .view import refusal


class Draft(Protocol):
    """A run that is not stored."""

    @property
    def number(self) -> int: ...


D = TypeVar("D", bound=Draft)


@dataclass(frozen=True, slots=True)
class Next(Generic[D]):
    """What a run of a collector would do now, or why there is none."""

    collector: str
    draft: D | None
    refusal: str

    def key(self, community: str, day: date) -> str:
        """Goes with the page, so that its form sent twice makes one run."""
        return f"page-{community}-{0 if self.draft is None else self.draft.number}-{day}"


def nexts(collectors: Iterable[bytes], names: Names, day: date, preview: Callable[[Proposal], D]) -> list[Next[D]]:
    """The next run of each collector, by name."""
    found: list[Next[D]] = []
    for collector in sorted(collectors, key=lambda one: names[one]):
        asked = Proposal("", collector, collector, day)  # a look asks for no right
        try:
            found.append(Next(names[collector], preview(asked), ""))
        except CloudError as refused:
            found.append(Next(names[collector], None, refusal(refused)))
    return found
