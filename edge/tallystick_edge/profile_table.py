"""A strict reader of one TOML table of a profile: every key is taken once, by type, and a key nobody took is an error.
It knows nothing of meters; its only product besides values is the ProfileError that names file, key and reason."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, TypeVar

from tallystick_edge.profile import ProfileError

TEXT_CHARS_MAX = 300
E = TypeVar("E", bound=StrEnum)


class Table:
    """Call the typed getters, then `done()`. All of them raise ProfileError."""

    def __init__(self, file: str, path: str, value: object) -> None:
        self.file = file
        self.path = path
        if not isinstance(value, dict):
            raise ProfileError(file, path or "(file)", "is not a table")
        self._rest: dict[str, Any] = dict(value)

    def error(self, key: str, reason: str) -> ProfileError:
        """The error for `key` of this table."""
        return ProfileError(self.file, f"{self.path}.{key}" if self.path else key, reason)

    def has(self, key: str) -> bool:
        return key in self._rest

    def take(self, key: str) -> Any:
        if key not in self._rest:
            raise self.error(key, "is missing")
        return self._rest.pop(key)

    def text(self, key: str) -> str:
        value = self.take(key)
        if not isinstance(value, str) or not value.strip() or len(value) > TEXT_CHARS_MAX:
            raise self.error(key, f"is not a text of 1 to {TEXT_CHARS_MAX} characters")
        return value

    def text_or_none(self, key: str) -> str | None:
        return self.text(key) if self.has(key) else None

    def integer(self, key: str, low: int, high: int, default: int | None = None) -> int:
        if default is not None and not self.has(key):
            return default
        value = self.take(key)
        if type(value) is not int or not low <= value <= high:
            raise self.error(key, f"is not an integer from {low} to {high}")
        return value

    def integer_or_none(self, key: str, low: int, high: int) -> int | None:
        return self.integer(key, low, high) if self.has(key) else None

    def flag(self, key: str) -> bool:
        """True or false; false when the key is absent."""
        value = self._rest.pop(key, False)
        if not isinstance(value, bool):
            raise self.error(key, "is not true or false")
        return value

    def choice(self, key: str, kinds: type[E], default: E | None = None) -> E:
        if default is not None and not self.has(key):
            return default
        value = self.take(key)
        try:
            return kinds(value)
        except ValueError:
            raise self.error(key, f"is not one of: {', '.join(kinds)}") from None

    def words(self, key: str) -> tuple[int, ...]:
        """Registers written as groups of four hexadecimal digits."""
        return self.words_of(key, self.take(key))

    def words_of(self, key: str, value: object) -> tuple[int, ...]:
        groups = value.split() if isinstance(value, str) else []
        if not groups or any(len(group) != 4 for group in groups):
            raise self.error(key, "is not a text of registers, each four hexadecimal digits")
        try:
            return tuple(int.from_bytes(bytes.fromhex(group), "big") for group in groups)
        except ValueError:
            raise self.error(key, "has a digit that is not hexadecimal") from None

    def table(self, key: str) -> Table:
        return Table(self.file, f"{self.path}.{key}" if self.path else key, self.take(key))

    def tables(self, key: str) -> list[Table]:
        """A list of tables, empty when the key is absent."""
        value = self._rest.pop(key, [])
        if not isinstance(value, list):
            raise self.error(key, "is not a list of tables")
        path = f"{self.path}.{key}" if self.path else key
        return [Table(self.file, f"{path}[{index}]", entry) for index, entry in enumerate(value)]

    def items(self, key: str) -> list[Any]:
        """A plain list, empty when the key is absent."""
        value = self._rest.pop(key, [])
        if not isinstance(value, list):
            raise self.error(key, "is not a list")
        return value

    def names(self) -> list[str]:
        """The keys not yet taken."""
        return list(self._rest)

    def done(self) -> None:
        """Refuse what nobody asked for: a misspelt key would otherwise be ignored."""
        for key in self._rest:
            raise self.error(key, "is not a key of this table")
