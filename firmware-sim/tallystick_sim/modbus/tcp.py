"""A Modbus/TCP meter on a loopback port: MBAP framing of its own, so that every fault can be played as it happens.
A late answer carries the transaction id of the request it belongs to, as a real meter's does."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from random import Random

from tallystick_sim.modbus.faults import UnitFaults
from tallystick_sim.modbus.registers import MeterModel
from tallystick_sim.modbus.rtu import READ_FUNCTIONS, Request, answer_pdu

HEADER = struct.Struct(">HHHB")  # transaction, protocol, length of unit and PDU, unit
PDU_BYTES_MAX = 253  # Modbus Application Protocol V1.1b3, 4.1
WAITING_MAX = 16  # answers a connection may still owe; the standard asks a server for at least one
FOREIGN_TRANSACTION = 0x5A5A
NO_SUCH_UNIT = 11  # gateway target device failed to respond


class MeterServer:
    """Serves one or more units on one port; start, read `port`, stop.

    After `stop` the same object may start again on the same port: a meter that lost its supply."""

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0, seed: int = 0, turnaround_ms: int = 5) -> None:
        self.host = host
        self.port = port
        self._random = Random(seed)
        self._turnaround_ms = turnaround_ms
        self._units: dict[int, tuple[MeterModel, UnitFaults]] = {}
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._owed: set[asyncio.Task[None]] = set()
        self._held: dict[int, asyncio.Event] = {}

    def attach(self, unit: int, model: MeterModel) -> UnitFaults:
        """Put a meter behind a unit id 0 to 255; the answer is the knob for its faults."""
        if not 0 <= unit <= 255 or unit in self._units:
            raise ValueError(f"unit: {unit} is taken or not from 0 to 255")
        faults = UnitFaults()
        self._units[unit] = (model, faults)
        return faults

    def let_go(self, unit: int) -> None:
        """Have a unit give the answer that it holds back, now."""
        if unit in self._held:
            self._held.pop(unit).set()

    async def start(self) -> None:
        """Listen. Raises OSError when the port is taken."""
        self._server = await asyncio.start_server(self._serve, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close the port and every connection at once, as a power cut does."""
        if self._server is None:
            return
        self._server.close()
        serving = list(self._connections)
        for writer in self._connections.values():
            writer.transport.abort()
        for task in self._owed:
            task.cancel()
        await asyncio.gather(*self._owed, *serving, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a connection is served by a task")
        self._connections[task] = writer
        try:
            while True:
                transaction, protocol, length, unit = HEADER.unpack(await reader.readexactly(HEADER.size))
                if protocol != 0 or not 2 <= length <= PDU_BYTES_MAX + 1:
                    return
                pdu = await reader.readexactly(length - 1)
                if len(self._owed) < WAITING_MAX:
                    self._owe(writer, transaction, _request(unit, pdu))
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            del self._connections[task]
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    def _owe(self, writer: asyncio.StreamWriter, transaction: int, request: Request) -> None:
        task = asyncio.get_running_loop().create_task(self._answer(writer, transaction, request))
        self._owed.add(task)
        task.add_done_callback(self._owed.discard)

    async def _answer(self, writer: asyncio.StreamWriter, transaction: int, request: Request) -> None:
        found = self._units.get(request.unit)
        if found is None:
            self._send(writer, transaction, request.unit, bytes([request.function | 0x80, NO_SUCH_UNIT]))
            return
        model, faults = found
        self.let_go(request.unit)
        play = faults.draw(self._random)
        if play.silent:
            return
        if play.held:
            await self._held.setdefault(request.unit, asyncio.Event()).wait()
        await asyncio.sleep((self._turnaround_ms + play.late_ms) / 1_000)
        number = transaction ^ FOREIGN_TRANSACTION if play.corrupt else transaction
        self._send(writer, number, request.unit, answer_pdu(model, request, play.refuse))

    def _send(self, writer: asyncio.StreamWriter, transaction: int, unit: int, pdu: bytes) -> None:
        if not writer.transport.is_closing():
            writer.write(HEADER.pack(transaction, 0, len(pdu) + 1, unit) + pdu)


def _request(unit: int, pdu: bytes) -> Request:
    if pdu[0] in READ_FUNCTIONS and len(pdu) == 5:
        return Request(unit, pdu[0], *struct.unpack(">HH", pdu[1:]))
    return Request(unit, pdu[0], 0, 0)
