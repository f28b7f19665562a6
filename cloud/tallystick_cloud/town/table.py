"""Reads one TOML table field by field; every refusal names the field and what is allowed there.

It never ignores a key: one that nobody asked for is an error.
"""

import re
import tomllib
from collections.abc import Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from tallystick_cloud.errors import BadInput

FILE_BYTES_MAX = 1 << 20  # a town of a thousand meters is 300 kB
TEXT_CHARS_MAX = 200
SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")


class Table:
    """A table and its path in the file, e.g. `site[0].channel[2]`."""

    def __init__(self, values: Mapping[str, Any], at: str) -> None:
        self._values = dict(values)
        self._at = at
        self._read: set[str] = set()

    def path(self, name: str) -> str:
        return f"{self._at}.{name}" if self._at else name

    def has(self, name: str) -> bool:
        return name in self._values

    def text(self, name: str) -> str:
        value = self._take(name)
        if not isinstance(value, str) or not value or len(value) > TEXT_CHARS_MAX:
            raise BadInput(self.path(name), f"is {value!r}; write 1 to {TEXT_CHARS_MAX} characters in quotes")
        return value

    def text_or(self, name: str, default: str | None) -> str | None:
        return self.text(name) if self.has(name) else default

    def day_or_text(self, name: str) -> str:
        """A text, or a date as YYYY-MM-DD."""
        self._read.add(name)
        if isinstance(value := self._values.get(name), date):
            return value.isoformat()[:10]
        return "" if value == "" else self.text(name)

    def names(self) -> tuple[str, ...]:
        return tuple(self._values)

    def slug(self, name: str) -> str:
        return check_slug(self.path(name), self.text(name))

    def integer(self, name: str, low: int, high: int) -> int:
        value = self._take(name)
        if type(value) is not int or not low <= value <= high:
            raise BadInput(self.path(name), f"is {value!r}; write a whole number from {low} to {high}")
        return value

    def integer_or(self, name: str, low: int, high: int, default: int | None) -> int | None:
        return self.integer(name, low, high) if self.has(name) else default

    def flag_or(self, name: str, default: bool) -> bool:
        if not self.has(name):
            return default
        value = self._take(name)
        if type(value) is not bool:
            raise BadInput(self.path(name), f"is {value!r}; write true or false")
        return value

    def degrees_e7(self, name: str, most: int) -> int | None:
        """Decimal degrees as an integer of 10^-7 degree (about a centimetre); None when absent."""
        if not self.has(name):
            return None
        value = self._take(name)
        try:
            degrees = Decimal(value) if isinstance(value, int | str | Decimal) else None
        except InvalidOperation:
            degrees = None
        if degrees is None or not degrees.is_finite() or abs(degrees) > most:
            raise BadInput(self.path(name), f"is {value!r}; write decimal degrees from -{most} to {most}")
        return int((degrees * 10**7).to_integral_value())

    def texts(self, name: str) -> tuple[str, ...]:
        if not self.has(name):
            return ()
        value = self._take(name)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise BadInput(self.path(name), f"is {value!r}; write a list of words in quotes")
        return tuple(value)

    def one(self, name: str) -> "Table":
        value = self._take(name)
        if not isinstance(value, dict):
            raise BadInput(self.path(name), f"must be a table: [{name}]")
        return Table(value, self.path(name))

    def many(self, name: str) -> list["Table"]:
        if not self.has(name):
            return []
        value = self._take(name)
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise BadInput(self.path(name), f"must be a list of tables: [[{name}]]")
        return [Table(item, f"{self.path(name)}[{index}]") for index, item in enumerate(value)]

    def done(self) -> None:
        """Raise BadInput for a key that nobody read."""
        for name in self._values:
            if name not in self._read:
                raise BadInput(self.path(name), "is not known here; check its spelling")

    def _take(self, name: str) -> Any:
        self._read.add(name)
        if name not in self._values:
            raise BadInput(self.path(name), "is missing")
        return self._values[name]


def read_file(path: Path) -> Table:
    """The root table of a TOML file; raises BadInput naming the file, and the line when it is no TOML."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadInput(str(path), f"cannot be read: {error.strerror}") from None
    if len(data) > FILE_BYTES_MAX:
        raise BadInput(str(path), f"is {len(data)} bytes, the limit is {FILE_BYTES_MAX}")
    try:
        text = data.decode()
    except ValueError as error:
        raise BadInput(str(path), f"is not TOML: {error}") from None
    return read_text(text, str(path))


def read_text(text: str, where: str) -> Table:
    """The same of a text; `where` is what a refusal calls it."""
    try:
        return Table(tomllib.loads(text, parse_float=Decimal), "")
    except (ValueError, ArithmeticError, RecursionError) as error:  # 1e9999999999999999999, a thousand brackets
        raise BadInput(where, f"is not TOML: {error}") from None


def check_slug(field: str, value: str) -> str:
    """A short name of a thing. Raises BadInput."""
    if not SLUG.fullmatch(value):
        raise BadInput(field, f"is {value!r}; use a-z, 0-9 and '-', at most 64 characters")
    return value
