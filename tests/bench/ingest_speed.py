"""What an upload costs before it is rated or written, in microseconds of CPU: it prints a table and checks nothing.

python tests/bench/ingest_speed.py [batches]
"""

import gc
import sys
from collections.abc import Iterator
from pathlib import Path
from time import process_time

sys.path.insert(0, str(Path(__file__).parents[1]))

from sqlalchemy import Connection
from support.books import Books
from support.load import FLATS, LATER, SLICES, WASHES, in_turn, open_load
from support.uploads import SimGateway
from tallystick_cloud.contracts import store as contracts
from tallystick_cloud.gateways.store import lock_head
from tallystick_cloud.ingest import store
from tallystick_cloud.ingest.bench import Bench, Sheet, clocks_of
from tallystick_cloud.ingest.pending import Pending
from tallystick_protocol.batch import OpenedUpload, open_upload

HOUSES = 8
USES = {"intervals": FLATS * SLICES, "events": WASHES, "single": 1}
Opened = list[tuple[SimGateway, OpenedUpload]]


def opened(uploads: list[tuple[SimGateway, bytes]], spent: list[float]) -> Opened:
    """Bytes to values, hashes of parts checked; signatures are not, which takes as long as it takes."""
    found = []
    for gateway, data in uploads:
        begun = process_time()
        one = open_upload(data)
        spent.append(process_time() - begun)
        found.append((gateway, one))
    return found


def worked(conn: Connection, batches: Opened) -> Iterator[float]:
    """Values to uses: ordered, cut, each with its contract; the channels' rows are read before and written after."""
    for gateway, one in batches:
        head = lock_head(conn, gateway.gid)
        assert head is not None
        stock = store.stocks(conn, {gateway.gid: None})[gateway.gid]
        book = contracts.book(conn, head.community)
        parts, pending = list(enumerate(one.parts)), Pending()
        begun = process_time()
        sheet = Sheet(head, one.unverified.hash, LATER, LATER)
        done = Bench(conn, sheet, stock=stock, book=book).work(parts, clocks_of(parts), pending)
        yield process_time() - begun
        assert done.uses
        assert not done.troubles
        pending.write_work(conn)


def measured(kind: str, count: int) -> tuple[float, float]:
    """us per batch of opening and of working, each what a tenth of the batches stayed below."""
    books: Books
    books, houses = open_load("sqlite://", HOUSES)
    for house in houses:
        books.send(house.gateway, house.begin(), LATER)
    uploads = [(house.gateway, upload) for house, upload in in_turn(houses, kind, count)]
    gc.collect()
    gc.disable()
    opening: list[float] = []
    batches = opened(uploads, opening)
    working = books.database.write_now(lambda conn: list(worked(conn, batches)))
    gc.enable()
    return sorted(opening)[count // 10] * 1e6, sorted(working)[count // 10] * 1e6


def main() -> None:
    """Print the table."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    for kind, uses in USES.items():
        opening, working = measured(kind, count)
        print(f"{kind:10} opening {opening:7.1f} us/batch {opening / uses:7.2f} us/use", end="")
        print(f"   work {working:7.1f} us/batch {working / uses:7.2f} us/use")


if __name__ == "__main__":
    main()
