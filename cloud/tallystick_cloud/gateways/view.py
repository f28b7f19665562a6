"""A gateway in words: facts, channels with their last reading, alarms with their remedy, the strip of a day.

It never reads a database."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from tallystick_protocol.codes import TimeQuality

from tallystick_cloud.city.alarm_words import ends_words
from tallystick_cloud.gateways.look import AlarmRow, ChannelView, GatewayPage, Slot
from tallystick_cloud.gateways.remedies import remedy_of
from tallystick_cloud.http.locale import Wording

DAY_MS = 86_400_000
CLOCK_FINE_MS = 2_000
"""A clock that may be this wrong still cuts every interval right; contracts cut at minutes."""


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact of the state line; `mark` is a shape of the shell, empty where nothing is judged."""

    name: str
    says: str
    note: str
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel in words."""

    number: int
    asset: str
    meter: str
    serial: str
    profile: str
    what: str
    reading: str
    at: str
    iso: str
    open: str


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm with what it means and what to do."""

    id: int
    shape: str
    severity: str
    title: str
    text: str
    at: str
    iso: str
    times: int
    taken_by: str | None
    meaning: str
    cause: str
    steps: tuple[str, ...]
    ends: str


@dataclass(frozen=True, slots=True)
class Cell:
    """A quarter of an hour of the strip: `kind` is heard, silent or none."""

    x: int
    kind: str
    title: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim, this once."""

    site: str
    groups: tuple[str, ...]
    qr: str
    until: str
    file: str


def facts(g: GatewayPage, w: Wording, now_ms: int) -> tuple[Fact, ...]:
    """Last contact, queue, clock, chain, software, certificate."""
    _ = w.gettext
    return (
        _contact(g, w, now_ms),
        _queue(g, w),
        _clock(g, w),
        _chain(g, w),
        _software(g, w),
        _certificate(g, w, now_ms),
    )


def _contact(g: GatewayPage, w: Wording, now_ms: int) -> Fact:
    _ = w.gettext
    if g.last_seen_ms is None:
        return Fact(_("Last contact"), _("never"), _("it has enrolled and said nothing since"), "off")
    number, unit = w.span(now_ms - g.last_seen_ms)
    shapes = {"online": "ok", "late": "warn", "fault": "ok", "offline": "off"}
    via = _("over {transport}").format(transport=g.transport.upper()) if g.transport else ""
    says = _("{n} {unit} ago").format(n=number, unit=unit)
    return Fact(_("Last contact"), says, f"{w.moment(g.last_seen_ms, now_ms)} {via}".strip(), shapes[g.state.value])


def _queue(g: GatewayPage, w: Wording) -> Fact:
    _ = w.gettext
    if g.slowest_ms is None:
        return Fact(_("On the road"), "–", _("no batch within a day"), "off")
    number, unit = w.span(g.slowest_ms)
    note = _("slowest batch of the last 24 h, from sealing to receipt")
    return Fact(_("On the road"), f"{number} {unit}", note, "ok" if g.slowest_ms < 15 * 60_000 else "warn")


def _clock(g: GatewayPage, w: Wording) -> Fact:
    _ = w.gettext
    if g.clock is None:
        return Fact(_("Clock"), _("not known"), _("no batch has said anything of it yet"), "off")
    if g.clock is not TimeQuality.S:
        note = _("it could not ask for the time; readings wait until it can")
        return Fact(_("Clock"), _("not in step"), note, "warn")
    if g.clock_error_ms is None:
        return Fact(_("Clock"), _("in step"), _("set from the network"), "ok")
    number, unit = w.span(g.clock_error_ms)
    is_fine = g.clock_error_ms <= CLOCK_FINE_MS
    return Fact(
        _("Clock"), f"± {number} {unit}", _("how wrong it may be, by its own word"), "ok" if is_fine else "warn"
    )


def _chain(g: GatewayPage, w: Wording) -> Fact:
    _ = w.gettext
    says = _("{n} batches").format(n=w.count(g.batches))
    note = _("{readings} readings, unbroken to {epoch}/{seq}").format(
        readings=w.count(g.readings), epoch=g.epoch, seq=g.next_seq - 1
    )
    if g.waiting:
        note += ", " + _("{n} open spans").format(n=g.waiting)
    return Fact(_("Signed chain"), says, note, "warn" if g.forks or g.waiting else "ok")


def _software(g: GatewayPage, w: Wording) -> Fact:
    _ = w.gettext
    keeps = {"file": _("key in a file"), "hardware": _("key in hardware")}.get(g.storage, g.storage)
    serial = "" if g.serial in ("", "unknown") else ", " + _("serial number {serial}").format(serial=g.serial)
    return Fact(_("Software"), g.software, keeps + serial)


def _certificate(g: GatewayPage, w: Wording, now_ms: int) -> Fact:
    _ = w.gettext
    note = _("enrolled {day}").format(day=w.date(g.enrolled_ms))
    if g.certificate_ms is None:
        return Fact(_("Certificate"), "–", note)
    return Fact(_("Certificate"), _("until {day}").format(day=w.date(g.certificate_ms)), note)


def channel(one: ChannelView, w: Wording, now_ms: int) -> Channel:
    """A channel with its last reading in its own unit."""
    _ = w.gettext
    return Channel(
        one.number, one.asset, one.meter, one.serial, one.profile,
        _("counted uses") if one.quantity == "cycles" else one.quantity,
        "–" if one.last_total is None else value(one.last_total, one.exponent, one.unit, w),
        _("never") if one.last_ms is None else w.moment(one.last_ms, now_ms),
        "" if one.last_ms is None else w.iso(one.last_ms),
        value(one.open_count, one.exponent, one.unit, w) if one.open_count else "–",
    )  # fmt: skip


def value(total: int, exponent: int, unit: str, w: Wording) -> str:
    """A total in its unit: 1,834.207 kWh for 1834207 Wh."""
    if unit == "cycle":
        return w.count(total)
    number = Decimal(total).scaleb(exponent)
    if unit == "Wh" and abs(number) >= 1000:
        number, unit = number.scaleb(-3), "kWh"
    return f"{w.decimal(number, '#,##0.###')} {unit}"


def alarm(one: AlarmRow, title: str, w: Wording, now_ms: int) -> Alarm:
    """An alarm and its remedy."""
    _ = w.gettext
    shape, severity = {"critical": ("crit", _("Critical")), "warning": ("warn", _("Warning"))}.get(
        one.severity, ("info", _("Notice"))
    )
    found = remedy_of(one.code)
    return Alarm(
        one.id, "off" if one.code == "no-contact" else shape, severity, _(title), one.text,
        w.moment(one.raised_ms, now_ms), w.iso(one.raised_ms), one.times, one.taken_by,
        _(found.meaning) if found else "", _(found.cause) if found else "",
        tuple(_(step) for step in found.steps) if found else (), _(ends_words(one.code)),
    )  # fmt: skip


def strip(slots: Sequence[Slot], w: Wording) -> tuple[Cell, ...]:
    """The last 24 h, a cell per quarter of an hour."""
    _ = w.gettext
    found = []
    for x, slot in enumerate(slots):
        kind = "none" if slot.batches is None else "heard" if slot.batches else "silent"
        word = {"none": _("not enrolled yet"), "heard": _("heard"), "silent": _("silent")}[kind]
        found.append(Cell(x, kind, f"{w.time(slot.start_ms)}: {word}"))
    return tuple(found)
