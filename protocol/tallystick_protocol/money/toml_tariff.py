"""The tariff and split tables of a contract file: from what people write to exact values.
It never fills a price in: what is not written is refused."""

import re
from collections.abc import Mapping
from fractions import Fraction
from math import gcd, lcm

from tallystick_protocol.ids import PartyId
from tallystick_protocol.money.numbers import Ratio
from tallystick_protocol.money.split import Group, Scope, Step
from tallystick_protocol.money.tariff import EVERY_DAY, Band, Form, Tariff, Tier, Window
from tallystick_protocol.money.toml_sense import check_bands, check_steps, check_tariff
from tallystick_protocol.money.toml_table import Table, hint
from tallystick_protocol.money.units import counts_per

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_WINDOW = re.compile(r"(?:([A-Za-z,\- ]+?)\s+)?([0-9]{2}):([0-9]{2})\s*-\s*([0-9]{2}):([0-9]{2})")
_COUNTS = re.compile(r"(?:(1|10+|0\.0*1)\s+)?(\S+)")
_AMOUNTS = ("start_fee", "session_minimum", "standing_charge", "minimum", "cap")
_WINDOW_HELP = 'must be such as "08:00-19:00" or "Mon-Fri 08:00-19:00"'


def tariff_of(table: Table, unit: str) -> Tariff:
    """Read [tariff]; prices are in `unit` per the tariff's `per`."""
    form = table.word("form", Form)
    per = table.text("per")
    count_unit, exponent = _counts(table, per)
    per_unit = table.built("counts", lambda: counts_per(per, count_unit, exponent))
    band_tables = table.tables("band")
    bands = tuple(_band(band, unit, per, per_unit) for band in band_tables)
    step = _in_counts(table, "step", per, per_unit) if table.has("step") else 1
    amounts = {name: table.amount(name, unit) for name in _AMOUNTS}
    shared = table.flag("shared", False)
    table.done()
    ratio = Ratio(per_unit.numerator, per_unit.denominator)
    tariff = table.built(
        "band",
        lambda: Tariff(form, per, count_unit, exponent, ratio, bands, **amounts, step=step, shared=shared),
    )
    check_bands(band_tables, bands)
    check_tariff(table, tariff)
    return tariff


def steps_of(tables: list[Table], parties: Mapping[str, PartyId], unit: str) -> tuple[Step, ...]:
    """Read the [[split]] tables in file order; `parties` in contract order."""
    steps = tuple(_step(table, parties, unit) for table in tables)
    check_steps(tables, steps)
    return steps


def _counts(table: Table, per: str) -> tuple[str, int]:
    """`counts = "Wh"` or "0.001 l": the unit of one count of the channel and its power of ten; default is `per`."""
    found = _COUNTS.fullmatch(table.text("counts", per))
    if found is None:
        raise table.fail("counts", 'must be the unit of one count of the meter, such as "Wh" or "0.001 m3"')
    scale = found[1] or "1"
    exponent = len(scale) - 1 if "." not in scale else 1 - len(scale) + 1
    return found[2], exponent


def _band(table: Table, unit: str, per: str, per_unit: Fraction) -> Band:
    name = table.text("name")
    quota = _in_counts(table, "quota", per, per_unit) if table.has("quota") else 0
    windows = tuple(w for index, text in enumerate(table.texts("windows")) for w in _windows(table, index, text))
    programmes = tuple(table.texts("programmes"))
    if windows and programmes:
        raise table.fail("windows", "stand beside programmes: a band is for some times or for some programmes")
    tiers = _tiers(table, unit, per, per_unit)
    volume = table.flag("volume", False)
    table.done()
    return table.built("volume" if volume else "tiers", lambda: Band(name, tiers, quota, windows, programmes, volume))


def _tiers(table: Table, unit: str, per: str, per_unit: Fraction) -> tuple[Tier, ...]:
    """`price = 1.20`, or `tiers = [{ up_to = 50, price = 0.30 }, { price = 0.25 }]`."""
    if table.has("price") == table.has("tiers"):
        raise table.fail("price", "needs either a price or tiers, not both")
    price_unit = f"{unit}/{per}"
    if table.has("price"):
        return (Tier(None, table.decimal("price", price_unit)),)
    return tuple(_tier(tier, price_unit, per, per_unit) for tier in table.tables("tiers"))


def _tier(table: Table, price_unit: str, per: str, per_unit: Fraction) -> Tier:
    up_to = _in_counts(table, "up_to", per, per_unit) if table.has("up_to") else None
    price = table.decimal("price", price_unit)
    table.done()
    return table.built("up_to", lambda: Tier(up_to, price))


