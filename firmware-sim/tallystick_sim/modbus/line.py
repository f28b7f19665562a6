"""An RS-485 line on a pty: several slaves, one pair of wires, characters that take as long as they would.
Half duplex as in the cellar: who talks while another talks spoils both frames, and nobody hears another baud rate."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import termios
import tty
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tallystick_sim.modbus.faults import Play, UnitFaults
from tallystick_sim.modbus.registers import MeterModel
from tallystick_sim.modbus.rtu import UNITS, Request, answer_pdu, frame_of, parse_request
from tallystick_sim.modbus.timing import LineTiming

WAITING_MAX = 2  # requests a busy slave still remembers: its UART buffer; the rest fall off the wire
READ_CHUNK = 4_096
TICK_US = 1_000  # the event loop's clock is no finer; faster characters leave in bunches of one tick
NOISE_MASK = 0x55
ANSWER_CHARS = 5  # unit, function, byte count, CRC around the registers of an answer


@dataclass(slots=True)
class _Unit:
    model: MeterModel
    faults: UnitFaults = field(default_factory=UnitFaults)
    free_us: int = 0
    said_us: int = 0
    waiting: int = 0
    held: list[tuple[Request, Play]] = field(default_factory=list)


@dataclass(slots=True)
class _Sending:
    """A frame on its way over the wire, character by character."""

    data: bytearray
    start_us: int
    end_us: int
    sent: int = 0


@dataclass(slots=True)
class LineCounts:
    """What happened on the wire so far."""

    requests: int = 0
    answers: int = 0
    garbled: int = 0
    collisions: int = 0
    overrun: int = 0


class SerialLine:
    """Open it inside a running event loop, give `port` to the agent, close it at the end.

    `link`: a stable path that points at the pty, also after `unplug` and `plug` (the pty's own name changes).
    `echo`: an adapter that lets the master hear itself. All times are real; the seed decides faults only."""

    def __init__(
        self,
        timing: LineTiming,
        *,
        seed: int = 0,
        link: Path | None = None,
        echo: bool = False,
        strict_baud: bool = True,
    ) -> None:
        self.timing = timing
        self.echo = echo
        self.counts = LineCounts()
        self._strict_baud = strict_baud
        self._random = Random(seed)
        self._link = link
        self._units: dict[int, _Unit] = {}
        self._master = self._slave = -1
        self._port = ""
        self._heard = bytearray()
        self._heard_end_us = 0
        self._spoilt = False
        self._frame_timer: asyncio.TimerHandle | None = None
        self._sending: list[_Sending] = []
        self._timers: set[asyncio.TimerHandle] = set()

    @property
    def port(self) -> str:
        """What the agent opens."""
        return str(self._link) if self._link else self._port

    def attach(self, unit: int, model: MeterModel) -> UnitFaults:
        """Wire a meter to the line under a unit address 1 to 247; the answer is the knob for its faults."""
        if unit not in UNITS:
            raise ValueError(f"unit: {unit} is not a slave address from 1 to 247")
        if unit in self._units:
            raise ValueError(f"unit: {unit} is taken on this line")
        self._units[unit] = _Unit(model)
        return self._units[unit].faults

    def detach(self, unit: int) -> None:
        """Take the meter off the line."""
        del self._units[unit]

    def open(self) -> None:
        """Make the pty. Raises OSError."""
        self._master, self._slave = pty.openpty()
        tty.setraw(self._master)
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self._port = os.ttyname(self._slave)
        if self._link:
            self._link.unlink(missing_ok=True)
            self._link.symlink_to(self._port)
        asyncio.get_running_loop().add_reader(self._master, self._readable)

    def close(self) -> None:
        """Hang up; harmless when not open."""
        if self._master < 0:
            return
        asyncio.get_running_loop().remove_reader(self._master)
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        if self._frame_timer:
            self._frame_timer.cancel()
        self._sending.clear()
        self._heard.clear()
        os.close(self._slave)
        os.close(self._master)
        self._master = self._slave = -1
        if self._link:
            self._link.unlink(missing_ok=True)

    unplug, plug = close, open

    def let_go(self, unit: int) -> None:
        """Have a unit give the answers that it holds back, now."""
        found = self._units[unit]
        held, found.held = found.held, []
        for request, play in held:
            self._schedule(found, request, play)

    def noise(self, data: bytes) -> None:
        """Bytes out of nowhere, as from a loose wire or a welding machine next door."""
        self._transmit(data, self._now_us())

    def _now_us(self) -> int:
        return int(asyncio.get_running_loop().time() * 1_000_000)

    def _at(self, when_us: int, action: object, *args: object) -> None:
        loop = asyncio.get_running_loop()

        def run() -> None:
            self._timers.discard(timer)
            action(*args)  # type: ignore[operator]

        timer = loop.call_at(when_us / 1_000_000, run)
        self._timers.add(timer)

    def _readable(self) -> None:
        """Characters from the master: they occupy the wire from now on, however fast the pty took them."""
        with contextlib.suppress(BlockingIOError, OSError):
            data = os.read(self._master, READ_CHUNK)
            now = self._now_us()
            self._heard += data
            self._heard_end_us = max(now, self._heard_end_us) + self.timing.chars_us(len(data))
            self._spoilt |= self._collide(now) or not self._same_baud()
            if self.echo:
                self._transmit(data, now, heard_by_all=False)
            if self._frame_timer:
                self._frame_timer.cancel()
            self._frame_timer = asyncio.get_running_loop().call_at(
                (self._heard_end_us + self.timing.gap_us()) / 1_000_000, self._frame_ended
            )

    def _frame_ended(self) -> None:
        frame, spoilt = bytes(self._heard), self._spoilt
        self._heard.clear()
        self._spoilt = False
        request = None if spoilt else parse_request(frame)
        if request is None:
            self.counts.garbled += 1
            return
        self.counts.requests += 1
        unit = self._units.get(request.unit)
        if unit is not None:
            self._ask(unit, request)

    def _ask(self, unit: _Unit, request: Request) -> None:
        """A slave does one thing after the other: while it is late with one answer, the next request waits."""
        self.let_go(request.unit)
        if unit.waiting >= WAITING_MAX:
            self.counts.overrun += 1
            return
        play = unit.faults.draw(self._random)
        if play.silent:
            return
        unit.waiting += 1
        if play.held:
            unit.held.append((request, play))
        else:
            self._schedule(unit, request, play)

    def _schedule(self, unit: _Unit, request: Request, play: Play) -> None:
        start = max(self._now_us(), unit.free_us) + self.timing.turnaround_us + play.late_ms * 1_000
        unit.free_us = start + self.timing.chars_us(ANSWER_CHARS + 2 * request.count)
        self._at(start, self._answer, unit, request, play)

    def _answer(self, unit: _Unit, request: Request, play: Play) -> None:
        now = self._now_us()
        if now < unit.said_us:  # this machine was late with the answer before: a slave does not talk into its own words
            self._at(unit.said_us + self.timing.turnaround_us, self._answer, unit, request, play)
            return
        unit.waiting -= 1
        frame = frame_of(request.unit, answer_pdu(unit.model, request, play.refuse))
        if play.corrupt:
            spot = self._random.randrange(len(frame))
            frame = frame[:spot] + bytes([frame[spot] ^ NOISE_MASK]) + frame[spot + 1 :]
        self.counts.answers += 1
        unit.said_us = now + self.timing.chars_us(len(frame))
        self._transmit(frame, now)

    def _transmit(self, data: bytes, now_us: int, *, heard_by_all: bool = True) -> None:
        sending = _Sending(bytearray(data), now_us, now_us + self.timing.chars_us(len(data)))
        if heard_by_all:
            if now_us < self._heard_end_us:
                self._spoilt = True
                self._spoil(sending)
            if self._collide(now_us):
                self._spoil(sending)
            self._sending.append(sending)
        self._pump(sending)

    def _collide(self, now_us: int) -> bool:
        """Whether somebody is talking now; what they still had to say is spoilt."""
        others = [other for other in self._sending if other.end_us > now_us]
        for other in others:
            self._spoil(other)
        return bool(others)

    def _spoil(self, sending: _Sending) -> None:
        self.counts.collisions += 1
        for spot in range(sending.sent, len(sending.data)):
            sending.data[spot] ^= NOISE_MASK

    def _pump(self, sending: _Sending) -> None:
        """Put the characters on the wire whose time has come, then wait for the next ones."""
        if self._master < 0:
            return
        now = self._now_us()
        whole = len(sending.data)
        due = (
            whole if now >= sending.end_us else whole * (now - sending.start_us) // (sending.end_us - sending.start_us)
        )
        if due > sending.sent:
            with contextlib.suppress(BlockingIOError, OSError):  # nobody reads: characters on a wire do not wait
                os.write(self._master, bytes(sending.data[sending.sent : due]))
            sending.sent = due
        if sending.sent < whole:
            self._at(min(sending.end_us, now + max(TICK_US, self.timing.chars_us(1))), self._pump, sending)
        elif sending in self._sending:
            self._sending.remove(sending)

    def _same_baud(self) -> bool:
        """Whether the agent set the speed of this line; at another speed a slave hears garbage."""
        if not self._strict_baud:
            return True
        wanted = getattr(termios, f"B{self.timing.baud}", None)
        return wanted is None or termios.tcgetattr(self._master)[5] == wanted
