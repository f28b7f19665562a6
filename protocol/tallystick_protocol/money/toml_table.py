"""One table of a contract file, read field by field: the right type or a refusal with line, field and next step.
It never has a default that the caller did not spell out, and it refuses fields that nobody asked for."""

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from difflib import get_close_matches
from enum import StrEnum
from fractions import Fraction
from typing import Any, TypeVar

from tallystick_protocol.errors import ProtocolError
from tallystick_protocol.money.errors import ContractError
from tallystick_protocol.money.letters import looks_like, odd_letters
from tallystick_protocol.money.numbers import EXPONENT_MAX, Exact
from tallystick_protocol.money.toml_lines import line_of

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)
_FRACTION = re.compile(r"([0-9]{1,12})\s*/\s*([0-9]{1,12})")
_PERCENT = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,12})?)\s*%")
_DECIMAL = re.compile(r"[+-]?[0-9]{1,40}(?:\.[0-9]{1,40})?")
_DURATION = re.compile(r"([0-9]{1,9})\s*(s|min|h|d)")
_MS = {"s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
_DIGITS_MAX = 18  # of a number as people write it; nineteen do not fit into 64 bits


class Table:
    """A TOML table with its path; every method raises ContractError naming the field and its line."""

    def __init__(self, data: dict[str, Any], lines: dict[str, int], path: str = "") -> None:
        self._data = data
        self._lines = lines
        self._path = path
        self._asked: set[str] = set()

    def fail(self, key: str, reason: str) -> ContractError:
        """The refusal of one field of this table; raise it."""
        path = self.path(key)
        return ContractError(line_of(self._lines, path) or line_of(self._lines, self._path), path, reason)

    def path(self, key: str) -> str:
        """The dotted path of a field."""
        return ".".join(part for part in (self._path, key) if part)

    def built(self, key: str, make: Callable[[], T]) -> T:
        """The result of `make`, with a refusal of the protocol's rules turned into one of this file."""
        try:
            return make()
        except ContractError:
            raise
        except ProtocolError as error:
            named = error.field.rpartition(".")[2].removesuffix("_ms")
            raise self.fail(named if named in self._data else key, error.reason) from error

    def has(self, key: str) -> bool:
        """Whether the field is there."""
        self._asked.add(key)
        return key in self._data

    def raw(self, key: str) -> Any:
        """The value as TOML gave it; a missing field is refused."""
        if not self.has(key):
            close = get_close_matches(key, self._data, 1)
            raise self.fail(key, f"is missing: add it (or is it {close[0]!r}?)" if close else "is missing: add it")
        return self._data[key]

    def text(self, key: str, default: str | None = None, *, is_paragraph: bool = False) -> str:
        """A text that is not empty and says what it seems to say (letters.py); a paragraph may have line breaks."""
        if default is not None and not self.has(key):
            return default
        value = self.raw(key)
        if not isinstance(value, str) or not value.strip():
            raise self.fail(key, 'must be a text in quotes, such as "Casa Aurora"')
        odd = odd_letters(value, is_paragraph=is_paragraph)
        if odd is not None:
            raise self.fail(key, odd)
        return value

    def word(self, key: str, table: type[E], default: E | None = None) -> E:
        """One of a list of words."""
        value = self.text(key, default)
        try:
            return table(value)
        except ValueError:
            raise self.fail(key, f"is {value!r}, must be one of {', '.join(table)}") from None

    def flag(self, key: str, default: bool) -> bool:
        """true or false."""
        value = self.raw(key) if self.has(key) else default
        if not isinstance(value, bool):
            raise self.fail(key, "must be true or false, without quotes")
        return value

    def count(self, key: str, default: int) -> int:
        """A whole number of 0 or more."""
        value = self.raw(key) if self.has(key) else default
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self.fail(key, "must be a whole number of 0 or more")
        return value

    def decimal(self, key: str, unit: str) -> Exact:
        """A number of 0 or more, bare or in quotes with its unit behind it ("0.30 EUR/kWh")."""
        value = self.raw(key)
        if isinstance(value, str):
            value = self._without_unit(key, value, unit)
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            raise self.fail(key, f'must be a number in {unit}, such as 1.50 or "1.50 {unit}"')
        self._check_size(key, value)
        exact = self.built(key, lambda: Exact.of(value))
        if exact.mantissa < 0:
            raise self.fail(key, "is negative: write 0 or more")
        return exact

    def _check_size(self, key: str, value: int | Decimal) -> None:
        """Refuse a number that no price list has, before anything is computed with it."""
        exact = Decimal(value)
        if exact.is_finite() and exact and not -EXPONENT_MAX <= exact.adjusted() <= EXPONENT_MAX:
            raise self.fail(key, "is too large or too small to be meant: check the decimal point")
        if exact.is_finite() and len(exact.normalize().as_tuple().digits) > _DIGITS_MAX:
            raise self.fail(key, f"has more than {_DIGITS_MAX} digits: round it, amounts have nine decimals")

    def amount(self, key: str, unit: str) -> Exact | None:
        """Money in `unit` with at most nine decimals, None when the field is absent."""
        if not self.has(key):
            return None
        exact = self.decimal(key, unit)
        self.built(key, exact.nano)
        return exact

    def portion(self, key: str) -> Fraction:
        """A part of a whole: 0.25, "25 %" or "1/4"."""
        return self.parts(key, self.raw(key))

    def parts(self, key: str, value: Any) -> Fraction:
        """The same for a value inside of a field."""
        found = _fraction(value)
        if found is None:
            raise self.fail(key, 'must be a part such as 0.25, "25 %" or "1/4"')
        return found

    def duration_ms(self, key: str, default: str, low: str, high: str) -> int:
        """A time span such as "15 min", "2 h" or "1 d", in ms; `low` and `high` are the shortest and the longest."""
        value = self.raw(key) if self.has(key) else default
        ms = _duration_ms(value)
        if ms is None:
            raise self.fail(key, f'must be a time span such as "15 min", "2 h" or "1 d", from "{low}" to "{high}"')
        if not (_duration_ms(low) or 0) <= ms <= (_duration_ms(high) or 0):
            raise self.fail(key, f'is {value!r}, must be from "{low}" to "{high}"')
        return ms

    def moment(self, key: str) -> date | datetime:
        """A TOML date or date-time (without quotes)."""
        value = self.raw(key)
        if not isinstance(value, date):  # a datetime is a date
            raise self.fail(key, "must be a date such as 2026-12-01, without quotes")
        return value

    def texts(self, key: str) -> list[str]:
        """A list of texts; empty when the field is absent."""
        value = self.raw(key) if self.has(key) else []
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.fail(key, 'must be a list of texts such as ["a", "b"]')
        return value

    def table(self, key: str) -> "Table":
        """A table; an absent one is empty, so that its own fields are asked for."""
        value = self._data.get(key, {})
        self._asked.add(key)
        if not isinstance(value, dict):
            raise self.fail(key, f"must be a table: begin it with [{self.path(key)}]")
        return Table(value, self._lines, self.path(key))

    def tables(self, key: str) -> list["Table"]:
        """An array of tables that is not empty."""
        value = self.raw(key)
        if not isinstance(value, list) or not value or not all(isinstance(item, dict) for item in value):
            raise self.fail(key, f"must be tables: begin each with [[{self.path(key)}]]")
        return [Table(item, self._lines, f"{self.path(key)}[{index}]") for index, item in enumerate(value)]

    def keys(self) -> Sequence[str]:
        """All fields, for tables whose fields are names."""
        self._asked |= set(self._data)
        return list(self._data)

    def done(self) -> None:
        """Refuse what nobody asked for."""
        for key in self._data:
            if key not in self._asked:
                close = get_close_matches(key, self._asked, 1)
                hint = f"did you mean {close[0]}?" if close else f"known here: {', '.join(sorted(self._asked))}"
                raise self.fail(key, f"is not a field of this table; {hint}")

    def _without_unit(self, key: str, value: str, unit: str) -> Decimal:
        number, _, behind = value.strip().partition(" ")
        if _DECIMAL.fullmatch(number) is None:
            raise self.fail(key, f"{number!r} is not a number; write 1.50, with a point")
        if not behind:
            raise self.fail(key, f'is in quotes without its unit: write {number}, or "{number} {unit}"')
        if behind.strip().replace(" ", "") != unit:
            raise self.fail(key, f"has the unit {behind.strip()!r}, expected {unit!r}: units do not fit")
        return Decimal(number)


def _duration_ms(value: Any) -> int | None:
    found = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    return None if found is None else int(found[1]) * _MS[found[2]]


def _fraction(value: Any) -> Fraction | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return Fraction(value)
    if isinstance(value, Decimal):
        return Fraction(value) if value.is_finite() and abs(value.adjusted()) <= 18 else None
    if not isinstance(value, str):
        return None
    if found := _FRACTION.fullmatch(value.strip()):
        return Fraction(int(found[1]), int(found[2])) if int(found[2]) else None
    if found := _PERCENT.fullmatch(value.strip()):
        return Fraction(found[1]) / 100
    return None


def hint(name: str, known: Iterable[str], otherwise: str = "add a [[party]] with this name") -> str:
    """The next step for a name that is not known: the name that was meant, if one looks like it."""
    known = list(known)
    twin = looks_like(name, known)
    if twin is not None:
        return f"it only looks like {twin!r}, which is written with other letters; copy that name"
    close = get_close_matches(name, known, 1)
    return f"did you mean {close[0]!r}?" if close else otherwise
