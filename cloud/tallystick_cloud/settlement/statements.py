"""A statement as rows: opening, one line per use or payment, closing; the same rows for every form it is shown in.

It never nets a line away and never rounds: decimals carry all nine places where they are needed.
"""

import csv
import io
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection
from tallystick_protocol.codes import LineKind
from tallystick_protocol.ids import H32, PartyId
from tallystick_protocol.money.usage import AT_CLOSE
from tallystick_protocol.statement import Line, Statement

from tallystick_cloud.contracts.store import versions_of
from tallystick_cloud.errors import NotFound
from tallystick_cloud.money import money

from . import sources, store
from .model import Stored, TreeKey

HEADER = ("when_ms", "what", "asset", "number", "programme", "amount", "balance", "unit", "reference")
_WORDS = {
    LineKind.CHARGE: "use",
    LineKind.SHARE: "share of a use",
    LineKind.PAYOUT: "payout",
    LineKind.PAYMENT: "payment",
    LineKind.CORRECTION: "given back after a dispute",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One row; `amount` None in the opening and closing rows, `balance` in nano after it."""

    when_ms: int
    what: str
    asset: str
    number: int | None
    programme: str
    amount: int | None
    balance: int
    ref: H32


@dataclass(frozen=True, slots=True)
class Sheet:
    """A party's statement of one settlement. `reference` is unique; `prev` is that of the one before."""

    reference: str
    prev: str | None
    party: PartyId
    contract: str
    unit: str
    from_ms: int
    to_ms: int
    opening: int
    closing: int
    rows: tuple[Row, ...]


def reference_of(h: bytes) -> str:
    """What a statement is called on paper: the first twelve digits of its hash in groups of four."""
    text = h[:6].hex().upper()
    return "-".join(text[at : at + 4] for at in range(0, len(text), 4))


def sheet(conn: Connection, stored: Stored, party: bytes) -> Sheet:
    """The party's statement in a settlement; NotFound when it has none there or it was erased."""
    leaf = next((one for one in store.leaves(conn, stored.h, TreeKey.STATEMENTS) if one.party == party), None)
    if leaf is None or leaf.data is None:
        raise NotFound("statement", "there is none of this party in this settlement, or it was erased")
    said = Statement.decode(leaf.data)
    names = [version.contract.name for version in versions_of(conn, stored.chain).values()]
    rows = _rows(conn, stored, said)
    prev = None if said.prev is None else reference_of(said.prev)
    span = (stored.from_ms, stored.to_ms)
    head = (reference_of(said.hash), prev, said.party, names[-1], stored.unit)
    return Sheet(*head, *span, said.opening, said.closing, rows)


def sheets(conn: Connection, community: str, party: bytes) -> list[Sheet]:
    """All statements of a party that are kept, the newest first."""
    found = []
    for stored in store.of_community(conn, community):
        leaves = store.leaves(conn, stored.h, TreeKey.STATEMENTS)
        if any(one.party == party and one.data is not None for one in leaves):
            found.append(sheet(conn, stored, party))
    return found


def _rows(conn: Connection, stored: Stored, said: Statement) -> tuple[Row, ...]:
    uses = {bytes(row.use_id): row for row in sources.uses_of(conn, stored.h)}
    refunds = store.refunds(conn, [line.ref for line in said.lines if line.kind is LineKind.PAYOUT])
    rows = [Row(stored.from_ms, "opening", "", None, "", None, said.opening, said.hash)]
    balance = said.opening
    for line in said.lines:
        balance += line.amount
        row = _row(line, uses.get(line.ref), stored, balance)
        rows.append(replace(row, what="paid back") if line.ref in refunds else row)
    return (*rows, Row(stored.to_ms, "closing", "", None, "", None, said.closing, said.hash))


def _row(line: Line, use: Any, stored: Stored, balance: int) -> Row:
    what = _WORDS[line.kind]
    is_back = line.amount > 0 if line.kind is LineKind.CHARGE else line.amount < 0
    if use is not None and use.reversed_ms is not None and is_back:
        what = _WORDS[LineKind.CORRECTION]
    if use is None:
        return Row(stored.to_ms, what, "", None, "", line.amount, balance, line.ref)
    if use.form in AT_CLOSE:
        return Row(
            use.end_ms,
            f"{what}: {use.form.replace('-', ' ')} of the period",
            "",
            None,
            "",
            line.amount,
            balance,
            line.ref,
        )
    return Row(use.end_ms, what, use.asset, use.number, use.programme or "", line.amount, balance, line.ref)


def as_csv(one: Sheet) -> bytes:
    """UTF-8 with a header line; amounts as decimals with a point."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(HEADER)
    for row in one.rows:
        amount = "" if row.amount is None else money(row.amount)
        number = "" if row.number is None else row.number
        cells = (row.when_ms, row.what, _cell(row.asset), number, _cell(row.programme))
        writer.writerow((*cells, amount, money(row.balance), one.unit, row.ref.hex()))
    return out.getvalue().encode()


def _cell(text: str) -> str:
    """Text that a spreadsheet takes for text, also when it begins like a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def as_json(one: Sheet) -> dict[str, object]:
    """`_nano` are strings of integers; ids are hex."""
    return {
        "reference": one.reference,
        "previous": one.prev,
        "contract": one.contract,
        "unit": one.unit,
        "from_ms": one.from_ms,
        "to_ms": one.to_ms,
        "opening_nano": str(one.opening),
        "closing_nano": str(one.closing),
        "rows": [
            {
                "when_ms": row.when_ms,
                "what": row.what,
                "asset": row.asset,
                "number": row.number,
                "programme": row.programme,
                "amount_nano": None if row.amount is None else str(row.amount),
                "balance_nano": str(row.balance),
                "ref": row.ref.hex(),
            }
            for row in one.rows
        ],
    }
