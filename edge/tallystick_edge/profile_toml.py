"""Reads a profile file strictly: TOML in, a checked `Profile` out, or a ProfileError naming file, key and reason.
It checks the file against itself only; whether the numbers are true of the meter, `source` and the vectors say."""

from __future__ import annotations

import hashlib
import re
import tomllib
from dataclasses import replace
from functools import lru_cache

from tallystick_edge.profile import (
    PROFILE_BYTES_MAX,
    TURNAROUND_MS,
    Identity,
    Limits,
    ModbusWire,
    ObjectWire,
    PlusWire,
    PowerWire,
    Probe,
    Profile,
    ProfileError,
    ProfileKind,
    RadioFormat,
    RawRead,
    Register,
    RegisterKind,
    Source,
    Span,
    Vector,
    WireType,
    WordOrder,
)
from tallystick_edge.profile_table import Table
from tallystick_edge.registers import WORDS
from tallystick_edge.toml_table import exact

VERSION = 1
FORMATS = {  # what each kind may speak, the first one when the profile says nothing
    ProfileKind.MODBUS: (RadioFormat.NONE,),
    ProfileKind.BLE_ADVERT: (RadioFormat.BTHOME, RadioFormat.RUUVI_5, RadioFormat.ATC1441, RadioFormat.PVVX),
    ProfileKind.BLE_GATT: (RadioFormat.SHELLY_RPC, RadioFormat.GATT_READ, RadioFormat.GATT_NOTIFY),
}
ADDRESS_MAX = 0xFFFF
REGISTERS_MAX = 125  # Modbus Application Protocol V1.1b3, 6.3: most registers in one read
SCALE_MAX = 18  # nano to giga and beyond; keeps 10^scale small
REGISTER_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


@lru_cache(maxsize=64)  # twenty meters of one make share one table, and a start parses it once
def parse_profile(name: str, data: bytes) -> Profile:
    """The profile in `data`, which must call itself `name`. Raises ProfileError."""
    file = f"{name}.toml"
    top = Table(file, "", _toml(file, data))
    if top.integer("version", 1, 1_000) != VERSION:
        raise top.error("version", f"is not {VERSION}, the only version this program reads")
    if top.text("name") != name:
        raise top.error("name", f"is not {name!r}, the name of the file")
    kind = top.choice("kind", ProfileKind)
    format_ = _format(top, kind)
    profile = Profile(
        name=name,
        sha256=hashlib.sha256(data).digest(),
        kind=kind,
        format=format_,
        vendor=top.text("vendor"),
        model=top.text("model"),
        source=_source(top.table("source")),
        limits=_limits(top, kind),
        identity=_identity(top.table("identity")) if top.has("identity") else None,
        registers=_registers(top.table("register"), kind),
        vectors=tuple(_vector(entry, kind) for entry in top.tables("vector")),
    )
    top.done()
    _check_whole(file, profile)
    return profile


def _toml(file: str, data: bytes) -> dict[str, object]:
    if len(data) > PROFILE_BYTES_MAX:
        raise ProfileError(file, "(file)", f"is longer than {PROFILE_BYTES_MAX} bytes")
    try:
        return tomllib.loads(data.decode("utf-8"), parse_float=exact)
    except (ValueError, ArithmeticError, RecursionError) as error:  # 1e9999999999999999999, a thousand brackets
        raise ProfileError(file, "(file)", f"is not TOML: {error}") from None


def _format(top: Table, kind: ProfileKind) -> RadioFormat:
    allowed = FORMATS[kind]
    chosen = top.choice("format", RadioFormat, default=allowed[0])
    if chosen not in allowed:
        raise top.error("format", f"is not one of {', '.join(allowed)}, which {kind} speaks")
    return chosen


def _source(table: Table) -> Source:
    source = Source(
        table.text("document"),
        table.text("page"),
        table.text_or_none("note"),
        table.text_or_none("checked"),
        table.text_or_none("unchecked"),
    )
    table.done()
    return source


def _limits(top: Table, kind: ProfileKind) -> Limits | None:
    if kind is not ProfileKind.MODBUS:
        return None
    table = top.table("limits")
    forbidden = []
    for hole in table.tables("forbidden"):
        forbidden.append(_span(hole, hole.integer("count", 1, ADDRESS_MAX)))
        hole.done()
    turnaround_ms = table.integer("turnaround_ms", 0, 10_000, default=TURNAROUND_MS)
    limits = Limits(table.integer("registers_max", 1, REGISTERS_MAX), tuple(forbidden), turnaround_ms)
    table.done()
    return limits


