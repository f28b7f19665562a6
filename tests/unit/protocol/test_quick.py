"""What the one-pass readers take is what the slow ones take, value for value; usual messages are taken by them.
TALLYSTICK_FUZZ_EXAMPLES sets how many bent inputs are tried."""

import os
from collections.abc import Callable
from itertools import count
from random import Random
from typing import Any

import pytest
from support.uploads import SimGateway, money, personal, segment, wash
from tallystick_protocol import batch, cbor, cose, quick
from tallystick_protocol.batch import Batch, LogView, Upload
from tallystick_protocol.codes import EventCode, MeterState, Reason, Sensitivity, TimeQuality
from tallystick_protocol.errors import ProtocolError
from tallystick_protocol.ids import H32, Gid
from tallystick_protocol.part import ClockFix, Event, Exchange, Gauge, LostSpan, Part, Segment, Uptime

T0 = 1_793_491_200_000
ROUNDS = 100 * int(os.environ.get("TALLYSTICK_FUZZ_EXAMPLES", "12"))


class Draw:
    """Messages with every field there or not, and numbers around the sizes of their heads."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def maybe(self, value: Any) -> Any:
        return self.random.choice([None, value])

    def uint(self, bits: int = 62) -> int:
        edges = [0, 1, 23, 24, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32]
        return min(self.random.choice([*edges, self.random.getrandbits(bits)]), 2**bits)

    def int(self, bits: int = 62) -> int:
        return self.random.choice([1, ~0, -1]) * self.uint(bits)

    def text(self) -> str:
        return "".join(self.random.choices("abc-é", weights=[9, 9, 9, 9, 1], k=self.random.choice([0, 1, 23, 24, 40])))

    def octets(self, size: int) -> bytes:
        return self.random.randbytes(size)

    def h32(self) -> H32:
        return H32(self.octets(32))

    def at(self) -> Uptime:
        return Uptime(self.octets(6), self.uint(50))

    def one(self, table: Any) -> Any:
        return self.random.choice(list(table))

    def column(self, steps: int, draw: Callable[[int], int]) -> tuple[int, ...]:
        return tuple(draw(40) for _ in range(steps))

    def event(self, number: int) -> Event:
        code = self.one(EventCode)
        clock = ClockFix(self.octets(6), self.int(), self.uint())
        return Event(
            number=number, at=self.at(), t_ms=self.uint(), quality=self.one(TimeQuality), code=code, total=self.int(),
            use=7, programme=self.maybe(self.text()),
            subject=self.maybe(self.octets(16)) if code is EventCode.USE_STARTED else None,
            samples_hash=self.maybe(self.h32()), reason=self.one(Reason), ref=self.h32(),
            exchange=Exchange(None, 1, self.text(), 2) if code is EventCode.EXCHANGE else None,
            clock=clock if code is EventCode.CLOCK_CORRECTED else self.maybe(clock),
            lost=LostSpan(1, 2, 3) if code is EventCode.BATCH_LOST else None,
        )  # fmt: skip

    def segment(self) -> Segment:
        steps = self.random.choice([0, 1, 14, 23, 24, 60, 255, 256])
        return Segment(
            pagination=self.uint(50), at=self.at(), t0_ms=self.uint(50), generation=self.uint(), base=self.int(50),
            v0=self.uint(50), dt=self.column(steps, self.uint), dv=self.column(steps, self.uint),
            quality=self.one(TimeQuality), state=self.one(MeterState), serial=self.maybe(self.text()),
            marks=self.random.choice([(), ((0, Reason.EDGE),)]),
        )  # fmt: skip

    def gauge(self) -> Gauge:
        steps = self.random.choice([0, 1, 14, 24])
        columns = self.column(steps, self.uint), self.column(steps, self.int)
        return Gauge(self.uint(50), self.at(), self.uint(50), self.int(50), *columns, self.one(TimeQuality))

    def part(self) -> Part:
        held: dict[str, Any] = {}
        match self.random.randrange(4):
            case 0:
                held["segments"] = (self.segment(),)
            case 1:
                held["gauges"] = tuple(self.gauge() for _ in range(self.random.randint(1, 2)))
            case 2:
                held["events"] = tuple(self.event(number) for number in range(self.random.randint(1, 30)))
            case _:
                held = {"segments": (self.segment(),), "events": (self.event(1),)}
        return Part(self.uint(), self.h32(), Sensitivity.PERSONAL, **held)

    def batch(self) -> Batch:
        hashes = tuple(self.h32() for _ in range(self.random.choice([0, 8, 16, 24, 40])))
        seen = self.maybe(LogView(self.octets(4), self.uint(), self.h32()))
        return Batch(
            gid=Gid(self.octets(16)), epoch=1 + self.uint(), seq=1 + self.uint(), prev=self.h32(),
            nonce=self.octets(16), created=self.uint(), boot=self.octets(6), uptime_ms=self.uint(),
            quality=self.one(TimeQuality), error_ms=self.maybe(self.uint()), log=seen, software=self.text(),
            part_hashes=hashes, log_for=self.maybe(self.octets(4)),
        )  # fmt: skip

    def bent(self, good: bytes) -> bytes:
        """Bytes changed, left out or put in, short heads written long."""
        data = bytearray(good)
        for _ in range(self.random.choice([0, 1, 1, 2])):
            at = self.random.randrange(len(data))
            longer = bytes((data[at] & 0xE0 | 24, data[at] & 0x1F))
            new = self.random.choice([longer, longer, b"", b"\xf6", b"\x00", self.octets(1), self.octets(2)])
            data[at : at + self.random.choice([0, 1, 1])] = new
        return bytes(data)


def slowly(message: Any, data: bytes) -> Any:
    """What the message's own reader makes of the bytes; None when it refuses them."""
    try:
        return message.from_value(cbor.decode(data, message.SIZE_MAX))
    except ProtocolError:
        return None


