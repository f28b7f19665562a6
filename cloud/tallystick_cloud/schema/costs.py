"""Tables of bills that are shared by a key: each bill with the file that said how, and what every stay pays of it.

Nothing in them is ever changed but for a reversal, which happens once.
"""

from sqlalchemy import Table, UniqueConstraint

from .base import community, index, metadata, number, octets, text

cost_bill = Table(
    "cost_bill",
    metadata,
    octets("id", key=True),  # SHA-256 of community and bill id
    community(),
    text("bill"),  # its id, as the file says
    octets("content"),  # SHA-256 of everything that the file says: the same id with other content is refused
    octets("chain"),  # the pool's: what postings and statement lines belong to
    text("name"),  # of the pool
    text("document"),  # the file
    text("decision_ref"),  # what fixed the key
    octets("collector"),
    octets("supplier", null=True),  # who is owed the bill; null: the collector has paid it
    text("unit"),
    number("cents"),
    text("first_day"),  # YYYY-MM-DD, both included
    text("last_day"),
    octets("posted_by"),
    number("posted_ms"),
    octets("reversed_by", null=True),
    number("reversed_ms", null=True),
    text("reversed_why", null=True),
    UniqueConstraint("community", "bill"),
    index("chain"),
)

cost_share = Table(
    "cost_share",
    metadata,
    octets("bill", key=True),  # id of the row above
    number("position", key=True),
    community(),
    octets("party"),  # who pays
    text("asset"),  # the flat
    text("first_day"),  # YYYY-MM-DD, both included
    text("last_day"),
    number("people"),  # 0: nobody lived there, the owner pays
    number("cents"),
    text("parts"),  # JSON [[portion, by, own, total], ...], fractions as text
    index("community", "party"),
)

cost_settlement = Table(  # a bill as it was signed and logged, and what takes it back
    "cost_settlement",
    metadata,
    octets("h", key=True),
    community(),
    octets("bill"),  # id of the bill
    octets("reverses", null=True),  # the h that it takes back
    octets("envelope"),
    number("leaf"),
    number("signed_ms"),
    index("bill"),
)

cost_leaf = Table(  # a leaf of a signed bill's tree
    "cost_leaf",
    metadata,
    octets("bill", key=True),
    number("leaf", key=True),
    community(),
    octets("party"),
    octets("salt"),
    octets("piece"),  # CostPiece
)
