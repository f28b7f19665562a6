"""Reads `edge.toml` into an `EdgeConfig`, strictly: unknown keys, wrong types and dangling names are refused.
It opens no device and no network, so that `check-config` can run anywhere."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from tallystick_edge.config import (
    AdapterConfig,
    ChannelConfig,
    ChargePointConfig,
    EdgeConfig,
    LineConfig,
    LineKind,
    MeterConfig,
    Parity,
    ProgrammeConfig,
    TransportKind,
    UplinkConfig,
    UseConfig,
    UseKind,
)
from tallystick_edge.toml_table import Table, read_toml

VERSION = 1
STORE_MIB_MIN = 16  # below this a day of a busy line does not fit
LINES_MAX, ADAPTERS_MAX, METERS_MAX, CHANNELS_MAX, PROGRAMMES_MAX = 16, 4, 512, 64, 16
CHANNEL_NUMBER_MAX = 65_535
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}\Z")
_MAC = re.compile(r"[0-9A-F]{2}(:[0-9A-F]{2}){5}\Z")


def load_config(path: Path) -> EdgeConfig:
    """Read and check one file; relative paths in it are relative to it. Raises ConfigError."""
    root = read_toml(path)
    version = root.integer("version", 0, 2**31)
    if version != VERSION:
        root.fail("version", f"is {version}", f"use version = {VERSION} or install the agent that knows {version}")
    gateway = root.table("gateway")
    uplink = root.table("uplink")
    lines = tuple(_line(each) for each in root.tables("line", LINES_MAX))
    adapters = tuple(_adapter(each) for each in root.tables("adapter", ADAPTERS_MAX))
    meter_tables = root.tables("meter", METERS_MAX)
    meters = tuple(_meter(each, lines, adapters) for each in meter_tables)
    use_tables = root.tables("use", METERS_MAX)
    uses = tuple(_use(each, meters) for each in use_tables)
    config = EdgeConfig(
        name=_id(gateway, "name"),
        data=(path.parent / gateway.text("data")).absolute(),
        flush_ms=gateway.seconds_ms("flush_s", 10, 60_000, 1_000),
        uplink=_uplink(uplink, path.parent),
        lines=lines,
        adapters=adapters,
        meters=meters,
        uses=uses,
        store_mib=gateway.integer("store_mib", STORE_MIB_MIN, 65_536, 2_048),
        keep_days=gateway.integer("keep_days", 1, 36_500, 730),
        profiles=_folder(gateway, path.parent),
        metrics_port=_metrics_port(root),
        charge_points=tuple(_charge_point(each, path.parent) for each in root.tables("charge_point", METERS_MAX)),
    )
    _unique(root, "line", (each.id for each in lines))
    _unique(root, "adapter", (each.id for each in adapters))
    _unique(root, "meter", [*(each.id for each in meters), *(each.id for each in config.charge_points)])
    _unique(root, "meter.channel", _channel_numbers(config))
    _read_once(root, config)
    for table in (gateway, root):
        table.done()
    return config


def _metrics_port(root: Table) -> int | None:
    if not root.has("metrics"):
        return None
    table = root.table("metrics")
    port = table.integer("port", 1, 65_535)
    table.done()
    return port


def _channel_numbers(config: EdgeConfig) -> Iterable[str]:
    for meter in config.meters:
        yield from (str(channel.number) for channel in meter.channels)
    yield from (str(use.channel) for use in config.uses)
    yield from (str(point.channel) for point in config.charge_points)


def _charge_point(table: Table, folder: Path) -> ChargePointConfig:
    point = ChargePointConfig(
        id=_id(table, "id"),
        file=(folder / table.text("file")).absolute(),
        channel=table.integer("channel", 1, CHANNEL_NUMBER_MAX),
        exponent=table.integer("exponent", -6, 3, -3),
        serial=table.text_or_none("serial"),
        every_ms=table.seconds_ms("every_s", 100, HOUR_MS, 1_000),
    )
    table.done()
    return point


def _read_once(root: Table, config: EdgeConfig) -> None:
    """What is read twice is billed twice; and two masters on one pair of wires spoil each other's frames."""
    _alone(root, "line", ((each.id, each.device or f"{each.host}:{each.port}") for each in config.lines))
    at_unit = ((each.id, f"unit {each.unit} of line {each.line}") for each in config.meters if each.line)
    _alone(root, "meter", at_unit)
    _alone(root, "meter", ((each.id, each.address) for each in config.meters if each.address))
    _alone(root, "meter", ((each.id, f"{each.profile} {each.serial}") for each in config.meters if each.serial))
    _alone(root, "charge_point", ((each.id, str(each.file)) for each in config.charge_points))
    for meter in config.meters:
        _alone(root, f"meter {meter.id}.channel", ((str(each.number), each.register) for each in meter.channels))


