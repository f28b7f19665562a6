"""From raw Modbus words to the integers of a profile, exactly.
Float registers are rounded to the nearest integer of the profile's unit here and nowhere else; no float gets out."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import ClassVar

from tallystick_edge.profile import (
    ModbusWire,
    PlusWire,
    PowerWire,
    Profile,
    RawRead,
    Register,
    Span,
    WireType,
    WordOrder,
)

WORDS = {
    WireType.UINT16: 1,
    WireType.INT16: 1,
    WireType.UINT32: 2,
    WireType.INT32: 2,
    WireType.FLOAT32: 2,
    WireType.UINT64: 4,
    WireType.INT64: 4,
}
POWER_MAX = 12  # a meter that scales by more than pico .. tera says nonsense
_SIGNED = frozenset({WireType.INT16, WireType.INT32, WireType.INT64})


class NotRead(KeyError):
    """None of the reads covers the register."""


class ValueAbsent(ValueError):
    """The meter answered, and said that it has no value for this register; `reason_code` is what a Fault carries."""

    reason_code: ClassVar[str] = "no-value"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason


def decode_registers(profile: Profile, reads: Sequence[RawRead], names: Iterable[str]) -> dict[str, int]:
    """Values of the named registers, as integers in unit times 10^exponent, ties to even.
    Raises ValueAbsent when the meter says it has none, KeyError when no read covers a register."""
    return {name: decode_value(profile.registers[name], reads) for name in names}


@dataclass(frozen=True, slots=True)
class Decoded:
    """`values`: as integers in each register's unit times 10^exponent. `absent`: why a register has none."""

    values: Mapping[str, int]
    absent: Mapping[str, str]


def decode_present(registers: Iterable[Register], reads: Sequence[RawRead]) -> Decoded:
    """What the reads hold of the registers. Raises ValueAbsent when it is nothing at all."""
    values: dict[str, int] = {}
    absent: dict[str, str] = {}
    missing: ValueAbsent | None = None
    for register in registers:
        try:
            values[register.name] = decode_value(register, reads)
        except ValueAbsent as none:
            absent[register.name], missing = none.reason, none
        except NotRead:
            absent[register.name] = "the meter refuses this register"
            missing = ValueAbsent(register.name, absent[register.name])
    if not values and missing is not None:
        raise missing
    return Decoded(values, absent)


def decode_value(register: Register, reads: Sequence[RawRead]) -> int:
    """One register; a float32 of 1234.567 kWh gives 1234567 Wh, because the nearest integer is taken, not the floor."""
    wire = register.wire
    if not isinstance(wire, ModbusWire):
        raise KeyError(f"{register.name} is not a Modbus register")
    over, under = _number(register.name, wire, words_of(wire.span, reads))
    scale = wire.scale
    if wire.plus is not None:
        scale = min(wire.scale, wire.plus.wire.scale)
        rest = _rest(register.name, wire.plus, reads) * 10 ** (wire.plus.wire.scale - scale)
        over = over * 10 ** (wire.scale - scale) + rest * under
    power = scale - register.exponent
    for each in wire.powers:
        power += _power(register.name, each, reads)
    return over if power == 0 and under == 1 else _rounded(over, under, power)


def resolution(register: Register) -> tuple[int, int | None]:
    """By how much a value moves at once, in value units; and how many value units one unit of a float32 is.

    A float32 counter in kWh read as Wh gives (1, 1000): its step is that of the float, which grows with the reading."""
    wire = register.wire
    if register.step is not None or not isinstance(wire, ModbusWire):
        return register.step or 1, None
    scale = (wire.plus.wire.scale if wire.plus else wire.scale) - register.exponent
    per_unit = 10 ** max(0, scale)
    return (1, per_unit) if wire.type is WireType.FLOAT32 else (per_unit, None)


def _rounded(over: int, under: int, power: int) -> int:
    """over / under * 10^power to the nearest integer, ties to even; `fractions` takes twenty times as long."""
    if power >= 0:
        over *= 10**power
    else:
        under *= 10**-power
    if under == 1:
        return over
    whole, rest = divmod(over, under)
    return whole + (2 * rest > under or (2 * rest == under and whole % 2 == 1))


def _rest(name: str, plus: PlusWire, reads: Sequence[RawRead]) -> int:
    rest, _ = _number(name, plus.wire, words_of(plus.wire.span, reads))  # a profile has no float there
    if not 0 <= rest < plus.below:
        raise ValueAbsent(name, f"the finer part of the counter is {rest}, not from 0 to {plus.below - 1}")
    return rest


def _power(name: str, power: PowerWire, reads: Sequence[RawRead]) -> int:
    said, _ = _number(name, power.wire, words_of(power.wire.span, reads))  # 16 bits, as the profile was checked for
    if power.codes is None:
        if not -POWER_MAX <= said <= POWER_MAX:
            raise ValueAbsent(name, f"the meter's scale register says 10^{said}")
        return said
    if said not in power.codes:
        known = ", ".join(str(code) for code in power.codes)
        raise ValueAbsent(name, f"the meter counts in unit code {said}, this profile understands {known}")
    return power.codes[said]


def decode_text(wire: ModbusWire, reads: Sequence[RawRead]) -> str:
    """An identity value as text: numbers in decimal, text without its padding, which some put before each letter.
    Bytes that are not UTF-8 become U+FFFD, so they never match."""
    words = words_of(wire.span, reads)
    if wire.type is WireType.TEXT:
        return b"".join(word.to_bytes(2, "big") for word in words).decode("utf-8", "replace").replace("\0", "").strip()
    over, under = _number("identity", wire, words)
    return str(over) if under == 1 else f"{over}/{under}"


def words_of(span: Span, reads: Sequence[RawRead]) -> tuple[int, ...]:
    """The words of `span` out of the reads that were made; KeyError when none covers it."""
    for read in reads:
        if read.span.covers(span):
            start = span.address - read.span.address
            return read.words[start : start + span.count]
    raise NotRead(f"no read covers function {span.function} address {span.address:#06x} count {span.count}")


def raw_bytes(reads: Sequence[RawRead]) -> bytes:
    """What is kept as evidence of a poll: per request function (1), address (2), count (2), then the words,
    all big-endian."""
    return b"".join(
        struct.pack(f">BHH{len(read.words)}H", read.span.function, read.span.address, read.span.count, *read.words)
        for read in reads
    )


def _number(name: str, wire: ModbusWire, words: tuple[int, ...]) -> tuple[int, int]:
    """The number exactly, as numerator and denominator."""
    if words in wire.absent:
        raise ValueAbsent(name, "the meter answered its mark for 'no value'")
    ordered = words if wire.words is WordOrder.HIGH_FIRST else words[::-1]
    data = struct.pack(f">{len(ordered)}H", *ordered)
    if wire.type is not WireType.FLOAT32:
        return int.from_bytes(data, "big", signed=wire.type in _SIGNED), 1
    (value,) = struct.unpack(">f", data)
    if not isfinite(value):
        raise ValueAbsent(name, "the meter answered a float that is no number")
    over, under = value.as_integer_ratio()
    return over, under
