"""The doctor: each fault that can be made here gets its own code and next step, and a sound gateway gets none."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from support.aggregator import TestAggregator
from support.modbus import SetTruth
from support.uploads import SimGateway
from tallystick_edge import app as app_module
from tallystick_edge.app import App
from tallystick_edge.cli import main
from tallystick_edge.clock import SystemEntropy, real_utc, system_clock
from tallystick_edge.config_toml import load_config
from tallystick_edge.doctor.copies import OwnEpoch, check_copies, overtaken
from tallystick_edge.doctor.devices import check_devices
from tallystick_edge.doctor.network import check_network
from tallystick_edge.doctor.places import Machine, check_places
from tallystick_edge.doctor.run import examine
from tallystick_edge.doctor.store import BACKLOG_FAIL, BACKLOG_WARN, check_store
from tallystick_edge.doctor.verdict import Level, Verdict, as_text
from tallystick_edge.items import Moment
from tallystick_edge.journal_rows import encode_channel
from tallystick_edge.metering.channel import ChannelState
from tallystick_edge.settings import Configure
from tallystick_protocol.codes import TimeQuality
from tallystick_protocol.configure import Settings
from tallystick_protocol.keys import P256Signer
from tallystick_sim.modbus.faults import UnitFaults
from tallystick_sim.modbus.sdm120 import Sdm120
from tallystick_sim.modbus.tcp import MeterServer
from tallystick_sim.ports import any_free

HOUR_MS = 3_600_000
SOMEBODY = 54_321  # a user that nobody has


def config_text(meter_port: int) -> str:
    return f"""\
version = 1
[gateway]
name = "test"
data = "data"
flush_s = 0.05
[uplink]
transport = "https"
claim = "claim.toml"
seal_every_s = 1
[[line]]
id = "line"
kind = "tcp"
host = "127.0.0.1"
port = {meter_port}
[[meter]]
id = "washer"
line = "line"
unit = 1
profile = "eastron-sdm120"
every_s = 1
[[meter.channel]]
number = 1
register = "energy_import"
"""


@dataclass
class Site:
    """An enrolled gateway whose agent has stopped, its aggregator and its meter's port still there."""

    folder: Path
    machine: Machine
    aggregator: TestAggregator
    meter: UnitFaults

    @property
    def path(self) -> Path:
        return self.folder / "edge.toml"

    def found(self) -> dict[str, Verdict]:
        """The worst verdict of each code."""
        return worst(examine(self.path, self.machine))

    def store(self, sql: str, *values: object) -> None:
        with closing(sqlite3.connect(self.folder / "data" / "journal.sqlite")) as db, db:
            db.execute(sql, values)


def worst(verdicts: Sequence[Verdict]) -> dict[str, Verdict]:
    order = list(Level)
    return {each.code: each for each in sorted(verdicts, key=lambda each: order.index(each.level))}


@asynccontextmanager
async def site_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    meter = MeterServer()
    faults = meter.attach(1, Sdm120(SetTruth(5_000), 1))
    await meter.start()
    aggregator = TestAggregator(folder)
    await aggregator.start()
    (folder / "edge.toml").write_text(config_text(meter.port))
    (folder / "claim.toml").write_text(aggregator.claim_toml())
    monkeypatch.setattr(app_module, "make_drivers", lambda *_: [])
    app = App(load_config(folder / "edge.toml"), system_clock(), SystemEntropy())
    running = asyncio.create_task(app.run())
    async with asyncio.timeout(60):
        while not (folder / "data" / "tls.crt").exists():  # noqa: ASYNC110 - a file tells no event
            await asyncio.sleep(0.05)
    app.stop()
    await running
    machine = Machine(folder / "locks", folder / "throttled", folder / "none", folder / "hci", folder / "bus")
    machine.locks.write_text("")
    try:
        yield Site(folder, machine, aggregator, faults)
    finally:
        await aggregator.stop()
        await meter.stop()


@pytest.fixture
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    async with site_in(tmp_path, monkeypatch) as found:
        yield found


