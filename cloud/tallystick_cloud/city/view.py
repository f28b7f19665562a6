"""The situation in words: the same few values for the page, the live stream and the files, in one language.

It never reads a database and never rounds an amount in another way than the page does."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tallystick_cloud.city.alarm_words import ends_words, words_of
from tallystick_cloud.city.map_svg import Mark, Measure, largest_of, positions, shape_of
from tallystick_cloud.city.model import (
    BUCKET_MS,
    CENT_NANO,
    Alarm,
    Bucket,
    Gateway,
    GatewayState,
    Period,
    Situation,
    in_cents,
)
from tallystick_cloud.http.locale import Wording

HOUR_BUCKETS = 3_600_000 // BUCKET_MS
ROOT_CHARS = 8
"""Enough of a root hash to compare by eye."""
UNIT_NANO = 1_000_000_000
BAR_WIDTH = 1_000
"""Width of the split bar in its own units."""


@dataclass(frozen=True, slots=True)
class Counter:
    """One of the six figures; `key` is what the live stream calls it."""

    key: str
    label: str
    value: str
    unit: str
    note: str


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the split bar: from `x`, `width` wide, of BAR_WIDTH."""

    name: str
    amount: str
    colour: int
    x: int
    width: int


@dataclass(frozen=True, slots=True)
class AlarmLine:
    """One alarm as it is read."""

    id: int
    rank: str
    shape: str
    severity: str
    title: str
    step: str
    text: str
    gateway: str
    gateway_id: str
    site: str
    at: str
    iso: str
    times: int
    taken_by: str | None
    ends: str


@dataclass(frozen=True, slots=True)
class HourLine:
    """One row of the chart's table."""

    at: str
    uses: str
    fees: str
    is_gap: bool


def counters(s: Situation, w: Wording) -> tuple[Counter, ...]:
    """The six figures, all of them facts of the ledger."""
    _, today = w.gettext, s.today
    readings = _("{readings} readings, {quarantined} quarantined").format(
        readings=w.count(today.readings), quarantined=w.count(today.quarantined)
    )
    return (
        Counter("batches", _("Signed batches today"), w.count(today.batches), "", readings),
        Counter("uses", _("Uses today"), w.count(today.uses), "", _uses_note(s, w)),
        Counter("fees", _("Fees charged today"), w.money(today.fees_nano), s.community.unit, _mean_fee(s, w)),
        _slowest(s, w),
        _online(s, w),
        _books(s, w),
    )


def _uses_note(s: Situation, w: Wording) -> str:
    _ = w.gettext
    if s.today.shadow_uses:
        return _("{n} more in shadow, not charged").format(n=w.count(s.today.shadow_uses))
    recent = sum(one.uses for one in s.buckets[-HOUR_BUCKETS:])
    return _("{n} in the last hour").format(n=w.count(recent))


def _mean_fee(s: Situation, w: Wording) -> str:
    _ = w.gettext
    if not s.today.uses:
        return _("nothing charged yet")
    mean = s.today.fees_nano // s.today.uses
    if abs(mean) < UNIT_NANO:
        return _("mean {amount} ct per use").format(amount=w.cents(mean))
    return _("mean {amount} {unit} per use").format(amount=w.money(mean), unit=s.community.unit)


def _slowest(s: Situation, w: Wording) -> Counter:
    _, slowest = w.gettext, s.today.slowest
    label = _("Slowest batch today")
    if slowest is None:
        return Counter("slowest", label, "–", "", _("no batch yet"))
    value, unit = w.span(slowest.took_ms)
    note = _("{gateway}, {time}").format(gateway=slowest.gateway, time=w.time(slowest.received_ms))
    return Counter("slowest", label, value, unit, note)


def _online(s: Situation, w: Wording) -> Counter:
    _, online, total = w.gettext, s.count(GatewayState.ONLINE), len(s.gateways)
    value = _("{n} of {total}").format(n=w.count(online), total=w.count(total))
    wrong = [
        f"{w.count(s.count(state))} {word}"
        for state, word in (
            (GatewayState.OFFLINE, _("offline")), (GatewayState.FAULT, _("fault")), (GatewayState.LATE, _("late")),
        )
        if s.count(state)
    ]  # fmt: skip
    if not total:
        return Counter("online", _("Gateways online"), value, "", _("none enrolled yet"))
    return Counter("online", _("Gateways online"), value, "", ", ".join(wrong) or _("all heard in time"))


def _books(s: Situation, w: Wording) -> Counter:
    _, off = w.gettext, s.today.imbalance_nano
    root = s.today.log_root.hex()[:ROOT_CHARS]
    note = _("log of {n} entries, root {root}").format(n=w.count(s.today.log_size), root=root or "–")
    return Counter("books", _("Ledger imbalance"), w.money(off) if off else "0", s.community.unit, note)


