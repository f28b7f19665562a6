"""The input of a charge point: a file of JSON lines to which its software appends each session's signed record.
It reads on from where it stopped, also after a restart, and never writes to the file or changes a record."""

from __future__ import annotations

import json
from hashlib import sha256

from tallystick_protocol.codes import MeterState
from tallystick_protocol.errors import ProtocolError
from tallystick_protocol.ocmf_session import read_session
from tallystick_protocol.part import RAW_BYTES_MAX

from tallystick_edge.config import ChargePointConfig
from tallystick_edge.ports import Clock, ReplayStore, Sink
from tallystick_edge.sample import Fault, Sample

LINE_BYTES_MAX = 2 * RAW_BYTES_MAX + 64  # a record with every quote escaped, and the key around it
READ_BYTES = 256 * 1024  # in one go; the next poll reads on


class ChargeLog:
    """One charge point. A line is `{"ocmf": "OCMF|...|..."}`; a last line without its end is waited for."""

    def __init__(self, config: ChargePointConfig, clock: Clock, places: ReplayStore) -> None:
        self._config = config
        self._clock = clock
        self._places = places
        self._place = f"file:{config.id}"
        self._told = ""

    async def run(self, sink: Sink) -> None:
        """Read until cancelled."""
        while True:
            self.poll(sink)
            await self._clock.sleep_ms(self._config.every_ms)

    def poll(self, sink: Sink) -> None:
        """Hand over every whole line that is new; a file that cannot be read is a fault, told once."""
        try:
            chunk, start = self._read()
        except OSError as error:
            self._fault(sink, "no-answer", f"{self._config.file}: {error.strerror or error}")
            return
        self._told = ""
        position = 0
        while (end := chunk.find(b"\n", position)) >= 0:
            line, position = chunk[position : end + 1], end + 1
            self._places.save(self._place, start + position, sha256(line).digest())
            self._take(line, sink)
        if len(chunk) - position > LINE_BYTES_MAX:
            self._places.save(self._place, start + len(chunk), sha256(chunk[-LINE_BYTES_MAX:]).digest())
            self._fault(sink, "bad-frame", f"a line is longer than {LINE_BYTES_MAX} bytes")

    def _read(self) -> tuple[bytes, int]:
        """The next bytes and where they begin: the beginning, when the file is not the one that was read before."""
        offset, digest = self._places.last(self._place) or (0, b"")
        with self._config.file.open("rb") as file:
            back = min(offset, LINE_BYTES_MAX)
            file.seek(offset - back)
            before = file.read(back)
            last = before[before.rfind(b"\n", 0, -1) + 1 :]
            if offset and (len(before) < back or sha256(last).digest() != digest):
                offset = 0
            file.seek(offset)
            return file.read(READ_BYTES), offset

    def _take(self, line: bytes, sink: Sink) -> None:
        if not line.strip():
            return
        try:
            record = record_of(line)
            read_session(record)
        except ProtocolError as error:
            self._fault(sink, "bad-frame", str(error))
            return
        except ValueError as error:
            self._fault(sink, "bad-frame", f'a line is not {{"ocmf": "..."}}: {error}')
            return
        now = self._clock
        sink.sample(Sample(self._config.id, now.uptime_ms(), now.utc_ms(), {}, None, MeterState.OK, record))

    def _fault(self, sink: Sink, reason: str, detail: str) -> None:
        if detail != self._told:
            self._told = detail
            sink.fault(Fault(self._config.id, self._clock.uptime_ms(), reason, detail))


def record_of(line: bytes) -> bytes:
    """The record in a line. Raises ValueError."""
    try:
        value = json.loads(line)
    except RecursionError:
        raise ValueError("too deep") from None
    if not isinstance(value, dict) or not isinstance(value.get("ocmf"), str) or len(value) != 1:
        raise ValueError("an object with this one key")
    return str(value["ocmf"]).encode()
