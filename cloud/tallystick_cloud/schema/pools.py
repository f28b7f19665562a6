"""Tables of pools: what the grid's files say of meters and prices, and which periods were closed.

Nothing in them is ever changed but to erase a person; a corrected value is a row of its own with a higher version.
"""

from sqlalchemy import Table

from .base import community, index, metadata, number, octets, row_id, text

grid_file = Table(
    "grid_file",
    metadata,
    octets("h", key=True),  # SHA-256 of the file as it came
    community(key=True),
    text("kind"),  # energy | price | coefficients
    text("name"),
    number("row_count"),
    number("taken_ms"),
)

grid_row = Table(  # energy of one meter in one interval, as the grid says: evidence level 0
    "grid_row",
    metadata,
    community(key=True),
    text("meter", key=True),
    text("direction", key=True),  # injected | withdrawn
    number("start_ms", key=True),
    number("version", key=True),  # from 1; the highest stands
    number("span_ms"),
    number("wh"),
    octets("file"),
    text("why", null=True),  # of a correction
    number("taken_ms"),
    index("community", "start_ms"),
)

series_price = Table(
    "series_price",
    metadata,
    community(key=True),
    text("series", key=True),
    number("start_ms", key=True),
    number("version", key=True),
    text("price"),  # an exact decimal in the unit and the measure of whoever uses the series
    octets("file"),
    text("why", null=True),
    number("taken_ms"),
)

coefficient = Table(  # of one meter in each hour of one year, as whole numbers of a millionth
    "coefficient",
    metadata,
    octets("h", key=True),  # SHA-256 of the file, as the contract names it
    community(key=True),
    text("meter", key=True),
    number("year"),
    octets("weights"),  # four bytes big-endian per hour, from local midnight of 1 January on
)

pool_close = Table(
    "pool_close",
    metadata,
    row_id(),
    community(),
    octets("chain"),
    number("from_ms"),
    number("to_ms"),
    text("kind"),  # account | final
    number("number"),  # from 1 in its period and kind
    number("interval_count"),
    number("open_count"),
    number("journal", null=True),  # null: nothing to post
    number("closed_ms"),
    octets("h", null=True),  # hash of the signed close; null for closes of before they were signed
    octets("envelope", null=True),
    number("leaf", null=True),
    octets("digest", null=True),  # of the intervals, so that closing the same data again changes nothing
    index("chain", "from_ms"),
)

pool_interval = Table(  # one interval of a close: a leaf of its tree, and what it is made of
    "pool_interval",
    metadata,
    number("close", key=True),  # pool_close.id
    number("position", key=True),
    community(),
    number("start_ms"),
    octets("version"),  # h of the contract version
    octets("salt"),
    octets("record"),  # IntervalRecord
    text("meters"),  # JSON [[point, injected, withdrawn, allocated], ...] in Wh
    text("worth"),  # JSON ["nano", ...] of the plants, in the order of `meters`
    text("money"),  # JSON [[point, group / null, "nano"], ...]; null: above the threshold, or negative: owed
    index("close", "start_ms"),
)

pool_secret = Table(  # what cuts and salts the numbers of one meter of one close
    "pool_secret",
    metadata,
    number("close", key=True),
    octets("version", key=True),
    number("point", key=True),
    community(),
    octets("secret"),
)

pool_erased = Table(  # a leaf of a meter whose numbers and secret are gone, so that the others' proofs can be made
    "pool_erased",
    metadata,
    number("close", key=True),
    number("position", key=True),  # of the interval
    number("leaf", key=True),  # its index in the interval's tree
    community(),
    octets("node"),  # SumNode
)

pool_statement = Table(  # a party's statement in a close: a leaf of its tree
    "pool_statement",
    metadata,
    number("close", key=True),
    number("position", key=True),
    community(),
    octets("party"),
    octets("h"),  # hash of the statement
    octets("leaf"),  # hash of the leaf
    octets("salt", null=True),  # null, with the bytes: erased
    octets("data", null=True),
    number("moved"),  # nano that the close gives (or, negative, takes), without corrections and payments
    number("closing"),
    number("journal"),  # the newest that is in it
    index("community", "party"),
)
