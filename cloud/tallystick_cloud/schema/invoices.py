"""Tables of documents: what an issuer said of itself, the documents, which statements they took, what is carried.

A document never changes; what was wrong is taken back by another one.
"""

from sqlalchemy import Table, UniqueConstraint

from .base import community, index, metadata, number, octets, row_id, text

invoice_setup = Table(
    "invoice_setup",
    metadata,
    row_id(),  # the highest of an issuer stands
    community(),
    octets("issuer"),
    text("prefix"),
    text("content"),  # TOML as it was given
    number("set_ms"),
    index("community", "issuer"),
)

invoice = Table(
    "invoice",
    metadata,
    text("community", key=True),
    text("number", key=True),  # series-year-position
    text("series"),
    number("year"),
    number("position"),  # 1, 2, 3 ... without a gap in series and year
    text("kind"),  # as in invoices/model.py
    octets("issuer"),  # who numbers it
    octets("seller"),
    octets("buyer"),
    text("period"),  # YYYY-MM, or the payout run
    number("cents"),  # what the buyer owes more by it; negative: less
    text("cites", null=True),  # the document that a credit note takes back
    octets("payout", null=True),  # what a self-billed one is about
    text("content"),  # JSON: everything it says
    octets("hash"),  # SHA-256 of content
    number("issued_ms"),
    UniqueConstraint("community", "series", "year", "position"),
    index("community", "issuer", "period"),
    index("community", "buyer"),
    index("community", "seller"),
)

invoice_statement = Table(
    "invoice_statement",
    metadata,
    octets("statement", key=True),  # h of a party's statement, or of its part of a shared bill
    octets("issuer", key=True),  # who took it, once: versions of a contract may have different collectors
    community(),
    octets("settlement"),  # that it stands in; of a shared bill the same as above
    octets("party"),
    text("number", null=True),  # the document of its fresh uses; null: below a cent, carried
    number("taken_ms"),
    index("settlement", "party"),
)

invoice_carry = Table(
    "invoice_carry",
    metadata,
    octets("issuer", key=True),
    octets("buyer", key=True),
    text("way", key=True),  # transfer | provider: each has documents of its own
    community(),
    number("nano"),  # charged, and in no document yet: less than a cent either way
)
