"""Tables of the transparency log: leaves, head, signed checkpoints, key events.

Leaves are dense and in commit order; a row here is never changed but for the head.
"""

from sqlalchemy import BigInteger, Column, Table, UniqueConstraint

from .base import community, index, metadata, number, octets, text

log_head = Table(
    "log_head",
    metadata,
    text("community", key=True),
    number("size"),
    octets("range"),  # compact range of the tree
    octets("root"),
    number("appended_ms"),
    Column("epoch", BigInteger, nullable=False, server_default="0"),  # seconds UTC since it goes on from a backup
)

log_epoch = Table(  # the log was set back and goes on: the first leaf of each epoch but the first
    "log_epoch",
    metadata,
    text("community", key=True),
    number("epoch", key=True),
    octets("h"),
    octets("envelope"),
    number("leaf"),  # as many leaves as were kept
    number("begun_ms"),
)

log_leaf = Table(
    "log_leaf",
    metadata,
    text("community", key=True),
    number("leaf", key=True),
    number("type"),
    octets("h"),
    octets("leaf_hash"),
    number("appended_ms"),
    UniqueConstraint("community", "h"),
)

checkpoint = Table(
    "checkpoint",
    metadata,
    text("community", key=True),
    number("size", key=True),
    octets("root"),
    octets("note"),
    number("signed_ms"),
)

key_event = Table(
    "key_event",
    metadata,
    octets("h", key=True),
    community(),
    octets("subject"),  # gid, party id, or the role's name in ASCII
    octets("prev", null=True),
    text("action"),  # enrol | rotate | revoke
    octets("spki"),
    octets("envelope"),
    number("leaf"),
    number("at_ms"),
    index("subject"),
)
