"""Names and column types that all tables share.

It never knows a table; every table states its community in its own columns.
"""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, MetaData, Text

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite makes only a plain INTEGER primary key count by itself.
RowId = BigInteger().with_variant(Integer(), "sqlite")


def community(*, key: bool = False) -> Column[str]:
    return Column("community", Text, primary_key=key, nullable=False)


def row_id() -> Column[int]:
    """A number for rows that nothing outside refers to by content."""
    return Column("id", RowId, primary_key=True, autoincrement=True)


def text(name: str, *, null: bool = False, key: bool = False) -> Column[str]:
    return Column(name, Text, primary_key=key, nullable=null)


def number(name: str, *, null: bool = False, key: bool = False) -> Column[int]:
    """A signed 64-bit integer: milliseconds UTC (_ms), nano of a unit, a total or a count."""
    return Column(name, BigInteger, primary_key=key, nullable=null, autoincrement=False)


def octets(name: str, *, null: bool = False, key: bool = False) -> Column[bytes]:
    return Column(name, LargeBinary, primary_key=key, nullable=null)


def flag(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False)


def index(*columns: str) -> Index:
    return Index(None, *columns)
