"""Alarms: raised once per cause, counted when it comes again, over by a rule per kind or by a person who says why.

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


class Ends(StrEnum):
    """When an alarm of a kind is over. A person may close any of them earlier, with a cause."""

    HEARD = "heard"  # the gateway is heard again
    READINGS = "readings"  # its channel has a reading from after the alarm
    SPACE = "space"  # the gateway says that its store has room
    TAKEN_IN = "taken-in"  # no part of the gateway waits for this reason any more
    QUIET = "quiet"  # it did not come again for QUIET_MS
    PERSON = "person"  # never by itself: somebody has to look


QUIET_MS = 24 * 3_600_000  # a day: what comes only at night or only with a load has come again by then
_ENDS = {
    "no-contact": Ends.HEARD,
    "gap": Ends.READINGS,
    "store-full": Ends.SPACE,
    "reading-set-aside": Ends.QUIET,
    "replay-refused": Ends.QUIET,
    "wrong-meter": Ends.QUIET,
    "command-refused": Ends.QUIET,
    "upload-ends-process": Ends.QUIET,
    "quarantine-internal": Ends.TAKEN_IN,
    "quarantine-unsupported": Ends.TAKEN_IN,
    "quarantine-malformed": Ends.TAKEN_IN,
    "quarantine-no-descriptor": Ends.TAKEN_IN,
    "quarantine-part-hash": Ends.TAKEN_IN,
    "quarantine-absent": Ends.TAKEN_IN,
}


def ends_of(code: str) -> Ends:
    """The rule of a kind; one that is not listed waits for a person."""
    return _ENDS.get(code, Ends.PERSON)


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
    found = _open_id(conn, community, new.key)
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


def is_open(conn: Connection, community: str, key: str) -> bool:
    return _open_id(conn, community, key) is not None


def _open_id(conn: Connection, community: str, key: str) -> int | None:
    where = (alarm.c.community == community) & (alarm.c.subject_key == key) & alarm.c.cleared_ms.is_(None)
    return conn.execute(select(alarm.c.id).where(where)).scalar()


def clear_alarm(conn: Connection, community: str, key: str, now_ms: int) -> None:
    conn.execute(
        update(alarm)
        .where(alarm.c.community == community, alarm.c.subject_key == key, alarm.c.cleared_ms.is_(None))
        .values(cleared_ms=now_ms)
    )