async def examined(site: Site) -> dict[str, Verdict]:
    """In a thread: the aggregator and the meter that it asks live in this loop."""
    return await asyncio.to_thread(site.found)


async def test_a_sound_gateway_fails_nothing_and_each_trouble_has_its_code_and_step(site: Site) -> None:
    site.store("INSERT INTO receipt VALUES (1, 1, 1, ?, x'00000000', x'')", system_clock().utc_ms())
    found = await examined(site)
    assert {code for code, each in found.items() if each.level is not Level.OK} == {"AGENT"}  # it was stopped
    assert {"CONFIG", "DATA-RIGHTS", "CARD-FULL", "CLOCK-UNTRUSTED", "JOURNAL", "BACKLOG", "RECEIPT-AGE"} < found.keys()
    assert {"ENROLMENT", "CERT-EXPIRY", "NET-TLS", "NET-ADMITTED", "LINE-DEVICE", "CHANNEL-PLAN"} < found.keys()
    assert {"METER-ANSWER", "METER-IDENTITY", "METER-COUNT"} < found.keys()

    site.machine.throttled.write_text("0x50000\n")
    (site.folder / "data" / "proof.pem").chmod(0o644)
    for number in range(2, BACKLOG_WARN + 2):
        site.store("INSERT INTO batch VALUES (1, ?, zeroblob(32), 0, 0, x'00000000', x'')", number)
    site.store("UPDATE receipt SET server_ms = server_ms - ?", 30 * HOUR_MS)
    await site.aggregator.stop()
    found = await examined(site)
    levels = {code: each.level for code, each in found.items() if each.level is not Level.OK}
    assert levels == {
        "AGENT": Level.WARN,
        "POWER-UNDERVOLT": Level.WARN,
        "DATA-RIGHTS": Level.FAIL,
        "BACKLOG": Level.WARN,
        "RECEIPT-AGE": Level.FAIL,
        "NET-LINK": Level.FAIL,
    }
    assert all(each.step for each in found.values() if each.level is not Level.OK)
    assert "the newest receipt is 30 h old" in found["RECEIPT-AGE"].seen
    assert BACKLOG_FAIL > BACKLOG_WARN


async def test_a_gateway_that_the_server_takes_nothing_of_is_told_so(site: Site) -> None:
    site.aggregator.revoked = True
    found = await examined(site)
    assert found["NET-TLS"].level is Level.OK
    admitted = found["NET-ADMITTED"]
    said = (Level.FAIL, "403: gateway cellar is revoked", "Ask the community why.")
    assert (admitted.level, admitted.seen, admitted.step) == said


async def test_after_enrol_alone_the_doctor_looks_at_the_server_and_has_no_fault_of_its_own(site: Site) -> None:
    """`enrol`, then `doctor`, then `run`: the certificate's file comes with the agent's first start."""
    (site.folder / "data" / "tls.crt").unlink()
    found = await examined(site)
    assert found["NET-ADMITTED"].level is Level.OK
    assert not (site.folder / "data" / "tls.crt").exists()
    (site.folder / "data" / "tls.pem").write_bytes(P256Signer.generate().to_pem())
    found = await examined(site)
    assert "enrol with a new claim" in found["ENROLMENT"].step


async def test_what_is_late_goes_by_what_commands_set(site: Site) -> None:
    site.store("INSERT INTO receipt VALUES (1, 1, 1, ?, x'00000000', x'')", system_clock().utc_ms() - 2 * HOUR_MS)
    assert (await examined(site))["RECEIPT-AGE"].level is Level.WARN
    Configure(site.folder / "data", lambda: None)(Settings(None, None, 24 * HOUR_MS).args())
    found = await examined(site)
    assert found["RECEIPT-AGE"].level is Level.OK
    assert found["CONFIG"].seen.endswith("heartbeat every 86400 s")
    (site.folder / "data" / "settings.cbor").write_bytes(b"rubbish")
    found = await examined(site)
    assert (found["CONFIG"].level, found["CONFIG"].step) == (Level.FAIL, "remove it, and send the command again")


