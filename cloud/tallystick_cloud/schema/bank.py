"""Tables of what the bank said: account statements, their entries, payments of users, status reports.

Nothing is deleted; an entry in suspense moves once, to whoever it is assigned to.
"""

from sqlalchemy import Table, UniqueConstraint

from .base import community, index, metadata, number, octets, row_id, text

bank_statement = Table(
    "bank_statement",
    metadata,
    row_id(),
    community(),
    octets("holder"),  # whose account it is
    text("iban"),
    text("statement"),  # the bank's id of it
    octets("content"),  # SHA-256 of what was read: the same id with other content is refused
    text("currency"),
    number("opening_cents"),
    number("closing_cents"),
    text("opening_day"),  # YYYY-MM-DD
    text("closing_day"),
    number("base"),  # nano on the account that the books never knew: what was there before the first statement
    number("taken_ms"),
    UniqueConstraint("community", "iban", "statement"),
    index("community", "holder"),
)

bank_entry = Table(
    "bank_entry",
    metadata,
    octets("id", key=True),  # SHA-256 of statement content and place in it
    community(),
    number("statement"),  # id of the row above
    number("position"),
    number("cents"),  # positive: came in
    text("day"),  # YYYY-MM-DD
    text("end_to_end", null=True),
    text("name", null=True),
    text("iban", null=True),
    text("remittance"),
    text("reference", null=True),
    text("bank_reference", null=True),
    text("standing"),  # payout | return | batch | payment | suspense | assigned
    text("about"),  # why, in words
    octets("ref", null=True),  # the payout, the run or the payer
    number("booked_ms"),
    UniqueConstraint("statement", "position"),
    index("community", "standing"),
)

bank_payment = Table(
    "bank_payment",
    metadata,
    octets("id", key=True),  # SHA-256 of entry and contract chain: what a statement's line refers to
    community(),
    octets("entry"),
    octets("party"),  # who paid
    octets("chain"),
    number("nano"),
    number("booked_ms"),
    index("chain", "booked_ms"),
)

bank_report = Table(
    "bank_report",
    metadata,
    row_id(),
    community(),
    text("report"),  # the bank's message id
    octets("content"),  # SHA-256 of the file
    octets("run"),  # the payout run that it answers
    text("status", null=True),
    number("rejected"),  # payments
    number("taken_ms"),
    UniqueConstraint("community", "report"),
)
