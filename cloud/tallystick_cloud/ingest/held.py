"""How far the parts of held channels go: a gateway that comes back with an older card must not use their numbers again.

It only reads, and only where a channel is held.
"""

from dataclasses import replace

from sqlalchemy import Connection
from tallystick_protocol.errors import ProtocolError
from tallystick_protocol.hello import ChannelState
from tallystick_protocol.part import Part

from . import quarantine


def reach_of(conn: Connection, gid: bytes, state: ChannelState) -> ChannelState:
    """The State of a held channel with the numbers of what waits: they are taken, though not billed yet."""
    for data in quarantine.held_parts(conn, gid, state.channel):
        try:
            state = with_part(state, Part.decode(data))
        except ProtocolError:
            continue  # not even this program reads its numbers
    return state


def with_part(state: ChannelState, part: Part) -> ChannelState:
    """The higher of each number; pure."""
    for segment in part.segments:
        state = replace(state, last_pagination=max(state.last_pagination, segment.last_pagination))
        if (segment.generation, segment.base) >= (state.generation, state.base):
            serial = segment.serial or state.serial
            state = replace(state, generation=segment.generation, base=segment.base, serial=serial)
    for event in part.events:
        last_use = max(state.last_use, event.use or 0)
        state = replace(state, last_event=max(state.last_event, event.number), last_use=last_use)
        if event.total is not None:
            state = replace(state, billed_to=max(event.total, state.billed_to or 0))
    return state
