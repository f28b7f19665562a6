"""Units of measure and what converts into what, exactly.
It never guesses: a unit that is not in the table converts only into itself."""

from fractions import Fraction

from tallystick_protocol.errors import BadValue

_TABLE: dict[str, dict[str, Fraction]] = {
    "energy": {
        "mWh": Fraction(1, 1000),
        "Wh": Fraction(1),
        "kWh": Fraction(1000),
        "MWh": Fraction(10**6),
        "J": Fraction(1, 3600),
        "kJ": Fraction(1000, 3600),
        "MJ": Fraction(10**6, 3600),
    },
    "volume": {
        "mL": Fraction(1, 1000),
        "ml": Fraction(1, 1000),
        "L": Fraction(1),
        "l": Fraction(1),
        "hl": Fraction(100),
        "m3": Fraction(1000),
    },
    "time": {"ms": Fraction(1, 1000), "s": Fraction(1), "min": Fraction(60), "h": Fraction(3600)},
    "length": {"m": Fraction(1), "km": Fraction(1000)},
    "mass": {"g": Fraction(1), "kg": Fraction(1000), "t": Fraction(10**6)},
}


def counts_per(price_unit: str, count_unit: str, count_exponent: int) -> Fraction:
    """How many counts of 10^count_exponent `count_unit` make one `price_unit`.

    Raises BadValue when the units do not measure the same thing.
    """
    return _factor(price_unit, count_unit) / Fraction(10) ** count_exponent


def _factor(unit: str, into: str) -> Fraction:
    if unit == into:
        return Fraction(1)
    for units in _TABLE.values():
        if unit in units and into in units:
            return units[unit] / units[into]
    raise BadValue("unit", f"{unit!r} cannot be counted in {into!r}: they do not measure the same thing")