@contextmanager
def as_somebody() -> Iterator[None]:
    """Nothing is closed to root, who is somebody else meanwhile."""
    was = os.getresuid()
    if was[1] == 0:
        os.setresuid(SOMEBODY, SOMEBODY, 0)
    try:
        yield
    finally:
        os.setresuid(*was)


@pytest.mark.parametrize("command", ["doctor", "status", "fsck"])
def test_a_folder_that_is_closed_to_whoever_looks_is_said_in_words(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """An installer is not the agent's user; it was called a fault of the doctor, and the others told a traceback."""
    with TemporaryDirectory(prefix="tallystick-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "edge.toml").write_text(config_text(9))
        arguments = [command, "--config", str(folder / "edge.toml")]
        assert main(arguments) == 1  # there is nothing yet; and it loads what it needs, which may be closed as well
        capsys.readouterr()
        (folder / "data").mkdir(mode=0)
        with as_somebody():
            assert main(arguments) == 1
        (folder / "data").chmod(0o700)
    said = capsys.readouterr()
    assert re.search("Next: run (it|the doctor) as root", said.out + said.err)


async def test_a_claim_that_waits_beside_the_enrolment_is_told(site: Site) -> None:
    (site.folder / "claim.toml").write_text("another")
    found = (await examined(site))["ENROLMENT"]
    assert (found.level, found.step.partition(",")[0]) == (Level.WARN, "start the agent anew")


async def test_a_channel_that_the_plan_describes_otherwise_or_that_nobody_reads_is_told(site: Site) -> None:
    text = site.path.read_text()
    site.path.write_text(text.replace('"energy_import"', '"energy_total"'))
    found = (await examined(site))["CHANNEL-PLAN"]
    assert (found.level, found.where) == (Level.FAIL, "channel 1 (meter washer)")
    assert "the plan says 1-0:1.8.0 in Wh, and read is 1-0:15.8.0 in Wh. It is set aside, not billed" in found.seen
    assert found.step.startswith("name the right register")

    site.path.write_text(text[: text.index("[[meter]]")])
    found = (await examined(site))["CHANNEL-PLAN"]
    assert (found.level, found.where) == (Level.WARN, "channel 1 (asset)")


def test_a_file_of_sessions_that_is_not_there_or_is_none_is_told(tmp_path: Path) -> None:
    path = tmp_path / "edge.toml"
    point = '[[charge_point]]\nid = "wallbox"\nfile = "sessions.jsonl"\nchannel = 7\n'
    path.write_text(config_text(502).partition("[[line]]")[0] + point)

    def seen() -> tuple[Level, str]:
        [found] = check_devices(load_config(path), Machine())
        assert (found.code, found.where) == ("SESSION-FILE", f"charge point wallbox ({tmp_path}/sessions.jsonl)")
        assert bool(found.step) is (found.level is not Level.OK)
        return found.level, found.seen

    assert seen() == (Level.WARN, "is not there")
    (tmp_path / "sessions.jsonl").mkdir()
    assert seen() == (Level.FAIL, "cannot be read by this user")
    (tmp_path / "sessions.jsonl").rmdir()
    (tmp_path / "sessions.jsonl").touch()
    assert seen() == (Level.OK, "is there and may be read")


def reading_of(site: Site, value: int, ago_ms: int) -> None:
    """As if the agent had read it so long ago."""
    at = Moment(bytes(6), 0, system_clock().utc_ms() - ago_ms, TimeQuality.S)
    state = encode_channel(ChannelState(1, value=value, at=at))
    site.store("INSERT OR REPLACE INTO channel VALUES (1, 1, ?, x'00000000')", state)


async def test_a_meter_is_asked_whether_it_answers_is_the_planned_one_and_counts_on(site: Site) -> None:
    found = await examined(site)
    assert "nothing was read before" in found["METER-COUNT"].seen
    reading_of(site, 4_990, HOUR_MS)
    found = await examined(site)
    assert found["METER-COUNT"].level is Level.OK
    assert "1 counters follow" in found["METER-COUNT"].seen
    reading_of(site, 5_001, HOUR_MS)
    found = await examined(site)
    assert found["METER-COUNT"].level is Level.WARN
    assert "5000, which does not follow 5001" in found["METER-COUNT"].seen

    text = site.path.read_text()
    site.path.write_text(text.replace("unit = 1\n", 'unit = 1\nserial = "77"\n'))
    found = await examined(site)
    assert found["METER-IDENTITY"].level is Level.FAIL
    assert "77 is planned" in found["METER-IDENTITY"].seen
    site.path.write_text(text)
    site.meter.silent = True
    found = await examined(site)
    assert found["METER-ANSWER"].level is Level.FAIL
    assert "METER-IDENTITY" not in found
    assert "power" in found["METER-ANSWER"].step


async def test_beside_an_agent_the_journal_is_asked_and_no_meter(site: Site) -> None:
    inode = (site.folder / "data" / "lock").stat().st_ino
    site.machine.locks.write_text(f"1: FLOCK  ADVISORY  WRITE 4711 08:01:{inode} 0 EOF\n")
    site.meter.silent = True
    assert (await examined(site))["METER-ANSWER"].seen == "has not given a value yet"
    reading_of(site, 5_000, 10_000)
    assert (await examined(site))["METER-ANSWER"].level is Level.OK
    reading_of(site, 5_000, HOUR_MS)
    found = (await examined(site))["METER-ANSWER"]
    assert (found.level, found.seen) == (Level.FAIL, "its newest value is 60 min old")


async def test_who_answers_in_the_servers_place_is_not_believed(site: Site, tmp_path: Path) -> None:
    config = load_config(site.path)
    other = TestAggregator(_made(tmp_path / "other"))
    port = int(site.aggregator.claim_toml().partition("localhost:")[2].partition('"')[0])
    await site.aggregator.stop()
    await other.start(port)
    found = worst(await asyncio.to_thread(lambda: list(check_network(config, real_utc()))))
    await other.stop()
    assert found["NET-TLS"].level is Level.FAIL
    assert "captive portal" in found["NET-TLS"].step


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    ("after_days", "level", "seen"),
    [
        (0, Level.OK, "valid until"),
        (1.9, Level.WARN, "valid until"),
        (400, Level.FAIL, "ran out"),
        (-9, Level.FAIL, "from"),
    ],
)
async def test_the_certificates_age_is_told_before_it_is_too_late(
    site: Site, after_days: float, level: Level, seen: str
) -> None:
    now = real_utc() + timedelta(days=after_days)
    found = worst(await asyncio.to_thread(lambda: list(check_network(load_config(site.path), now))))
    assert found["CERT-EXPIRY"].level is level
    assert seen in found["CERT-EXPIRY"].seen


async def test_a_damaged_journal_is_not_called_whole(site: Site) -> None:
    path = site.folder / "data" / "journal.sqlite"
    for beside in ("-wal", "-shm"):
        path.with_name(path.name + beside).unlink(missing_ok=True)
    data = bytearray(path.read_bytes())
    data[4096 : 3 * 4096] = b"\xa5" * (2 * 4096)
    path.write_bytes(bytes(data))
    found = worst(list(check_store(load_config(site.path), 0)))
    assert found["JOURNAL"].level is Level.FAIL
    assert "fsck" in found["JOURNAL"].step


async def test_the_one_who_holds_the_lock_is_found(site: Site) -> None:
    number = (site.folder / "data" / "lock").stat().st_ino
    site.machine.locks.write_text(f"1: POSIX ADVISORY WRITE 7 08:01:{number} 0 EOF\n")
    places = worst(list(check_places(load_config(site.path), system_clock(), site.machine)))
    assert places["AGENT"].level is Level.WARN
    site.machine.locks.write_text(f"1: FLOCK  ADVISORY  WRITE 4711 08:01:{number} 0 EOF\n")
    places = worst(list(check_places(load_config(site.path), system_clock(), site.machine)))
    assert places["AGENT"].seen == "runs as process 4711"


def test_what_is_missing_before_the_first_start_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "edge.toml").write_text(config_text(any_free()).replace('claim = "claim.toml"\n', ""))
    assert main(["doctor", "--json", "--config", str(tmp_path / "edge.toml")]) == 1
    report = json.loads(capsys.readouterr().out)
    failed = {each["code"] for each in report["checks"] if each["level"] == "FAIL"}
    assert failed == {"DATA-FOLDER", "ENROLMENT", "LINE-DEVICE"}
    assert not report["ok"]


