"""The table of turns: who said that a use of a shared asset would be his. Erased with the person.

It never says which use it was; that follows from when it began.
"""

from sqlalchemy import Table

from .base import community, index, metadata, number, octets, row_id, text

turn = Table(
    "turn",
    metadata,
    row_id(),
    community(),
    text("asset"),
    octets("party"),
    number("said_ms"),
    number("from_ms"),  # earlier than said where the machine ran already
    number("to_ms"),
    index("community", "asset", "to_ms"),
    index("community", "party"),
)
