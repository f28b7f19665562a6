"""Exact numbers of a contract: decimals as people write them and rationals in lowest terms, and their wire forms.
It never rounds; a number that is not exact in nano of the unit is refused where an amount is needed."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from math import gcd
from typing import Any, Self

from tallystick_protocol import cbor
from tallystick_protocol.errors import BadType, BadValue, Unsupported
from tallystick_protocol.schema import INT, Field, Int, RowMessage

NANO = 10**9  # amounts are integers of 10^-9 of the contract's unit
NANO_DIGITS = 9
EXPONENT_MIN = -18  # a millionth of a nano per count: finer than any price list
EXPONENT_MAX = 12
DENOMINATOR_MAX = 10**12  # a portion is written by people: a third, 12.5 %; keeps every product small
TEXT_LONG_BYTES_MAX = 4096  # a paragraph of a data notice


@dataclass(frozen=True, slots=True)
class Exact(RowMessage):
    """mantissa * 10^exponent without trailing zeros, so that one number has one form. Zero is (0, 0)."""

    NAME = "decimal"
    FIELDS = (Field(0, "mantissa", INT), Field(1, "exponent", Int(EXPONENT_MIN, EXPONENT_MAX)))
    mantissa: int
    exponent: int

    def check_rules(self) -> None:
        if (self.mantissa == 0 and self.exponent != 0) or (self.mantissa != 0 and self.mantissa % 10 == 0):
            raise BadValue("decimal.mantissa", "ends in a zero: write the shortest form")

    @classmethod
    def of(cls, value: int | str | Decimal) -> Self:
        """The exact value of an integer or decimal; raises BadValue when it is infinite, too long or too fine."""
        sign, digits, exponent = Decimal(value).as_tuple()
        if not isinstance(exponent, int):
            raise BadValue("decimal", "is not a finite number")
        mantissa = int("".join(map(str, digits)))
        while mantissa and mantissa % 10 == 0:
            mantissa, exponent = mantissa // 10, exponent + 1
        return cls(-mantissa if sign else mantissa, exponent if mantissa else 0)

    def fraction(self) -> Fraction:
        """The same value as an exact rational."""
        return Fraction(self.mantissa) * Fraction(10) ** self.exponent

    def nano(self, field: str = "amount") -> int:
        """The amount in nano of the unit; raises BadValue if it has more than nine decimals or leaves 64 bits."""
        if self.exponent < -NANO_DIGITS:
            raise BadValue(field, "has more than nine decimals, the smallest amount is 0.000000001")
        amount = self.mantissa * int(10 ** (self.exponent + NANO_DIGITS))
        if not cbor.INT_MIN <= amount <= cbor.INT_MAX:
            raise BadValue(field, "is larger than 9,223,372,036 units")
        return amount

    def __str__(self) -> str:
        return f"{Decimal(self.mantissa).scaleb(self.exponent):f}"


@dataclass(frozen=True, slots=True)
class Ratio(RowMessage):
    """A rational 0 <= n/d in lowest terms."""

    NAME = "ratio"
    FIELDS = (Field(0, "n", Int(0)), Field(1, "d", Int(1, DENOMINATOR_MAX)))
    n: int
    d: int

    def check_rules(self) -> None:
        if gcd(self.n, self.d) != 1:
            raise BadValue("ratio", f"{self.n}/{self.d} is not in lowest terms")

    @classmethod
    def of(cls, value: Fraction) -> Self:
        """Raises BadValue when the rational is negative or its denominator too large."""
        return cls(value.numerator, value.denominator)

    def fraction(self) -> Fraction:
        return Fraction(self.n, self.d)


@dataclass(frozen=True, slots=True)
class Word:
    """A codec for a StrEnum: the word itself on the wire; an unknown word is Unsupported, not wrong."""

    table: type[StrEnum]

    def check(self, value: Any, at: str) -> None:
        self.read(value, at)

    def read(self, value: Any, at: str) -> Any:
        if not isinstance(value, str):
            raise BadType(at, "must be text")
        try:
            return self.table(value)
        except ValueError:
            raise Unsupported(at, f"{value!r} is none of {', '.join(self.table)}") from None

    def write(self, value: Any) -> Any:
        return str(value)


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Text longer than a name: UTF-8 in a byte string of at most 4 KiB."""

    def check(self, value: Any, at: str) -> None:
        if not isinstance(value, str):
            raise BadType(at, "must be text")
        cbor.encode(value, field=at, text_bytes_max=TEXT_LONG_BYTES_MAX)

    def read(self, value: Any, at: str) -> Any:
        if not isinstance(value, bytes):
            raise BadType(at, "must be a byte string of UTF-8")
        try:
            text = value.decode()
        except UnicodeDecodeError:
            raise BadValue(at, "is not UTF-8") from None
        self.check(text, at)
        return text

    def write(self, value: Any) -> Any:
        return str(value).encode()