def parts(s: Situation, w: Wording) -> tuple[Part, ...]:
    """Where today's fees went; the amounts shown sum to the fees shown."""
    shown = [one for one in s.shares if one.nano > 0]
    total = sum(one.nano for one in shown)
    found, x = [], 0
    for number, (share, cents) in enumerate(zip(shown, in_cents([o.nano for o in shown], total), strict=True)):
        end = BAR_WIDTH * sum(one.nano for one in shown[: number + 1]) // total
        name = share.name or w.gettext("Others")
        found.append(Part(name, w.money(cents * CENT_NANO), number + 1, x, end - x))
        x = end
    return tuple(found)


def alarm_line(alarm: Alarm, w: Wording, now_ms: int) -> AlarmLine:
    """One alarm in words."""
    _, words = w.gettext, words_of(alarm.code)
    is_silence = alarm.code == "no-contact"
    shapes = {"critical": ("crit", _("Critical")), "warning": ("warn", _("Warning"))}
    shape, severity = shapes.get(alarm.severity, ("info", _("Notice")))
    return AlarmLine(
        id=alarm.id,
        rank=alarm.rank,
        shape="off" if is_silence else shape,
        severity=severity,
        title=_(words.title),
        step=_(words.step) if words.step else "",
        text=alarm.text,
        gateway=alarm.gateway,
        gateway_id=alarm.gid.hex() if alarm.gid else "",
        site=alarm.site,
        at=w.moment(alarm.raised_ms, now_ms),
        iso=w.iso(alarm.raised_ms),
        times=alarm.times,
        taken_by=alarm.taken_by,
        ends=_(ends_words(alarm.code)),
    )


def state_word(state: GatewayState, w: Wording) -> str:
    """The state as a person calls it."""
    _ = w.gettext
    return {
        GatewayState.ONLINE: _("Online"),
        GatewayState.LATE: _("Late"),
        GatewayState.FAULT: _("Fault"),
        GatewayState.OFFLINE: _("Offline"),
    }[state]


def gateway_note(gateway: Gateway, s: Situation, w: Wording) -> str:
    """What a mark on the map says of its gateway."""
    _ = w.gettext
    uses = _("{n} uses today").format(n=w.count(gateway.uses))
    return f"{state_word(gateway.state, w)}, {uses}, {w.money(gateway.fees_nano)} {s.community.unit}"


def marks(s: Situation, w: Wording, measure: Measure) -> tuple[Mark, ...]:
    """All gateways that have a position, as marks."""
    where = positions(s.community, s.gateways)
    largest = largest_of(s.gateways, measure)
    found = []
    for one in s.gateways:
        if one.gid in where:
            shape, percent = shape_of(one, measure, largest)
            found.append(Mark(one.id, *where[one.gid], shape, percent, one.name, gateway_note(one, s, w)))
    return tuple(found)


def window(s: Situation, period: Period) -> tuple[Bucket, ...]:
    """The points of the chart in the period of the page."""
    return s.buckets[-period.buckets :]


def hours(buckets: Sequence[Bucket], w: Wording) -> tuple[HourLine, ...]:
    """The chart as a table, newest hour first."""
    found: dict[str, list[Bucket]] = {}
    for one in buckets:
        found.setdefault(w.when(one.start_ms).strftime("%Y%m%d%H%z"), []).append(one)
    return tuple(
        HourLine(
            at=w.time(group[0].start_ms),
            uses=w.count(sum(one.uses for one in group)),
            fees=w.money(sum(one.fees_nano for one in group)),
            is_gap=not any(one.known for one in group),
        )
        for group in reversed(found.values())
    )


def alarms_csv(alarms: Iterable[Alarm], w: Wording) -> str:
    """The alarms as rows, in the order of the list."""
    rows = [
        (one.id, w.iso(one.raised_ms), one.severity, one.code, one.gateway, one.site, one.text, one.times,
         one.taken_by or "")
        for one in alarms
    ]  # fmt: skip
    return _csv(("id", "raised", "severity", "code", "gateway", "site", "text", "times", "taken_by"), rows)


def use_csv(s: Situation, period: Period, w: Wording) -> str:
    """The points of the chart as rows; a gap has empty fields."""
    rows = [
        (w.iso(one.start_ms), one.uses if one.known else "", one.fees_nano if one.known else "")
        for one in window(s, period)
    ]
    return _csv(("from", "uses", f"fees_nano_{s.community.unit}"), rows)


def gateways_csv(gateways: Iterable[Gateway], s: Situation, w: Wording) -> str:
    """The gateways as rows, in the order of the list."""
    rows = [
        (one.name, one.id, one.state.value, one.site, w.iso(one.last_seen_ms) if one.last_seen_ms else "", one.uses,
         one.fees_nano, one.software)
        for one in gateways
    ]  # fmt: skip
    unit = s.community.unit
    return _csv(("name", "gid", "state", "site", "last_seen", "uses", f"fees_nano_{unit}", "software"), rows)


def _csv(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(head)
    writer.writerows([[_harmless(cell) for cell in row] for row in rows])
    return out.getvalue()


def _harmless(cell: object) -> object:
    """Text that a spreadsheet would run as a formula gets a quote before it."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell
