"""Make a backup, check one, restore one.

It never writes into a database that holds a community unless told to replace it, and a restore is one transaction:
what does not come out as the manifest says leaves everything as it was.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import Connection, inspect, select

from tallystick_cloud import migrations
from tallystick_cloud.errors import BadInput, Conflict
from tallystick_cloud.schema import community as communities

from . import container, manifest, tables
from .container import Kind
from .manifest import Manifest, Measured
from .measure import measure
from .tables import Progress


@dataclass(frozen=True, slots=True)
class Restored:
    manifest: Manifest
    communities: tuple[Measured, ...]  # as measured in the restored database
    origins: tuple[str, ...] = ()  # under which names the logs go on


def write(conn: Connection, out: BinaryIO, keys: Callable[[], bytes | None], now: datetime, say: Progress) -> Manifest:
    """One consistent look at everything; `keys` is asked after it, so that no community in it lacks its keys."""
    schema = migrations.revision_of(conn)
    if schema is None:
        raise BadInput("--db", "is no database of an aggregator; run `tallystick init` or name another one")
    found = tables.tables_of(conn, schema)
    stands = measure(conn)
    expected = tables.counts(conn, found)
    writer = container.Writer(out)
    tables.dump(conn, found, expected, writer, say)
    blob = keys()
    if blob is not None:
        writer.frame(Kind.KEYS, blob)
    made = Manifest(
        program=version("tallystick-cloud"),
        schema=schema,
        made=now.astimezone(UTC).isoformat(timespec="seconds"),
        database=conn.dialect.name,
        keys="left out" if blob is None else "sealed",
        communities=stands,
        tables=expected,
        contents=writer.contents,
    )
    writer.frame(Kind.MANIFEST, made.encode())
    writer.finish()
    return made


@dataclass(frozen=True, slots=True)
class Checked:
    """A file that is whole; `keys` is still sealed."""

    path: Path
    digest: bytes
    manifest: Manifest
    keys: bytes | None


def check(path: Path, say: Progress = lambda what, done, total: None) -> Checked:
    """Read the whole file: checksum, frames, the manifest's counts. Raises BadInput; needs no database."""
    digest = container.check_digest(path)
    rows: dict[str, int] = {}
    keys: bytes | None = None
    last: bytes | None = None
    before = hashlib.sha256(container.MAGIC)
    for frame in container.frames(path):
        if last is not None:
            raise BadInput(str(path), "goes on after its manifest; take another copy")
        match frame.kind:
            case Kind.ROWS:
                table, _, _, some = container.rows_of(frame.payload)
                rows[table] = rows.get(table, 0) + len(some)
                say("reading", sum(rows.values()), 0)
            case Kind.KEYS:
                keys = frame.payload
            case Kind.MANIFEST:
                last = frame.payload
                continue
        before.update(frame.kind.value.encode() + len(frame.payload).to_bytes(4, "big") + frame.payload)
    if last is None:
        raise BadInput(str(path), "ends without its manifest; take another copy")
    found = manifest.decode(last)
    told = {name: count for name, count in found.tables.items() if count}
    if told != rows or found.contents != before.hexdigest() or (keys is None) != (found.keys != "sealed"):
        raise BadInput(str(path), "holds something else than its manifest says; take another copy")
    return Checked(path, digest, found, keys)


def check_target(conn: Connection, replace: bool) -> None:
    """Raises Conflict for a database with a community in it, unless it is to be replaced, or with tables of others.

    A restore begins by dropping every table.
    """
    strangers = tables.strangers(conn)
    if strangers:
        raise Conflict("--db", f"holds tables that are not ours: {', '.join(strangers)}; name a database of its own")
    names = held(conn)
    if names and not replace:
        raise Conflict("--db", f"holds {', '.join(names)} already; name an empty database, or add --replace")


def held(conn: Connection) -> list[str]:
    """Communities in a database, also one without tables."""
    if not inspect(conn).has_table(communities.name):
        return []
    return list(conn.execute(select(communities.c.id).order_by(communities.c.id)).scalars())


def restore(conn: Connection, checked: Checked, replace: bool, say: Progress) -> Restored:
    """Tables of the backup's schema, its rows, then the migrations since; measured again before it is kept."""
    check_target(conn, replace)
    known, since = migrations.revisions(), checked.manifest.schema
    if since not in known:
        said = f"has tables of schema {since}, which this program does not know"
        raise BadInput(str(checked.path), f"{said}; update the program first")
    tables.drop_all(conn)
    migrations.upgrade(conn, since)
    found = tables.tables_of(conn, since)
    done = 0
    for frame in container.frames(checked.path):
        if frame.kind is Kind.ROWS:
            name, columns, octets, rows = container.rows_of(frame.payload)
            if name not in found:
                raise BadInput(str(checked.path), f"has a table {name!r} that its schema lacks; take another copy")
            tables.load(conn, found[name], columns, octets, rows)
            done += len(rows)
            say(f"restoring {name}", done, checked.manifest.rows)
    tables.count_on(conn, found)
    if container.check_digest(checked.path) != checked.digest:
        raise BadInput(str(checked.path), "was changed while it was read; nothing is restored")
    if since != known[-1]:
        migrations.upgrade(conn)
    stands = measure(conn)
    if stands != checked.manifest.communities:
        why = "holds rows whose log or balances are others than its manifest says; nothing is restored"
        raise BadInput(str(checked.path), why)
    return Restored(checked.manifest, stands)
