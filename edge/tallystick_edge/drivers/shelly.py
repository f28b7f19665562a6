"""JSON-RPC of Shelly devices over their GATT service: one call, and the numbers in its answer.
It never connects, retries or waits longer than its caller lets it (shelly-api-docs.shelly.cloud, "RPC Channels").

A frame's length goes to TX control as four big-endian bytes and the frame to data; the answer's length is read from RX
control (0: not ready yet) and the answer from data, in pieces the device chooses."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Final, Protocol

from tallystick_edge.drivers.ble_errors import BleError, BleReason
from tallystick_edge.profile import ObjectWire, Register

SERVICE_UUID: Final = "5f6d4f53-5f52-5043-5f53-56435f49445f"
DATA_UUID: Final = "5f6d4f53-5f52-5043-5f64-6174615f5f5f"
TX_CONTROL_UUID: Final = "5f6d4f53-5f52-5043-5f74-785f63746c5f"
RX_CONTROL_UUID: Final = "5f6d4f53-5f52-5043-5f72-785f63746c5f"

ANSWER_BYTES_MAX: Final = 16_384  # the longest answer asked for has 700; Shelly.GetStatus of a full device has 6,000
WRITE_BYTES: Final = 20  # one ATT write at the smallest MTU (23); requests have 70 bytes, so it costs three round trips
DIGITS_MAX: Final = 18  # a number longer than this is no measurement, and 10^exponent of a hostile one would not fit
_LENGTH_BYTES: Final = 4
_ROOT: Final = "result"

Result = Mapping[str, object]


class Gatt(Protocol):
    """A connected device."""

    async def read(self, uuid: str) -> bytes: ...

    async def write(self, uuid: str, data: bytes) -> None: ...


@dataclass(frozen=True, slots=True, order=True)
class Component:
    """A method that reads one component: `Switch.GetStatus` of id 0."""

    method: str
    id: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where a register stands: the component and the dotted path in its result."""

    component: Component
    path: tuple[str, ...]

    @classmethod
    def parse(cls, key: str) -> Place:
        """ "Switch.GetStatus/0/aenergy.total". Raises ValueError for anything else."""
        method, number, path = key.split("/")
        return cls(Component(method, int(number)), tuple(path.split(".")))


async def call(gatt: Gatt, number: int, method: str, params: Mapping[str, int], ready_s: float) -> tuple[Result, bytes]:
    """One call: the result, and the frame it came in. `number` must differ from the call before; the caller sets the
    time limit. Raises BleError bad-frame or refused, and whatever `gatt` raises."""
    request = {"id": number, "src": "tallystick", "method": method, "params": dict(params)}
    frame = json.dumps(request, separators=(",", ":")).encode()
    await gatt.write(TX_CONTROL_UUID, len(frame).to_bytes(_LENGTH_BYTES, "big"))
    for start in range(0, len(frame), WRITE_BYTES):
        await gatt.write(DATA_UUID, frame[start : start + WRITE_BYTES])
    answer = await _receive(gatt, ready_s)
    return parse_answer(answer, number), answer


def parse_answer(frame: bytes, number: int) -> Result:
    """The result in an answer frame. Raises BleError bad-frame naming the field, or refused with the device's words."""
    try:
        answer = json.loads(frame, parse_float=Decimal, parse_constant=_no_constant)
    except (ValueError, ArithmeticError, RecursionError) as error:  # a number may be too large even for Decimal
        raise BleError(BleReason.FRAME, f"answer: not JSON: {error}") from None
    if not isinstance(answer, dict):
        raise BleError(BleReason.FRAME, "answer: not a JSON object")
    if answer.get("id") != number:
        raise BleError(BleReason.FRAME, f"id: {answer.get('id')!r} is not {number}, the answer is of another request")
    if "error" in answer:
        raise BleError(BleReason.REFUSED, f"error: {answer['error']!r}"[:200])
    result = answer.get(_ROOT)
    if not isinstance(result, dict):
        raise BleError(BleReason.FRAME, "result: missing or not an object")
    return result


def components(registers: Iterable[Register]) -> Mapping[Component, Sequence[Register]]:
    """Which registers each call gives, in a fixed order."""
    found: dict[Component, list[Register]] = {}
    for register in registers:
        found.setdefault(_place(register).component, []).append(register)
    return found


def values_of(result: Result, registers: Iterable[Register]) -> dict[str, int]:
    """Register name -> integer in unit times 10^exponent, nearest, ties to even.

    Raises BleError value-absent or bad-frame naming register and path."""
    return {register.name: _value(result, register) for register in registers}


def device_id(info: Result) -> str:
    """The id in the result of Shelly.GetDeviceInfo, which serves as serial. Raises BleError bad-frame."""
    found = info.get("id")
    if not isinstance(found, str) or not 0 < len(found) <= 64:
        raise BleError(BleReason.FRAME, "result.id: missing or not a text of 1 to 64 characters")
    return found


async def _receive(gatt: Gatt, ready_s: float) -> bytes:
    while True:  # the caller's time limit ends it
        if length := _length(await gatt.read(RX_CONTROL_UUID)):
            break
        await asyncio.sleep(ready_s)
    frame = b""
    while len(frame) < length:
        piece = await gatt.read(DATA_UUID)
        if not piece:
            raise BleError(BleReason.FRAME, f"data: ended after {len(frame)} of {length} bytes")
        frame += piece
    if len(frame) > length:
        raise BleError(BleReason.FRAME, f"data: {len(frame)} bytes, {length} were announced")
    return frame


def _length(data: bytes) -> int:
    if len(data) != _LENGTH_BYTES:
        raise BleError(BleReason.FRAME, f"RX control: {len(data)} bytes, must be {_LENGTH_BYTES}")
    length = int.from_bytes(data, "big")
    if length > ANSWER_BYTES_MAX:
        raise BleError(BleReason.FRAME, f"RX control: {length} bytes announced, at most {ANSWER_BYTES_MAX} are taken")
    return length


def _value(result: Result, register: Register) -> int:
    place = _place(register)
    found: object = result
    for name in place.path:
        found = found.get(name) if isinstance(found, dict) else None
    where = f"{register.name}: {'.'.join(place.path)}"
    if found is None:
        raise BleError(BleReason.ABSENT, f"{where} is not in the answer of {place.component.method}")
    if isinstance(found, bool) or not isinstance(found, (int, Decimal)):
        raise BleError(BleReason.FRAME, f"{where} is {found!r}, not a number"[:200])
    number = Decimal(found)
    if number and not -DIGITS_MAX <= number.adjusted() <= DIGITS_MAX:
        raise BleError(BleReason.FRAME, f"{where} is beyond 10^{DIGITS_MAX}")
    return round(Fraction(number) * Fraction(10) ** (_wire(register).scale - register.exponent))


def _place(register: Register) -> Place:
    return Place.parse(_wire(register).key)


def _wire(register: Register) -> ObjectWire:
    if not isinstance(register.wire, ObjectWire):
        raise BleError(BleReason.ABSENT, f"{register.name}: the profile gives no JSON path for it")
    return register.wire


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not a number")
