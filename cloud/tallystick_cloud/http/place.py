"""The community in which a caller acts and the person who does, for pages that are about one.

It never decides what the caller may do there."""

from tallystick_cloud.city import service
from tallystick_cloud.city.model import Community
from tallystick_cloud.db import Database
from tallystick_cloud.http.errors import Forbidden
from tallystick_cloud.http.pages import Look
from tallystick_cloud.http.route import Call


async def here(database: Database, call: Call) -> Community:
    """The caller's community; Forbidden for a session without one."""
    if call.community is None:
        raise Forbidden("no community is chosen", next_step="Sign in again.")
    return await database.read(service.place, call.community)


def look_of(place: Community) -> Look:
    """What the shell shows of it."""
    return Look(place.id, place.name, place.zone)


def person(call: Call) -> bytes:
    """The party that acts; Forbidden for a credential that belongs to nobody in particular."""
    if call.principal.party is None:
        raise Forbidden("this credential belongs to nobody in particular", next_step="Sign in as a person.")
    return call.principal.party
