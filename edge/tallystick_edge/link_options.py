"""Which line a command of a person means: one of the configuration, or one named by options alone.
It parses and refuses; it opens nothing."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from dataclasses import replace

from tallystick_edge.config import EdgeConfig, LineConfig, LineKind, Parity
from tallystick_edge.errors import ConfigError
from tallystick_edge.profile import Span

UNIT_MAX = 247
TIMEOUT_MS = 1_000
SPEEDS = (9_600, 19_200, 38_400, 4_800, 2_400, 57_600, 115_200)
FRAMES = ((Parity.NONE, 1), (Parity.EVEN, 1), (Parity.ODD, 1))  # a second stop bit is no trouble to a receiver
_REGISTERS = re.compile(r"([34]):(0x[0-9a-fA-F]{1,4}|[0-9]{1,5}):([0-9]{1,3})\Z")


def add_link_options(parser: argparse.ArgumentParser) -> None:
    """Options that name a line without a configuration."""
    group = parser.add_argument_group("a line without a configuration file")
    one = group.add_mutually_exclusive_group()
    one.add_argument("--tcp", metavar="HOST[:PORT]", help="a Modbus/TCP meter or gateway (port 502)")
    one.add_argument("--rtu-tcp", metavar="HOST:PORT", help="a converter that carries RTU over TCP")
    one.add_argument("--serial", metavar="DEVICE", help="a serial port, /dev/ttyUSB0")
    group.add_argument("--baud", type=int, default=9_600, help="of the serial line (9600)")
    group.add_argument("--parity", choices=[each.value for each in Parity], default="N", help="N, E or O (N)")
    group.add_argument("--stop-bits", type=int, choices=(1, 2), default=1, help="1 or 2 (1)")


def link_given(options: argparse.Namespace) -> bool:
    return any((options.tcp, options.rtu_tcp, options.serial))


def line_of(options: argparse.Namespace, config: EdgeConfig | None) -> LineConfig:
    """The line meant. Raises ConfigError."""
    if link_given(options):
        return _named(options)
    if config is None:
        raise _error("--tcp", "is missing, and no configuration names a line", "name one with --tcp or --serial")
    names = ", ".join(each.id for each in config.lines) or "(none configured)"
    wanted: str | None = getattr(options, "line", None)
    if wanted is None and len(config.lines) == 1:
        return config.lines[0]
    for each in config.lines:
        if each.id == wanted:
            return each
    raise _error("--line", f"{wanted!r} is not a line", f"write one of {names}")


def other_speeds(line: LineConfig) -> Iterator[LineConfig]:
    """The same serial line at every other usual speed and parity, the most usual first."""
    for parity, stop_bits in FRAMES:
        for baud in SPEEDS:
            if (baud, parity, stop_bits) != (line.baud, line.parity, line.stop_bits):
                yield replace(line, baud=baud, parity=parity, stop_bits=stop_bits)


def speed_of(line: LineConfig) -> str:
    """As meters show it: 19200 8E1."""
    return f"{line.baud} 8{line.parity.value}{line.stop_bits}"


def units_of(text: str) -> list[int]:
    """ "1-32" or "1,5,7" as addresses. Raises ConfigError."""
    found: list[int] = []
    for word in text.split(","):
        first, _, last = word.strip().partition("-")
        if not (_is_number(first) and (not last or _is_number(last))):
            raise _error("--units", f"{word!r} is no unit address", 'write "1-32" or "1,5,7"')
        if int(last or first) > UNIT_MAX or int(first) < 1 or int(last or first) < int(first):
            raise _error("--units", f"{text!r} leaves 1 to {UNIT_MAX}", 'write "1-32" or "1,5,7"')
        found.extend(range(int(first), int(last or first) + 1))
    return found


def registers_of(text: str) -> Span:
    """ "4:0x0048:2" as a span, for argparse."""
    match = _REGISTERS.match(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not FUNCTION:ADDRESS:COUNT as in 4:0x0048:2")
    span = Span(int(match[1]), int(match[2], 0), int(match[3]))
    if not 1 <= span.count <= 125 or span.end > 0x1_0000:
        raise argparse.ArgumentTypeError(f"{text!r}: 1 to 125 registers from 0 to 0xFFFF")
    return span


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 3


def _named(options: argparse.Namespace) -> LineConfig:
    if options.serial:
        if not 300 <= options.baud <= 921_600:
            raise _error("--baud", f"{options.baud} is no speed", "write 9600, 19200 ... as the meter shows it")
        return LineConfig(
            options.serial,
            LineKind.RTU,
            device=options.serial,
            baud=options.baud,
            parity=Parity(options.parity),
            stop_bits=options.stop_bits,
            timeout_ms=TIMEOUT_MS,
        )
    kind, text = (LineKind.TCP, options.tcp) if options.tcp else (LineKind.RTU_TCP, options.rtu_tcp)
    host, separator, port = text.rpartition(":")
    if not separator:
        host, port = text, "502"
    if not host or not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65_535):
        raise _error(f"--{kind.value}", f"{text!r} is no address", "write HOST or HOST:PORT, 192.168.1.20:502")
    return LineConfig(text, kind, host=host.strip("[]"), port=int(port), baud=options.baud, timeout_ms=TIMEOUT_MS)


def _error(key: str, reason: str, step: str) -> ConfigError:
    return ConfigError("command line", key, reason, step)
