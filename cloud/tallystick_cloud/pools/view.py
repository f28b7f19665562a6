"""A pool's period as its page shows it: energy in kWh, money, members, and how good the evidence is, in plain words.

It never shows a member another member's numbers: to who holds no office the others are one sum."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from tallystick_protocol.money.contract import Contract
from tallystick_protocol.money.pool_energy import Row
from tallystick_protocol.money.split import Group

from tallystick_cloud.contracts import words
from tallystick_cloud.http.amounts import Amount, exact, widths
from tallystick_cloud.http.locale import N_, Wording
from tallystick_cloud.money import money

from .model import Interval, is_nobody, owner_of, pool_of
from .shares import Column, Share, Sums, To

COLUMNS = ("begin", "injected_wh", "withdrawn_wh", "shared_wh", "worth", "unit", "evidence_level", "open_intervals")
BAR_WIDTH, COLUMN_WIDTH, CHART_HEIGHT = 1_000, 10, 100
COLOURS = 5
LEVELS_SIGNED = 1  # from here on a gateway or a meter signed what was read

GROUPS = {
    Group.PRODUCERS: N_("Members who injected, by what was shared of it"),
    Group.CONSUMERS: N_("Members who used it, by how much"),
    Group.HOUSEHOLDS: N_("Households, by how much they used"),
    Group.MEMBERS: N_("Every member alike"),
}
KINDS = {
    "household": N_("household"),
    "business": N_("business"),
    "public": N_("public"),
    "third-sector": N_("third sector"),
}


@dataclass(frozen=True, slots=True)
class ColumnView:
    """One interval, day or month: numbers for the table, `x` and `height` in the chart, `link` to look closer."""

    name: str
    link: str
    injected: str
    withdrawn: str
    shared: str
    worth: Amount
    mark: str
    word: str
    x: int
    height: int
    is_chosen: bool
    is_known: bool


@dataclass(frozen=True, slots=True)
class ChartView:
    """`injected` and `withdrawn`: paths in a box `width` x CHART_HEIGHT; `top`: what its height is, in kWh."""

    width: int
    injected: str
    withdrawn: str
    top: str


@dataclass(frozen=True, slots=True)
class PartView:
    """A part of a whole, as a bar from `x`, `width` wide, of BAR_WIDTH."""

    name: str
    note: str
    amount: Amount
    colour: int
    x: int
    width: int
    is_reader: bool = False


@dataclass(frozen=True, slots=True)
class MeterView:
    """A meter in the chosen interval: `has` counted, `took` of it shared; `width` of BAR_WIDTH is the shared part."""

    name: str
    note: str
    has: str
    took: str
    width: int
    is_reader: bool


@dataclass(frozen=True, slots=True)
class MemberView:
    """A member in the period; `net` is what it gets less what it owes."""

    name: str
    given: str
    used: str
    net: Amount
    is_reader: bool


@dataclass(frozen=True, slots=True)
class EvidenceView:
    """How good what was counted is."""

    mark: str
    title: str
    says: str


def energy(wh: int, w: Wording) -> str:
    """kWh with three decimals, which is every Wh: 12,345.600."""
    return w.decimal(Decimal(wh).scaleb(-3), "#,##0.000")


def difference(wh: int, w: Wording) -> str:
    """The same with its sign."""
    sign = "+" if wh > 0 else "\N{MINUS SIGN}" if wh < 0 else ""
    return sign + energy(abs(wh), w)


def columns(
    found: Sequence[Column], link_of: Callable[[int], str], chosen_ms: int | None, w: Wording
) -> tuple[ColumnView, ...]:
    """Rows of the table and bars of the chart; what is not complete is a gap."""
    _, top = w.gettext, _top(found)
    shown = []
    for number, one in enumerate(found):
        if one.level is None:
            mark, word = "off", _("open: something is missing")
        elif one.level < LEVELS_SIGNED:
            mark, word = "warn", _("from a file, not signed")
        else:
            mark, word = "ok", _("signed by meters")
        if one.level is not None and one.opens:
            word = _("{word}; {n} open").format(word=word, n=w.count(one.opens))
        sums = one.sums
        shown.append(
            ColumnView(
                one.name, link_of(one.start_ms), energy(sums.injected, w), energy(sums.withdrawn, w),
                energy(sums.shared, w), exact(sums.worth, w), mark, word, number * COLUMN_WIDTH,
                sums.shared * CHART_HEIGHT // top, one.start_ms == chosen_ms, one.level is not None,
            )
        )  # fmt: skip
    return tuple(shown)


def as_csv(found: Sequence[Column], unit: str, w: Wording) -> str:
    """The rows of the table, exact: energy in Wh, what is not complete left empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for one in found:
        sums = one.sums
        known = (sums.injected, sums.withdrawn, sums.shared, money(sums.worth), unit, one.level)
        writer.writerow([w.iso(one.start_ms), *(known if one.level is not None else ("",) * len(known)), one.opens])
    return out.getvalue()


def chart(found: Sequence[Column], w: Wording) -> ChartView:
    """Injected and withdrawn as steps over the bars of what was shared, broken where nothing is known."""
    top = _top(found)
    injected = _steps(found, [one.sums.injected for one in found], top)
    withdrawn = _steps(found, [one.sums.withdrawn for one in found], top)
    return ChartView(max(1, len(found)) * COLUMN_WIDTH, injected, withdrawn, energy(top, w))


def _top(found: Sequence[Column]) -> int:
    return max([1, *(max(one.sums.injected, one.sums.withdrawn) for one in found)])


