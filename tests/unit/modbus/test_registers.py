"""Raw words to integers: exact, rounded to nearest once, and never a number out of 'no value'."""

from __future__ import annotations

import struct
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tallystick_edge.profile import ModbusWire, RawRead, Register, RegisterKind, Span, WireType, WordOrder
from tallystick_edge.registers import WORDS, ValueAbsent, decode_value, raw_bytes, words_of


def register(
    kind: WireType,
    words: WordOrder = WordOrder.HIGH_FIRST,
    scale: int = 0,
    exponent: int = 0,
    absent: tuple[tuple[int, ...], ...] = (),
) -> Register:
    wire = ModbusWire(Span(4, 10, WORDS[kind]), kind, words, scale, absent)
    return Register("r", "1-0:1.8.0", "Wh", exponent, RegisterKind.COUNTER, wire, rated_max_per_h=1)


def read(data: bytes) -> list[RawRead]:
    words = struct.unpack(f">{len(data) // 2}H", data)
    return [RawRead(Span(4, 10, len(words)), words)]


@given(st.integers(0, 8_191_999))
def test_every_watt_hour_up_to_8192_kwh_survives_a_float_register(wh: int) -> None:
    assert decode_value(register(WireType.FLOAT32, scale=3), read(struct.pack(">f", wh / 1_000))) == wh


def test_a_float_is_rounded_to_the_nearest_not_cut() -> None:
    assert decode_value(register(WireType.FLOAT32, scale=3), read(struct.pack(">f", 0.29))) == 290
    assert struct.unpack(">f", struct.pack(">f", 0.29))[0] * 1_000 < 290


@given(st.integers(-(2**63), 2**63 - 1))
def test_int64_is_exact_in_both_word_orders(value: int) -> None:
    data = value.to_bytes(8, "big", signed=True)
    swapped = b"".join(data[place : place + 2] for place in (6, 4, 2, 0))
    assert decode_value(register(WireType.INT64), read(data)) == value
    assert decode_value(register(WireType.INT64, WordOrder.LOW_FIRST), read(swapped)) == value


@pytest.mark.parametrize("bits", ["7fc00000", "ffc00000", "7f800000", "ff800000"])
def test_a_float_that_is_no_number_is_no_value(bits: str) -> None:
    with pytest.raises(ValueAbsent, match="no number"):
        decode_value(register(WireType.FLOAT32), read(bytes.fromhex(bits)))


def test_the_mark_for_no_value_is_no_value() -> None:
    with pytest.raises(ValueAbsent, match="mark"):
        decode_value(register(WireType.UINT16, absent=((0xFFFF,),)), read(b"\xff\xff"))


@pytest.mark.parametrize(("raw", "value"), [(5, 0), (15, 2), (25, 2), (26, 3)])
def test_decimal_scales_round_to_nearest_ties_to_even(raw: int, value: int) -> None:
    assert decode_value(register(WireType.UINT16, scale=-1), read(raw.to_bytes(2, "big"))) == value


@given(
    st.floats(width=32, allow_nan=False, allow_infinity=False) | st.integers(-(2**31), 2**31 - 1),
    st.integers(-12, 12),
    st.integers(-6, 6),
)
def test_values_are_what_exact_fractions_round_to(raw: float, scale: int, exponent: int) -> None:
    kind = WireType.FLOAT32 if isinstance(raw, float) else WireType.INT32
    data = struct.pack(">f" if isinstance(raw, float) else ">i", raw)
    exact = Fraction(raw) * Fraction(10) ** (scale - exponent)
    assert decode_value(register(kind, scale=scale, exponent=exponent), read(data)) == round(exact)


def test_words_come_out_of_the_read_that_covers_them() -> None:
    reads = [RawRead(Span(3, 0, 2), (9, 9)), RawRead(Span(4, 8, 4), (1, 2, 3, 4))]
    assert words_of(Span(4, 10, 2), reads) == (3, 4)
    with pytest.raises(KeyError, match="no read covers"):
        words_of(Span(4, 11, 2), reads)


def test_raw_bytes_say_what_was_asked_and_what_came() -> None:
    assert raw_bytes([RawRead(Span(4, 0x48, 2), (0x449A, 0x5225))]) == bytes.fromhex("04 0048 0002 449a5225")
