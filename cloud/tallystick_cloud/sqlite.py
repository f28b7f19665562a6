"""Functions of PostgreSQL that queries over uses call, for SQLite: the same query reads the same rows on both.

They know no table; each has the meaning that the PostgreSQL manual gives it (9.4, 9.3).
"""

import sqlite3
from bisect import bisect_right
from functools import lru_cache


def add_functions(connection: sqlite3.Connection) -> None:
    connection.create_function("strpos", 2, _strpos, deterministic=True)
    connection.create_function("split_part", 3, _split_part, deterministic=True)
    connection.create_function("width_bucket", 2, _width_bucket, deterministic=True)


def _strpos(text: str, part: str) -> int:
    return text.find(part) + 1


def _split_part(text: str, delimiter: str, number: int) -> str:
    fields = text.split(delimiter)
    return fields[number - 1] if 0 < number <= len(fields) else ""


def _width_bucket(value: int, edges: str) -> int:
    """How many edges, rising numbers with commas between, are not above the value."""
    return bisect_right(_numbers(edges), value)


@lru_cache(maxsize=8)
def _numbers(text: str) -> list[int]:
    return [int(one) for one in text.split(",") if one]
