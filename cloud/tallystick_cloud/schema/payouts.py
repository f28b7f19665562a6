"""Tables of payouts: a run per collector, its payouts, who released it.

Names, accounts and amounts are those of the moment of the proposal; only the standing of a run or payout moves.
"""

from sqlalchemy import Table, UniqueConstraint

from .base import community, index, metadata, number, octets, text

payout_run = Table(
    "payout_run",
    metadata,
    octets("id", key=True),  # SHA-256 of what it pays: the bank file's ids follow from it
    community(),
    number("number"),  # 1, 2, 3 ... in its community
    text("key"),  # idempotency of the proposal
    octets("collector"),
    text("debtor"),  # the collector's name and account as in the bank file
    text("debtor_iban"),
    text("unit"),
    text("execution_day"),  # YYYY-MM-DD
    text("state"),  # proposed | approved | written | sent | settled | cancelled
    octets("proposer"),
    number("proposed_ms"),
    number("approved_ms", null=True),
    number("written_ms", null=True),
    octets("file_hash", null=True),  # SHA-256 of the bank file
    number("sent_ms", null=True),
    number("closed_ms", null=True),
    text("held"),  # JSON: what is owed and not paid in this run, each with reason and next step
    UniqueConstraint("community", "number"),
    UniqueConstraint("community", "key"),
    index("community", "state"),
)

payout = Table(
    "payout",
    metadata,
    octets("id", key=True),  # SHA-256; its first 16 bytes in hex are the end-to-end id at the bank
    community(),
    octets("run"),
    number("position"),
    octets("party"),
    text("account"),  # payable | fund
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

payout_approval = Table(
    "payout_approval",
    metadata,
    octets("run", key=True),
    octets("party", key=True),
    community(),
    octets("envelope", null=True),  # null: said in a signed-in session
    number("leaf", null=True),
    number("at_ms"),
)
