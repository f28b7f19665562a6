"""Leaves a row for everything that is read about uses: who read it, for whom, what, why.

It never decides who may read.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, insert

from tallystick_cloud.schema import access


@dataclass(frozen=True, slots=True)
class Read:
    """`actor` None: whoever runs the server; `party` whose it is."""

    actor: bytes | None
    party: bytes
    resource: str
    rows: int


def write_down(conn: Connection, community: str, read: Read, now_ms: int) -> None:
    own = read.actor == read.party
    basis = "own account" if own else "host" if read.actor is None else "office"
    conn.execute(
        insert(access),
        {
            "community": community,
            "actor": read.actor,
            "on_behalf": None if own else read.party,
            "resource": read.resource,
            "purpose": "to check the account",
            "basis": basis,
            "row_count": read.rows,
            "at_ms": now_ms,
        },
    )
