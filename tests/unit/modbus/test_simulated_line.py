"""The simulated line behaves like wires: time per character, collisions, echo; and a TCP answer keeps its number."""

from __future__ import annotations

import asyncio
import os
import struct
import termios
import tty
from collections.abc import AsyncIterator, Iterator
from random import Random

import pytest
from support.modbus import SelfNaming, SetTruth, seen
from tallystick_sim.modbus.faults import Play, UnitFaults
from tallystick_sim.modbus.iem3155 import Iem3155
from tallystick_sim.modbus.line import SerialLine
from tallystick_sim.modbus.registers import MeterModel, Refusal
from tallystick_sim.modbus.rtu import crc16, frame_of, parse_request
from tallystick_sim.modbus.sdm120 import Sdm120
from tallystick_sim.modbus.tcp import MeterServer
from tallystick_sim.modbus.timing import LineTiming

ASK_ENERGY = bytes.fromhex("0104004800 02f1dd".replace(" ", ""))


class Wire:
    """The master's end: raw bytes out, raw bytes in."""

    def __init__(self, line: SerialLine) -> None:
        self.fd = os.open(line.port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        tty.setraw(self.fd)
        speed = getattr(termios, f"B{line.timing.baud}")
        settings = termios.tcgetattr(self.fd)
        settings[4] = settings[5] = speed
        termios.tcsetattr(self.fd, termios.TCSANOW, settings)

    def send(self, data: bytes) -> None:
        os.write(self.fd, data)

    async def heard(self, seconds: float) -> bytes:
        await asyncio.sleep(seconds)
        try:
            return os.read(self.fd, 4_096)
        except BlockingIOError:
            return b""

    async def heard_all(self, expected: bytes) -> bytes:
        """As many bytes as expected, however busy the machine is, and what comes right after them."""
        heard = b""
        async with asyncio.timeout(60):
            while len(heard) < len(expected):
                heard += await self.first_heard()
        return heard + await self.heard(0.01)

    async def first_heard(self) -> bytes:
        """Whatever comes first, as soon as it comes."""
        while not (heard := await self.heard(0.005)):
            pass
        return heard


@pytest.fixture
async def slow_line() -> AsyncIterator[SerialLine]:
    """300 baud: 8 characters take 293 ms, an answer 330 ms; a busy machine is still quicker than such a line."""
    line = SerialLine(LineTiming(300, 2_000))
    line.attach(1, Sdm120(SetTruth(1_234_567, 2_044), 20_261_122))
    line.open()
    yield line
    line.close()


@pytest.fixture
def slow_wire(slow_line: SerialLine) -> Iterator[Wire]:
    wire = Wire(slow_line)
    yield wire
    os.close(wire.fd)


@pytest.fixture
async def line() -> AsyncIterator[SerialLine]:
    line = SerialLine(LineTiming(19_200, 2_000))
    line.attach(1, Sdm120(SetTruth(1_234_567, 2_044), 20_261_122))
    line.open()
    yield line
    line.close()


@pytest.fixture
def wire(line: SerialLine) -> Iterator[Wire]:
    wire = Wire(line)
    yield wire
    os.close(wire.fd)


def test_the_checksum_is_that_of_eastrons_example() -> None:
    assert crc16(bytes.fromhex("010401560002")) == bytes.fromhex("9027")  # SDM manual, reading total active energy


@pytest.mark.parametrize("frame", [b"", b"\x01\x04", ASK_ENERGY[:-1], ASK_ENERGY[:-1] + b"\x00"])
def test_a_broken_frame_is_no_request(frame: bytes) -> None:
    assert parse_request(frame) is None


def test_a_character_takes_eleven_bits_and_a_gap_three_and_a_half_characters() -> None:
    timing = LineTiming(9_600)
    assert timing.chars_us(8) == 9_166
    assert timing.gap_us() == 4_010
    assert LineTiming(115_200).gap_us() == 1_750


async def test_an_answer_takes_its_time_on_the_wire(slow_line: SerialLine, slow_wire: Wire) -> None:
    loop = asyncio.get_running_loop()
    asked = loop.time()
    slow_wire.send(ASK_ENERGY)
    heard = await slow_wire.first_heard()
    assert loop.time() - asked > 0.42  # 8 characters 293 ms, gap 128 ms, turnaround 2 ms
    while len(heard) < 9:
        heard += await slow_wire.first_heard()
    assert heard == frame_of(1, bytes.fromhex("0404449a5225"))
    assert loop.time() - asked > 0.42 + 0.29  # the answer's 9 characters, of which the first was heard at once


async def test_nobody_answers_for_a_stranger_or_to_garbage(line: SerialLine, wire: Wire) -> None:
    wire.send(frame_of(9, ASK_ENERGY[1:-2]))
    await seen(lambda: line.counts.requests == 1)
    wire.send(ASK_ENERGY[:-1] + b"\x00")
    await seen(lambda: line.counts.garbled == 1)
    assert await wire.heard(0.04) == b""
    assert line.counts.answers == 0


async def test_an_unknown_function_and_a_wrong_address_get_exceptions(line: SerialLine, wire: Wire) -> None:
    wire.send(frame_of(1, bytes.fromhex("2b0e0100")))
    assert await wire.heard_all(expected := frame_of(1, b"\xab\x01")) == expected
    wire.send(frame_of(1, struct.pack(">BHH", 4, 0x0400, 2)))
    assert await wire.heard_all(expected := frame_of(1, b"\x84\x02")) == expected


async def test_who_talks_into_an_answer_spoils_both(slow_line: SerialLine, slow_wire: Wire) -> None:
    slow_line.attach(2, SelfNaming(0))
    words = SelfNaming(0).read(4, 0, 60)
    sound = frame_of(2, struct.pack(">BB60H", 4, 120, *words))  # 125 characters, which take 4.6 s
    slow_wire.send(frame_of(2, struct.pack(">BHH", 4, 0, 60)))
    heard = await slow_wire.first_heard()
    slow_wire.send(ASK_ENERGY)
    await seen(lambda: slow_line.counts.collisions > 0)
    while sound.startswith(heard):
        heard += await slow_wire.first_heard()
    assert len(heard) <= len(sound)
    await seen(lambda: slow_line.counts.garbled == 1)
    assert slow_line.counts.answers == 1


async def test_a_late_answer_comes_first_and_the_next_one_after_it(line: SerialLine, wire: Wire) -> None:
    line.attach(2, SelfNaming(0)).hold_once()
    wire.send(frame_of(2, struct.pack(">BHH", 4, 100, 1)))
    await seen(lambda: line.counts.requests == 1)
    assert await wire.heard(0.05) == b""
    wire.send(frame_of(2, struct.pack(">BHH", 4, 500, 1)))
    old, new = (frame_of(2, struct.pack(">BBH", 4, 2, 0x4000 + place)) for place in (100, 500))
    assert await wire.heard_all(old + new) == old + new


async def test_an_answer_held_back_is_given_when_it_is_let_go(line: SerialLine, wire: Wire) -> None:
    line.attach(2, SelfNaming(0)).hold_once()
    wire.send(frame_of(2, struct.pack(">BHH", 4, 100, 1)))
    await seen(lambda: line.counts.requests == 1)
    line.let_go(2)
    assert await wire.heard_all(expected := frame_of(2, struct.pack(">BBH", 4, 2, 0x4000 + 100))) == expected


async def test_a_late_answer_comes_by_its_time(line: SerialLine, wire: Wire) -> None:
    line.attach(2, SelfNaming(0)).late_once(300)
    asked = asyncio.get_running_loop().time()
    wire.send(frame_of(2, struct.pack(">BHH", 4, 100, 1)))
    assert await wire.heard_all(expected := frame_of(2, struct.pack(">BBH", 4, 2, 0x4000 + 100))) == expected
    assert asyncio.get_running_loop().time() - asked > 0.3


async def test_echo_lets_the_master_hear_itself() -> None:
    line = SerialLine(LineTiming(19_200, 1_000), echo=True)
    line.attach(1, Sdm120(SetTruth(1_234_567), 1))
    line.open()
    wire = Wire(line)
    wire.send(ASK_ENERGY)
    assert await wire.heard_all(expected := ASK_ENERGY + frame_of(1, bytes.fromhex("0404449a5225"))) == expected
    os.close(wire.fd)
    line.close()


@pytest.mark.parametrize("unit", [0, 248, 1])
async def test_a_unit_address_that_cannot_be_is_refused(line: SerialLine, unit: int) -> None:
    with pytest.raises(ValueError, match="unit: "):
        line.attach(unit, SelfNaming(0))


def test_one_shots_come_before_standing_faults_and_are_counted() -> None:
    faults = UnitFaults(silent=True)
    faults.once(Play(refuse=6))
    random = Random(1)
    assert faults.draw(random) == Play(refuse=6)
    assert faults.draw(random).silent
    assert faults.played == {"refused": 1, "silent": 1}


@pytest.mark.parametrize(
    ("model", "function", "address", "count", "code"),
    [
        (Sdm120(SetTruth(), 1), 6, 0, 1, 1),
        (Sdm120(SetTruth(), 1), 4, 0x1000, 2, 2),
        (Sdm120(SetTruth(), 1), 4, 0, 81, 3),
        (Iem3155(SetTruth(), 1), 4, 3_203, 4, 1),
        (Iem3155(SetTruth(), 1), 3, 3_203, 9, 2),
    ],
)
def test_meters_refuse_what_the_real_ones_refuse(
    model: MeterModel, function: int, address: int, count: int, code: int
) -> None:
    with pytest.raises(Refusal) as caught:
        model.read(function, address, count)
    assert caught.value.code == code


async def test_a_late_tcp_answer_carries_the_old_number() -> None:
    server = MeterServer(turnaround_ms=1)
    server.attach(1, SelfNaming(0)).hold_once()
    await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    for number, place in ((7, 100), (8, 200)):
        writer.write(struct.pack(">HHHBBHH", number, 0, 6, 1, 4, place, 1))
    answers = [await reader.readexactly(11) for _ in range(2)]
    writer.close()
    await writer.wait_closed()
    await server.stop()
    numbers = [(answer[1], struct.unpack(">H", answer[9:])[0]) for answer in answers]
    assert numbers == [(8, 0x4000 + 200), (7, 0x4000 + 100)]