def _in_counts(table: Table, key: str, per: str, per_unit: Fraction) -> int:
    """A quantity in `per`, as whole counts of the channel."""
    counts = table.decimal(key, per).fraction() * per_unit
    if counts.denominator != 1 or counts == 0:
        raise table.fail(key, f"is {counts} counts of the channel: write a quantity of 1 or more whole counts")
    return counts.numerator


def _windows(table: Table, index: int, text: str) -> list[Window]:
    """One line such as "Mon-Fri 22:00-06:00"; over midnight it becomes two windows, the second on the days after."""
    found = _WINDOW.fullmatch(text.strip())
    key = f"windows[{index}]"
    if found is None:
        raise table.fail(key, _WINDOW_HELP)
    days = EVERY_DAY if found[1] is None else _days(table, key, found[1])
    hours = [int(found[i]) for i in (2, 4)]
    minutes = [int(found[i]) for i in (3, 5)]
    begin, end = hours[0] * 60 + minutes[0], hours[1] * 60 + minutes[1]
    if max(minutes) > 59 or begin >= 24 * 60 or end > 24 * 60 or begin == end:
        raise table.fail(key, _WINDOW_HELP)
    if begin < end:
        return [Window(days, begin, end)]
    first = [Window(days, begin, 24 * 60)]
    after = (days << 1 | days >> 6) & EVERY_DAY
    return first if end == 0 else [*first, Window(after, 0, end)]


def _days(table: Table, key: str, text: str) -> int:
    bits = 0
    for part in text.split(","):
        names = [name.strip() for name in part.split("-")]
        if len(names) > 2 or any(name not in _DAYS for name in names):
            raise table.fail(key, f'days are {", ".join(_DAYS)}; ranges such as "Mon-Fri"')
        low, high = _DAYS.index(names[0]), _DAYS.index(names[-1])
        span = range(low, high + 1) if low <= high else [*range(low, 7), *range(high + 1)]
        for day in span:
            bits |= 1 << day
    return bits


def _step(table: Table, parties: Mapping[str, PartyId], unit: str) -> Step:
    group = table.word("group", Group) if table.has("group") else None
    to = () if group is not None and not table.has("to") else _to(table, parties)
    portion = _portion(table) if table.has("portion") else None
    amounts = {name: table.amount(name, unit) for name in ("fixed", "floor", "cap")}
    per = table.word("per", Scope, Scope.USE)
    cap_per = table.word("cap_per", Scope) if table.has("cap_per") else None
    counter = table.text("counter") if table.has("counter") else None
    if amounts["cap"] is not None and counter is None:
        raise table.fail("cap", 'has no counter: add counter = "a name", it keeps what was paid so far')
    table.done()
    caps = (amounts["cap"], cap_per, counter, group)
    return table.built("to", lambda: Step(to, portion, amounts["fixed"], amounts["floor"], per, *caps))


def _portion(table: Table) -> Ratio:
    part = table.portion("portion")
    if part > 1:
        raise table.fail("portion", 'is more than all of what is left: forty per cent is "40 %" or 0.40')
    return table.built("portion", lambda: Ratio.of(part))


def _to(table: Table, parties: Mapping[str, PartyId]) -> tuple[tuple[PartyId, int], ...]:
    """`to = "A"` or `to = { "A" = 70, "B" = 30 }`; parts with a percent sign or a point must sum to the whole."""
    value = table.raw("to")
    if isinstance(value, str):
        return ((_party(table, "to", value, parties), 1),)
    if not isinstance(value, dict) or not value:
        raise table.fail("to", 'must be a party ("Casa Aurora") or parties with parts ({ "A" = 70, "B" = 30 })')
    parts = {_party(table, f"to.{name}", name, parties): table.parts(f"to.{name}", value[name]) for name in value}
    if any(part <= 0 for part in parts.values()):
        raise table.fail("to", "has a part of 0 or less: leave that party out")
    whole = sum(parts.values())
    if whole != 1 and not all(type(part) is int for part in value.values()):
        raise table.fail("to", f"does not sum: the parts make {whole} of the whole, they must make 1 (100 %)")
    scale = lcm(*(part.denominator for part in parts.values()))
    weights = {party: int(part * scale) for party, part in parts.items()}
    divisor = gcd(*weights.values())
    return tuple((party, weights[party] // divisor) for party in parties.values() if party in weights)


def _party(table: Table, key: str, name: str, parties: Mapping[str, PartyId]) -> PartyId:
    if name not in parties:
        raise table.fail(key, f"{name!r} is not a party of this contract: {hint(name, parties)}")
    return parties[name]
