"""The tables that runs of payouts and runs of debits have alike: the run itself, and who released it.

They stay two tables each: a run pays or collects, and a yes to one is never a yes to the other.
"""

from sqlalchemy import Table, UniqueConstraint

from .base import community, index, metadata, number, octets, text


def run_table(name: str, *, account: str, day: str) -> Table:
    """A run per collector. `account` and `day`: names of the columns of its own account and of the bank's day."""
    return Table(
        name,
        metadata,
        octets("id", key=True),  # SHA-256 of what it pays or collects: the bank file's ids follow from it
        community(),
        number("number"),  # 1, 2, 3 ... in its community
        text("key"),  # idempotency of the proposal
        octets("collector"),
        text(account),  # the collector's name and account as in the bank file
        text(f"{account}_iban"),
        text("unit"),
        text(day),  # YYYY-MM-DD
        text("state"),  # proposed | approved | written | sent | settled | cancelled
        octets("proposer"),
        number("proposed_ms"),
        number("approved_ms", null=True),
        number("written_ms", null=True),
        octets("file_hash", null=True),  # SHA-256 of the bank file
        number("sent_ms", null=True),
        number("closed_ms", null=True),
        text("held"),  # JSON: what is owed or due and not in this run, each with reason and next step
        UniqueConstraint("community", "number"),
        UniqueConstraint("community", "key"),
        index("community", "state"),
    )


def approval_table(name: str) -> Table:
    """Who released a run."""
    return Table(
        name,
        metadata,
        octets("run", key=True),
        octets("party", key=True),
        community(),
        octets("envelope", null=True),  # null: said in a signed-in session
        number("leaf", null=True),
        number("at_ms"),
    )
