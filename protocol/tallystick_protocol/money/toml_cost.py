"""A cost pool from its TOML file: every refusal with line, field and next step.
It never fills a portion or a share in, and never takes a field it does not know."""

from datetime import date, datetime
from fractions import Fraction

from tallystick_protocol.money.contract_toml import parsed
from tallystick_protocol.money.cost import Bill, By, Cost, Flat, Lives, Part, Reading
from tallystick_protocol.money.toml_table import Table

FILE_VERSION = 1
FLATS_MAX = 5_000
PEOPLE_MAX = 100  # in one flat
CENT_NANO = 10**7
FOREVER = date.max


def load_cost(text: str) -> Cost:
    """The pool that `text` describes. Raises ContractError (line, field, reason)."""
    table = parsed(text)
    if table.count("version", 0) != FILE_VERSION:
        raise table.fail("version", f"must be {FILE_VERSION}, the version of this file format")
    head = table.table("cost")
    name, community, collector = head.text("name"), head.text("community"), head.text("collector")
    decision = head.text("decision_ref")
    supplier = head.text("supplier") if head.has("supplier") else None
    key = tuple(_part(one) for one in head.tables("key"))
    head.done()
    flats = tuple(_flat(one) for one in table.tables("flat"))
    if len(flats) > FLATS_MAX:
        raise table.fail("flat", f"stands {len(flats)} times; the limit is {FLATS_MAX}")
    cost = Cost(
        name, community, collector, decision, key, flats, _readings(table, key, flats),
        _bill(table.table("bill")) if table.has("bill") else None, supplier,
    )  # fmt: skip
    table.done()
    table.built("cost", cost.check_rules)
    return cost


def _part(table: Table) -> Part:
    by = table.word("by", By)
    found = Part(
        table.portion("portion"),
        by,
        table.text("quantity") if by is By.USE else None,
        table.word("if_none", By) if table.has("if_none") else None,
    )
    if not 0 < found.portion <= 1:
        raise table.fail("portion", "must be more than 0 and at most 1")
    if found.if_none in (by, By.USE):
        raise table.fail("if_none", f"must be another measure than {by.value}, and not use")
    table.done()
    return found


def _flat(table: Table) -> Flat:
    lives = tuple(_lives(one) for one in table.tables("lives")) if table.has("lives") else ()
    found = Flat(
        table.text("asset"),
        table.text("owner"),
        _number(table, "share", "per mille"),
        _number(table, "area", "m2"),
        lives,
    )
    table.done()
    return found


def _number(table: Table, key: str, unit: str) -> Fraction:
    return table.decimal(key, unit).fraction() if table.has(key) else Fraction(0)


def _lives(table: Table) -> Lives:
    found = Lives(
        table.text("name"),
        table.count("people", 1),
        _day(table, "first_day") if table.has("first_day") else date.min,
        _day(table, "last_day") if table.has("last_day") else FOREVER,
    )
    if not 1 <= found.people <= PEOPLE_MAX:
        raise table.fail("people", f"must be 1 to {PEOPLE_MAX}; while nobody lives there the owner pays")
    table.done()
    return found


def _readings(table: Table, key: tuple[Part, ...], flats: tuple[Flat, ...]) -> tuple[Reading, ...]:
    found: dict[tuple[str, str, date], Reading] = {}
    quantities, assets = [part.quantity for part in key if part.quantity], {flat.asset for flat in flats}
    for one in table.tables("reading") if table.has("reading") else ():
        asset = one.text("asset")
        if asset not in assets:
            raise one.fail("asset", f"{asset!r} is no [[flat]] of this file")
        quantity = one.text("quantity", quantities[0] if len(set(quantities)) == 1 else None)
        if quantity not in quantities:
            raise one.fail("quantity", f"{quantity!r} is asked for by no part of the key")
        reading = Reading(asset, quantity, _day(one, "on"), one.decimal("total", "what the meter shows").fraction())
        if found.setdefault((asset, quantity, reading.on), reading) != reading:
            raise one.fail("total", f"is another one than before for {asset} on {reading.on}")
        one.done()
    return tuple(found.values())


def _bill(table: Table) -> Bill:
    amount = table.decimal("amount", "EUR")
    nano = table.built("amount", amount.nano)
    if nano % CENT_NANO:
        raise table.fail("amount", "has parts of a cent; a bill is in whole cents")
    found = Bill(table.text("id"), nano // CENT_NANO, _day(table, "first_day"), _day(table, "last_day"))
    table.done()
    table.built("amount", found.check_rules)
    return found


def _day(table: Table, key: str) -> date:
    found = table.moment(key)
    if isinstance(found, datetime):
        raise table.fail(key, "has a time; write a day such as 2026-01-31")
    return found
