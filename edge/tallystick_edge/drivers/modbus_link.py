"""One connection to one Modbus line through stock pymodbus: connect, ask once, check that the answer fits the question.
It never repeats, never waits for its turn and never decides about a unit; that is the line guard's work."""

from __future__ import annotations

import asyncio
import logging
import os
import termios
from collections.abc import Callable
from typing import TYPE_CHECKING

from pymodbus import FramerType
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.exceptions import ConnectionException, ModbusException
from pymodbus.pdu import ModbusPDU

from tallystick_edge.config import LineConfig, LineKind
from tallystick_edge.drivers.modbus_errors import LineDown, NoAnswer, Refused, WrongAnswer
from tallystick_edge.profile import Span

if TYPE_CHECKING:
    from pymodbus.client.base import ModbusBaseClient

HOLDING = 3
EXCEPTION_FLAG = 0x80
SETTLE_MS = 50  # after the port opens: a converter's start-up bytes, and what was on the wire before us
HALF_OPEN = 3  # timeouts in a row, of all units together, after which a TCP connection is made anew
READ_BYTES_MAX = 1_024  # more than the longest frame, 260 bytes; what is more is read next
NEVER = 2**31  # pymodbus hangs up by itself after so many timeouts; ours is the line's supervisor

logging.getLogger("pymodbus").setLevel(logging.CRITICAL)  # what it would say, our faults say by name


class ModbusLink:
    """`up` is set while connected and `down` while not; both are for waiting on."""

    def __init__(self, config: LineConfig) -> None:
        self.config = config
        self.up = asyncio.Event()
        self.down = asyncio.Event()
        self.down.set()
        self._client: ModbusBaseClient | None = None
        self._transaction = 0
        self._unanswered = 0
        self._timeout_ms = config.timeout_ms
        self._opened: int | None = None
        self.heard_at = 0.0
        self._sent = b""

    def wait_for(self, timeout_ms: int) -> None:
        """How long the next answers are waited for, real milliseconds; a new connection has the line's own time."""
        self._timeout_ms = timeout_ms
        if self._client is not None:
            self._client.ctx.comm_params.timeout_connect = timeout_ms / 1_000

    @property
    def numbers_answers(self) -> bool:
        """Whether an answer carries the number of its question (Modbus/TCP), so that a late one is told by it."""
        return self.config.kind is LineKind.TCP

    async def connect(self) -> None:
        """One attempt with a fresh client. Raises LineDown."""
        self.close()
        try:
            self._client = client = _client(self.config, self._trace_packet, self._trace_pdu, self._trace_connect)
            client.set_max_no_responses(NEVER)
            connected = await client.connect()
            self._heed_cancellation()
        except (OSError, ValueError, termios.error) as error:
            self.close()
            raise LineDown(f"{where(self.config)}: {error}") from error
        if connected:
            await asyncio.sleep(SETTLE_MS / 1_000)
        if not client.connected:
            self.close()
            raise LineDown(f"{where(self.config)} does not open")
        _read_little(client.ctx.transport)
        self._unanswered = 0
        self._timeout_ms = self.config.timeout_ms
        self._opened = _device(self.config)
        self.down.clear()
        self.up.set()

    def _heed_cancellation(self) -> None:
        """Up to Python 3.11 `asyncio.wait_for`, which pymodbus connects by, can swallow a cancellation that comes
        with the refusal; unheeded, the agent would never end."""
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            self.close()
            raise asyncio.CancelledError

    def close(self) -> None:
        """Hang up; harmless when not connected."""
        if self._client is not None:
            self._client.close()
            self._client = None
        self._hung_up()

    async def ask(self, unit: int, span: Span) -> tuple[int, ...]:
        """The registers of one request that was answered as asked. Raises a ReadFailure."""
        client = self._client
        if client is None or not client.connected:
            raise LineDown(f"{where(self.config)} is not connected")
        read = client.read_holding_registers if span.function == HOLDING else client.read_input_registers
        try:
            answer = await read(span.address, count=span.count, device_id=unit)
        except ConnectionException as error:
            raise LineDown(f"{where(self.config)}: {error}") from error
        except ModbusException as error:
            if not client.connected:
                raise LineDown(f"{where(self.config)} was lost while unit {unit} was asked") from error
            self._count_silence()
            raise NoAnswer(f"unit {unit} did not answer within {self._timeout_ms} ms") from error
        self._unanswered = 0
        return self._checked(unit, span, answer)

    def _checked(self, unit: int, span: Span, answer: ModbusPDU) -> tuple[int, ...]:
        """pymodbus looks at none of these on a serial line: what fits the CRC and the unit is success to it."""
        if self.numbers_answers and answer.transaction_id != self._transaction:
            raise WrongAnswer(f"unit {unit} answered question {answer.transaction_id}, not {self._transaction}")
        if answer.dev_id != unit:
            raise WrongAnswer(f"unit {answer.dev_id} answered for unit {unit}")
        if answer.function_code == span.function | EXCEPTION_FLAG:
            raise Refused(
                answer.exception_code, f"unit {unit} refused {_text(span)} with exception {answer.exception_code}"
            )
        if answer.function_code != span.function or len(answer.registers) != span.count:
            seen = f"function {answer.function_code} with {len(answer.registers)} registers"
            raise WrongAnswer(f"unit {unit} was asked for {_text(span)} and answered {seen}")
        return tuple(answer.registers)

    def _trace_packet(self, sending: bool, data: bytes) -> bytes:
        """Take away what an adapter lets us hear of ourselves. pymodbus would read an echoed question for one register
        of 0x0300 to 0x03FF as a sound answer, because its address looks like a byte count."""
        self.heard_at = asyncio.get_running_loop().time()  # what we say ourselves also ends a silence
        if sending:
            self._sent = data
            return data
        if self.numbers_answers:
            return data
        if data.startswith(self._sent):
            return data[len(self._sent) :]
        return b"" if self._sent.startswith(data) else data

    def _trace_pdu(self, sending: bool, pdu: ModbusPDU) -> ModbusPDU:
        if sending:
            self._transaction = pdu.transaction_id
        return pdu

    def _trace_connect(self, connected: bool) -> None:
        if not connected:
            self._hung_up()

    def _hung_up(self) -> None:
        self.up.clear()
        self.down.set()

    def _count_silence(self) -> None:
        """A peer that vanished without a word keeps a TCP connection open for hours; an adapter that hung keeps its
        port open, while the stable link already leads to the one that came back."""
        self._unanswered += 1
        if self._unanswered < HALF_OPEN:
            return
        if self.config.kind is not LineKind.RTU or _device(self.config) != self._opened:
            self.close()


