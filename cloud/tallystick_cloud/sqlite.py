"""Functions of PostgreSQL that queries over uses call, for SQLite: the same query reads the same rows on both.

They know no table; each has the meaning that the PostgreSQL manual gives it (9.4, 9.3).
"""

import sqlite3
from bisect import bisect_right
from collections.abc import Sequence
from itertools import count

EDGES_MAX = 256  # kept; a query that runs uses one of the newest
_edges: dict[int, Sequence[int]] = {}
_numbers = count()


def add_functions(connection: sqlite3.Connection) -> None:
    connection.create_function("strpos", 2, _strpos, deterministic=True)
    connection.create_function("split_part", 3, _split_part, deterministic=True)
    connection.create_function("width_bucket", 2, _width_bucket, deterministic=True)


def keep(edges: Sequence[int]) -> int:
    """What `width_bucket` takes for an array: SQLite has none, and a text of thousands would be read for each row."""
    number = next(_numbers)
    _edges[number] = edges
    _edges.pop(number - EDGES_MAX, None)
    return number


def _strpos(text: str, part: str) -> int:
    return text.find(part) + 1


def _split_part(text: str, delimiter: str, number: int) -> str:
    fields = text.split(delimiter)
    return fields[number - 1] if 0 < number <= len(fields) else ""


def _width_bucket(value: int, kept: int) -> int:
    """How many of the edges, which rise, are not above the value."""
    return bisect_right(_edges[kept], value)
