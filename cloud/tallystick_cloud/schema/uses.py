"""Uses as they are read: a row and its frame together, with every rating or with the one that stands.

Nothing is written through these; `books` has the tables.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Join,
    LargeBinary,
    Select,
    Subquery,
    Table,
    and_,
    case,
    exists,
    literal_column,
    null,
    select,
    type_coerce,
    union_all,
)

from .books import rerating, use_frame, use_row

_PRICE = ("fee", "shares", "counters", "journal")
_FRAME = [column for column in use_frame.c if column.name != "id"]
_METERED = [column for column in use_row.c if column.name not in {"frame", *_PRICE}]
_FIRST: ColumnElement[int] = literal_column("1")
_BOTH = use_row.join(use_frame, use_frame.c.id == use_row.c.frame)

use = select(*_FRAME, *_METERED).select_from(_BOTH).subquery("use")
"""A row per use, whatever it costs."""

use_rating = union_all(
    select(
        use_row.c.use_id, _FIRST.label("revision"), use_frame.c.community, use_frame.c.form,
        use_frame.c.parties, use_row.c.fee, use_row.c.shares, use_row.c.counters,
        type_coerce(null(), LargeBinary).label("cause"), use_row.c.journal, use_row.c.recorded_ms.label("rated_ms"),
    ).select_from(_BOTH),
    select(
        rerating.c.use_id, rerating.c.revision, use_frame.c.community, use_frame.c.form,
        use_frame.c.parties, rerating.c.fee, rerating.c.shares, rerating.c.counters, rerating.c.cause,
        rerating.c.journal, rerating.c.rated_ms,
    ).join(use_row, use_row.c.use_id == rerating.c.use_id).join(use_frame, use_frame.c.id == use_row.c.frame),
).subquery("use_rating")  # fmt: skip
"""A row per use and revision, the first included. To be asked for certain uses, not joined: SQLite would copy it."""


def in_order(uses: FromClause) -> tuple[ColumnElement[Any], ...]:
    """The canonical order of `use` or `standing`."""
    return uses.c.end_ms, uses.c.channel_hash, uses.c.number


def standing_at(known_ms: Any = None) -> Subquery:
    """A row per use with the rating that stands, or that stood at a moment among the uses known then."""
    return _stood(_BOTH, _FRAME, known_ms).subquery("standing")


def _stood(uses: Join | Table, frame: Sequence[ColumnElement[Any]], known_ms: Any = None) -> Select[Any]:
    """A rating stands until there is a later one. Asked of the few ratings that there are, and not as the highest of
    each use, which PostgreSQL would look for once per use."""
    newest, later = rerating.alias("newest"), rerating.alias("later")
    known = () if known_ms is None else (newest.c.rated_ms <= known_ms,)
    known_later = () if known_ms is None else (later.c.rated_ms <= known_ms,)
    is_over = exists().where(later.c.use_id == newest.c.use_id, later.c.revision > newest.c.revision, *known_later)
    again = and_(newest.c.use_id == use_row.c.use_id, *known, ~is_over)
    is_first = newest.c.revision.is_(None)

    def either(name: str, first: ColumnElement[Any]) -> ColumnElement[Any]:
        return case((is_first, first), else_=newest.c[name]).label(name)

    price = [either(name, use_row.c[name]) for name in _PRICE]
    made = [either("revision", _FIRST), either("rated_ms", use_row.c.recorded_ms), newest.c.cause]
    found = select(use_row.c.frame, *frame, *_METERED, *price, *made).select_from(uses.outerjoin(newest, again))
    return found if known_ms is None else found.where(use_row.c.recorded_ms <= known_ms)


standing = standing_at()
"""A row per use with the rating that stands."""
priced = _stood(use_row, ()).subquery("priced")
"""The same without the frame, for whoever joins frames of its own choice."""
