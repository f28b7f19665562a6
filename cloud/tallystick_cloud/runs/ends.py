"""Which rows the end-to-end ids in a bank's file mean: each is the first half of a payment's id, in hex.

It never reads more than is named.
"""

import re
from collections.abc import Iterable, Iterator

from sqlalchemy import Column, ColumnElement, or_

from .model import END_BYTES

AT_ONCE = 200  # conditions of one statement: SQLite takes a thousand
_END = re.compile(f"[0-9a-f]{{{2 * END_BYTES}}}")
_REST = 32 - END_BYTES


def named_by(column: Column[bytes], ends: Iterable[str]) -> Iterator[ColumnElement[bool]]:
    """Conditions on a column of ids, so many ids at a time; what cannot be ours is left out."""
    known = sorted({bytes.fromhex(end) for end in ends if _END.fullmatch(end)})
    for at in range(0, len(known), AT_ONCE):
        some = known[at : at + AT_ONCE]
        yield or_(*(column.between(one + bytes(_REST), one + b"\xff" * _REST) for one in some))
