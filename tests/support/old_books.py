"""Books as the first release kept them, frozen: `python tests/support/old_books.py` writes them anew (never needed).

Rows that a real town made: washes, readings, a closed month with its settlements, postings and checkpoint.
"""

import base64
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sqlalchemy import Boolean, Connection, LargeBinary, MetaData, Table, Text, func, insert, inspect, select, table

FILE = Path(__file__).resolve().parents[1] / "fixtures" / "databases" / "first-release.json"
Rows = dict[str, list[dict[str, Any]]]


def load() -> Rows:
    """table -> rows; octets are bytes again."""
    return {
        name: [{key: _octets(value) for key, value in row.items()} for row in rows]
        for name, rows in json.loads(FILE.read_text()).items()
    }


def _octets(value: Any) -> Any:
    return base64.b64decode(value["octets"]) if isinstance(value, dict) else value


def put(conn: Connection, rows: Rows) -> None:
    tables = reflected(conn, rows)
    for name, some in rows.items():
        conn.execute(insert(tables[name]), some)


def reflected(conn: Connection, names: Iterable[str]) -> dict[str, Table]:
    found = MetaData()
    found.reflect(conn, only=sorted(names))
    return dict(found.tables)


def counts(conn: Connection, names: Iterable[str]) -> dict[str, int]:
    return {name: conn.execute(select(func.count()).select_from(table(name))).scalar_one() for name in names}


def fill_empty(conn: Connection, known: Iterable[str]) -> dict[str, int]:
    """One row in every new table that has none, so that a migration that forgets rows that are there is found.

    Rows of every table.
    """
    there = set(inspect(conn).get_table_names()) - {"alembic_version"}
    fresh = there - set(known)
    empty = [name for name, count in counts(conn, fresh).items() if count == 0]
    for name, made in reflected(conn, empty).items():
        conn.execute(insert(made), {column.name: _some(name, column.type) for column in made.columns})
    return counts(conn, there)


def _some(name: str, kind: Any) -> Any:
    match kind:
        case LargeBinary():
            return name.encode()
        case Boolean():
            return True
        case Text():
            return f"some {name}"
        case _:
            return 7


def write() -> None:
    from support.books import DAY, HOUR, T0
    from support.settled import AFTER_NOVEMBER, NOVEMBER, open_world
    from tallystick_cloud import schema
    from tallystick_cloud.db import Database
    from tallystick_cloud.migrations import upgrade

    world = open_world()
    for day in range(2):
        world.wash(T0 + day * DAY + 9 * HOUR, "60" if day else "30")
    world.meter([(T0 + step * HOUR, 1000 + step * 700) for step in range(3)])
    world.close(NOVEMBER, AFTER_NOVEMBER)
    world.sign(AFTER_NOVEMBER)
    first = Database("sqlite://")
    first.write_now(upgrade, "0001")
    old = first.read_now(lambda conn: reflected(conn, set(inspect(conn).get_table_names()) - {"alembic_version"}))
    found: Rows = {}
    for name, made in sorted(old.items()):
        shared = [column.name for column in made.columns if column.name in schema.metadata.tables[name].c]
        rows = world.books.rows(schema.metadata.tables[name])
        if rows:
            found[name] = [{key: row[key] for key in shared} for row in rows]
    (certificate,) = world.books.rows(schema.gateway_certificate)
    found["gateway"][0]["certificate_serial"] = certificate["serial"]
    FILE.parent.mkdir(parents=True, exist_ok=True)
    plain = lambda value: {"octets": base64.b64encode(value).decode()}  # noqa: E731
    FILE.write_text(json.dumps(found, default=plain, indent=0, sort_keys=True) + "\n")


if __name__ == "__main__":
    write()