def test_serial_port_radio_and_configuration_are_looked_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = config_text(1).replace('kind = "tcp"\nhost = "127.0.0.1"\nport = 1', 'kind = "rtu"\ndevice = "DEVICE"')
    text += '[[adapter]]\nid = "radio"\nkind = "bluetooth"\ndevice = "hci1"\n'
    path = tmp_path / "edge.toml"
    machine = Machine(bluetooth=tmp_path / "hci", bus=tmp_path / "bus", locks=tmp_path / "locks")
    (tmp_path / "hci" / "hci0").mkdir(parents=True)
    path.write_text(text.replace("DEVICE", str(tmp_path / "no-such-port")))
    found = worst(examine(path, machine))
    assert "is not there" in found["LINE-DEVICE"].seen
    assert "there are: hci0" in found["BLE-ADAPTER"].seen
    assert found["BLE-BUS"].level is Level.FAIL
    main_end, far_end = os.openpty()
    path.write_text(text.replace("DEVICE", os.ttyname(far_end)).replace('"hci1"', '"hci0"'))
    found = worst(examine(path, machine))
    os.close(main_end)
    os.close(far_end)
    assert found["LINE-DEVICE"].level is Level.OK
    assert found["BLE-ADAPTER"].level is Level.OK
    path.write_text(text.replace("every_s", "evry_s"))
    assert main(["doctor", "--config", str(path)]) == 1
    said = capsys.readouterr().out
    assert "FAIL  CONFIG" in said
    assert "Next: " in said


