"""SQL of documents, setups, taken statements and what is carried; and of the settled uses that they are made of.

It never changes a document and never deletes one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, exists, func, insert, or_, select, text, update
from tallystick_protocol.ids import sha256

from tallystick_cloud.schema import (
    asset,
    contract_version,
    invoice,
    invoice_carry,
    invoice_setup,
    invoice_statement,
    settlement,
    settlement_leaf,
    statement,
    use,
)
from tallystick_cloud.settlement.model import TreeKey
from tallystick_cloud.settlement.store import leaf_data

from .content import decode
from .model import UNIT, Document, Kind, Way

IN_MAX = 500


@dataclass(frozen=True, slots=True)
class Stored:
    """A document with what the books know of it beside its content; `cents` is what the buyer owes more by it."""

    document: Document
    issuer: bytes
    seller: bytes
    buyer: bytes
    period: str
    cents: int
    cites: str | None
    payout: bytes | None
    content: str
    hash: bytes
    issued_ms: int

    @property
    def number(self) -> str:
        return self.document.number

    @property
    def kind(self) -> Kind:
        return self.document.kind


def lock(conn: Connection, community: str) -> None:
    """One writer of documents per community, so that numbers have no gap. On SQLite the one writer holds it already."""
    if conn.dialect.name == "postgresql":
        conn.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:k, 0))"), {"k": f"invoice:{community}"})


# ------------------------------------------------------------ setups


def setup_text(conn: Connection, community: str, issuer: bytes) -> str | None:
    """What the issuer said last."""
    return conn.execute(
        select(invoice_setup.c.content)
        .where(invoice_setup.c.community == community, invoice_setup.c.issuer == issuer)
        .order_by(invoice_setup.c.id.desc())
        .limit(1)
    ).scalar_one_or_none()


def prefixes(conn: Connection, community: str) -> dict[str, bytes]:
    """Every prefix that was ever set, and whose it is."""
    rows = conn.execute(
        select(invoice_setup.c.prefix, invoice_setup.c.issuer).where(invoice_setup.c.community == community)
    )
    return {prefix: bytes(issuer) for prefix, issuer in rows}


def insert_setup(conn: Connection, row: Mapping[str, object]) -> None:
    conn.execute(insert(invoice_setup), dict(row))


# ------------------------------------------------------------ documents


def next_position(conn: Connection, community: str, series: str, year: int) -> int:
    """Call it under `lock`."""
    last = conn.execute(
        select(func.max(invoice.c.position)).where(
            invoice.c.community == community, invoice.c.series == series, invoice.c.year == year
        )
    ).scalar()
    return (last or 0) + 1


def payee_series(conn: Connection, community: str, issuer: bytes) -> dict[bytes, str]:
    """payee -> the series of what the issuer writes in its name."""
    rows = conn.execute(
        select(invoice.c.seller, invoice.c.series)
        .where(
            invoice.c.community == community,
            invoice.c.issuer == issuer,
            invoice.c.kind.in_([kind.value for kind in Kind if kind.is_self_billed]),
        )
        .distinct()
    )
    return {bytes(seller): series for seller, series in rows}


def insert_document(conn: Connection, row: Mapping[str, object], content: str) -> None:
    conn.execute(insert(invoice), {**row, "content": content, "hash": sha256(content.encode())})


def find(conn: Connection, community: str, number: str) -> Stored | None:
    row = conn.execute(
        select(invoice).where(invoice.c.community == community, invoice.c.number == number)
    ).one_or_none()
    return None if row is None else _stored(row)


def documents(conn: Connection, community: str, newest: int | None = None, period: str = "") -> list[Stored]:
    """All or so many, the newest first; with `period` those of a month or run."""
    mine = invoice.c.community == community
    return _documents(conn, and_(mine, invoice.c.period == period) if period else mine, newest)


def of_party(conn: Connection, community: str, party: bytes, newest: int) -> list[Stored]:
    """What was issued to a party or in its name, and what it sells; the newest first."""
    mine = or_(invoice.c.buyer == party, invoice.c.seller == party)
    return _documents(conn, and_(invoice.c.community == community, mine), newest)


def of_period(conn: Connection, community: str, issuer: bytes, period: str) -> list[Stored]:
    """In order of their numbers."""
    where = (invoice.c.community == community, invoice.c.issuer == issuer, invoice.c.period == period)
    return list(reversed(_documents(conn, and_(*where))))


def citing(conn: Connection, community: str, number: str) -> list[Stored]:
    """Credit notes that take something of a document back, oldest first."""
    return list(reversed(_documents(conn, and_(invoice.c.community == community, invoice.c.cites == number))))


def _documents(conn: Connection, where: ColumnElement[bool], newest: int | None = None) -> list[Stored]:
    order = (invoice.c.issued_ms.desc(), invoice.c.series.desc(), invoice.c.position.desc())
    return [_stored(row) for row in conn.execute(select(invoice).where(where).order_by(*order).limit(newest))]


def _stored(row: Any) -> Stored:
    return Stored(
        decode(row.content), bytes(row.issuer), bytes(row.seller), bytes(row.buyer), row.period, row.cents, row.cites,
        None if row.payout is None else bytes(row.payout), row.content, bytes(row.hash), row.issued_ms,
    )  # fmt: skip


# ------------------------------------------------------------ what is carried, what is taken


def carried(conn: Connection, issuer: bytes, buyer: bytes, way: Way) -> int:
    found = conn.execute(select(invoice_carry.c.nano).where(*_carry(issuer, buyer, way))).scalar_one_or_none()
    return found or 0


def carry(conn: Connection, community: str, issuer: bytes, buyer: bytes, way: Way, nano: int) -> None:
    if not conn.execute(update(invoice_carry).where(*_carry(issuer, buyer, way)).values(nano=nano)).rowcount:
        row = {"issuer": issuer, "buyer": buyer, "way": way.value, "community": community, "nano": nano}
        conn.execute(insert(invoice_carry), row)


def _carry(issuer: bytes, buyer: bytes, way: Way) -> tuple[ColumnElement[bool], ...]:
    of = invoice_carry.c
    return of.issuer == issuer, of.buyer == buyer, of.way == way.value


def take(conn: Connection, community: str, taken: Iterable[Mapping[str, object]]) -> None:
    rows = [{"community": community, **row} for row in taken]
    if rows:
        conn.execute(insert(invoice_statement), rows)


def taken(conn: Connection, issuer: bytes, ids: Sequence[bytes]) -> set[bytes]:
    """Which of these an issuer has taken."""
    found: set[bytes] = set()
    for at in range(0, len(ids), IN_MAX):
        where = (invoice_statement.c.issuer == issuer, invoice_statement.c.statement.in_(ids[at : at + IN_MAX]))
        found |= {bytes(one) for one in conn.execute(select(invoice_statement.c.statement).where(*where)).scalars()}
    return found


def asset_name(conn: Connection, community: str, one: str) -> str:
    """As people call it, or its id."""
    where = (asset.c.community == community, asset.c.id == one)
    return conn.execute(select(asset.c.name).where(*where)).scalar_one_or_none() or one


def retake(conn: Connection, community: str, old: str, new: str) -> None:
    """The uses of a replaced document stand in its replacement from now on."""
    where = (invoice_statement.c.community == community, invoice_statement.c.number == old)
    conn.execute(update(invoice_statement).where(*where).values(number=new))


def settlements_of(conn: Connection, community: str, number: str) -> list[bytes]:
    """What an issued document was made of; empty for one about a bill or a payout."""
    where = (invoice_statement.c.community == community, invoice_statement.c.number == number)
    return [bytes(one) for one in conn.execute(select(invoice_statement.c.settlement).where(*where)).scalars()]


def number_of(conn: Connection, settlement_h: bytes, issuer: bytes, party: bytes) -> str | None:
    """The issuer's document in which a party's fresh uses of a settlement stand."""
    return conn.execute(
        select(invoice_statement.c.number).where(
            invoice_statement.c.settlement == settlement_h,
            invoice_statement.c.issuer == issuer,
            invoice_statement.c.party == party,
        )
    ).scalar_one_or_none()


_PAID = settlement_leaf.alias("paid")
_PAYS = exists().where(
    _PAID.c.settlement == statement.c.settlement,
    _PAID.c.tree == int(TreeKey.USES),
    _PAID.c.party == statement.c.party,
)


def open_statements(conn: Connection, community: str, issuer: bytes, to_ms: int) -> list[Any]:
    """Statements of payers in settlements until `to_ms` that no run of the issuer has taken, oldest first; `data`
    None: erased."""
    leaf, taken = settlement_leaf, invoice_statement
    return list(
        conn.execute(
            select(
                statement.c.h, statement.c.chain, statement.c.settlement, statement.c.party, settlement.c.unit,
                settlement.c.from_ms, settlement.c.to_ms, leaf.c.data,
            )
            .join(settlement, settlement.c.h == statement.c.settlement)
            .outerjoin(leaf, and_(leaf.c.settlement == statement.c.settlement, leaf.c.ref == statement.c.h,
                                  leaf.c.tree == int(TreeKey.STATEMENTS)))
            .outerjoin(taken, and_(taken.c.statement == statement.c.h, taken.c.issuer == issuer))
            .where(statement.c.community == community, settlement.c.to_ms <= to_ms)
            .where(taken.c.statement.is_(None), _PAYS)
            .order_by(settlement.c.to_ms, statement.c.chain, statement.c.party)
        )
    )  # fmt: skip


def waiting_buyers(conn: Connection, community: str, issuer: bytes, to_ms: int) -> int:
    """How many payers have a statement, under a contract that the issuer collects, of which no document was made."""
    leaf, taken, own = settlement_leaf, invoice_statement, contract_version.c
    chains = select(own.chain).where(own.community == community, own.collector == issuer)
    return int(
        conn.execute(
            select(func.count(statement.c.party.distinct()))
            .join(settlement, settlement.c.h == statement.c.settlement)
            .join(leaf, and_(leaf.c.settlement == statement.c.settlement, leaf.c.ref == statement.c.h,
                             leaf.c.tree == int(TreeKey.STATEMENTS)))
            .outerjoin(taken, and_(taken.c.statement == statement.c.h, taken.c.issuer == issuer))
            .where(statement.c.community == community, settlement.c.to_ms <= to_ms, settlement.c.unit == UNIT)
            .where(taken.c.statement.is_(None), leaf.c.data.is_not(None), statement.c.chain.in_(chains), _PAYS)
        ).scalar_one()
    )  # fmt: skip


def settled_uses(conn: Connection, settlement_h: bytes, party: bytes) -> dict[bytes, bytes]:
    """use id -> the settled use's bytes, of what a party pays in a settlement."""
    rows = conn.execute(
        select(settlement_leaf.c.ref, settlement_leaf.c.data).where(
            settlement_leaf.c.settlement == settlement_h,
            settlement_leaf.c.tree == int(TreeKey.USES),
            settlement_leaf.c.party == party,
        )
    )
    return {bytes(ref): bytes(data) for ref, data in rows if data is not None}


def settled_use(conn: Connection, settlement_h: bytes, position: int) -> bytes | None:
    return leaf_data(conn, settlement_h, TreeKey.USES, position)


def uses(conn: Connection, ids: Sequence[bytes]) -> dict[bytes, Any]:
    """Form, asset with its name, and contract version of uses."""
    found: dict[bytes, Any] = {}
    for at in range(0, len(ids), IN_MAX):
        rows = conn.execute(
            select(use.c.use_id, use.c.form, use.c.asset, use.c.contract, asset.c.name.label("asset_name"))
            .outerjoin(asset, and_(asset.c.community == use.c.community, asset.c.id == use.c.asset))
            .where(use.c.use_id.in_(ids[at : at + IN_MAX]))
        )
        found |= {bytes(row.use_id): row for row in rows}
    return found
