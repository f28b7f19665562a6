"""The command line: every command says what it does with examples, and refusals name the next step."""

import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from support.books import ENERGY, TOWN, WASHES
from tallystick_cloud.cli import COMMANDS as FIRST_WORDS
from tallystick_cloud.cli import main, parser

COMMANDS = [
    [],
    ["init"],
    ["serve"],
    ["community", "import"],
    ["contract", "check"],
    ["contract", "propose"],
    ["contract", "approve"],
    ["contract", "accept"],
    ["site", "new"],
    ["site", "extend"],
    ["asset", "show"],
    ["asset", "add"],
    ["party", "add"],
    ["party", "account"],
    ["party", "role"],
    ["gateway", "configure"],
    ["gateway", "commands"],
    ["period", "close"],
    ["pool", "upload"],
    ["pool", "close"],
    ["summary"],
    ["broker-config"],
    ["ocmf", "export"],
    ["backup"],
    ["restore"],
    ["log", "begin-epoch"],
]
GROUPS = ["community", "contract", "site", "gateway", "period", "settlement", "payout"]
GROUPS += ["party", "pool", "policy", "witness", "log", "token", "ocmf"]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_has_examples(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([*words, "--help"])
    assert stopped.value.code == 0
    assert "examples:" in capsys.readouterr().out


@pytest.mark.parametrize("word", GROUPS)
def test_word_before_commands_says_where_the_examples_are(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([word, "--help"])
    assert f"tallystick {word} COMMAND --help" in capsys.readouterr().out


def test_folder_that_was_never_made_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["summary", "--data", str(tmp_path)]) == 1
    assert "run `tallystick init" in capsys.readouterr().err


def test_contract_check_names_line_and_field(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "c.toml"
    path.write_text(WASHES)
    assert main(["contract", "check", str(path)]) == 0
    assert "fits together" in capsys.readouterr().out
    path.write_text(WASHES.replace("price = 1.20", "price = -1"))
    assert main(["contract", "check", str(path)]) == 1
    assert "line" in capsys.readouterr().err


def test_a_later_version_gets_new_users_who_accept_it_in_private(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "town.toml").write_text(TOWN)
    for name, text in (("washes.toml", WASHES), ("energy.toml", ENERGY)):
        (tmp_path / name).write_text(text)
    data = ["--data", str(tmp_path / "d")]
    assert main(["init", *data]) == 0
    claims = ["--claims", str(tmp_path / "claims"), "--server", "https://localhost:1"]
    assert main(["community", "import", str(tmp_path / "town.toml"), *claims, *data]) == 0
    with sqlite3.connect(tmp_path / "d" / "cloud.db") as books:
        (first,) = books.execute("SELECT h FROM contract_version WHERE name = 'Washes'").fetchone()
    (tmp_path / "washes.toml").write_text(WASHES.replace('"Anna"', '"Ben"'))
    capsys.readouterr()
    after = ["--after", first.hex(), "--party", "Coop"]
    assert main(["contract", "propose", str(tmp_path / "washes.toml"), *after, *data]) == 0
    found = re.search(r"contract ([0-9a-f]{64}): draft\nnot said yes: Repairer, Bank, Fund", capsys.readouterr().out)
    assert found is not None
    assert main(["contract", "accept", found[1], "--user", "Ben", *data]) == 0
    assert "Ben accepts: Washes, version 2" in capsys.readouterr().out
    assert main(["contract", "accept", found[1], "--user", "Anna", *data]) == 1
    assert "is no user of this contract" in capsys.readouterr().err
    assert main(["contract", "accept", found[1], "--user", "Nobody", *data]) == 1
    assert "Nobody" in capsys.readouterr().err


def test_import_twice_is_refused_and_claims_are_private(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "town.toml").write_text(TOWN)
    (tmp_path / "washes.toml").write_text(WASHES)
    (tmp_path / "energy.toml").write_text(ENERGY)
    data = ["--data", str(tmp_path / "data")]
    words = ["community", "import", str(tmp_path / "town.toml"), "--server", "https://localhost:1"]
    assert main(["init", *data]) == 0
    assert main([*words, "--claims", str(tmp_path / "claims"), *data]) == 0
    claim = tmp_path / "claims" / "cellar.toml"
    assert claim.stat().st_mode & 0o777 == 0o600
    assert "claim = " in claim.read_text()
    assert claim.read_text().split("claim = ")[1].split("\n")[0].strip('"') not in capsys.readouterr().out
    assert main([*words, "--claims", str(tmp_path / "again"), *data]) == 1
    assert "give the new one another id" in capsys.readouterr().err
    assert main(["contract", "approve", "zz", "--party", "Coop", *data]) == 1
    assert "begins no contract version here" in capsys.readouterr().err
    assert main(["period", "close", "--day", "yesterday", *data]) == 1
    assert "write YYYY-MM-DD" in capsys.readouterr().err
    assert main(["period", "close", "--day", "2035-02-10", *data]) == 1
    assert re.search(r"period: of (Washes|Energy) ends with 2035-02-28; close it", capsys.readouterr().err)
    assert main(["period", "close", "--day", "2001-01-01", *data]) == 0
    assert "no contract was in force on 2001-01-01" in capsys.readouterr().out
    assert main(["summary", "--json", *data]) == 0
    assert '"imbalance_nano": "0"' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["init", "--data", "/proc/none"], "check the path and its owner"),
        (["init", "--data", "{}", "--db", "garbage"], "--db: is no database URL"),
        (["init", "--data", "{}", "--db", "postgresql://localhost:1/none"], "--db: connection"),
        (["init", "--data", "{}", "--db", "mysql://x"], "--db: mysql is not supported"),
    ],
)
def test_place_that_cannot_be_used_is_named(
    words: list[str], expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([word.format(tmp_path / "data") for word in words]) == 1
    assert expected in capsys.readouterr().err


@pytest.mark.parametrize("text", ["99999", "8o80", "x"])
def test_port_that_is_none_is_refused(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["serve", "--data", str(tmp_path), "--port", text])
    assert stopped.value.code == 2
    assert "is no port" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("--claims", "/proc/none", "--claims: /proc/none cannot be made"),
        ("--claims", "{}/taken", "is there already"),
        ("--server", "ftp://x", "--server: is 'ftp://x'; write https://HOST:PORT"),
        ("--server", "https://local host:1", "--server"),
        ("--server", "https://localhost:99999", "--server"),
        ("--mqtt", "localhost", "--mqtt: is 'localhost'; write HOST:PORT"),
        ("--mqtt", "localhost:x", "--mqtt"),
    ],
)
def test_claims_that_could_not_be_written_found_no_community(
    option: str, value: str, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from support.books import ENERGY

    for name, text in (("town.toml", TOWN), ("washes.toml", WASHES), ("energy.toml", ENERGY)):
        (tmp_path / name).write_text(text)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "cellar.toml").write_text("")
    data = ["--data", str(tmp_path / "data")]
    assert main(["init", *data]) == 0
    said = {"--claims": str(tmp_path / "claims"), "--server": "https://localhost:1"}
    said[option] = value.format(tmp_path)
    words = [word for pair in said.items() for word in pair]
    assert main(["community", "import", str(tmp_path / "town.toml"), *words, *data]) == 1
    assert expected in capsys.readouterr().err
    assert main(["summary", "--json", *data]) == 1
    assert "none is imported yet" in capsys.readouterr().err


def test_every_command_is_loaded_by_its_first_word_alone() -> None:
    every = set(re.findall(r"^    ([a-z-]+)(?: |$)", parser().format_help(), re.MULTILINE))
    assert every == set(FIRST_WORDS)
    for word in FIRST_WORDS:
        assert re.findall(r"^    ([a-z-]+)(?: |$)", parser(word).format_help(), re.MULTILINE).count(word) == 1


@pytest.mark.parametrize("word", ["init", "summary"])
def test_a_short_command_does_not_wait_for_the_server_to_load(word: str) -> None:
    program = f"import sys; from tallystick_cloud.cli import parser; parser({word!r}); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert not {"aiohttp", "jinja2", "alembic.command", "pydantic"} & set(done.stdout.split())
