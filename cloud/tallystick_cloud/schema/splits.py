"""Tables of split instructions: what a payment provider is to charge and to whom it passes it on, run by run.

Names, accounts and amounts of a run are those of the moment of the proposal; only the standing of a run or a payment
moves.
"""

from sqlalchemy import Table, UniqueConstraint

from .base import community, index, metadata, number, octets, text
from .runs import approval_table

split_account = Table(  # how the provider calls a party; erased with the person
    "split_account",
    metadata,
    octets("party", key=True),
    community(),
    text("account"),
    number("set_ms"),
)

split_due = Table(  # what a settlement added to what a payer owes a party through the provider; written once
    "split_due",
    metadata,
    octets("chain", key=True),
    number("number", key=True),  # of the settlement
    octets("payer", key=True),
    octets("party", key=True),
    community(),
    number("nano"),
)

split_run = Table(
    "split_run",
    metadata,
    octets("id", key=True),  # SHA-256 of what it instructs
    community(),
    number("number"),  # 1, 2, 3 ... in its community
    text("key"),  # idempotency of the proposal
    octets("collector"),
    text("collector_name"),
    text("unit"),
    text("execution_day"),  # YYYY-MM-DD
    text("state"),  # proposed | approved | written | sent | settled | cancelled
    octets("proposer"),
    number("proposed_ms"),
    number("approved_ms", null=True),
    number("written_ms", null=True),
    number("sent_ms", null=True),
    number("closed_ms", null=True),
    text("held"),  # JSON: what is due and not instructed in this run, each with reason and next step
    UniqueConstraint("community", "number"),
    UniqueConstraint("community", "key"),
    index("community", "state"),
)

split_payment = Table(
    "split_payment",
    metadata,
    octets("id", key=True),  # SHA-256; its first 16 bytes in hex are the payment's name at the provider
    community(),
    octets("run"),
    number("position"),
    octets("chain"),
    text("contract"),  # its name
    octets("payer"),
    text("reference"),  # what the collector and the payer know it by, ISO 11649
    text("payer_account"),  # at the provider; empty: not known here
    number("cents"),  # what is charged: the sum of its parts
    text("outcome", null=True),  # paid | refused | returned
    number("outcome_ms", null=True),
    number("paid_ms", null=True),  # when it was booked as paid; stays when it is taken back later
    UniqueConstraint("run", "position"),
    index("community", "payer"),
    index("chain", "payer"),
)

split_part = Table(
    "split_part",
    metadata,
    octets("payment", key=True),
    number("position", key=True),
    community(),
    octets("party"),
    text("account"),  # in the books: payable | fund
    text("name"),
    text("provider_account"),
    number("due"),  # nano that were due
    number("cents"),  # what is passed on of it
    index("community", "party"),
)

split_approval = approval_table("split_approval")
