"""What of an asset's ledger the community publishes; no row: nothing.

It never holds a figure; those come from the books.
"""

from sqlalchemy import Table

from .base import community, metadata, number, octets, text

public_rule = Table(
    "public_rule",
    metadata,
    community(key=True),
    text("asset", key=True),
    text("shows"),  # words with commas between: uses,revenue,shares,claims
    number("payers_min"),  # a month with fewer people is not shown
    text("decision"),  # what fixed it: a statute, an assembly's minutes
    octets("decided_by"),
    number("decided_ms"),
)
