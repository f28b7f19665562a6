"""What is owed and could not be paid for as long as the community's rule says; pure.

It never looks at what is younger than the rule, or at what a dispute holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from tallystick_cloud.ledger.model import Account, Amounts, Line, check_zero
from tallystick_cloud.payouts.model import Owed

DAYS_MIN, DAYS_MAX = 30, 36_500
"""A month gives a payee time to send an IBAN; a hundred years is never."""


class Reason(StrEnum):
    NO_ACCOUNT = "no account"  # its bank details were never given, or ended
    CAME_BACK = "came back"  # the last payout was returned, and no other account was given since
    ERASED = "erased"  # the person asked to be forgotten; said by whoever moves it


@dataclass(frozen=True, slots=True)
class Facts:
    """Of one account: nano that stood there when the rule's days began, nano that left it since, nano in dispute."""

    owed: Owed
    then: int
    left: int
    disputed: int


@dataclass(frozen=True, slots=True)
class Due:
    """What may be moved."""

    owed: Owed
    nano: int
    reason: Reason


def old_enough(facts: Facts) -> int:
    """Nano that has been owed all the time: what leaves an account is its oldest money."""
    return max(0, min(facts.owed.nano - facts.disputed, facts.then - facts.left))


def unpayable(
    spans: Sequence[tuple[int, int | None]], last: tuple[str, int] | None, since_ms: int, *, is_erased: bool
) -> Reason | None:
    """Why the party could not be paid since then; None when it could at some time.

    spans: [from, to) of its bank accounts; last: outcome and time of its newest payout.
    """
    if is_erased:
        return Reason.ERASED
    if not any(to_ms is None or to_ms > since_ms for _, to_ms in spans):
        return Reason.NO_ACCOUNT
    if last is not None and last[0] == "returned" and last[1] <= since_ms:
        newer = any(from_ms > last[1] for from_ms, _ in spans)
        return None if newer else Reason.CAME_BACK
    return None


def moved_lines(line: Line, nano: int) -> Amounts:
    """payable or fund -> unclaimed, in the books of the one who owes it."""
    found = {line: nano, unclaimed_line(line): -nano}
    check_zero(found)
    return found


def claimed_lines(line: Line, nano: int) -> Amounts:
    """The same back."""
    return {one: -amount for one, amount in moved_lines(line, nano).items()}


def unclaimed_line(line: Line) -> Line:
    return Line(line.holder, Account.UNCLAIMED, line.party, line.chain, line.unit)
