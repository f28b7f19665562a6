"""Tables of direct debits: mandates of payers, a run per collector, its debits, who released it.

Names, accounts and amounts of a run are those of the moment of the proposal; only the standing of a run or debit moves.
"""

from sqlalchemy import Table, UniqueConstraint

from .base import community, index, metadata, number, octets, text
from .runs import approval_table, run_table

mandate = Table(
    "mandate",
    metadata,
    octets("id", key=True),  # SHA-256 of collector and reference
    community(),
    octets("collector"),
    octets("payer"),
    text("reference"),  # as in the bank file
    text("creditor_id"),  # the collector's, EPC262-08
    text("debtor"),  # name on the account
    text("debtor_iban"),
    text("signed_day"),  # YYYY-MM-DD
    text("sequence"),  # FRST | RCUR: of the first collection made here
    text("used_day", null=True),  # last collection before this program, where there was one
    number("notice_days"),  # how long before a collection the payer is told
    number("added_ms"),
    number("revoked_ms", null=True),
    UniqueConstraint("community", "reference"),
    index("collector", "payer"),
)

debit_run = run_table("debit_run", account="creditor", day="collection_day")

debit = Table(
    "debit",
    metadata,
    octets("id", key=True),  # SHA-256; its first 16 bytes in hex are the end-to-end id at the bank
    community(),
    octets("run"),
    number("position"),
    octets("party"),  # who pays
    octets("mandate"),
    text("reference"),  # of the mandate, with the three below as in the bank file
    text("creditor_id"),
    text("signed_day"),
    text("sequence"),
    number("due"),  # nano that were due
    number("cents"),  # what is collected of it
    text("debtor"),
    text("debtor_iban"),
    text("outcome", null=True),  # collected | returned | rejected
    number("outcome_ms", null=True),
    text("reason", null=True),  # the bank's, of a return or a rejection
    UniqueConstraint("run", "position"),
    index("community", "party"),
    index("mandate"),
)

debit_approval = approval_table("debit_approval")