async def test_a_check_that_breaks_does_not_hide_the_others(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: object) -> list[Verdict]:
        raise RuntimeError("planted")

    monkeypatch.setattr("tallystick_edge.doctor.run.check_store", breaks)
    found = await examined(site)
    assert "planted" in found["JOURNAL"].seen
    assert found["NET-TLS"].level is Level.OK
    assert "planted" in as_text([replace(found["JOURNAL"], step="x")])


def test_a_copy_is_told_by_the_epochs_that_this_card_did_not_begin() -> None:
    mine, other = b"run-1", b"run-2"
    first, put_back = OwnEpoch(1, mine, mine, 0), OwnEpoch(4, other, other, 9)
    assert overtaken([first, put_back]) is None
    assert overtaken([first, OwnEpoch(2, mine, mine, 9)]) is None
    assert overtaken([first, OwnEpoch(3, None, None, 9)]) is None
    assert overtaken([OwnEpoch(1, mine, None, 0), OwnEpoch(3, mine, mine, 9)]) is None
    assert overtaken([first, OwnEpoch(3, mine, mine, 9), put_back]) == OwnEpoch(3, mine, mine, 9)


@pytest.mark.parametrize(("days", "level"), [(0, Level.FAIL), (2, Level.WARN), (31, Level.OK)])
def test_a_copy_is_a_failure_while_it_runs_and_a_warning_for_a_month(days: int, level: Level) -> None:
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("CREATE TABLE batch (epoch, seq, created_ms, status, upload)")
        boots = {1: b"run--1", 3: b"run--1"}
        for epoch, boot in boots.items():
            upload = SimGateway("cellar", epoch=epoch, boot=boot).seal([])
            db.execute("INSERT INTO batch VALUES (?, 1, ?, 1, ?)", (epoch, epoch, upload))
        assert check_copies(db, Path("journal.sqlite"), days * 24 * HOUR_MS).level is level
        db.execute("UPDATE batch SET upload = x'00' WHERE epoch = 3")
        assert check_copies(db, Path("journal.sqlite"), 0).level is Level.OK
