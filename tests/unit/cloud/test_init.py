"""The first community from nothing: from an empty folder to a statement, by flags, by file and by questions."""

import argparse
import hashlib
import io
import json
import sys
import tomllib
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from support.uploads import SimGateway, wash
from tallystick_cloud.cli import main
from tallystick_cloud.clock import SystemEntropy, real_utc_ms
from tallystick_cloud.commands import init
from tallystick_cloud.contracts import library
from tallystick_cloud.db import Database
from tallystick_cloud.errors import BadInput
from tallystick_cloud.founding import templates
from tallystick_cloud.founding.answers import complete
from tallystick_cloud.founding.files import CONTRACT, TOWN, contract_text, slug_of, town_text
from tallystick_cloud.gateways.enrol import enrol
from tallystick_cloud.home import Home
from tallystick_cloud.ingest.service import ingest
from tallystick_cloud.ledger.audit import audit
from tallystick_cloud.town.service import check_contracts
from tallystick_cloud.town.toml import load_town

WHO = ["--community", "Lindenhof eG", "--manager", "Maria Rossi", "--approver", "Jon Berg"]
GIVEN = {"community.name": "Lindenhof eG", "people.manager": "Maria Rossi", "people.approver": "Jon Berg"}
LAST_MONTH = (datetime.now(UTC).date().replace(day=1) - timedelta(days=1)).replace(day=1)


