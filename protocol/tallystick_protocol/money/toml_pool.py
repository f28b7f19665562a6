"""The [pool] table of a contract file, the pool's fields of its assets, and what they mean as exact values.
It never fills a price in and never guesses which way a meter counts."""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Any

from tallystick_protocol.errors import ProtocolError
from tallystick_protocol.ids import H32, H32_BYTES, PartyId
from tallystick_protocol.money.numbers import Exact, Ratio
from tallystick_protocol.money.pool import (
    COUNT_UNIT,
    Above,
    ConsumerRule,
    Direction,
    MemberKind,
    PlantRule,
    Point,
    Pool,
    PriceClass,
    pool_tariff,
)
from tallystick_protocol.money.split import Group
from tallystick_protocol.money.tariff import Tariff
from tallystick_protocol.money.toml_table import Table
from tallystick_protocol.money.units import counts_per

CONSUMERS = "consumers"
_OF_POINT = re.compile(r"pool\.points\[(\d+)\]\.(\w+)")
Moment = Callable[[Table, str], int]
"""A date or date-time of a field, in UTC ms."""


class _TrueUp(StrEnum):
    YEAR = "year"


def pool_of(table: Table, assets: list[Table], parties: Mapping[str, PartyId], moment: Moment) -> tuple[Pool, Tariff]:
    """Read [pool] and the fields direction, kind, from, to, class, commissioned, part, silent of every [[asset]]."""
    per = table.text("per")
    ratio = table.built("per", lambda: counts_per(per, COUNT_UNIT, 0))
    classes = tuple(_class(one) for one in table.tables("class"))
    names = [one.name for one in classes]
    consumers = table.word("consumers", ConsumerRule, ConsumerRule.PRO_RATA)
    points = tuple(_point(one, names, moment) for one in assets)
    plants = table.word("plants", PlantRule)
    payer = _payer(table, parties)
    series = table.text("series") if table.has("series") else None
    trued_up = table.word("true_up", _TrueUp) is _TrueUp.YEAR if table.has("true_up") else False
    advance = _ratio(table, "advance") if table.has("advance") else Ratio(1, 1)
    above = _above(table.table("above"), parties) if table.has("above") else None
    coefficients = _hash(table, "coefficients") if table.has("coefficients") else None
    table.done()

    def made() -> Pool:
        return Pool(plants, consumers, payer, classes, points, series, trued_up, advance, above, coefficients)

    pool = _built(table, assets, made)
    return pool, table.built("per", lambda: pool_tariff(per, Ratio.of(ratio)))


def _built(table: Table, assets: list[Table], make: Callable[[], Pool]) -> Pool:
    """The pool, with a refusal said at the field that it is about, of [pool] or of an [[asset]]."""
    try:
        return make()
    except ProtocolError as error:
        found = _OF_POINT.fullmatch(error.field)
        if found is not None:
            raise assets[int(found[1])].fail(found[2], error.reason) from error
        field = error.field.removeprefix("pool.")
        raise table.fail({"points": "consumers", "classes": "class"}.get(field, field), error.reason) from error


def _payer(table: Table, parties: Mapping[str, PartyId]) -> PartyId | None:
    name = table.text("payer")
    return None if name == CONSUMERS else _party(table, "payer", name, parties)


def _above(table: Table, parties: Mapping[str, PartyId]) -> Above:
    name = table.text("to")
    to = None if name == Group.HOUSEHOLDS else _party(table, "to", name, parties)
    portion = _ratio(table, "portion")
    table.done()
    return table.built("portion", lambda: Above(portion, to))


def _party(table: Table, key: str, name: str, parties: Mapping[str, PartyId]) -> PartyId:
    if name not in parties:
        raise table.fail(key, f"{name!r} is not a party of this contract: add a [[party]] with this name")
    return parties[name]


def _class(table: Table) -> PriceClass:
    """`price = 130`, or `points = [[140, 120], [180, 80]]` over the price of the series."""
    name = table.text("name")
    if table.has("price") == table.has("points"):
        raise table.fail("price", "needs either a price or points, not both")
    knots = _knots(table) if table.has("points") else ((Exact(0, 0), _number(table, "price", table.raw("price"))),)
    add = _number(table, "add", table.raw("add")) if table.has("add") else None
    factor = _ratio(table, "factor") if table.has("factor") else Ratio(1, 1)
    table.done()
    return table.built("points", lambda: PriceClass(name, knots, add, factor))


def _knots(table: Table) -> tuple[tuple[Exact, Exact], ...]:
    value = table.raw("points")
    if not isinstance(value, list) or len(value) < 2 or any(not isinstance(p, list) or len(p) != 2 for p in value):
        reason = "must be two or more pairs [price of the series, worth], such as [[140, 120], [180, 80]]"
        raise table.fail("points", reason)
    return tuple((_number(table, "points", at), _number(table, "points", worth)) for at, worth in value)


def _number(table: Table, key: str, value: Any) -> Exact:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise table.fail(key, "must be a number without quotes, such as 130 or 82.5")
    return table.built(key, lambda: Exact.of(value))


def _ratio(table: Table, key: str) -> Ratio:
    return table.built(key, lambda: Ratio.of(table.portion(key)))


def _hash(table: Table, key: str) -> H32:
    try:
        found = bytes.fromhex(table.text(key))
    except ValueError:
        found = b""
    if len(found) != H32_BYTES:
        raise table.fail(key, "must be the SHA-256 of the coefficients file in 64 hex digits: see `sha256sum FILE`")
    return H32(found)


def _point(table: Table, classes: list[str], moment: Moment) -> Point:
    direction = table.word("direction", Direction)
    kind = table.word("kind", MemberKind, MemberKind.HOUSEHOLD)
    begin = moment(table, "from") if table.has("from") else None
    end = moment(table, "to") if table.has("to") else None
    price_class = _class_index(table, classes) if table.has("class") else 0
    since = moment(table, "commissioned") if table.has("commissioned") else None
    part = _ratio(table, "part") if table.has("part") else None
    silent = table.flag("silent", False)
    if begin is not None and end is not None and end <= begin:
        raise table.fail("to", "is not after from")
    for key in ("commissioned", "class"):
        if direction is Direction.WITHDRAWN and table.has(key):
            raise table.fail(key, "belongs to what injects, and this meter withdraws")
    return table.built("direction", lambda: Point(direction, kind, begin, end, price_class, since, part, silent))


def _class_index(table: Table, classes: list[str]) -> int:
    name = table.text("class")
    if name not in classes:
        raise table.fail("class", f"{name!r} is no class of the pool: it has {', '.join(classes)}")
    return classes.index(name)
