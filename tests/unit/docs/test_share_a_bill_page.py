"""The page about sharing a bill: its file is read, and its commands run in its order."""

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from support.repository import ROOT
from support.shared_house import CENTS, write_files
from tallystick_cloud.cli import main
from tallystick_protocol.money.cost import By
from tallystick_protocol.money.toml_cost import load_cost
from tallystick_protocol.verify_cli import main as verify

PAGE = (ROOT / "docs/how-to/share-a-bill.md").read_text()
COMMANDS = re.findall(r"^\.venv/bin/tallystick (.+)$", PAGE, re.MULTILINE)
FILES = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
Tally = Callable[..., str]


@pytest.fixture
def tally(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Tally:
    """Runs a command in a folder with the house."""
    monkeypatch.chdir(tmp_path)
    write_files(tmp_path)

    def run(*words: str, code: int = 0) -> str:
        capsys.readouterr()
        assert main([*words, "--data", "DIR"]) == code, capsys.readouterr().err
        told = capsys.readouterr()
        return told.out if code == 0 else told.err

    run("init")
    run("community", "import", "town.toml", "--claims", "claims", "--server", "https://localhost:1")
    return run


def test_the_file_of_the_page_is_a_cost_pool() -> None:
    whole, readings = FILES
    by_page = load_cost(whole)
    assert by_page.decision_ref
    assert by_page.bill is not None
    with_readings = whole.replace('"flat-01"', '"flat-04"').replace("[bill]", readings + "[bill]")
    assert len(load_cost(with_readings).readings) == 2
    assert all(f"`{by}`" in PAGE for by in By)


def test_the_commands_of_the_page_share_the_bill_and_take_it_back(tally: Tally) -> None:
    told = [tally(*shlex.split(command)[:-2]) for command in COMMANDS]
    check, bill, shown, dues, proof, _, back = told
    assert "bill heating 2025: 1234.56 EUR, 2025-01-01 to 2025-12-31" in check
    assert "nothing is posted" in check
    assert "bill heating 2025 of Heating of the house: posted" in bill
    assert shown == bill
    cents = [int(amount.replace(".", "")) for amount in re.findall(r"^ *(\d+\.\d\d)  ", dues, re.MULTILINE)]
    assert (len(cents), sum(cents)) == (12, CENTS)
    assert "next: tallystick-verify cost anna.cost" in proof
    assert verify(["cost", "anna.cost", "--policy", "policy.json"]) == 0
    assert "taken back: the supplier corrected it" in back
    assert json.loads(tally("bank", "dues", "--json")) == []


def test_a_refusal_says_where_and_what_to_do(tally: Tally, tmp_path: Path) -> None:
    text = (tmp_path / "house.toml").read_text()
    (tmp_path / "bad.toml").write_text(text.replace('portion = "30 %"', 'portion = "20 %"'))
    assert "portions that make 9/10, not 1" in tally("cost", "check", "bad.toml", code=1)
    (tmp_path / "bad.toml").write_bytes(b"\xff")
    assert "is not UTF-8 at byte 0" in tally("cost", "check", "bad.toml", code=1)
    assert "--yes: is missing" in tally("cost", "bill", "house.toml", "--party", "Coop", code=1)
    assert "'Zoe' is not in lindenhof" in tally("cost", "bill", "house.toml", "--party", "Zoe", "--yes", code=1)
    assert tally("cost", "show") == "no bill yet; next: tallystick cost bill FILE\n"
    preview = json.loads(tally("cost", "check", "house.toml", "--json"))
    assert sum(int(one["cents"]) for one in preview["shares"]) == CENTS
    assert preview["shares"][0]["parts"][0] == {"portion": "7/10", "by": "use", "own": "1201", "total": "11514"}
