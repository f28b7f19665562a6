"""What routes of every kind of run do alike; paths, roles and words are each kind's own.

It never takes a party from the request: whoever is signed in acts.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any, Generic

from sqlalchemy import Connection

from tallystick_cloud.db import Database
from tallystick_cloud.http.authz import Role
from tallystick_cloud.http.place import person
from tallystick_cloud.http.route import Call
from tallystick_cloud.parties.store import named, names_by_id
from tallystick_cloud.ports import Clock

from .model import Names, Proposal
from .service import R, RunService

READERS = frozenset({Role.COMMUNITY_MANAGER, Role.AUDITOR})
HANDLERS = frozenset({Role.COMMUNITY_MANAGER, Role.OWNER})  # the service asks for a manager or the collector itself

Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RunCalls(Generic[R]):
    """Reads and steps of one kind of run, answered as JSON; a refusal leaves everything as it was."""

    database: Database
    clock: Clock
    service: RunService[R]
    as_json: Callable[[R, Names], Answer]

    async def show_all(self, community: str) -> list[Answer]:
        return await self.database.read(self._all, community)

    async def show(self, community: str, number: int) -> Answer:
        return await self.database.read(self._one, community, lambda conn: self.service.show(conn, community, number))

    async def approve(self, call: Call, community: str, number: int) -> Answer:
        party, now_ms = person(call), self.clock.utc_ms()
        return await self.write(community, lambda conn: self.service.approve(conn, community, number, party, now_ms))

    async def mark_sent(self, call: Call, community: str, number: int) -> Answer:
        party, now_ms = person(call), self.clock.utc_ms()
        return await self.write(community, lambda conn: self.service.mark_sent(conn, community, number, party, now_ms))

    async def cancel(self, call: Call, community: str, number: int) -> Answer:
        party, now_ms = person(call), self.clock.utc_ms()
        return await self.write(community, lambda conn: self.service.cancel(conn, community, number, party, now_ms))

    async def write(self, community: str, act: Callable[[Connection], R]) -> Answer:
        """Any other step that answers with its run."""
        return await self.database.write(self._one, community, act)

    def _one(self, conn: Connection, community: str, act: Callable[[Connection], R]) -> Answer:
        return self.as_json(act(conn), names_by_id(conn, community))

    def _all(self, conn: Connection, community: str) -> list[Answer]:
        names = names_by_id(conn, community)
        return [self.as_json(one, names) for one in self.service.show_all(conn, community)]


def proposal(conn: Connection, community: str, key: str, party: bytes, collector: str | None, day: date) -> Proposal:
    """What a request asks for; `collector` by its name. Raises BadInput."""
    wanted = None if collector is None else named(conn, community, "collector", collector)
    return Proposal(key, party, wanted, day)
