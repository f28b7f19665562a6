"""Uses as they are read: a row and its frame together, with every rating or with the one that stands.

Nothing is written through these; `books` has the tables.
"""

from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    LargeBinary,
    Subquery,
    and_,
    case,
    func,
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
    newest, before = rerating.alias("newest"), rerating.alias("before")
    until = () if known_ms is None else (before.c.rated_ms <= known_ms,)
    highest = select(func.max(before.c.revision)).where(before.c.use_id == use_row.c.use_id, *until).scalar_subquery()
    again = and_(newest.c.use_id == use_row.c.use_id, newest.c.revision == highest)
    is_first = newest.c.revision.is_(None)

    def either(name: str, first: ColumnElement[Any]) -> ColumnElement[Any]:
        return case((is_first, first), else_=newest.c[name]).label(name)

    price = [either(name, use_row.c[name]) for name in _PRICE]
    made = [either("revision", _FIRST), either("rated_ms", use_row.c.recorded_ms), newest.c.cause]
    found = select(use_row.c.frame, *_FRAME, *_METERED, *price, *made).select_from(_BOTH.outerjoin(newest, again))
    return (found if known_ms is None else found.where(use_row.c.recorded_ms <= known_ms)).subquery("standing")


standing = standing_at()
"""A row per use with the rating that stands."""
