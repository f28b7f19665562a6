"""Register words of a simulated meter and the rules by which a read of them is granted or refused.
Encoding only: values come from the meter models, and no bytes of a frame are made here."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

HOLDING = 3
INPUT = 4


class RefusalCode(IntEnum):
    """Modbus Application Protocol V1.1b3, chapter 7."""

    ILLEGAL_FUNCTION = 1
    ILLEGAL_ADDRESS = 2
    ILLEGAL_VALUE = 3
    DEVICE_FAILURE = 4
    BUSY = 6


class Refusal(Exception):
    """The meter answers with an exception code instead of registers."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exception {code}")
        self.code = code


class MeterModel(Protocol):
    """A register map: answers one read, or raises Refusal."""

    def read(self, function: int, address: int, count: int) -> tuple[int, ...]: ...


@dataclass(frozen=True, slots=True)
class Block:
    """A readable stretch of one function code; addresses not in `words` read as `fill`."""

    function: int
    address: int
    count: int
    words: dict[int, int]
    fill: int = 0


def read_blocks(blocks: Sequence[Block], count_max: int, function: int, address: int, count: int) -> tuple[int, ...]:
    """The words asked for, out of the one block that holds all of them. Raises Refusal 1, 2 or 3."""
    if all(block.function != function for block in blocks):
        raise Refusal(RefusalCode.ILLEGAL_FUNCTION)
    if not 1 <= count <= count_max:
        raise Refusal(RefusalCode.ILLEGAL_VALUE)
    for block in blocks:
        if block.function == function and block.address <= address and address + count <= block.address + block.count:
            return tuple(block.words.get(place, block.fill) for place in range(address, address + count))
    raise Refusal(RefusalCode.ILLEGAL_ADDRESS)


def float32(numerator: int, denominator: int = 1) -> tuple[int, ...]:
    """The nearest float32 to a fraction, high word first: what such a meter computes itself."""
    return _words(struct.pack(">f", numerator / denominator))


def uint32(value: int) -> tuple[int, ...]:
    return _words(value.to_bytes(4, "big"))


def int64(value: int) -> tuple[int, ...]:
    return _words(value.to_bytes(8, "big", signed=True))


def text(value: str, count: int) -> tuple[int, ...]:
    """UTF-8, padded with NUL to `count` registers."""
    return _words(value.encode().ljust(2 * count, b"\0")[: 2 * count])


def place(address: int, words: tuple[int, ...]) -> dict[int, int]:
    """Address by address, for a Block."""
    return {address + offset: word for offset, word in enumerate(words)}


def _words(data: bytes) -> tuple[int, ...]:
    return struct.unpack(f">{len(data) // 2}H", data)
