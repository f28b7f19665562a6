"""OCMF export: records that others' verifiers accept, the meter's own untouched, nobody else's sessions."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyocmf
import pytest
from support.books import DAY, T0, WASHES, Books
from support.charging import CHARGING, Wallbox, town, world_of
from support.ocmf import KEY, record
from support.protocol_samples import LOG, p256
from support.settled import World
from support.uploads import Randomness, SimGateway
from tallystick_cloud.cli import main
from tallystick_cloud.gateways.enrol import enrol
from tallystick_cloud.home import Home
from tallystick_cloud.ocmf.service import Exported, sessions
from tallystick_protocol.errors import BadValue
from tallystick_protocol.ocmf import read_ocmf
from tallystick_protocol.ocmf_export import OwnSession, to_xml, write_record
from tallystick_protocol.ocmf_session import read_session

MONTH = (T0, T0 + 30 * DAY)
SERVER = p256("ocmf export")


def accepted(xml: str) -> list[pyocmf.OCMF]:
    """What pyocmf, which others wrote, reads from the file; each record verified under the key beside it."""
    path = Path(xml)
    container = pyocmf.OcmfContainer.from_xml(path)
    for entry in container.entries:
        assert entry.ocmf.verify_signature(entry.public_key)
    return [entry.ocmf for entry in container.entries]


def exported(key: str | None = None, who: str = "Anna") -> tuple[list[Exported], bytes]:
    world = world_of(town() if key is None else town(key))
    box = Wallbox(world)
    box.charge("62500.2031", "62507.2031")
    box.charge("62507.2031", "62509.5", hours=3)
    found = world.books.database.read_now(sessions, world.community, world.ids[who], MONTH, SERVER)
    world.books.database.close()
    return list(found), SERVER.spki


def write(tmp_path: Path, found: list[Exported]) -> str:
    path = tmp_path / "sessions.xml"
    path.write_text(to_xml((one.name, one.record, one.key) for one in found), encoding="utf-8")
    return str(path)


def test_what_the_meter_signed_is_exported_untouched_and_verifies_elsewhere(tmp_path: Path) -> None:
    found, _ = exported()
    assert [one.by_meter for one in found] == [True, True]
    assert found[0].key == KEY.spki
    assert found[0].record == record("62500.2031", "62507.2031", start=_start())
    read = accepted(write(tmp_path, found))
    assert [reading.RV for reading in read[1].payload.RD] == [Decimal("62507.2031"), Decimal("62509.5")]


def test_a_use_that_only_the_gateway_signed_becomes_a_record_that_verifies_elsewhere(tmp_path: Path) -> None:
    found, key = exported(p256("another meter").spki.hex())
    assert [(one.by_meter, one.key) for one in found] == [(False, key)] * 2
    for one in found:
        read_ocmf(one.record).verify(key)
    assert read_session(found[0].record).end.wh == Decimal("62507203.1")
    read = accepted(write(tmp_path, found))
    assert [reading.RV for reading in read[0].payload.RD] == [Decimal("62500.203100"), Decimal("62507.203100")]


def test_a_party_that_paid_nothing_gets_nothing() -> None:
    assert exported(who="Ben")[0] == []


def test_one_digit_changed_is_refused_elsewhere(tmp_path: Path) -> None:
    found, _ = exported()
    path = Path(write(tmp_path, found))
    path.write_text(path.read_text().replace("62509.5", "69509.5"))
    with pytest.raises((AssertionError, pyocmf.PyOCMFError)):
        accepted(str(path))


def test_the_command_writes_a_private_file_that_verifies_elsewhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "town.toml").write_text(town())
    (tmp_path / "washes.toml").write_text(WASHES)
    (tmp_path / "charging.toml").write_text(CHARGING)
    data, out = ["--data", str(tmp_path / "d")], tmp_path / "anna.xml"
    claims = ["--claims", str(tmp_path / "claims"), "--server", "https://localhost:1"]
    assert main(["init", *data]) == 0
    assert main(["community", "import", str(tmp_path / "town.toml"), *claims, *data]) == 0
    home = Home(tmp_path / "d")
    database = home.database()
    claim = re.search(r'claim = "([^"]+)"', (tmp_path / "claims" / "cellar.toml").read_text())
    assert claim is not None
    gateway = SimGateway("cellar")
    aggregator = home.aggregator(database, Randomness("export"))
    database.write_now(enrol, aggregator, gateway.enrol_request(claim[1]), T0, datetime.now(UTC))
    box = Wallbox(World(Books(database, aggregator, None, "lindenhof"), gateway))  # type: ignore[arg-type]
    box.charge("10.0", "11.0")
    database.close()
    capsys.readouterr()
    words = ["ocmf", "export", "Anna", "2026-11", *data, "--out"]
    assert main([*words, str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"file": str(out), "sessions": 1, "signed_by_meter": 1}
    assert out.stat().st_mode & 0o777 == 0o600
    assert len(accepted(str(out))) == 1
    assert main([*words, str(out)]) == 1
    assert "is there already" in capsys.readouterr().err
    words[2] = "Ben"
    assert main([*words, str(tmp_path / "ben.xml")]) == 1
    assert "Ben has no charging session in 2026-11" in capsys.readouterr().err
    assert not (tmp_path / "ben.xml").exists()


def test_only_a_p256_key_signs() -> None:
    with pytest.raises(BadValue, match="P-256"):
        write_record(OwnSession(1, "g", None, "1-0:1.8.0", -3, (0, 0), (1, 1)), LOG)


def _start() -> object:
    from support.charging import START

    return START
