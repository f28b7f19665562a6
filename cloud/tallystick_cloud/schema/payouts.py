"""Tables of payouts: a run per collector, its payouts, who released it.

Names, accounts and amounts are those of the moment of the proposal; only the standing of a run or payout moves.
"""

from sqlalchemy import Table, UniqueConstraint

from .base import community, index, metadata, number, octets, text
from .runs import approval_table, run_table

payout_run = run_table("payout_run", account="debtor", day="execution_day")

payout = Table(
    "payout",
    metadata,
    octets("id", key=True),  # SHA-256; its first 16 bytes in hex are the end-to-end id at the bank
    community(),
    octets("run"),
    number("position"),
    octets("party"),
    text("account"),  # payable | fund | receivable: a payer's credit that is paid back
    octets("chain"),
    text("unit"),
    text("contract"),  # its name
    number("entitlement"),  # nano that were owed
    number("cents"),  # what is paid of it
    text("creditor"),
    text("creditor_iban"),
    number("sent_ms", null=True),
    text("outcome", null=True),  # paid | returned
    number("outcome_ms", null=True),
    UniqueConstraint("run", "position"),
    index("community", "party"),
    index("chain", "party"),
)

payout_approval = approval_table("payout_approval")
