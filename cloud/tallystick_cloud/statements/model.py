"""A party's statement of one month: an account per contract with opening, rows, closing and a running balance; pure.

It never nets a row away: opening plus rows is closing, and closing is the next month's opening. Money in nano."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from zoneinfo import ZoneInfo

from tallystick_protocol.codes import LineKind

from tallystick_cloud.uses.model import SettledUse, UnsettledUse, local_day

REF_CHARS = 16


class RowKind(StrEnum):
    """What a row is."""

    SHARE = "share"
    CHARGE = "charge"
    CORRECTION = "correction"
    PAYOUT = "payout"
    RETURN = "return"
    PAYMENT = "payment"


KINDS = {
    LineKind.SHARE: RowKind.SHARE,
    LineKind.CHARGE: RowKind.CHARGE,
    LineKind.PAYOUT: RowKind.PAYOUT,
    LineKind.PAYMENT: RowKind.PAYMENT,  # a line about a payout is one that came back
}


@dataclass(frozen=True, slots=True)
class Row:
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


@dataclass(frozen=True, slots=True)
class Account:
    """One contract's part of a statement. `settlement`: its number, the statement's hash and when it was
    closed, where it is signed and final."""

    chain: bytes
    contract: str
    unit: str
    opening: int
    rows: tuple[Row, ...]
    closing: int
    settlement: tuple[int, bytes, int] | None

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


def account(
    chain: bytes, contract: str, unit: str, opening: int, rows: Iterable[Row], settlement: tuple[int, bytes, int] | None
) -> Account:
    """Rows in order of time with their running balance."""
    found, balance = [], opening
    for row in sorted(rows, key=lambda one: (one.at_ms, one.ref)):
        balance += row.nano
        found.append(replace(row, balance=balance))
    return Account(chain, contract, unit, opening, tuple(found), balance, settlement)


def row_of_use(one: UnsettledUse | SettledUse, kind: RowKind, nano: int, at_ms: int) -> Row:
    """A row about one use."""
    letter = {RowKind.SHARE: "S", RowKind.CHARGE: "C"}.get(kind, "K")
    ref = f"{letter}-{one.use_id.hex()[:REF_CHARS]}"
    return Row(
        ref, at_ms, kind, one.asset, one.asset_name, one.form, one.number, one.programme, 1, one.use_id, nano
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
        kept.append(replace(last, uses=len(group), nano=sum(one.nano for one in group)))
    return kept