def alike(one: Any, other: Any) -> bool:
    """Equal, and of the same types all through."""
    return one == other and repr(one) == repr(other)


@pytest.mark.parametrize("kind", ["part", "batch"])
def test_drawn_messages_are_read_as_the_slow_way_reads_them(kind: str) -> None:
    taken = 0
    for seed in range(ROUNDS):
        message = getattr(Draw(seed), kind)()
        data = message.encode()
        found = quick.read(type(message), data)
        assert alike(slowly(type(message), data), message), f"seed {seed}"
        assert found is None or alike(found, message), f"seed {seed}"
        taken += found is not None
    assert taken > ROUNDS // 5


@pytest.mark.parametrize("kind", ["part", "batch"])
def test_a_map_that_says_another_number_of_keys_is_not_taken(kind: str) -> None:
    for seed in range(50):
        message = getattr(Draw(seed), kind)()
        data = message.encode()
        for head in (data[0] - 1, data[0] + 1):
            assert quick.read(type(message), bytes((head,)) + data[1:]) is None, f"seed {seed}"


@pytest.mark.parametrize("kind", ["part", "batch"])
def test_bent_bytes_are_taken_only_as_the_slow_way_takes_them(kind: str) -> None:
    taken = 0
    for seed in range(ROUNDS):
        draw = Draw(seed)
        message = getattr(draw, kind)()
        data = draw.bent(message.encode())
        found = quick.read(type(message), data)
        assert found is None or alike(found, slowly(type(message), data)), f"seed {seed}: {data.hex()}"
        taken += found is not None
    assert taken > ROUNDS // 10


def test_bent_uploads_are_taken_only_as_the_slow_way_takes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    good = [upload(), upload(washes=2), Upload(b"envelope", (None, None)).encode()]
    cases = []
    for seed, message in zip(range(ROUNDS), cycled(good), strict=False):
        data = Draw(seed).bent(message)
        cases.append((data, taken_apart(Upload.decode, data)))
    monkeypatch.setattr(batch, "_usual", lambda data: None)
    for data, found in cases:
        assert found == taken_apart(Upload.decode, data), data.hex()


def test_bent_envelopes_are_taken_only_as_the_slow_way_takes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    good = Upload.decode(upload()).envelope
    cases = []
    for seed in range(ROUNDS):
        data = Draw(seed).bent(good)
        cases.append((data, taken_apart(cose.parse, data)))
    monkeypatch.setattr(cose, "_usual", lambda envelope: None)
    for data, found in cases:
        assert found == taken_apart(cose.parse, data), data.hex()


def taken_apart(read: Callable[[bytes], Any], data: bytes) -> Any:
    try:
        return read(data)
    except ProtocolError as error:
        return str(error)


def cycled(good: list[bytes]) -> Any:
    return (good[at % len(good)] for at in count())


def upload(washes: int = 0) -> bytes:
    parts = [part for number in range(washes) for part in a_wash(number + 1)] or [quarters(), quarters()]
    return SimGateway("quick").seal(parts)


def a_wash(number: int) -> list[Part]:
    return wash(5, 3 * number - 2, number, number, T0, T0 + 1_200_000)


def quarters() -> Part:
    return money(1, [segment(1, [(T0 + 900_000 * at, 1_000 + 210 * at) for at in range(15)], serial="house-1")])


@pytest.mark.parametrize("part", [*a_wash(1), quarters(), money(3)])
def test_usual_parts_are_taken_in_one_pass(part: Part) -> None:
    assert alike(quick.read(Part, part.encode()), part)


def test_a_usual_batch_is_taken_in_one_pass() -> None:
    payload = cose.parse(Upload.decode(upload(washes=20)).envelope).payload
    assert quick.read(Batch, payload) is not None
    assert batch._usual(upload(washes=20)) is not None


def test_a_rule_over_several_fields_holds_in_one_pass_too() -> None:
    """Two uses in one part: every field of it is as it should be."""
    one, other = a_wash(1)[0].events[0], a_wash(2)[0].events[0]
    value = personal(5, [one]).to_value()
    value[4] = [one.to_value(), other.to_value()]
    data = cbor.encode(value)
    assert quick.read(Part, data) is None
    with pytest.raises(ProtocolError, match="more than one use"):
        Part.decode(data)
