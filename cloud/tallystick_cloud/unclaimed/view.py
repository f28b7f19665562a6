"""Money that nobody could be paid as its page shows it: in the reader's words, dates and amounts.

It never decides what may be moved or claimed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tallystick_cloud.http.amounts import Amount, exact
from tallystick_cloud.http.locale import N_, Wording

from .model import Due, Reason
from .report import ID_CHARS

Names = Mapping[bytes, str]

REASONS = {
    Reason.NO_ACCOUNT: N_("no bank account was known"),
    Reason.CAME_BACK: N_("the last payout came back, and no other account was given since"),
    Reason.ERASED: N_("the person asked to be forgotten"),
}


@dataclass(frozen=True, slots=True)
class DueView:
    """What could be moved now."""

    party: str
    holder: str
    why: str
    unit: str
    amount: Amount


@dataclass(frozen=True, slots=True)
class RowView:
    """What was moved and waits. `is_reader`: it is owed to whoever looks, who cannot give it to itself."""

    id: str
    short: str
    party: str
    holder: str
    unit: str
    amount: Amount
    reason: str
    why: str
    moved: str
    days: str
    has_account: bool
    is_reader: bool


@dataclass(frozen=True, slots=True)
class ClaimedView:
    """What was given back."""

    party: str
    unit: str
    amount: Amount
    day: str
    by: str
    identity: str


def due_view(one: Due, days: int, names: Names, w: Wording) -> DueView:
    _ = w.gettext
    reason = _(REASONS[one.reason])
    why = _("{reason}, for more than {n} days").format(reason=reason, n=w.count(days))
    return DueView(names[one.owed.party], names[one.owed.holder], why, one.owed.unit, exact(one.nano, w))


def row_view(row: Any, names: Names, w: Wording, *, days: int, has_account: bool, is_reader: bool) -> RowView:
    _ = w.gettext
    since = _("{n} days ago").format(n=w.count(days)) if days > 1 else _("yesterday") if days else _("today")
    return RowView(
        bytes(row.id).hex(),
        bytes(row.id).hex()[:ID_CHARS],
        names[bytes(row.party)],
        names[bytes(row.holder)],
        row.unit,
        exact(row.nano, w),
        _(REASONS[Reason(row.reason)]),
        row.why or _("erased at the person's wish"),
        _("moved {day} by {name}").format(day=w.date(row.moved_ms), name=names[bytes(row.moved_by)]),
        since,
        has_account,
        is_reader,
    )


def claimed_view(row: Any, names: Names, w: Wording) -> ClaimedView:
    return ClaimedView(
        names[bytes(row.party)],
        row.unit,
        exact(row.nano, w),
        w.date(row.claimed_ms),
        names[bytes(row.claimed_by)],
        row.identity or w.gettext("erased at the person's wish"),
    )
