"""What pages of every kind of run do alike: the buttons that lead from yes to outcome.

It never moves money by a link: every step is a form of our own page, and the service asks for the second person.
"""

from dataclasses import dataclass
from typing import Generic

from aiohttp import web

from tallystick_cloud.db import Database
from tallystick_cloud.http.pages import see_other
from tallystick_cloud.http.place import here, person
from tallystick_cloud.http.route import Call
from tallystick_cloud.ports import Clock

from .service import R, RunService


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
