"""Tables of settlements: what was signed, its leaves with their salts, what each use was settled as, witnesses.

A settlement never changes. Salt and data of a leaf are erased together, and its hash stays, so that other proofs hold.
"""

from sqlalchemy import Table, UniqueConstraint

from .base import community, index, metadata, number, octets, text

settlement = Table(
    "settlement",
    metadata,
    octets("h", key=True),
    community(),
    octets("chain"),
    number("number"),  # 1, 2, 3 ... in its contract chain
    octets("prev", null=True),
    text("unit"),
    number("from_ms"),
    number("to_ms"),
    octets("envelope"),
    number("leaf"),
    number("closed_ms"),
    UniqueConstraint("chain", "number"),
    index("community", "to_ms"),
)

settlement_leaf = Table(
    "settlement_leaf",
    metadata,
    octets("settlement", key=True),
    number("tree", key=True),  # key in the settlement: 5 covers, 7 uses, 10 statements, 12 counters
    number("position", key=True),
    community(),
    octets("h"),  # leaf hash of salt || data
    octets("salt", null=True),  # null with data: erased
    octets("data", null=True),
    octets("party", null=True),  # who pays the use, whose statement it is
    octets("ref", null=True),  # channel hash, use id, statement hash or counter key
    index("party"),
    index("ref"),
)

settlement_slice = Table(
    "settlement_slice",
    metadata,
    octets("settlement", key=True),
    number("use", key=True),  # position of the use among the leaves
    number("position", key=True),
    community(),
    octets("h"),
    octets("salt", null=True),
    octets("data", null=True),
)

settled_use = Table(
    "settled_use",
    metadata,
    octets("use_id", key=True),
    number("number", key=True),  # of the settlement in its chain; the highest stands
    community(),
    octets("chain"),
    octets("settlement"),
    number("leaf"),  # position among the uses; interval uses share one
    octets("position"),  # 48 bytes, sorts in canonical order: metered end, channel hash, number
    number("fee"),
    text("shares"),  # JSON [[party hex, "nano"], ...] in contract order
    text("counters"),  # JSON [[counter hex, "before"], ...]
    number("part", null=True),  # of the use's batch: the part that bills it; null for intervals, closings, decisions
    index("chain", "position"),
    index("settlement", "leaf"),
)

statement = Table(
    "statement",
    metadata,
    octets("h", key=True),
    community(),
    octets("chain"),
    octets("settlement"),
    octets("party"),
    octets("prev", null=True),
    number("opening"),
    number("closing"),
    UniqueConstraint("settlement", "party"),
    index("community", "party"),
)

payer_tag = Table(
    "payer_tag",
    metadata,
    octets("chain", key=True),
    octets("payer", key=True),
    number("period_ms", key=True),  # where its rating period begins
    community(),
    octets("tag"),  # 8 random bytes; the row is deleted when the payer is erased
    UniqueConstraint("tag"),
)

resolution = Table(
    "resolution",
    metadata,
    octets("h", key=True),
    community(),
    octets("chain"),
    octets("channel_hash"),
    number("open_id"),
    text("action"),  # bill | waive
    number("from_total"),
    number("to_total"),
    text("why"),
    octets("prev", null=True),
    octets("envelope"),
    number("leaf"),
    octets("party"),  # who decided
    number("at_ms"),
    octets("settlement", null=True),  # the one that closed the span
    UniqueConstraint("chain", "channel_hash", "open_id"),
    index("channel_hash"),
)

witness = Table(
    "witness",
    metadata,
    text("community", key=True),
    text("name", key=True),  # of its key in notes
    octets("spki"),
    number("added_ms"),
    number("removed_ms", null=True),
)

cosignature = Table(
    "cosignature",
    metadata,
    text("community", key=True),
    number("size", key=True),
    text("name", key=True),
    text("line"),  # of the note
    number("signed_s"),
)