def test_from_an_empty_folder_to_a_statement(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What init wrote is enough for a gateway to come in and for a wash to reach its payer's statement."""
    data = tmp_path / "data"
    more = ["--state", "live", "--from", LAST_MONTH.isoformat(), "--rename", "Household 1=Anna Weber"]
    assert main(["init", *WHO, *more, "--yes", "--json", "--data", str(data)]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["community"] == "lindenhof-eg"
    assert len(made["next"]) == 3
    (claim_file,) = made["claims"]
    assert Path(claim_file).stat().st_mode & 0o777 == 0o600
    claim = tomllib.loads(Path(claim_file).read_text())
    home, gateway = Home(data), SimGateway("first")
    database = home.database()
    server = home.aggregator(database, SystemEntropy())
    database.write_now(enrol, server, gateway.enrol_request(claim["claim"]), real_utc_ms(), datetime.now(UTC))
    start = int(datetime(LAST_MONTH.year, LAST_MONTH.month, 10, 9, tzinfo=UTC).timestamp() * 1000)
    upload = gateway.seal(wash(1, 1, 1, 1, start, start + 3_600_000, "60"))
    receipt = database.write_now(ingest, server, gateway.gid, upload, real_utc_ms()).receipt
    assert (receipt.status.name, receipt.quarantined) == ("ACCEPTED", ())
    assert database.read_now(audit) == []
    database.close()
    month = LAST_MONTH.strftime("%Y-%m")
    assert main(["settlement", "close", month, "--data", str(data)]) == 0
    last = (LAST_MONTH + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    assert f"Laundry, settlement 1, {LAST_MONTH} to {last}: " in capsys.readouterr().out
    assert main(["statement", "Anna Weber", month, "--data", str(data)]) == 0
    assert "15.99" in capsys.readouterr().out  # one wash, and the minimum of the month
    assert main(["token", "new", "--party", "Maria Rossi", "--role", "community_manager", "--data", str(data)]) == 0
    capsys.readouterr()
    assert main(["init", "--data", str(data)]) == 0
    assert "gateways: 1, uses: 1, claims not used yet: none" in capsys.readouterr().out


@pytest.mark.parametrize("name", templates.names())
def test_every_template_founds_a_community_that_an_import_takes(name: str, tmp_path: Path) -> None:
    found = complete({**GIVEN, "contract.template": name}, date(2026, 12, 24), None)
    (tmp_path / TOWN).write_text(town_text(found))
    (tmp_path / CONTRACT).write_text(contract_text(found))
    town = load_town(tmp_path / TOWN)
    check_contracts(town, SystemEntropy())
    contract = tomllib.loads((tmp_path / CONTRACT).read_text())
    assert (contract["collector"], contract["effective_from"]) == ("Lindenhof eG", date(2026, 12, 1))
    assert contract["state"] == "shadow"
    assert {channel.asset for site in town.sites for channel in site.plan.channels} == {one.id for one in town.assets}
    assert bool(town.sites) is not name.startswith("energy-community")
    roles = {party.new.name: party.new.roles for party in town.parties}
    assert "community_manager" in roles["Maria Rossi"]
    assert "community_manager" in roles["Jon Berg"]


def test_an_energy_community_begins_with_its_countrys_clock_and_without_a_site(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*WHO, "--template", "energy-community-netherlands", "--yes", "--data", str(tmp_path / "data")]
    assert main(["init", *words, "--site", "Cellar"]) == 1
    assert "--site: means nothing with the contract energy-community-netherlands" in capsys.readouterr().err
    assert main(["init", *words]) == 0
    printed = capsys.readouterr()
    assert "Europe/Amsterdam" in printed.err
    assert f"tallystick pool upload GRID.csv --data {tmp_path / 'data'}" in printed.out
    assert main(["init", "--data", str(tmp_path / "data")]) == 0
    assert "tallystick pool upload GRID.csv" in capsys.readouterr().out


def test_a_contract_of_ones_own_is_founded_with_its_names_clock_and_first_day(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "own.toml"
    text = library.template("laundry").replace('"Household 1"', '"Anna Weber"').replace("Europe/Rome", "Europe/Vienna")
    own.write_text(text.replace("\n", "\r\n"))
    assert main(["init", *WHO, "--template", str(own), "--yes", "--data", str(tmp_path / "data")]) == 0
    made = tomllib.loads((tmp_path / "data" / "community" / CONTRACT).read_text())
    assert (made["zone"], made["effective_from"], made["collector"]) == (
        "Europe/Vienna", date(2027, 1, 1), "Lindenhof eG",
    )  # fmt: skip
    assert "Anna Weber" in [one["name"] for one in made["user"]]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[party", "is no contract file"),
        ("zone = 1", "has no collector; `tallystick contract check"),
        (None, "cannot be read"),
        ("\u00e4".encode("latin-1"), "line 1: file: is not UTF-8"),
    ],
)
def test_a_file_that_is_no_contract_founds_nothing(
    text: str | bytes | None, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "own.toml"
    if text is not None:
        own.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert main(["init", *WHO, "--template", str(own), "--yes", "--data", str(tmp_path / "data")]) == 1
    assert says in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


SPAIN = [*WHO, "--template", "energy-community-spain", "--from", "2026-01-01", "--yes"]


def parts_file(hours: int = 8760, meters: tuple[str, ...] = ("flat-1", "flat-2", "flat-3")) -> str:
    parts = ("0,500000", "0,300000", "0,200000")
    return "".join(
        f"{meter};{hour:04d};{part}\n"
        for meter, part in zip(meters, parts, strict=True)
        for hour in range(1, hours + 1)
    )


def test_a_file_of_coefficients_stands_in_the_contract_by_its_hash_and_in_place_of_parts(tmp_path: Path) -> None:
    file = tmp_path / "parts.txt"
    file.write_text(parts_file())
    about = {"contract.template": "energy-community-spain", "contract.coefficients": str(file)}
    found = complete({**GIVEN, **about}, date(2026, 12, 24), None)
    made = tomllib.loads(contract_text(found))
    assert made["pool"]["coefficients"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert not [one for one in made["asset"] if "part" in one]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "cannot be read"),
        ("flat-1;0001;2,0\n", "parts.txt, line 1 has the coefficient '2,0'"),
        (parts_file(meters=("flat-1", "flat-2", "roof")), "names other meters than the contract (flat-3, roof)"),
        (parts_file(hours=8784), "has 8784 hours; 2026, in which the contract begins, has 8760"),
    ],
    ids=["missing", "wrong", "meters", "leap year"],
)
def test_a_wrong_file_of_coefficients_founds_nothing(
    text: str | None, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if text is not None:
        (tmp_path / "parts.txt").write_text(text)
    words = [*SPAIN, "--coefficients", str(tmp_path / "parts.txt"), "--data", str(tmp_path / "data")]
    assert main(["init", *words]) == 1
    assert says in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


def test_only_fixed_parts_have_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", *WHO, "--coefficients", "x", "--yes", "--data", str(tmp_path / "data")]) == 1
    assert "--coefficients: means nothing with the contract laundry" in capsys.readouterr().err


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--community", " "], "--community: ''"),
        (["--community", "x" * 71], "--community"),
        (["--id", "Über uns"], "--id: is 'Über uns'; use a-z"),
        (["--currency", "euro"], "three letters, such as EUR"),
        (["--zone", "Europe/Berlim"], "--zone: is 'Europe/Berlim'"),
        (["--log", "two words"], "--log"),
        (["--server", "http://tally.example"], "--server"),
        (["--approver", "Maria Rossi"], "released by two different people"),
        (["--iban", "DE00 3704 0044 0532 0130 00"], "wrong check digits"),
        (["--template", "sauna"], "use one of city-fees"),
        (["--state", "draft"], "use shadow or live"),
        (["--from", "1.12.2026"], "write YYYY-MM-DD"),
        (["--rename", "Lender"], "Name in the template=Name of yours"),
        (["--rename", "Landlord=Kim"], "the contract's names are: House cooperative, Lender"),
        (["--rename", "Lender=House fund"], "two of the contract's names to one party"),
        (["--answers", "none.toml"], "cannot be read"),
    ],
)
def test_a_wrong_answer_is_refused_by_name_and_nothing_is_written(
    words: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", *WHO, *words, "--yes", "--data", str(tmp_path / "data")]) == 1
    assert says in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("left_out", [0, 2, 4])
def test_what_has_no_default_is_asked_for_by_flag(
    left_out: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*WHO[:left_out], *WHO[left_out + 2 :]]
    assert main(["init", *words, "--yes", "--data", str(tmp_path / "data")]) == 1
    assert f"{WHO[left_out]}: is missing" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_without_a_yes_nothing_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", *WHO, "--data", str(tmp_path / "data")]) == 1
    said = capsys.readouterr().err
    assert "Maria Rossi manages, Jon Berg approves too" in said
    assert "--yes: is missing" in said
    assert not list(tmp_path.iterdir())


def test_answers_file_says_the_same_as_flags(tmp_path: Path) -> None:
    text = init.EXAMPLES.partition("  version = 1")[2]
    (tmp_path / "answers.toml").write_text("version = 1" + text.replace("\n  ", "\n"))
    found = init.founding.read_answers(tmp_path / "answers.toml")
    assert found["contract.from"] == "2026-12-01"
    assert complete(found, date(2026, 12, 24), None)["names.Repair workshop"] == "Berger & Co"
    for wrong, says in [
        ("[community]\nname = 1", r"community.name: is 1"),
        ("[community]\nnames = 'x'", r"community.names: is not known"),
        ("[club]\nname = 'x'", r"club: is not known"),
    ]:
        (tmp_path / "wrong.toml").write_text(f"version = 1\n{wrong}\n")
        with pytest.raises(BadInput, match=says):
            init.founding.read_answers(tmp_path / "wrong.toml")


def test_a_second_time_says_what_is_there_and_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    assert main(["init", *WHO, "--yes", "--data", str(data)]) == 0

    def files() -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in data.rglob("*") if path.is_file() and "-" not in path.suffix}

    before = files()
    capsys.readouterr()
    assert main(["init", *WHO, "--yes", "--json", "--data", str(data)]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [one["claims"] for one in said["exists"]] == [["cellar"]]
    assert len(said["next"]) == 3
    assert main(["init", *WHO[2:], "--community", "Another", "--yes", "--data", str(data)]) == 1
    assert "has Lindenhof eG already" in capsys.readouterr().err
    assert files() == before


# ---------------------------------------------------------------- questions


class Person(io.StringIO):
    """Somebody at a terminal."""

    def isatty(self) -> bool:
        return True


def at_terminal(monkeypatch: pytest.MonkeyPatch, lines: list[str]) -> None:
    person = Person("".join(f"{line}\n" for line in lines))
    monkeypatch.setattr(sys, "stdin", person)
    monkeypatch.setattr("builtins.input", lambda prompt: person.readline().rstrip("\n"))


ANSWERS = [
    "y",
    "",
    "Lindenhof eG",
    "",
    "",
    "Euro",
    "EUR",
    "Mars/Base",
    "Europe/Rome",
    "",
    "tally.example/us",
    "Maria Rossi",
]
ANSWERS += ["Jon Berg", "DE00", "", "", "soon", "", "Wash cellar", "", "", "", "", "", ""]


def test_questions_are_asked_again_until_the_answer_is_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    at_terminal(monkeypatch, [*ANSWERS, "y"])
    assert main(["init", "--json", "--data", str(tmp_path / "data")]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["community"] == "lindenhof-eg"
    for refusal in ("has no default", "three letters", "region and city", "is not an IBAN", "YYYY-MM-DD"):
        assert f"  {refusal}" in printed.err or refusal in printed.err
    town = load_town(tmp_path / "data" / "community" / TOWN)
    assert (town.zone, town.log_origin, town.sites[0].id) == ("Europe/Rome", "tally.example/us", "wash-cellar")


@pytest.mark.parametrize("lines", [[*ANSWERS, "n"], ANSWERS[:7], ANSWERS[:1]], ids=["no", "hung up", "at once"])
def test_a_person_who_changes_their_mind_leaves_nothing_behind(
    lines: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_terminal(monkeypatch, lines)
    assert main(["init", "--data", str(tmp_path / "data")]) == 1
    assert not list(tmp_path.iterdir())


def test_a_person_may_want_the_folder_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_terminal(monkeypatch, ["n"])
    assert main(["init", "--data", str(tmp_path / "data")]) == 0
    database: Database = Home(tmp_path / "data").database()
    assert database.read_now(init._communities) == []
    database.close()


def test_what_comes_next_shows_no_password() -> None:
    parsed = argparse.Namespace(data=Path("d"), db="postgresql://tally:secret@localhost/tally")
    said = " ".join(init._next(parsed, "Maria", []))
    assert "secret" not in said
    assert said.count("--db 'postgresql://tally:***@localhost/tally'") == 2


def test_a_site_without_letters_has_an_id_too() -> None:
    assert (slug_of("Waschküche 2"), slug_of("地下室")) == ("waschk-che-2", "site")
