"""What batches of one transaction write, kept until all of them are worked in and written table by table.

It never decides anything, and nothing reads a row of it before it is written.
"""

from dataclasses import dataclass, field

from sqlalchemy import Connection

from tallystick_cloud import bulk
from tallystick_cloud.gateways import store as gateways
from tallystick_cloud.schema import batch, channel, open_use, part

from . import store
from .channel_row import CHANNEL_STATE
from .store import Values

Row = tuple[object, ...]


@dataclass(slots=True)
class Pending:
    """Rows by table, in the order of its columns, or as their names say."""

    channels: list[Row] = field(default_factory=list)  # channel hash, then CHANNEL_STATE
    opened: list[Row] = field(default_factory=list)
    moved: list[tuple[bytes, int, str]] = field(default_factory=list)  # open uses and their new state
    ended: list[tuple[bytes, int]] = field(default_factory=list)
    exceptions: list[Values] = field(default_factory=list)
    heads: list[gateways.Moved] = field(default_factory=list)
    contacts: list[gateways.Counted] = field(default_factory=list)
    batches: list[Row] = field(default_factory=list)
    parts: list[Row] = field(default_factory=list)

    def write_work(self, conn: Connection) -> None:
        """What became of the channels. Then it is empty of it."""
        bulk.update_rows(conn, channel, "channel_hash", CHANNEL_STATE, self.channels)
        bulk.insert_rows(conn, open_use, self.opened)
        store.move_open_uses(conn, self.moved)
        store.end_open_uses(conn, self.ended)
        store.insert_exceptions(conn, self.exceptions)
        self.channels, self.opened, self.moved, self.ended, self.exceptions = [], [], [], [], []

    def write_heads(self, conn: Connection) -> None:
        """Where the gateways' chains stand, and when they were heard."""
        gateways.move_heads(conn, self.heads)
        gateways.count_all(conn, self.contacts)
        self.heads, self.contacts = [], []

    def write_batches(self, conn: Connection) -> None:
        """The batches as they came."""
        bulk.insert_rows(conn, batch, self.batches)
        bulk.insert_rows(conn, part, self.parts)
        self.batches, self.parts = [], []