def _identity(table: Table) -> Identity:
    probes = [_probe(entry) for entry in table.tables("probe")]
    if not probes:
        raise table.error("probe", "is missing: nothing tells this meter from others")
    serial = None
    if table.has("serial"):
        place = table.table("serial")
        serial = _wire(place)
        place.done()
    weak = table.text_or_none("weak")
    table.done()
    return Identity(tuple(probes), serial, weak)


def _probe(table: Table) -> Probe:
    wire = _wire(table)
    probe = Probe(wire, table.text_or_none("equals"), table.text_or_none("contains"), _between(table))
    if sum(each is not None for each in (probe.equals, probe.contains, probe.between)) != 1:
        raise table.error("equals", "or `contains` or `between` must be given, and only one of them")
    if probe.between is not None and wire.type in (WireType.TEXT, WireType.FLOAT32):
        raise table.error("between", "compares whole numbers, which text and float32 are not")
    table.done()
    return probe


def _between(table: Table) -> tuple[int, int] | None:
    if not table.has("between"):
        return None
    ends = table.items("between")
    if len(ends) != 2 or any(type(each) is not int for each in ends) or ends[0] > ends[1]:
        raise table.error("between", "is not two whole numbers, the smaller first: [70, 73]")
    return ends[0], ends[1]


def _registers(table: Table, kind: ProfileKind) -> dict[str, Register]:
    registers = {}
    for name in table.names():
        if not REGISTER_NAME.fullmatch(name):
            raise table.error(name, "is not a register name: lower case letters, digits and underscores")
        registers[name] = _register(name, table.table(name), kind)
    if not registers:
        raise table.error("(any)", "is missing: a profile needs at least one register")
    return registers


def _register(name: str, table: Table, kind: ProfileKind) -> Register:
    meaning = table.choice("kind", RegisterKind)
    register = Register(
        name=name,
        quantity=table.text("quantity"),
        unit=table.text("unit"),
        exponent=table.integer("exponent", -SCALE_MAX, SCALE_MAX),
        kind=meaning,
        modulus=table.integer_or_none("modulus", 2, 2**63 - 1),
        rated_max_per_h=table.integer_or_none("rated_max_per_h", 1, 2**63 - 1),
        step=table.integer_or_none("step", 1, 10**9),
        wire=_value_wire(table) if kind is ProfileKind.MODBUS else _object_wire(table),
    )
    table.done()
    if meaning is RegisterKind.COUNTER and register.rated_max_per_h is None:
        raise table.error("rated_max_per_h", "is missing: without it no jump of this counter is implausible")
    if meaning is RegisterKind.GAUGE and isinstance(register.wire, ObjectWire) and register.wire.sum:
        raise table.error("sum", "adds up measurements, which makes a counter, not a gauge")
    if meaning is RegisterKind.GAUGE and (register.modulus or register.rated_max_per_h or register.step):
        raise table.error("kind", "is gauge, which has neither a modulus, a rated maximum nor a step")
    return register


def _object_wire(table: Table) -> ObjectWire:
    return ObjectWire(
        table.text("key"),
        table.integer("scale", -SCALE_MAX, SCALE_MAX, default=0),
        table.integer("times", 1, 10**9, default=1),
        table.flag("sum"),
    )


def _value_wire(table: Table) -> ModbusWire:
    """A register's wire with what stands beside it: its power of ten, its unit, the rest of its count."""
    powers = []
    if table.has("scale_register"):
        place = table.table("scale_register")
        powers.append(PowerWire(_small(place)))
        place.done()
    if table.has("unit_register"):
        place = table.table("unit_register")
        powers.append(PowerWire(_small(place), _codes(place.table("codes"))))
        place.done()
    plus = _plus(table.table("plus")) if table.has("plus") else None
    return replace(_wire(table), powers=tuple(powers), plus=plus)


def _small(table: Table) -> ModbusWire:
    wire = _wire(table)
    if wire.type not in (WireType.INT16, WireType.UINT16):
        raise table.error("type", "is not int16 or uint16, as a power of ten or a unit code is")
    return wire


def _codes(table: Table) -> dict[int, int]:
    codes = {}
    for name in table.names():
        if not (name.isascii() and name.isdigit()):
            raise table.error(name, "is not a unit code: write it as a number")
        codes[int(name)] = table.integer(name, -SCALE_MAX, SCALE_MAX)
    if not codes:
        raise table.error("(any)", "is missing: no unit code would be understood")
    return codes


