"""A party's statement of one month: an account per contract with opening, rows, closing and a running balance; pure.

It never nets a row away: opening plus rows is closing, and closing is the next month's opening. Money in nano."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import NamedTuple
from zoneinfo import ZoneInfo

from tallystick_protocol.codes import LineKind

from tallystick_cloud.costs.words import Measure
from tallystick_cloud.uses.model import SettledUse, UnsettledUse, local_day

REF_CHARS = 16


class RowKind(StrEnum):
    """What a row is."""

    SHARE = "share"
    CHARGE = "charge"
    CORRECTION = "correction"
    PAYOUT = "payout"
    REFUND = "refund"  # of what the party had paid too much
    RETURN = "return"  # a payout or refund that came back
    PAYMENT = "payment"
    PASSED_ON = "passed-on"  # by a payment provider, to the party
    CHARGED = "charged"  # by a payment provider, to the payer
    GIVEN_BACK = "given-back"  # after a dispute, or of a test run
    BILL = "bill"  # a share of a bill
    BILL_BACK = "bill-back"  # one that was taken back
    ENERGY = "energy"  # a close of a pool: what it gives, or (negative) takes
    ENERGY_BACK = "energy-back"  # what an earlier close of the same time had given


KINDS = {
    LineKind.SHARE: RowKind.SHARE,
    LineKind.CHARGE: RowKind.CHARGE,
    LineKind.PAYOUT: RowKind.PAYOUT,
    LineKind.CORRECTION: RowKind.GIVEN_BACK,
    LineKind.PAYMENT: RowKind.PAYMENT,  # a line about a payout is one that came back
}


@dataclass(frozen=True, slots=True)
class Bill:
    """What a row is a share of: the bill, the days of the reader's stay, and how the share came about."""

    id: str
    name: str
    first_day: date
    last_day: date
    cents: int
    measures: tuple[Measure, ...]


@dataclass(frozen=True, slots=True)
class Shared:
    """The time whose shared energy a row is about, [from_ms, to_ms); `is_final`: not on account."""

    from_ms: int
    to_ms: int
    is_final: bool


class Row(NamedTuple):
    """One row. `uses` > 1: slices of a meter joined; `use_id`: where a click leads; `balance` is after the row."""

    ref: str
    at_ms: int
    kind: RowKind
    asset: str
    asset_name: str
    form: str
    number: int
    programme: str | None
    uses: int
    use_id: bytes | None
    nano: int
    balance: int = 0
    bill: Bill | None = None
    shared: Shared | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """One contract's part of a statement. `settlement`: its number, the statement's hash and when it was
    closed, where it is signed and final. `decision`: what fixed the key of shared bills, under no contract."""

    chain: bytes
    contract: str
    unit: str
    opening: int
    rows: tuple[Row, ...]
    closing: int
    settlement: tuple[int, bytes, int] | None
    decision: str | None = None

    @property
    def is_final(self) -> bool:
        return self.settlement is not None


@dataclass(frozen=True, slots=True)
class Month:
    """A line of the list: one month over all contracts."""

    text: str
    opening: int
    moved: int
    paid: int
    closing: int
    is_final: bool


def all_final(accounts: Iterable[Account]) -> bool:
    """Whether every contract's account is signed; shared bills are never signed, and posted for good."""
    contracts = [one for one in accounts if one.decision is None]
    return bool(contracts) and all(one.is_final for one in contracts)


def account(
    chain: bytes,
    contract: str,
    unit: str,
    opening: int,
    rows: Iterable[Row],
    settlement: tuple[int, bytes, int] | None,
    decision: str | None = None,
) -> Account:
    """Rows in order of time with their running balance."""
    found, balance = [], opening
    for row in sorted(rows, key=key_of):
        balance += row.nano
        found.append(row._replace(balance=balance))
    return Account(chain, contract, unit, opening, tuple(found), balance, settlement, decision)


def row_of_use(one: UnsettledUse | SettledUse, kind: RowKind, nano: int, at_ms: int, uses: int = 1) -> Row:
    """A row about one use, or about so many that are told together."""
    letter = "S" if kind is RowKind.SHARE else "C" if kind is RowKind.CHARGE else "K"
    ref = f"{letter}-{one.use_id.hex()[:REF_CHARS]}"
    return Row(
        ref, at_ms, kind, one.asset, one.asset_name, one.form, one.number, one.programme, uses, one.use_id, nano
    )  # fmt: skip


def joined(rows: Sequence[Row], zone: str) -> list[Row]:
    """Slices of one meter on one local day become one row, named by the last of them; all else stays."""
    where = ZoneInfo(zone)
    kept: list[Row] = []
    groups: dict[tuple[RowKind, str, str], list[Row]] = {}
    for row in rows:
        if row.form != "interval" or row.kind not in (RowKind.SHARE, RowKind.CHARGE):
            kept.append(row)
            continue
        key = (row.kind, row.asset, local_day(row.at_ms - 1, where))
        groups.setdefault(key, []).append(row)
    for group in groups.values():
        last = max(group, key=lambda one: one.at_ms)
        kept.append(last._replace(uses=sum(one.uses for one in group), nano=sum(one.nano for one in group)))
    return kept


DAY = "day"
"""Form of a row that stands for all uses of a day."""


def by_day(one: Account, zone: str) -> Account:
    """The same account with a row for each day of several uses, by kind; all else stays, opening and closing too."""
    where = ZoneInfo(zone)
    kept: list[Row] = []
    groups: dict[tuple[RowKind, str], list[Row]] = {}
    for row in one.rows:
        if row.use_id is None or row.kind not in (RowKind.SHARE, RowKind.CHARGE):
            kept.append(row)
        else:
            groups.setdefault((row.kind, local_day(row.at_ms - 1, where)), []).append(row)
    for (kind, day), group in groups.items():
        if len(group) == 1:
            kept += group
            continue
        nano, at_ms = sum(row.nano for row in group), max(row.at_ms for row in group)
        kept.append(Row(day, at_ms, kind, "", "", DAY, 0, None, len(group), None, nano))
    return account(one.chain, one.contract, one.unit, one.opening, kept, one.settlement, one.decision)


@dataclass(frozen=True, slots=True)
class Cut:
    """Rows [begin, end) of an account, `carried` the balance before them."""

    begin: int
    end: int
    carried: int


def whole(one: Account) -> Cut:
    """All of it."""
    return Cut(0, len(one.rows), one.opening)


def cut(one: Account, after: tuple[int, str] | None, size: int) -> Cut:
    """So many rows after a key (moment, reference); the key stays good when a row comes in before it."""
    begin = 0 if after is None else bisect_right(one.rows, after, key=key_of)
    return Cut(begin, min(begin + size, len(one.rows)), one.rows[begin - 1].balance if begin else one.opening)


def key_of(row: Row) -> tuple[int, str]:
    """Where a row stands in its account."""
    return row.at_ms, row.ref
