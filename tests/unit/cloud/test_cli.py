"""The command line: every command says what it does with examples, and refusals name the next step."""

from pathlib import Path

import pytest
from support.books import TOWN, WASHES
from tallystick_cloud.cli import main

COMMANDS = [
    [],
    ["init"],
    ["serve"],
    ["community", "import"],
    ["contract", "check"],
    ["contract", "propose"],
    ["contract", "approve"],
    ["site", "new"],
    ["period", "close"],
    ["summary"],
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_has_examples(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([*words, "--help"])
    assert stopped.value.code == 0
    assert "examples:" in capsys.readouterr().out


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


def test_import_twice_is_refused_and_claims_are_private(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from support.books import ENERGY

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
    assert "is not 64 hex digits" in capsys.readouterr().err
    assert main(["period", "close", "--day", "yesterday", *data]) == 1
    assert "write YYYY-MM-DD" in capsys.readouterr().err
    assert main(["summary", "--json", *data]) == 0
    assert '"imbalance_nano": "0"' in capsys.readouterr().out
