"""The table of disputes: one of a use at most, what was said and shown for it, and how it ended.

A row changes once, when it is decided.
"""

from sqlalchemy import Table, UniqueConstraint

from .base import community, index, metadata, number, octets, text

dispute = Table(
    "dispute",
    metadata,
    octets("id", key=True),  # SHA-256 of community and use
    community(),
    octets("use_id"),
    octets("chain"),
    octets("opened_by"),
    number("opened_ms"),
    text("why"),
    octets("shown", null=True),  # a document for it
    text("state"),  # open | upheld | rejected
    octets("decided_by", null=True),
    number("decided_ms", null=True),
    text("decision", null=True),
    octets("decision_shown", null=True),
    text("given_back", null=True),  # JSON [[party hex, "nano"], ...] as on statements: the payer's first
    UniqueConstraint("use_id"),
    index("community", "state"),
    index("chain", "decided_ms"),
)
