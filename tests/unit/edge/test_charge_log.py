"""A charge point's file of signed sessions becomes uses: each once, also over restarts, rotation and crooked lines."""

from __future__ import annotations

import json
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from support.ble import MemoryReplayStore, MemorySink, TestClock
from support.ocmf import NOON, SERIAL, record
from tallystick_edge.config import ChargePointConfig
from tallystick_edge.config_toml import load_config
from tallystick_edge.desk import Desk
from tallystick_edge.drivers.charge_log import LINE_BYTES_MAX, ChargeLog
from tallystick_edge.errors import ConfigError
from tallystick_edge.items import Happening, Item, Moment, RawRecord
from tallystick_edge.journal_rows import decode_items, encode_items
from tallystick_edge.metering.channel import ChannelState
from tallystick_edge.parts import cut, number, uncut
from tallystick_edge.plan import MeterPlan
from tallystick_edge.usage.session import SessionRule, take_session
from tallystick_protocol.codes import EventCode, RawKind, Sensitivity, TimeQuality
from tallystick_protocol.errors import BadValue

RULE = SessionRule(7, -3, SERIAL)
BOOT = b"boot-1"
NOW = Moment(BOOT, 90_000_000, int((NOON + timedelta(hours=2)).timestamp()) * 1000, TimeQuality.S)


def line(data: bytes) -> bytes:
    return json.dumps({"ocmf": data.decode()}).encode() + b"\n"


def log_at(path: Path, store: MemoryReplayStore) -> tuple[ChargeLog, MemorySink]:
    return ChargeLog(ChargePointConfig("wallbox", path, 7), TestClock(), store), MemorySink()


def sessions(count: int, start: int = 0) -> list[bytes]:
    return [
        record(f"{100 + n}.5", f"{101 + n}.25", start=NOON + timedelta(hours=2 * n), page=n)
        for n in range(start, start + count)
    ]


def test_a_session_becomes_begin_record_and_end() -> None:
    data = record("100.5", "101.25")
    state, items = take_session(ChannelState(7), 1, RULE, data, NOW)
    started, raw, ended = items
    assert isinstance(started, Happening)
    assert isinstance(ended, Happening)
    assert (started.code, started.total, started.personal) == (EventCode.USE_STARTED, 100_500_000, True)
    assert (ended.code, ended.total, ended.samples_hash) == (EventCode.USE_ENDED, 101_250_000, sha256(data).digest())
    assert raw == RawRecord(7, ended.at, RawKind.OCMF, data, 1)
    assert started.at.utc_ms == int(NOON.timestamp()) * 1000
    assert (ended.at.utc_ms - started.at.utc_ms, ended.at.uptime_ms - started.at.uptime_ms) == (3_600_000, 3_600_000)
    assert state.total == 101_250_000


def test_a_session_told_twice_is_refused_and_changes_nothing() -> None:
    data = record("100.5", "101.25")
    state, _ = take_session(ChannelState(7), 1, RULE, data, NOW)
    with pytest.raises(BadValue, match="was counted already"):
        take_session(state, 2, RULE, data, NOW)


def test_a_meter_whose_clock_is_not_set_ends_its_sessions_now() -> None:
    def unset(body: dict[str, object]) -> None:
        for row in body["RD"]:  # type: ignore[attr-defined]
            row["TM"] = row["TM"][:-1] + "U"

    _, (started, _, ended) = take_session(ChannelState(7), 1, RULE, record("1.0", "2.0", unset), NOW)
    assert (ended.at.utc_ms, started.at.utc_ms) == (NOW.utc_ms, NOW.utc_ms - 3_600_000)
    assert ended.at.quality is TimeQuality.S


def test_another_meters_record_is_refused() -> None:
    with pytest.raises(BadValue, match="the planned meter is 99"):
        take_session(ChannelState(7), 1, SessionRule(7, -3, "99"), record("1.0", "2.0"), NOW)


def test_the_record_travels_untouched_through_journal_and_part() -> None:
    data = record("100.5", "101.25")
    _, items = take_session(ChannelState(7), 1, RULE, data, NOW)
    kept = decode_items(encode_items(items))
    assert kept == list(items)
    numbered, states = number(kept, {})
    personal, money = sorted(cut(numbered, {}), key=lambda part: -part.sensitivity)
    assert (personal.sensitivity, money.sensitivity) == (Sensitivity.PERSONAL, Sensitivity.MONEY)
    assert [raw.data for raw in personal.raws] == [data]
    assert [event.code for event in money.events] == [EventCode.USE_ENDED]
    assert (states[7].event, states[7].pagination) == (2, 0)
    again: list[Item] = uncut([personal, money], -1)
    assert [item.data for item in again if isinstance(item, RawRecord)] == [data]


