"""The command line of documents against a real folder: a setup, a closed month, files; again changes nothing."""

import json
import shutil
import stat
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support.books import DAY, ENERGY, HOUR, TOWN, WASHES
from support.en16931 import complaints
from support.invoices import SETUP
from support.uploads import Randomness, SimGateway, wash
from tallystick_cloud.cli import main
from tallystick_cloud.gateways.enrol import enrol
from tallystick_cloud.home import Home
from tallystick_cloud.ingest.service import ingest

OCTOBER = 1_790_812_800_000 + 9 * DAY  # 2026-10-10T00:00:00Z


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An aggregator's folder with two washes in October, which is closed; and a setup file beside it."""
    beside = tmp_path_factory.mktemp("prepared")
    files = {"town.toml": TOWN, "washes.toml": WASHES, "energy.toml": ENERGY, "setup.toml": SETUP}
    for name, text in files.items():
        (beside / name).write_text(text)
    folder, claims = beside / "data", beside / "claims"
    assert main(["init", "--data", str(folder)]) == 0
    town = ["community", "import", str(beside / "town.toml"), "--claims", str(claims)]
    assert main([*town, "--server", "https://localhost:1", "--data", str(folder)]) == 0
    home = Home(folder)
    database = home.database()
    aggregator = home.aggregator(database, Randomness("invoices"))
    gateway = SimGateway("cellar")
    request = gateway.enrol_request(tomllib.loads((claims / "cellar.toml").read_text())["claim"])
    database.write_now(enrol, aggregator, request, OCTOBER, datetime.now(UTC))
    for use in (1, 2):
        at = OCTOBER + use * DAY
        parts = wash(2, 3 * use - 2, use, use, at, at + HOUR)
        database.write_now(ingest, aggregator, gateway.gid, gateway.seal(parts), at + HOUR)
    database.close()
    assert main(["settlement", "close", "2026-10", "--data", str(folder)]) == 0
    return beside


@pytest.fixture
def data(prepared: Path, tmp_path: Path) -> Path:
    """The folder, in a copy that is the test's own."""
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    return tmp_path / "data"


def test_from_a_closed_month_to_files(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def tally(*words: str) -> Any:
        capsys.readouterr()
        code = main(["invoice", *words, "--json", "--data", str(data)])
        printed = capsys.readouterr()
        assert code == 0, printed.err
        return json.loads(printed.out)

    issue = ("issue", "2026-10", "--party", "Coop")
    assert tally("setup", str(tmp_path / "setup.toml"), "--party", "Coop")["prefix"] == "LH"
    assert tally("list") == []
    trial = tally(*issue, "--dry-run")
    assert tally("list") == []
    made = tally(*issue)
    assert made == trial
    assert made["issued"] == 2
    again = tally(*issue)
    assert (again["issued"], again["documents"]) == (0, made["documents"])
    washes = next(one for one in made["documents"] if one["buyer"] == "Anna")
    assert (washes["total_cents"], washes["net_cents"], washes["tax_cents"]) == ("370", "311", "59")
    assert tally("show", washes["number"]) == washes
    assert [one["number"] for one in tally("list")] == [one["number"] for one in reversed(made["documents"])]
    for kind in ("pdf", "xml"):
        out = tmp_path / f"invoice.{kind}"
        written = tally(kind, washes["number"], "-o", str(out))
        first = out.read_bytes()
        assert written["bytes"] == len(first)
        assert stat.S_IMODE(out.stat().st_mode) == 0o600
        tally(kind, washes["number"], "-o", str(out))
        assert out.read_bytes() == first
    assert complaints((tmp_path / "invoice.xml").read_bytes()) == []
    assert (tmp_path / "invoice.pdf").read_bytes().startswith(b"%PDF-")
    back, instead = tally("credit", washes["number"], "--why", "A wrong street.", "--party", "Coop", "--yes")
    assert (back["kind"], back["cites"], instead["total_cents"]) == ("credit note", [washes["number"]], "370")


def test_words_for_people(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def said(*words: str, code: int = 0) -> str:
        capsys.readouterr()
        assert main(["invoice", *words, "--data", str(data)]) == code
        printed = capsys.readouterr()
        return printed.out if code == 0 else printed.err

    assert "no document yet; next: tallystick invoice issue PERIOD" in said("list")
    assert "tallystick invoice setup FILE" in said("issue", "2026-10", "--party", "Coop", code=1)
    assert "Coop issues LH-...; 19.00 %" in said("setup", str(tmp_path / "setup.toml"), "--party", "Coop")
    assert "2 would be issued" in said("issue", "2026-10", "--party", "Coop", "--dry-run")
    year = datetime.now(UTC).year
    assert "2 issued, 0 were issued before" in said("issue", "2026-10", "--party", "Coop")
    number = next(line.split()[0] for line in said("list").splitlines() if "Anna" in line)
    assert number.startswith(f"LH-{year}-000")
    assert "tax 19.00 % contained, on 3.11" in said("show", number)
    assert "does not exist" in said("show", "LH-1", code=1)
    assert "write a month as YYYY-MM" in said("issue", "2026-13", "--party", "Coop", code=1)
    assert "may not handle" in said("issue", "2026-10", "--party", "Anna", code=1)
    assert "nobody is here to answer" in said("credit", number, "--why", "x", "--party", "Coop", code=1)
    (tmp_path / "other").write_text("x")
    assert "is there with other content" in said("xml", number, "-o", str(tmp_path / "other"), code=1)
    (tmp_path / "bad.toml").write_bytes(b"\xff")
    assert "is not UTF-8" in said("setup", str(tmp_path / "bad.toml"), "--party", "Coop", code=1)
    assert "payout run: 1 does not exist" in said("self-bill", "1", "--party", "Coop", code=1)
