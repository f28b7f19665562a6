"""SQL of runs of any kind and of who released them: the statements that `schema/runs.py` makes possible.

It never deletes, and it never decides whether a run may move.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Table, func, insert, select, text, update

from .model import OPEN_STATES, RunState

S = TypeVar("S")


def lock(conn: Connection, community: str) -> None:
    """One writer of money that moves per community. On SQLite the one writer holds it already."""
    if conn.dialect.name == "postgresql":
        conn.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:k, 0))"), {"k": f"payout:{community}"})


@dataclass(frozen=True, slots=True)
class RunTables(Generic[S]):
    """The tables of one kind of run; `parsed` makes its value of a row."""

    run: Table
    approval: Table
    parsed: Callable[[Any], S]

    def next_number(self, conn: Connection, community: str) -> int:
        """1, 2, 3 ... in the community."""
        last = conn.execute(select(func.max(self.run.c.number)).where(self.run.c.community == community)).scalar()
        return (last or 0) + 1

    def insert(self, conn: Connection, row: Mapping[str, object]) -> None:
        conn.execute(insert(self.run), dict(row))

    def move(self, conn: Connection, run: bytes, state: RunState, **columns: object) -> None:
        """To that state; `columns`: what is known since, such as `sent_ms`."""
        conn.execute(update(self.run).where(self.run.c.id == run).values(state=state.value, **columns))

    def find(self, conn: Connection, community: str, **wanted: object) -> S | None:
        """The run with such an id, number or key; None when there is none."""
        same = [self.run.c[column] == value for column, value in wanted.items()]
        row = conn.execute(select(self.run).where(self.run.c.community == community, *same)).one_or_none()
        return None if row is None else self.parsed(row)

    def find_open(self, conn: Connection, community: str, collector: bytes) -> S | None:
        """The collector's run that is not sent or cancelled yet; there is one at most."""
        mine = (self.run.c.community == community, self.run.c.collector == collector)
        states = [state.value for state in OPEN_STATES]
        row = conn.execute(select(self.run).where(*mine, self.run.c.state.in_(states))).first()
        return None if row is None else self.parsed(row)

    def all(self, conn: Connection, community: str) -> list[S]:
        """The newest first."""
        newest = self.run.c.number.desc()
        rows = conn.execute(select(self.run).where(self.run.c.community == community).order_by(newest))
        return [self.parsed(row) for row in rows]

    def insert_approval(self, conn: Connection, row: Mapping[str, object]) -> None:
        conn.execute(insert(self.approval), dict(row))

    def approvers(self, conn: Connection, run: bytes) -> set[bytes]:
        """Who said yes to the run of that id."""
        rows = conn.execute(select(self.approval.c.party).where(self.approval.c.run == run))
        return {bytes(party) for party in rows.scalars()}
