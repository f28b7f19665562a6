"""Notices silence: at a steady beat it raises alarms for gateways that are not heard, and ends what is over by itself.

It never judges what a gateway sends, only that it is heard at all."""

from sqlalchemy import Connection, select

from tallystick_cloud import schema
from tallystick_cloud.beat import at_a_beat
from tallystick_cloud.city.service import contact_changes, watch_contacts
from tallystick_cloud.db import Database
from tallystick_cloud.ports import Clock, Events

BEAT_S = 2.0
"""Real time between two looks; two indexed reads, so that the demo's quick hours are seen too."""


class ContactWatch:
    """A task of the server."""

    def __init__(self, database: Database, clock: Clock, events: Events) -> None:
        self._database, self._clock, self._events = database, clock, events

    async def run(self) -> None:
        """Look until cancelled."""
        await at_a_beat(self.look_once, BEAT_S, "watching contacts")

    async def look_once(self) -> None:
        """One beat; writes only when something changed."""
        now_ms = self._clock.utc_ms()
        for community in await self._database.read(_communities):
            changes = await self._database.read(contact_changes, community, now_ms)
            if changes.silent or changes.over:
                await self._database.write(watch_contacts, community, now_ms)
                self._events.publish("alarm", {"community": community})


def _communities(conn: Connection) -> list[str]:
    return list(conn.execute(select(schema.community.c.id)).scalars())
