"""Alarms: raised once per cause, counted when it comes again, cleared when it is over.

It never sends anything; pages read the table, and live pages hear of it after commit.
"""

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, insert, select, update

from .schema import alarm


class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Alarm:
    """`key`: one open alarm per (community, key); `text` says what happened and what to do."""

    code: str
    severity: Severity
    text: str
    key: str
    gid: bytes | None = None
    channel_hash: bytes | None = None
    asset: str | None = None


def raise_alarm(conn: Connection, community: str, new: Alarm, now_ms: int) -> None:
    """Open it, or count once more when it is open already."""
    found = conn.execute(
        select(alarm.c.id).where(
            alarm.c.community == community, alarm.c.subject_key == new.key, alarm.c.cleared_ms.is_(None)
        )
    ).scalar()
    if found is not None:
        again = {"times": alarm.c.times + 1, "last_ms": now_ms, "text": new.text}
        conn.execute(update(alarm).where(alarm.c.id == found).values(**again))
        return
    conn.execute(
        insert(alarm),
        {
            "community": community,
            "code": new.code,
            "severity": new.severity.value,
            "gid": new.gid,
            "channel_hash": new.channel_hash,
            "asset": new.asset,
            "text": new.text,
            "subject_key": new.key,
            "raised_ms": now_ms,
            "last_ms": now_ms,
            "times": 1,
            "test": False,
        },
    )


def clear_alarm(conn: Connection, community: str, key: str, now_ms: int) -> None:
    conn.execute(
        update(alarm)
        .where(alarm.c.community == community, alarm.c.subject_key == key, alarm.c.cleared_ms.is_(None))
        .values(cleared_ms=now_ms)
    )
