"""The outside world as the agent sees it: time, randomness, drivers and where their samples go.
Nothing here opens a file or a socket; the shells and the tests bring the implementations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from tallystick_protocol.codes import TimeQuality

    from tallystick_edge.sample import Fault, Sample


class Clock(Protocol):
    """Domain time: the demo may run it faster than real time, network timeouts never use it."""

    def utc_ms(self) -> int:
        """Believed UTC in integer milliseconds."""
        ...

    def uptime_ms(self) -> int:
        """Milliseconds since this process started, monotonic, in domain time."""
        ...

    async def sleep_ms(self, ms: int) -> None:
        """Sleep for `ms` of domain time; a value <= 0 only yields."""
        ...

    def quality(self) -> TimeQuality:
        """How far `utc_ms` may be trusted."""
        ...


class Entropy(Protocol):
    """Randomness for nonces, salts, boots and jitter."""

    def bytes(self, n: int) -> bytes:
        """`n` unpredictable bytes."""
        ...


class Sink(Protocol):
    """Where a driver hands over what it read; both calls return at once and never raise."""

    def sample(self, s: Sample) -> None: ...

    def fault(self, f: Fault) -> None: ...


class Driver(Protocol):
    """One line or one adapter with the meters on it."""

    async def run(self, sink: Sink) -> None:
        """Read until cancelled; a silent meter is a `Fault` given to the sink, never an exception."""
        ...


class ReplayStore(Protocol):
    """Last packet counter accepted per Bluetooth address; survives a restart."""

    def last(self, address: str) -> tuple[int, bytes] | None:
        """(counter, SHA-256 digest of the plaintext) last accepted from `address`."""
        ...

    def save(self, address: str, counter: int, digest: bytes) -> None:
        """Remember; durable with the next flush of the journal, that is with the readings it came with."""
        ...
