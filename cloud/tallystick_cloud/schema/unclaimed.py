"""Money that was owed for long and could not be paid: moved to the unclaimed account, and claimed back.

It never holds a balance; that is in the books.
"""

from sqlalchemy import Table

from .base import community, index, metadata, number, octets, text

unclaimed_rule = Table(  # the community's rule; none: nothing is ever moved
    "unclaimed_rule",
    metadata,
    community(key=True),
    number("days"),  # owed for so long, and not payable all that time
    text("decision"),  # what fixed it: a statute, an assembly's minutes
    octets("decided_by"),
    number("decided_ms"),
)

unclaimed = Table(
    "unclaimed",
    metadata,
    octets("id", key=True),
    community(),
    octets("holder"),  # whose debt it stays
    text("account"),  # payable | fund: where it came from
    octets("party"),
    octets("chain"),
    text("unit"),
    number("nano"),
    text("reason"),  # no account | came back | erased
    text("why"),
    octets("moved_by"),
    number("moved_ms"),
    octets("claimed_by", null=True),  # who saw the proof of identity
    number("claimed_ms", null=True),
    text("identity", null=True),  # how it was shown
    index("community", "party"),
)
