"""An account statement as read from camt.053: opening, entries, closing, in cents; pure values.

It never holds an amount as a float, and a statement whose sums do not close is never made.
"""

from dataclasses import dataclass
from datetime import date

from .errors import BankInUnread


@dataclass(frozen=True, slots=True)
class Entry:
    """One movement. `cents` is positive for money that came in and negative for money that left.

    `where`: its path in the file. `count`: payments in it when the bank booked several as one and tells no more.
    `end_to_end`: as given by whoever started it; `block`: the payment information id of our file that it executes.
    """

    where: str
    cents: int
    day: date
    end_to_end: str | None = None
    block: str | None = None
    name: str | None = None
    iban: str | None = None
    remittance: str = ""
    reference: str | None = None  # a creditor reference (ISO 11649), structured
    bank_reference: str | None = None
    is_return: bool = False
    return_reason: str | None = None
    count: int = 1


@dataclass(frozen=True, slots=True)
class AccountStatement:
    """`id` as the bank gave it, unique per account."""

    id: str
    iban: str
    currency: str
    opening_cents: int
    opening_day: date
    closing_cents: int
    closing_day: date
    entries: tuple[Entry, ...]

    def check_closes(self) -> None:
        """Raise BankInUnread unless opening and entries make the closing, and it closes after it opened."""
        if self.closing_day < self.opening_day:
            detail = f"closes on {self.closing_day} and opened on {self.opening_day}; ask the bank for it again"
            raise BankInUnread(f"statement {self.id}", detail)
        moved = sum(entry.cents for entry in self.entries)
        if self.opening_cents + moved != self.closing_cents:
            off = self.closing_cents - self.opening_cents - moved
            detail = f"does not close: opening and {len(self.entries)} entries are {off} cents off the closing"
            raise BankInUnread(f"statement {self.id}", f"{detail}; ask the bank for it again")
