"""What tests of arriving uploads need: a gateway in the cellar, its readings, and looks at the books."""

from support.books import T0, Books
from support.uploads import SimGateway, money, segment
from tallystick_cloud import schema
from tallystick_protocol.part import Part

MINUTE = 60_000
QUARTER = 15 * MINUTE


def gateway_at(books: Books, name: str = "cellar") -> SimGateway:
    """Enrolled at the cellar."""
    gateway = SimGateway(name)
    books.enrol(gateway, "cellar")
    return gateway


def readings(first: int, total: int, count: int = 13, step: int = 50, start: int = T0) -> Part:
    """`count` readings every five minutes on channel 1."""
    rows = [(start + index * 5 * MINUTE, total + index * step) for index in range(count)]
    return money(1, [segment(first, rows, serial="S1")])


def fees(books: Books) -> int:
    """Nano of all prices that were ever given."""
    return sum(int(row["fee"]) for row in books.rows(schema.use_rating))  # type: ignore[call-overload]


def channel(books: Books, number: int) -> dict[str, object]:
    """Its row."""
    return next(row for row in books.rows(schema.channel) if row["channel"] == number)
