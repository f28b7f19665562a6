"""What pages of every kind of run do alike: look at the next run, and the buttons that lead from yes to outcome.

It never moves money by a link: every step is a form of our own page, and the service asks for the second person.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Generic, Protocol, TypeVar

from aiohttp import web

from tallystick_cloud.db import Database
from tallystick_cloud.errors import CloudError
from tallystick_cloud.http.pages import see_other
from tallystick_cloud.http.place import here, person
from tallystick_cloud.http.route import Call
from tallystick_cloud.ports import Clock

from .model import Names, Proposal
from .service import R, RunService
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


@dataclass(frozen=True, slots=True)
class RunForms(Generic[R]):
    """The buttons of one kind of run; each ends on the run in the page at `base`."""

    database: Database
    clock: Clock
    service: RunService[R]
    base: str

    async def approve(self, call: Call, number: int) -> web.Response:
        place = await here(self.database, call)
        await self.database.write(self.service.approve, place.id, number, person(call), self.clock.utc_ms())
        return self.at(number)

    async def mark_sent(self, call: Call, number: int) -> web.Response:
        place = await here(self.database, call)
        await self.database.write(self.service.mark_sent, place.id, number, person(call), self.clock.utc_ms())
        return self.at(number)

    async def cancel(self, call: Call, number: int) -> web.Response:
        place = await here(self.database, call)
        await self.database.write(self.service.cancel, place.id, number, person(call), self.clock.utc_ms())
        return self.at(number)

    def at(self, number: int) -> web.Response:
        """Back to the run, so that loading the page again repeats nothing."""
        return see_other(f"{self.base}#run-{number}")