def _plus(table: Table) -> PlusWire:
    plus = PlusWire(_wire(table), table.integer("below", 1, 2**63 - 1))
    if plus.wire.type in (WireType.TEXT, WireType.FLOAT32):
        raise table.error("type", "is not a whole number, as a part of a counter is")
    table.done()
    return plus


def _wire(table: Table) -> ModbusWire:
    kind = table.choice("type", WireType)
    count = table.integer("count", 1, REGISTERS_MAX) if kind is WireType.TEXT else WORDS[kind]
    wire = ModbusWire(
        span=_span(table, count),
        type=kind,
        words=table.choice("words", WordOrder, default=WordOrder.HIGH_FIRST),
        scale=table.integer("scale", -SCALE_MAX, SCALE_MAX, default=0),
        absent=tuple(table.words_of("absent", item) for item in table.items("absent")),
        atomic=table.text_or_none("atomic"),
    )
    if any(len(mark) != count for mark in wire.absent):
        raise table.error("absent", f"has a mark that is not {count} registers long, as the value is")
    return wire


def _span(table: Table, count: int) -> Span:
    span = Span(table.integer("function", 3, 4), table.integer("address", 0, ADDRESS_MAX), count)
    if span.end > ADDRESS_MAX + 1:
        raise table.error("address", "reaches beyond the last register 0xFFFF")
    return span


def _vector(table: Table, kind: ProfileKind) -> Vector:
    reads = tuple(_raw_read(entry) for entry in table.tables("reads")) if kind is ProfileKind.MODBUS else ()
    payload = b"" if kind is ProfileKind.MODBUS else _payload(table)
    expect = table.table("expect")
    values = {name: expect.integer(name, -(2**63), 2**63 - 1) for name in expect.names()}
    absent = tuple(table.items("absent"))
    if not all(isinstance(each, str) for each in absent):
        raise table.error("absent", "is not a list of register names")
    vector = Vector(table.text("name"), reads, payload, values, table.text_or_none("serial"), absent)
    table.done()
    return vector


def _payload(table: Table) -> bytes:
    text = table.text("payload")
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise table.error("payload", "is not hexadecimal") from None


def _raw_read(table: Table) -> RawRead:
    words = table.words("words")
    read = RawRead(_span(table, len(words)), words)
    table.done()
    return read


def _check_whole(file: str, profile: Profile) -> None:
    if not profile.vectors:
        raise ProfileError(file, "vector", "is missing: a profile needs a test vector of raw registers")
    for index, vector in enumerate(profile.vectors):
        for name in (*vector.expect, *vector.absent):
            if name not in profile.registers:
                raise ProfileError(file, f"vector[{index}].expect.{name}", "is not a register of this profile")
    if profile.limits is not None and profile.source.checked is None and profile.source.unchecked is None:
        raise ProfileError(file, "source.checked", "is missing: name an independent source, or say `unchecked`")
    if profile.limits is None:
        return
    if profile.identity is None:
        raise ProfileError(file, "identity", "is missing: a Modbus meter that cannot be recognised is not read")
    for register in profile.registers.values():
        _check_wire(file, register, profile.limits)
    _check_atomic(file, profile, profile.limits)


def _check_wire(file: str, register: Register, limits: Limits) -> None:
    wire = register.wire
    key = f"register.{register.name}"
    if not isinstance(wire, ModbusWire):
        return
    if wire.type is WireType.TEXT:
        raise ProfileError(file, f"{key}.type", "is text, which is for identity only")
    if wire.span.count > limits.registers_max:
        raise ProfileError(file, f"{key}.type", f"is longer than limits.registers_max, {limits.registers_max}")
    beside = [power.wire.span for power in wire.powers] + ([wire.plus.wire.span] if wire.plus else [])
    if any(hole.overlaps(span) for hole in limits.forbidden for span in (wire.span, *beside)):
        raise ProfileError(file, f"{key}.address", "lies in a hole that limits.forbidden excludes")


def _check_atomic(file: str, profile: Profile, limits: Limits) -> None:
    """A group is read in one request, so it has one function code and fits the limit."""
    groups: dict[str, list[Span]] = {}
    for register in profile.registers.values():
        wire = register.wire
        if not isinstance(wire, ModbusWire):
            continue
        plus = [wire.plus.wire.span] if wire.plus else []
        if wire.atomic is not None or plus:
            groups.setdefault(wire.atomic or f"{register.name} and plus", []).extend((wire.span, *plus))
    for name, spans in groups.items():
        length = max(span.end for span in spans) - min(span.address for span in spans)
        if len({span.function for span in spans}) > 1 or length > limits.registers_max:
            raise ProfileError(file, "register.(any).atomic", f"{name!r} does not fit one request")