def test_lines_are_handed_over_once_and_in_order(tmp_path: Path) -> None:
    path, store = tmp_path / "sessions.jsonl", MemoryReplayStore()
    path.write_bytes(b"".join(map(line, sessions(3))))
    log, sink = log_at(path, store)
    log.poll(sink)
    log.poll(sink)
    assert [sample.raw for sample in sink.samples] == sessions(3)
    with path.open("ab") as file:
        file.write(line(sessions(1, 3)[0])[:-20])
    log.poll(sink)
    assert len(sink.samples) == 3, "half a line is waited for"
    with path.open("ab") as file:
        file.write(line(sessions(1, 3)[0])[-20:])
    log, sink = log_at(path, store)
    log.poll(sink)
    assert [sample.raw for sample in sink.samples] == sessions(1, 3), "after a restart it reads on"


def test_a_file_that_was_rotated_is_read_from_its_beginning(tmp_path: Path) -> None:
    path, store = tmp_path / "sessions.jsonl", MemoryReplayStore()
    path.write_bytes(b"".join(map(line, sessions(3))))
    log, sink = log_at(path, store)
    log.poll(sink)
    path.write_bytes(b"".join(map(line, sessions(5, 3))))
    log.poll(sink)
    assert [sample.raw for sample in sink.samples] == sessions(8)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (b"nonsense\n", "a line is not"),
        (b'{"ocmf": 5}\n', "a line is not"),
        (b'{"ocmf": "x", "more": 1}\n', "a line is not"),
        (b'{"ocmf": "OCMF|{}"}\n', "ocmf: is not OCMF"),
        (b"\xff\xfe\n", "a line is not"),
        (line(record("1.0", "2.0", lambda body: body["RD"][1].update(ST="D"))), "ocmf.RD.ST"),
        (b"x" * (LINE_BYTES_MAX + 1), "a line is longer"),
    ],
)
def test_a_crooked_line_is_told_and_the_next_one_is_read(tmp_path: Path, bad: bytes, words: str) -> None:
    path, store = tmp_path / "sessions.jsonl", MemoryReplayStore()
    path.write_bytes(bad)
    log, sink = log_at(path, store)
    log.poll(sink)
    assert [fault.reason for fault in sink.faults] == ["bad-frame"]
    assert words in sink.faults[0].detail
    with path.open("ab") as file:
        file.write(line(sessions(1)[0]))
    log.poll(sink)
    log.poll(sink)
    assert [sample.raw for sample in sink.samples] == sessions(1)


def test_a_file_that_is_not_there_yet_is_told_once(tmp_path: Path) -> None:
    log, sink = log_at(tmp_path / "none", MemoryReplayStore())
    log.poll(sink)
    log.poll(sink)
    assert [fault.reason for fault in sink.faults] == ["no-answer"]


def test_the_desk_counts_uses_on_over_a_restart_and_tells_a_replay(tmp_path: Path) -> None:
    plans = {"wallbox": MeterPlan("wallbox", 1_000, (), (), None, RULE)}
    path = tmp_path / "sessions.jsonl"
    path.write_bytes(b"".join(map(line, sessions(2))))
    desk = Desk(plans, TestClock(), BOOT)
    config = ChargePointConfig("wallbox", path, 7)
    ChargeLog(config, TestClock(), desk).poll(desk)
    flush = desk.unflushed()
    assert [item.use for item in flush.items] == [1, 1, 1, 2, 2, 2]
    second = Desk(plans, TestClock(), b"boot-2")
    second.load(desk.channels, desk.machines, {})  # the place in the file is lost, the totals are not
    ChargeLog(config, TestClock(), second).poll(second)
    told = second.unflushed().items
    assert [item.code for item in told if isinstance(item, Happening)] == [EventCode.QUARANTINED]
    path.write_bytes(line(sessions(1, 2)[0]))
    ChargeLog(config, TestClock(), second).poll(second)
    assert {item.use for item in second.unflushed().items if isinstance(item, RawRecord)} == {3}


CONFIG = """\
version = 1
[gateway]
name = "garage"
data = "data"
[uplink]
transport = "https"
[[charge_point]]
id = "wallbox"
file = "sessions.jsonl"
channel = 7
serial = "20261129"
"""


def test_a_charge_point_is_configured(tmp_path: Path) -> None:
    (tmp_path / "edge.toml").write_text(CONFIG)
    (point,) = load_config(tmp_path / "edge.toml").charge_points
    assert (point.id, point.file, point.channel, point.exponent) == ("wallbox", tmp_path / "sessions.jsonl", 7, -3)


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("channel = 7", "channel = 0", "channel"),
        ('file = "sessions.jsonl"', "", "file"),
        ("serial", "serail", "serail"),
    ],
)
def test_a_wrong_charge_point_is_refused_by_key(tmp_path: Path, old: str, new: str, key: str) -> None:
    (tmp_path / "edge.toml").write_text(CONFIG.replace(old, new, 1))
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "edge.toml")
    assert caught.value.key == f"charge_point[1].{key}"