def _steps(found: Sequence[Column], values: Sequence[int], top: int) -> str:
    path, was_known = [], False
    for number, (one, value) in enumerate(zip(found, values, strict=True)):
        y = CHART_HEIGHT - value * CHART_HEIGHT // top
        if one.level is not None:
            path.append(f"{'L' if was_known else 'M'}{number * COLUMN_WIDTH} {y}h{COLUMN_WIDTH}")
        was_known = one.level is not None
    return "".join(path)


def destinations(found: Mapping[To, int], names: Mapping[bytes, str], w: Wording) -> tuple[PartView, ...]:
    """Where the worth goes, the most first; the parts fill the bar."""
    listed = sorted(found.items(), key=lambda one: -one[1])
    spans = widths((nano for _, nano in listed), BAR_WIDTH)
    return tuple(
        PartView(*_destination(to, names, w), exact(nano, w), number % COLOURS + 1, x, width)
        for number, ((to, nano), (x, width)) in enumerate(zip(listed, spans, strict=True))
    )


def _destination(to: To, names: Mapping[bytes, str], w: Wording) -> tuple[str, str]:
    note = w.gettext("above the threshold") if to.is_above else ""
    if to.group is not None:
        return w.gettext(GROUPS[to.group]), note
    return _name(to.party or b"", names, w), note


def threshold(contract: Contract, sums: Sums, *, is_counted: bool, w: Wording) -> tuple[str, str]:
    """(what the contract says, what came of it in this period) about the threshold; empty where there is none."""
    _, pool = w.gettext, contract.pool
    if pool is None or pool.above is None:
        return "", ""
    portion = w.percent(Fraction(pool.above.portion.n, pool.above.portion.d))
    to = _("the households, by what they used") if pool.above.to is None else contract.party_name(pool.above.to)
    says = _("What is shared above {percent} % of what was injected goes to {name}.").format(percent=portion, name=to)
    if not is_counted:
        over = _("a year") if pool.trued_up else _("the period that the contract closes by")
        return says, _("It is counted over {period}: look at a whole one to see how much.").format(period=over)
    if not sums.above_wh:
        return says, _("In this period it was not reached.")
    come = _("In this period {kwh} kWh were above it, worth {unit} {amount}.")
    return says, come.format(kwh=energy(sums.above_wh, w), unit=contract.unit, amount=exact(sums.above, w))


def evidence(found: Sequence[Interval], w: Wording) -> EvidenceView:
    """What the numbers rest on."""
    _ = w.gettext
    unsigned = sum(one.level < LEVELS_SIGNED for one in found)
    if not found:
        return EvidenceView("off", _("nothing yet"), _("No interval of this period is complete."))
    if not unsigned:
        level = min(one.level for one in found)
        says = _("Every reading is signed by a gateway or by the meter itself; the lowest level is {n}.")
        return EvidenceView("ok", _("signed by meters"), says.format(n=level))
    says = _(
        "Level 0 for {n} of {all} intervals: they are what the grid's file says. Nobody signed it, so neither this"
        " community nor its members can prove it; ask the grid operator when a number looks wrong."
    )
    return EvidenceView("warn", _("from a file, not signed"), says.format(n=w.count(unsigned), all=w.count(len(found))))


def meters(
    one: Interval, rows: Sequence[Row], reader: bytes | None, names: Mapping[bytes, str], *, sees_all: bool, w: Wording
) -> tuple[MeterView, ...]:
    """The plants or the consumers of an interval; to who sees only the own, the others are one line."""
    owner, assets, points = owner_of(one.version), one.version.contract.assets, pool_of(one.version).points
    shown, others = [], []
    for row in rows:
        party = bytes(owner(row.point))
        if not sees_all and party != reader:
            others.append(row)
            continue
        kind = w.gettext(KINDS[points[row.point].kind.value])
        name = _name(party, names, w)
        shown.append(_meter(name, f"{assets[row.point].asset}, {kind}", [row], party == reader, w))
    if others:
        note = w.gettext("{n} meters together").format(n=w.count(len(others)))
        shown.append(_meter(w.gettext("The other members"), note, others, False, w))
    return tuple(shown)


def _meter(name: str, note: str, rows: Sequence[Row], is_reader: bool, w: Wording) -> MeterView:
    has = sum(row.injected + row.withdrawn for row in rows)
    took = sum(row.allocated for row in rows)
    return MeterView(name, note, energy(has, w), energy(took, w), took * BAR_WIDTH // has if has else 0, is_reader)


def members(
    found: Sequence[Share], reader: bytes | None, names: Mapping[bytes, str], *, sees_all: bool, w: Wording
) -> tuple[MemberView, ...]:
    """Everybody's share, or the own one and that of the others together."""
    own = [one for one in found if sees_all or one.party == reader]
    rest = [one for one in found if one not in own]
    shown = [_member(_name(one.party, names, w), [one], one.party == reader, w) for one in own]
    if rest:
        shown.append(_member(w.gettext("The other members"), rest, False, w))
    return tuple(shown)


def _member(name: str, rows: Sequence[Share], is_reader: bool, w: Wording) -> MemberView:
    net = sum(one.got - one.charged for one in rows)
    given, used = sum(one.given for one in rows), sum(one.used for one in rows)
    return MemberView(name, energy(given, w), energy(used, w), exact(net, w), is_reader)


def _name(party: bytes, names: Mapping[bytes, str], w: Wording) -> str:
    return w.gettext("erased") if is_nobody(party) else words.upper_first(names.get(party, party.hex()[:8]))
