"""Brings disputes that were upheld before uses could be reversed to the present rule: the use counts as if it had
never been, also in its counters, and what was given back by a journal alone is given back once.

It never changes what a statement said: the old line is taken back by a line of its own.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select

from tallystick_cloud.errors import Conflict, NotFound
from tallystick_cloud.ledger import journals
from tallystick_cloud.ledger.reversal import reverse
from tallystick_cloud.schema import dispute

from . import service


def old_ones(conn: Connection, community: str) -> Sequence[Any]:
    """Disputes that were upheld by a journal alone, the oldest decision first."""
    query = select(dispute).where(dispute.c.community == community, dispute.c.state == "upheld", ~service.IS_REVERSED)
    return conn.execute(query.order_by(dispute.c.decided_ms, dispute.c.id)).all()


def renew(conn: Connection, community: str, use_id: bytes, now_ms: int) -> Any:
    """Reverse the use and take its old journal back; the row. Raises NotFound or Conflict."""
    row = service.find(conn, use_id)
    if row is None or row.community != community:
        raise NotFound("dispute", "there is none of this use; see `tallystick dispute list`")
    if row.state != "upheld":
        raise Conflict("dispute", f"is {row.state}; only one that was right gave something back")
    old = journals.lines_of(conn, community, f"dispute:{use_id.hex()}")
    if not old:
        raise Conflict("dispute", "is by the present rule already: its use is reversed")
    why = row.decision or "an upheld dispute of before uses could be reversed"
    reverse(conn, community, use_id, why, now_ms)  # refuses a second time
    back = {line: -nano for line, nano in old.items()}
    entry = journals.Entry(f"dispute:{use_id.hex()}:renewed", "dispute-renewed", use_id, back)
    journals.post(conn, community, [entry], now_ms)
    return service.find(conn, use_id)