def _read_little(transport: object) -> None:
    """asyncio makes room for 256 KiB at each read of a socket; the C library gets that from the kernel each time."""
    if hasattr(transport, "max_size"):
        transport.max_size = READ_BYTES_MAX


def _device(config: LineConfig) -> int | None:
    """Which device the configured path leads to now; None for a connection, and for a path that leads nowhere."""
    try:
        return os.stat(config.device).st_rdev if config.device else None
    except OSError:
        return None


def where(config: LineConfig) -> str:
    """The line as a person finds it."""
    place = config.device if config.kind is LineKind.RTU else f"{config.host}:{config.port}"
    return f"line {config.id} ({place})"


def _client(
    config: LineConfig,
    trace_packet: Callable[[bool, bytes], bytes],
    trace_pdu: Callable[[bool, ModbusPDU], ModbusPDU],
    trace_connect: Callable[[bool], None],
) -> ModbusBaseClient:
    timeout_s = config.timeout_ms / 1_000
    if config.kind is LineKind.RTU:
        return AsyncModbusSerialClient(
            config.device or "",
            framer=FramerType.RTU,
            baudrate=config.baud,
            parity=config.parity.value,
            stopbits=config.stop_bits,
            timeout=timeout_s,
            retries=0,
            reconnect_delay=0,
            trace_packet=trace_packet,
            trace_pdu=trace_pdu,
            trace_connect=trace_connect,
        )
    return AsyncModbusTcpClient(
        config.host or "",
        port=config.port or 502,
        framer=FramerType.SOCKET if config.kind is LineKind.TCP else FramerType.RTU,
        timeout=timeout_s,
        retries=0,
        reconnect_delay=0,
        trace_packet=trace_packet,
        trace_pdu=trace_pdu,
        trace_connect=trace_connect,
    )


def _text(span: Span) -> str:
    return f"{span.count} registers from {span.address:#06x} with function {span.function}"
