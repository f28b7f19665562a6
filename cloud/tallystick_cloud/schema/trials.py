"""The table of test runs: when whose use of an asset is a test, so that nobody pays for it.

It never says which uses those were; that follows from when they began.
"""

from sqlalchemy import Table

from .base import community, index, metadata, number, octets, row_id, text

trial = Table(
    "trial",
    metadata,
    row_id(),
    community(),
    text("asset"),
    number("from_ms"),
    number("to_ms"),  # earlier than planned when somebody ended it
    octets("by"),
    text("why"),
    index("community", "from_ms"),
)
