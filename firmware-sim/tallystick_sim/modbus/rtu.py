"""Modbus RTU frames as a slave sees them: a request in, an answer out, CRC both ways.
Bytes only; when they travel is the line's business."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from tallystick_sim.modbus.registers import MeterModel, Refusal, RefusalCode

READ_FUNCTIONS = (3, 4)
REQUEST_BYTES = 8  # unit, function, address, count, CRC of a read request
UNITS = range(1, 248)  # Modbus over serial line V1.02, 2.2: individual slave addresses


@dataclass(frozen=True, slots=True)
class Request:
    """A request that passed its CRC; `address` and `count` are 0 where the function is not a read."""

    unit: int
    function: int
    address: int
    count: int


def crc16(data: bytes) -> bytes:
    """Modbus over serial line V1.02, 6.2.2; in the order it is sent."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return crc.to_bytes(2, "little")


def parse_request(frame: bytes) -> Request | None:
    """The request in one frame, or None for anything a slave must not answer."""
    if len(frame) < 4 or crc16(frame[:-2]) != frame[-2:]:
        return None
    unit, function = frame[0], frame[1]
    if function in READ_FUNCTIONS and len(frame) == REQUEST_BYTES:
        address, count = struct.unpack(">HH", frame[2:6])
        return Request(unit, function, address, count)
    return Request(unit, function, 0, 0)


def answer_pdu(model: MeterModel, request: Request, refuse: int | None) -> bytes:
    """Function code and data of the answer: registers, or an exception."""
    try:
        if refuse is not None:
            raise Refusal(refuse)
        if request.function not in READ_FUNCTIONS:
            raise Refusal(RefusalCode.ILLEGAL_FUNCTION)
        words = model.read(request.function, request.address, request.count)
    except Refusal as refusal:
        return bytes([request.function | 0x80, refusal.code])
    return struct.pack(f">BB{len(words)}H", request.function, 2 * len(words), *words)


def frame_of(unit: int, pdu: bytes) -> bytes:
    """An RTU frame, ready to be sent."""
    body = bytes([unit]) + pdu
    return body + crc16(body)
