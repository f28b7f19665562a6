"""One door for whatever a bank sends: tells a statement from a status report and hands it on.

It never looks at a file's name.
"""

from sqlalchemy import Connection

from . import camt053, pain002, service, xml
from .service import Reported, Taken


def take(conn: Connection, community: str, data: bytes, now_ms: int) -> list[Taken] | Reported:
    """A camt.053 or pain.002 file into the books. Raises BankInRefused; then nothing of it is taken."""
    message, _ = xml.read(data, (*camt053.MESSAGES, *pain002.MESSAGES))
    if message in pain002.MESSAGES:
        return service.take_report(conn, community, data, now_ms)
    return service.take_statements(conn, community, data, now_ms)
