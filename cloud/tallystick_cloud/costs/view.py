"""Shared bills as pages show them: who pays what of one, by which key, and which decision fixed it.

It never shows somebody another's flat: to who pays a share the others are one sum; offices, collector and supplier see
all of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from tallystick_protocol.money.cost import Charge

from tallystick_cloud.http.amounts import Amount, of_cents
from tallystick_cloud.http.locale import Wording

from .service import Shared
from .store import StoredBill, StoredShare, measures_of
from .words import BY, Measure

BAR_WIDTH = 1_000


@dataclass(frozen=True, slots=True)
class Line:
    """What one stay pays; `payer` a name, `people` 0 while nobody lives there."""

    asset: str
    payer: str
    is_reader: bool
    first_day: date
    last_day: date
    people: int
    cents: int
    parts: tuple[Measure, ...]


@dataclass(frozen=True, slots=True)
class LineView:
    """A line in words; `width` of BAR_WIDTH is its part of the bill, `how` what it has of each part of the key."""

    asset: str
    payer: str
    days: str
    how: str
    amount: Amount
    width: int
    is_reader: bool


@dataclass(frozen=True, slots=True)
class BillView:
    """A bill in the list and at the head of its page; `own` None: the reader pays nothing of it."""

    link: str
    bill: str
    pool: str
    days: str
    total: Amount
    own: Amount | None
    mark: str
    state: str
    decided: str


def bill_view(one: Shared, reader: bytes | None, w: Wording) -> BillView:
    """Total, and what the reader pays of it."""
    stored, _ = one.stored, w.gettext
    own = sum(each.cents for each in one.shares if each.party == reader)
    pays = any(each.party == reader for each in one.shares)
    mark, state = ("ok", _("posted {day}").format(day=w.date(stored.posted_ms)))
    if stored.reversed_ms is not None:
        mark, state = "off", _("taken back {day}").format(day=w.date(stored.reversed_ms))
    return BillView(
        f"/bills/{stored.id.hex()}", stored.bill, stored.name, days(stored.first_day, stored.last_day, w),
        of_cents(stored.cents, w), of_cents(own, w) if pays else None, mark, state,
        stored.decision_ref,
    )  # fmt: skip


def sees_all(stored: StoredBill, reader: bytes | None, *, holds_office: bool) -> bool:
    """Whether the reader may see every line: an office, who collects and who is owed the bill."""
    return holds_office or reader in {stored.collector, stored.supplier} - {None}


def stored_lines(shares: Sequence[StoredShare], names: Mapping[bytes, str], reader: bytes | None) -> list[Line]:
    """The lines of a posted bill."""
    return [
        Line(
            each.asset, names[each.party], each.party == reader, each.first_day, each.last_day, each.people, each.cents,
            measures_of(each.parts),
        )
        for each in shares
    ]  # fmt: skip


def charge_lines(charges: Sequence[Charge]) -> list[Line]:
    """The lines of a bill that is only worked out."""
    return [
        Line(
            one.stay.flat.asset, one.stay.payer, False, one.stay.first_day, one.stay.last_day, one.stay.people,
            one.cents, tuple(Measure(part.portion, part.by, part.own, part.total) for part in one.parts),
        )
        for one in charges
    ]  # fmt: skip


def line_views(lines: Sequence[Line], *, whole: bool, w: Wording) -> tuple[LineView, ...]:
    """Every line, or (not `whole`) the reader's and the others as one."""
    total = sum(one.cents for one in lines)
    shown = [_line(one, total, w) for one in lines if whole or one.is_reader]
    others = [one for one in lines if not whole and not one.is_reader]
    if others:
        cents = sum(one.cents for one in others)
        name = w.gettext("The others, {n} shares").format(n=w.count(len(others)))
        shown.append(LineView(name, "", "", "", of_cents(cents, w), _width(cents, total), False))
    return tuple(shown)


def key_of(lines: Sequence[Line], w: Wording) -> tuple[str, ...]:
    """The parts of the key in words: "70 % by use"."""
    parts = lines[0].parts if lines else ()
    return tuple(
        w.gettext("{percent} % {by}").format(percent=w.percent(one.portion), by=w.gettext(BY[one.by])) for one in parts
    )


def days(first: date, last: date, w: Wording) -> str:
    """First and last day, both included."""
    return w.gettext("{first} to {last}").format(first=w.day(first), last=w.day(last))


def _line(one: Line, total: int, w: Wording) -> LineView:
    _ = w.gettext
    payer = one.payer if one.people else _("{name} (nobody lives there)").format(name=one.payer)
    how = "; ".join(
        _("{own} % {by}").format(own=w.percent(part.own / part.total), by=_(BY[part.by])) for part in one.parts
    )
    span = days(one.first_day, one.last_day, w)
    return LineView(one.asset, payer, span, how, of_cents(one.cents, w), _width(one.cents, total), one.is_reader)


def _width(cents: int, total: int) -> int:
    return cents * BAR_WIDTH // total if total else 0
