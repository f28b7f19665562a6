"""A day or a moment that somebody writes, in the zone of a community.

It never reads a clock.
"""

from collections.abc import Callable
from datetime import date, datetime, timedelta

from sqlalchemy import Connection, select

from tallystick_cloud.errors import BadInput
from tallystick_cloud.http.month import day_end_ms
from tallystick_cloud.schema import community as communities


def place_of(conn: Connection, community: str) -> tuple[str, str]:
    """Zone and unit of a community."""
    row = conn.execute(select(communities.c.zone, communities.c.unit).where(communities.c.id == community)).one()
    return row.zone, row.unit


def end_of(option: str, text: str, zone: str) -> int:
    """The last ms of a day of the zone, or the moment itself where one is written. Raises BadInput."""
    return _moment(option, text, lambda day: day_end_ms(day, zone) - 1)


def begin_of(option: str, text: str, zone: str) -> int:
    """The first ms of a day of the zone, or the moment itself where one is written. Raises BadInput."""
    return _moment(option, text, lambda day: day_end_ms(day - timedelta(days=1), zone))


def _moment(option: str, text: str, of_day: Callable[[date], int]) -> int:
    try:
        if len(text) == len("2026-10-31"):
            return of_day(date.fromisoformat(text))
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return int(moment.timestamp() * 1000)
    except (ValueError, OverflowError):
        pass
    raise BadInput(option, f"is {text!r}; write a day as 2026-10-31 or a moment as 2026-10-31T18:00+01:00")
