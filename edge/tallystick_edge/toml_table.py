"""A TOML table that hands out typed values once and refuses what nobody asked for.
It knows nothing of gateways; it only makes every complaint name file, key, reason and next step."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from tallystick_edge.errors import ConfigError

if TYPE_CHECKING:
    from decimal import Decimal

E = TypeVar("E", bound=StrEnum)
FILE_BYTES_MAX = 262_144  # a plan of 247 meters is about 40 kB; more than this is not a configuration

TEXT_BYTES_MAX = 4096  # a path is no longer


class Table:
    """One table of a file; `key` in errors is the dotted path a person can search for."""

    def __init__(self, file: str, path: str, values: dict[str, Any]) -> None:
        self._file = file
        self._path = path
        self._values = dict(values)
        self._known: list[str] = []

    def fail(self, key: str, reason: str, step: str) -> NoReturn:
        raise ConfigError(self._file, f"{self._path}.{key}" if self._path else key, reason, step)

    def has(self, key: str) -> bool:
        return key in self._values

    def _take(self, key: str, kind: type | tuple[type, ...], what: str, default: Any) -> Any:
        self._known.append(key)
        if key not in self._values:
            if default is _REQUIRED:
                there = f" (there is: {', '.join(self._values)})" if self._values else ""  # a slip of the pen shows
                self.fail(key, f"is missing{there}", f"add it as {what}")
            return default
        value = self._values.pop(key)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            self.fail(key, f"is {value!r}", f"write {what}")
        return value

    def text(self, key: str) -> str:
        value: str = self._take(key, str, "a text in quotes", _REQUIRED)
        if not value:
            self.fail(key, "is empty", "write something between the quotes")
        if len(value.encode()) > TEXT_BYTES_MAX:
            self.fail(key, f"is longer than {TEXT_BYTES_MAX} bytes", "write a shorter text")
        return value

    def text_or_none(self, key: str) -> str | None:
        if self.has(key):
            return self.text(key)
        self._known.append(key)
        return None

    def integer(self, key: str, low: int, high: int, default: int | None = None) -> int:
        """A whole number low..high; required when there is no default."""
        what = f"a whole number from {low} to {high}"
        value: int = self._take(key, int, what, _REQUIRED if default is None else default)
        if not low <= value <= high:
            self.fail(key, f"is {value}", f"write {what}")
        return value

    def integer_or_none(self, key: str, low: int, high: int) -> int | None:
        if self.has(key):
            return self.integer(key, low, high)
        self._known.append(key)
        return None

    def seconds_ms(self, key: str, low_ms: int, high_ms: int, default_ms: int | None = None) -> int:
        """Seconds as the file says them (3 or 0.5), milliseconds as the program wants them."""
        given = self._values.get(key)
        if given is None and default_ms is not None:
            self._known.append(key)
            return default_ms
        if type(given) is int and low_ms <= given * 1000 <= high_ms:
            return self.integer(key, given, given) * 1000
        from decimal import Decimal  # a third of a MiB, which a file of whole seconds does not need

        low, high = Decimal(low_ms) / 1000, Decimal(high_ms) / 1000
        what = f"seconds from {low} to {high}, in whole milliseconds"
        milliseconds = Decimal(self._take(key, (int, Decimal), what, _REQUIRED)) * 1000
        if milliseconds != milliseconds.to_integral_value() or not low_ms <= milliseconds <= high_ms:
            self.fail(key, f"is {milliseconds / 1000}", f"write {what}")
        return int(milliseconds)

    def choice(self, key: str, kind: type[E], default: E | None = None) -> E:
        what = "one of " + ", ".join(f'"{each.value}"' for each in kind)
        value: str = self._take(key, str, what, _REQUIRED if default is None else default.value)
        if value not in {each.value for each in kind}:
            self.fail(key, f"is {value!r}", f"write {what}")
        return kind(value)

    def table(self, key: str) -> Table:
        value: dict[str, Any] = self._take(key, dict, f"a table [{key}]", _REQUIRED)
        return Table(self._file, f"{self._path}.{key}" if self._path else key, value)

    def tables(self, key: str, count_max: int) -> Sequence[Table]:
        """An array of tables, empty when absent; errors say which one, counted from 1."""
        values: list[Any] = self._take(key, list, f"tables [[{key}]]", [])
        if len(values) > count_max:
            self.fail(key, f"has {len(values)} entries", f"keep at most {count_max} on one gateway")
        if not all(isinstance(each, dict) for each in values):
            self.fail(key, "holds something that is not a table", f"write [[{key}]]")
        path = f"{self._path}.{key}" if self._path else key
        return [Table(self._file, f"{path}[{index}]", each) for index, each in enumerate(values, 1)]

    def done(self) -> None:
        """Refuse keys nobody took."""
        for key in self._values:
            self.fail(key, "is not a key this version knows", f"remove it or write one of {', '.join(self._known)}")


class _Required:
    pass


_REQUIRED = _Required()


def exact(text: str) -> Decimal:
    """A number with a fraction as it is written. Raises ArithmeticError for one beyond all bounds."""
    from decimal import Decimal

    return Decimal(text)


def read_toml(path: Path) -> Table:
    """Parse a file with exact decimals; ConfigError when it is missing, too large, or not TOML."""
    try:
        data = path.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(str(path), "file", reason, "check the path and its permissions") from None
    if len(data) > FILE_BYTES_MAX:
        raise ConfigError(str(path), "file", f"is {len(data)} bytes", f"keep it below {FILE_BYTES_MAX} bytes")
    try:
        values = tomllib.loads(data.decode("utf-8"), parse_float=exact)
    except (ValueError, ArithmeticError, RecursionError) as error:  # 1e9999999999999999999, a thousand brackets
        raise ConfigError(str(path), "file", f"is not TOML in UTF-8: {error}", "correct the place named") from None
    return Table(str(path), "", values)
