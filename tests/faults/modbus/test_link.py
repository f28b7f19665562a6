"""One connection against bytes that are sound but not the answer: echoes, foreign shapes, foreign numbers."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Callable

import pytest
from support.modbus import SelfNaming
from tallystick_edge.config import LineConfig, LineKind
from tallystick_edge.drivers.modbus_errors import LineDown, NoAnswer, Refused, WrongAnswer
from tallystick_edge.drivers.modbus_link import ModbusLink
from tallystick_edge.profile import Span
from tallystick_sim.modbus.faults import Play
from tallystick_sim.modbus.line import SerialLine
from tallystick_sim.modbus.timing import LineTiming

BAUD = 115_200
SILENCE_MS = 100  # where no answer ever comes, waiting longer shows no more
ANSWER_MS = 5_000  # where one comes, the machine may be this busy with other things
LATE_MS = 1_500  # both in one test: the first question waits this long for nothing, the second this long at most
CONNECT_MS = 1_000  # a connection is given the same time as an answer, on a busy machine too
LIKE_AN_ANSWER = Span(4, 0x0312, 1)  # its echo has a byte count of 3 and a sound checksum


@pytest.fixture(params=[False, True], ids=["plain", "echo"])
async def line(request: pytest.FixtureRequest) -> AsyncIterator[SerialLine]:
    line = SerialLine(LineTiming(BAUD, 1_000), echo=request.param)
    line.open()
    yield line
    line.close()


@pytest.fixture
async def link(line: SerialLine) -> AsyncIterator[ModbusLink]:
    async with _rtu_link(line, ANSWER_MS) as link:
        yield link


@pytest.mark.parametrize("span", [LIKE_AN_ANSWER, Span(3, 0, 125), Span(4, 0x0100, 1), Span(4, 0x0B00, 8)])
async def test_registers_are_read_with_and_without_an_echo(line: SerialLine, link: ModbusLink, span: Span) -> None:
    line.attach(1, SelfNaming(0))
    for _ in range(3):
        assert await link.ask(1, span) == SelfNaming(0).read(span.function, span.address, span.count)


async def test_an_echo_alone_is_no_answer(line: SerialLine) -> None:
    async with _rtu_link(line, SILENCE_MS) as link:
        with pytest.raises(NoAnswer, match="unit 1 did not answer within 100 ms"):
            await link.ask(1, LIKE_AN_ANSWER)


async def test_a_refusal_carries_its_code(line: SerialLine, link: ModbusLink) -> None:
    line.attach(1, SelfNaming(0)).once(Play(refuse=6))
    with pytest.raises(Refused, match=r"refused 1 registers from 0x0312 with function 4 with exception 6") as caught:
        await link.ask(1, LIKE_AN_ANSWER)
    assert caught.value.code == 6


async def test_a_late_answer_of_another_shape_is_a_wrong_answer() -> None:
    cases = [(echo, late) for echo in (False, True) for late in (Span(4, 0, 2), Span(3, 0, 1))]
    await asyncio.gather(*(_late_answer(echo, late) for echo, late in cases))  # side by side: all of it is waiting


async def _late_answer(echo: bool, late: Span) -> None:
    """The answer to the first question comes after the second was asked, by the order on the wire and not by luck."""
    line = SerialLine(LineTiming(BAUD, 1_000), echo=echo)
    line.open()
    line.attach(1, SelfNaming(0)).hold_once()
    async with _rtu_link(line, LATE_MS) as link:
        with pytest.raises(NoAnswer):
            await link.ask(1, late)
        with pytest.raises(WrongAnswer, match="was asked for 1 registers from 0x0312 with function 4"):
            await link.ask(1, LIKE_AN_ANSWER)
    line.close()


async def test_a_port_that_is_not_there_is_named() -> None:
    link = ModbusLink(LineConfig("l", LineKind.RTU, device="/dev/no-such-port", timeout_ms=60))
    with pytest.raises(LineDown, match=r"line l \(/dev/no-such-port\)"):
        await link.connect()
    with pytest.raises(LineDown, match="is not connected"):
        await link.ask(1, LIKE_AN_ANSWER)


Handler = Callable[[bytes], bytes]


@pytest.mark.parametrize(
    ("answer", "failure", "timeout_ms"),
    [
        (
            lambda ask: b"\0\0" + ask[2:4] + b"\0\5\1\4\2\x12\x34",
            WrongAnswer,
            ANSWER_MS,
        ),  # number 0, which pymodbus lets pass
        (lambda ask: ask[:4] + b"\0\5\1\3\2\x12\x34", WrongAnswer, ANSWER_MS),
        (lambda ask: ask[:4] + b"\0\7\1\4\4\x12\x34\x56\x78", WrongAnswer, ANSWER_MS),
        (lambda ask: ask[:4] + b"\0\5\2\4\2\x12\x34", NoAnswer, CONNECT_MS),
        (
            lambda ask: struct.pack(">H", struct.unpack(">H", ask[:2])[0] ^ 2) + ask[2:4] + b"\0\5\1\4\2\x12\x34",
            NoAnswer,
            CONNECT_MS,
        ),
        (lambda ask: b"", NoAnswer, CONNECT_MS),
    ],
    ids=["number 0", "function", "count", "unit", "number", "silence"],
)
async def test_a_tcp_answer_that_does_not_fit_is_never_a_value(
    answer: Handler, failure: type[Exception], timeout_ms: int
) -> None:
    async with _tcp_link(answer, timeout_ms) as link:
        with pytest.raises(failure):
            await link.ask(1, LIKE_AN_ANSWER)


async def test_a_tcp_peer_that_vanished_without_a_word_is_connected_to_anew() -> None:
    async with _tcp_link(lambda ask: b"", CONNECT_MS) as link:
        for _ in range(3):
            assert link.up.is_set()
            with pytest.raises(NoAnswer):
                await link.ask(1, LIKE_AN_ANSWER)
        assert link.down.is_set()


@contextlib.asynccontextmanager
async def _rtu_link(line: SerialLine, timeout_ms: int) -> AsyncIterator[ModbusLink]:
    link = ModbusLink(LineConfig("l", LineKind.RTU, device=line.port, baud=BAUD, timeout_ms=timeout_ms))
    await link.connect()
    yield link
    link.close()


@contextlib.asynccontextmanager
async def _tcp_link(answer: Handler, timeout_ms: int) -> AsyncIterator[ModbusLink]:
    served: list[asyncio.Task[None] | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.append(asyncio.current_task())
        while ask := await reader.read(12):
            writer.write(answer(ask))
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    link = ModbusLink(LineConfig("l", LineKind.TCP, host="127.0.0.1", port=port, timeout_ms=timeout_ms))
    try:
        await link.connect()
        yield link
    finally:
        link.close()
        await asyncio.gather(*(task for task in served if task))
        server.close()
        await server.wait_closed()
