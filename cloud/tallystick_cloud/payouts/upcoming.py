"""What the next payout run of each collector would pay, for pages that look ahead.

It never proposes one.
"""

from datetime import date

from sqlalchemy import Connection

from tallystick_cloud.runs.model import Names
from tallystick_cloud.runs.upcoming import Next, nexts
from tallystick_cloud.settlement.payable import settled_lines

from . import service, store
from .service import Draft

DAYS_AHEAD = 2  # what banks ask for before the day of execution


def upcoming(conn: Connection, community: str, names: Names, day: date, now_ms: int) -> list[Next[Draft]]:
    """One for everybody who owes somebody else, by name; `day`: when the bank would execute it."""
    settled = settled_lines(conn, community)
    collectors = {one.holder for one in store.owed(conn, community) if one.holder != one.party}
    return nexts(collectors, names, day, lambda asked: service.preview(conn, community, asked, now_ms, settled))
