"""Who may move a run of any kind, and which days a bank takes; every refusal names party or run and next step.

It never changes anything.
"""

from collections.abc import Set
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Connection

from tallystick_cloud.errors import BadInput, Conflict
from tallystick_cloud.parties.store import managers, names_by_id

from .errors import NotSecondPerson
from .model import AnyRun, Names, StoredRun

DAYS_AHEAD_MAX = 365  # banks hold an order for about a year


def check_handler(conn: Connection, community: str, party: bytes, collector: bytes, names: Names) -> None:
    """The collector itself or a community manager. Raises NotSecondPerson."""
    if party != collector and party not in managers(conn, community):
        who = names.get(party, party.hex())
        detail = f"{who} may not handle payouts; {names[collector]} or a community manager does that"
        raise NotSecondPerson("party", detail)


def check_second(conn: Connection, community: str, run: AnyRun, party: bytes, others: Set[bytes], who: str) -> None:
    """Never the proposer; a community manager, the collector or one of `others`, whom `who` names in words.

    Raises NotSecondPerson.
    """
    number, name = run.stored.number, names_by_id(conn, community).get(party, party.hex())
    if party == run.stored.proposer:
        raise NotSecondPerson("party", f"{name} proposed run {number}; somebody else must release it")
    if party not in others | managers(conn, community) | {run.stored.collector}:
        detail = f"{name} may not release run {number}; a community manager or {who} does"
        raise NotSecondPerson("party", detail)


def check_none_open(before: StoredRun | None, what: str, names: Names, refused: type[Conflict]) -> None:
    """A collector has one run at a time; raises `refused` for `what`, such as payout run, where one is `before`."""
    if before is not None:
        stands = f"{before.number} of {names[before.collector]} is {before.state.value}"
        raise refused(what, f"{stands}; send it or cancel it first")


def check_day(day: date, now_ms: int) -> None:
    """From today to a year ahead. Raises BadInput."""
    today = datetime.fromtimestamp(now_ms // 1000, UTC).date()
    if not today <= day <= today + timedelta(days=DAYS_AHEAD_MAX):
        raise BadInput("execution day", f"is {day}; name a day from {today} to {DAYS_AHEAD_MAX} days later")


def working_day(now_ms: int, days_ahead: int) -> date:
    """The first day that banks work, so many days ahead or later: no Saturday or Sunday."""
    day = datetime.fromtimestamp(now_ms // 1000, UTC).date() + timedelta(days=days_ahead)
    return day + timedelta(days=max(0, 7 - day.weekday()) if day.weekday() > 4 else 0)