def _alone(root: Table, key: str, things: Iterable[tuple[str, str]]) -> None:
    """`things`: who, and what of it must be nobody else's."""
    seen: dict[str, str] = {}
    for who, what in things:
        if what in seen:
            root.fail(key, f"{seen[what]} and {who} are both {what}", "keep one of the two")
        seen[what] = who


def _unique(root: Table, key: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            root.fail(key, f"uses {name} twice", "give every one its own")
        seen.add(name)


def _id(table: Table, key: str) -> str:
    value = table.text(key)
    if not _ID.match(value):
        table.fail(key, f"is {value!r}", "use 1 to 32 of a-z 0-9 _ - and start with a letter or digit")
    return value


def _one_of(table: Table, key: str, names: Sequence[str]) -> str:
    value = table.text(key)
    if value not in names:
        table.fail(key, f"names {value!r}, which is not there", f"write one of {', '.join(names) or '(none yet)'}")
    return value


def _uplink(table: Table, folder: Path) -> UplinkConfig:
    claim = table.text_or_none("claim")
    config = UplinkConfig(
        transport=table.choice("transport", TransportKind),
        claim=None if claim is None else (folder / claim).absolute(),
        seal_every_ms=table.seconds_ms("seal_every_s", 1_000, HOUR_MS, 60_000),
        heartbeat_ms=table.seconds_ms("heartbeat_s", 1_000, DAY_MS, 900_000),
        resend_ms=table.seconds_ms("resend_s", 50, HOUR_MS, 30_000),
        resend_max_ms=table.seconds_ms("resend_max_s", 50, HOUR_MS, 900_000),
    )
    table.done()
    return config


def _folder(table: Table, base: Path) -> Path | None:
    text = table.text_or_none("profiles")
    if text is None:
        return None
    folder = (base / text).absolute()
    if not folder.is_dir():
        table.fail("profiles", f"names {text!r}, which is no folder", "make it, or leave the key out")
    return folder


def _line(table: Table) -> LineConfig:
    kind = table.choice("kind", LineKind)
    serial = kind is LineKind.RTU
    config = LineConfig(
        id=_id(table, "id"),
        kind=kind,
        device=table.text("device") if serial else None,
        host=None if serial else table.text("host"),
        port=None if serial else table.integer("port", 1, 65_535, 502),
        baud=table.integer("baud", 300, 921_600, 9_600) if kind is not LineKind.TCP else 9_600,
        parity=table.choice("parity", Parity, Parity.NONE) if serial else Parity.NONE,
        stop_bits=table.integer("stop_bits", 1, 2, 1) if serial else 1,
        timeout_ms=table.seconds_ms("timeout_s", 20, 60_000, 1_000),
    )
    table.done()
    return config


def _adapter(table: Table) -> AdapterConfig:
    kind = table.text("kind")
    if kind != "bluetooth":
        table.fail("kind", f"is {kind!r}", 'write "bluetooth"')
    config = AdapterConfig(id=_id(table, "id"), device=table.text_or_none("device"))
    table.done()
    return config


def _meter(table: Table, lines: Sequence[LineConfig], adapters: Sequence[AdapterConfig]) -> MeterConfig:
    if table.has("line") == table.has("adapter"):
        table.fail("line", "must stand alone", "write either line (and unit) or adapter (and address)")
    wired = table.has("line")
    config = MeterConfig(
        id=_id(table, "id"),
        profile=table.text("profile"),
        every_ms=table.seconds_ms("every_s", 100, DAY_MS),
        line=_one_of(table, "line", [each.id for each in lines]) if wired else None,
        adapter=None if wired else _one_of(table, "adapter", [each.id for each in adapters]),
        unit=table.integer("unit", 1, 247) if wired else None,
        address=None if wired else _address(table),
        serial=table.text_or_none("serial"),
        key=_key(table),
        compared=table.text_or_none("compared"),
        restarted=table.text_or_none("restarted"),
        channels=tuple(_channel(each) for each in table.tables("channel", CHANNELS_MAX)),
    )
    if config.restarted is not None and config.key is None:
        step = "leave it out; only a sensor with a key needs it, others are believed again by themselves"
        table.fail("restarted", "is set, and this meter has no key", step)
    table.done()
    return config


def _address(table: Table) -> str:
    value = table.text("address").upper()
    if not _MAC.match(value):
        table.fail("address", f"is {value!r}", 'write six pairs of hex digits as on the label, "A4:C1:38:00:11:22"')
    return value


def _key(table: Table) -> bytes | None:
    value = table.text_or_none("key")
    if value is None:
        return None
    if not re.fullmatch(r"[0-9a-fA-F]{32}", value):
        table.fail("key", "is not 32 hex digits", "copy the bind key from the sensor's app")  # never print a key
    return bytes.fromhex(value)


def _channel(table: Table) -> ChannelConfig:
    config = ChannelConfig(
        number=table.integer("number", 1, CHANNEL_NUMBER_MAX),
        register=table.text("register"),
        rated_max_per_h=table.integer_or_none("rated_max_per_h", 1, 2**63 - 1),
    )
    table.done()
    return config


def _use(table: Table, meters: Sequence[MeterConfig]) -> UseConfig:
    config = UseConfig(
        channel=table.integer("channel", 1, CHANNEL_NUMBER_MAX),
        meter=_one_of(table, "meter", [each.id for each in meters]),
        kind=table.choice("kind", UseKind),
        power=table.text("power"),
        energy=table.text("energy"),
        start_w=table.integer("start_w", 1, 100_000),
        end_w=table.integer("end_w", 0, 100_000),
        heat_w=table.integer("heat_w", 1, 100_000, 1_000),
        heat_over_ms=table.seconds_ms("heat_over_s", 0, HOUR_MS, 60_000),
        end_after_ms=table.seconds_ms("end_after_s", 1_000, DAY_MS),
        billable_wh=table.integer("billable_wh", 1, 1_000_000),
        programmes=_programmes(table),
    )
    if config.end_w >= config.start_w:
        table.fail("end_w", f"is {config.end_w}, not below start_w {config.start_w}", "write a smaller end_w")
    if config.heat_w <= config.start_w:
        table.fail("heat_w", f"is {config.heat_w}, not above start_w {config.start_w}", "write a larger heat_w")
    table.done()
    return config


def _programmes(table: Table) -> tuple[ProgrammeConfig, ...]:
    found: list[ProgrammeConfig] = []
    for each in table.tables("programme", PROGRAMMES_MAX):
        programme = ProgrammeConfig(name=each.text("name"), heat_wh=each.integer("heat_wh", 0, 1_000_000))
        if len(programme.name.encode()) > 64:
            each.fail("name", "is longer than 64 bytes", "write a shorter name")
        if found and programme.heat_wh <= found[-1].heat_wh:
            each.fail("heat_wh", "does not rise from programme to programme", "sort the programmes by heat_wh")
        if not found and programme.heat_wh != 0:
            each.fail("heat_wh", f"is {programme.heat_wh} for the first programme", "start the list with heat_wh = 0")
        each.done()
        found.append(programme)
    return tuple(found)
