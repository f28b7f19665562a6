"""Erases what was said and shown about a person's uses: in disputes that are decided, and in what reversed a use.

It never touches amounts, times or who decided, and keeps the words of an open dispute until somebody has decided it.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, and_, func, or_, select, update

from tallystick_cloud.schema import dispute, reversal, use

ERASED = ""
"""What stands for words that are gone; nobody can say nothing, so it means only that."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How many disputes and reversals lost their words, and how many open disputes keep them until they are decided."""

    disputes: int
    reversals: int
    open: int


def forget(conn: Connection, community: str, party: bytes) -> Forgotten:
    """Everything said of the uses that a person pays, by whomever, and what the person said of others' uses."""
    mine = select(use.c.use_id).where(use.c.community == community, use.c.payer == party)
    about = and_(dispute.c.community == community, dispute.c.use_id.in_(mine))
    own = and_(dispute.c.community == community, dispute.c.opened_by == party)
    done = dispute.c.state != "open"
    has_words = or_(dispute.c.why != ERASED, dispute.c.shown.is_not(None))
    was_told = or_(dispute.c.decision != ERASED, dispute.c.decision_shown.is_not(None))
    gone = _count(conn, done, or_(and_(about, or_(has_words, was_told)), and_(own, has_words)))
    waits = _count(conn, dispute.c.state == "open", or_(about, own))
    conn.execute(update(dispute).where(done, or_(about, own)).values(why=ERASED, shown=None))
    conn.execute(update(dispute).where(done, about).values(decision=ERASED, decision_shown=None))
    where = (reversal.c.community == community, reversal.c.use_id.in_(mine), reversal.c.why != ERASED)
    reversals = conn.execute(update(reversal).where(*where).values(why=ERASED)).rowcount
    return Forgotten(gone, reversals, waits)


def _count(conn: Connection, *where: object) -> int:
    return int(conn.execute(select(func.count()).select_from(dispute).where(*where)).scalar_one())  # type: ignore[arg-type]
