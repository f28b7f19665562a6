"""What the next direct debit run of each collector would collect, for pages that look ahead.

It never proposes one.
"""

from datetime import date

from sqlalchemy import Connection

from tallystick_cloud.runs.model import Names
from tallystick_cloud.runs.upcoming import Next, nexts
from tallystick_cloud.settlement.payable import unsettled_fees

from . import service, store
from .mandate import NOTICE_DAYS
from .service import Draft

DAYS_AHEAD = NOTICE_DAYS + 1
"""The usual notice, and a day for the second person."""


def upcoming(conn: Connection, community: str, names: Names, day: date, now_ms: int) -> list[Next[Draft]]:
    """One for everybody who is owed, by name; `day`: when the bank would collect."""
    unsettled = unsettled_fees(conn, community)
    owing = store.owing(conn, community)
    return nexts(owing, names, day, lambda asked: service.preview(conn, community, asked, now_ms, unsettled))
