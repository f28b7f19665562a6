"""Length-and-data framing of JSON-RPC over three GATT characteristics, the device's side (Shelly, "RPC Channels").
TX control takes a length and data the request; RX control tells a length and data the answer. It knows no method."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tallystick_sim.bluez.peripheral import Characteristic

LENGTH_BYTES: Final = 4  # big endian
FRAME_BYTES_MAX: Final = 4_096  # longest request the device takes; longer announcements are dropped


class RpcChannel:
    """One request at a time; writing a length throws away anything unfinished.

    `not_ready_reads`: how often RX control says 0 before an answer is ready. `frozen`: requests are swallowed.
    `tamper` changes an answer before it goes out."""

    def __init__(self, answer: Callable[[bytes], bytes], chunk_bytes: int) -> None:
        self.not_ready_reads = 1
        self.frozen = False
        self.tamper: Callable[[bytes], bytes] | None = None
        self.requests = 0
        self._answer = answer
        self._chunk_bytes = chunk_bytes
        self._expected = 0
        self._request = bytearray()
        self._reply = b""
        self._reads_left = 0

    def characteristics(self, data: str, tx_control: str, rx_control: str) -> tuple[Characteristic, ...]:
        return (
            Characteristic(data, ("read", "write"), on_read=self._read_data, on_write=self._write_data),
            Characteristic(tx_control, ("write",), on_write=self._write_length),
            Characteristic(rx_control, ("read", "notify"), on_read=self._read_length),
        )

    def reset(self) -> None:
        """Forget request and answer, as on a new link."""
        self._expected = 0
        self._request.clear()
        self._reply = b""

    def _write_length(self, data: bytes) -> None:
        self.reset()
        announced = int.from_bytes(data, "big")
        if len(data) == LENGTH_BYTES and announced <= FRAME_BYTES_MAX:
            self._expected = announced

    def _write_data(self, data: bytes) -> None:
        self._request += data
        if not self._expected or len(self._request) < self._expected:
            return
        request, exact = bytes(self._request), len(self._request) == self._expected
        self.reset()
        if exact and not self.frozen:
            self.requests += 1
            self._reads_left = self.not_ready_reads
            reply = self._answer(request)
            self._reply = self.tamper(reply) if self.tamper else reply

    def _read_length(self) -> bytes:
        if self._reply and self._reads_left > 0:
            self._reads_left -= 1
            return bytes(LENGTH_BYTES)
        return len(self._reply).to_bytes(LENGTH_BYTES, "big")

    def _read_data(self) -> bytes:
        chunk, self._reply = self._reply[: self._chunk_bytes], self._reply[self._chunk_bytes :]
        return chunk
