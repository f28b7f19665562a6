"""The page about payment providers: its commands run, in its order, and its table names the columns of the file."""

import csv
import json
import re
import shlex
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import insert
from support.payouts import CENT, chains_of
from support.repository import ROOT
from support.splits import PARTIES, PSP, town
from tallystick_cloud.cli import main
from tallystick_cloud.home import Home
from tallystick_cloud.ledger import journals
from tallystick_cloud.ledger.model import Account, Line
from tallystick_cloud.parties.store import ids_by_name
from tallystick_cloud.schema import split_due
from tallystick_cloud.splits.instructions import COLUMNS

PAGE = (ROOT / "docs/how-to/payment-provider.md").read_text()
COMMANDS = re.findall(r"^\.venv/bin/tallystick (.+)$", PAGE, re.MULTILINE)
NOW = datetime(2026, 12, 1, tzinfo=UTC)
Tally = Callable[..., str]


@pytest.fixture
def tally(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Tally:
    """Runs a command in a folder in which Anna owes each party EUR 10.00 and a bit, through a provider."""
    real, virtual = time.time_ns() // 1_000_000, int(NOW.timestamp()) * 1000
    monkeypatch.setenv("TALLYSTICK_CLOCK", f"1,{real},{virtual}")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "washes.toml").write_text(PSP)
    (tmp_path / "town.toml").write_text(town().replace('[[contract]]\nfile = "energy.toml"\nstate = "live"\n', ""))

    def run(*words: str, code: int = 0) -> str:
        capsys.readouterr()
        assert main([*words, "--data", "DIR"]) == code, capsys.readouterr().err
        told = capsys.readouterr()
        return told.out if code == 0 else told.err

    run("init")
    run("community", "import", "town.toml", "--claims", "claims", "--server", "https://localhost:1")
    database = Home(tmp_path / "DIR").database()
    ids, chain = database.read_now(ids_by_name, "lindenhof"), database.read_now(chains_of)["Washes"]
    each = 1_000 * CENT + 7
    lines = {Line(ids["Coop"], Account.RECEIVABLE, ids["Anna"], chain, "EUR"): len(PARTIES) * each}
    for name in PARTIES:
        account = Account.FUND if name == "Fund" else Account.PAYABLE
        lines[Line(ids["Coop"], account, ids[name], chain, "EUR")] = -each
    database.write_now(journals.post, "lindenhof", [journals.Entry("k", "test", bytes(32), lines)], 1)
    row = {"chain": chain, "number": 1, "payer": ids["Anna"], "community": "lindenhof", "nano": each}
    rows = [{**row, "party": ids[name]} for name in PARTIES]
    database.write_now(lambda conn: conn.execute(insert(split_due), rows))
    database.close()
    return run


def test_the_commands_of_the_page_close_the_books(tally: Tally, tmp_path: Path) -> None:
    assert [command.partition(" --")[0] for command in COMMANDS] == [
        'split account "Lindenhof eG" acct_1NvX7', "split run", "split approve 1", "split file 1", "split sent 1",
        "split in outcomes.csv",
    ]  # fmt: skip
    names = {"Lindenhof eG": "Coop", "Anna Rossi": "Maria"}
    for name in PARTIES[1:]:
        tally("split", "account", name, f"acct_{name}")
    told = {}
    for command in COMMANDS:
        words = [names.get(word, word) for word in shlex.split(command)[:-2]]  # without --data DIR
        if words[1] == "in":
            rows = list(csv.DictReader((tmp_path / "split-1.csv").read_text().splitlines()))
            (tmp_path / "outcomes.csv").write_text(f"payment,outcome\n{rows[0]['payment']},paid\n")
        told[words[1]] = tally(*words, *(["--yes"] if words[1] in ("approve", "sent") else []))
    assert "acct_1NvX7  Coop" in told["account"]
    assert "40.00 EUR in 1 payment on 2026-12-03" in told["run"]
    assert "next: give the file to the provider, then tallystick split sent 1" in told["file"]
    assert "settled" in told["in"]
    tally("split", "file", "1", "--out", "split-1.csv")  # the same bytes: it may be there already
    tally("split", "file", "1", "--out", "split-1.json")
    assert json.loads((tmp_path / "split-1.json").read_text())["total"] == "40.00"
    (run,) = json.loads(tally("split", "show", "--json"))
    assert [one["outcome"] for one in run["payments"]] == ["paid"]


def test_the_table_of_the_page_names_the_columns() -> None:
    table = PAGE.split("| column | |")[1].split("\n\n")[0]
    assert tuple(re.findall(r"`([a-z_]+)`", "".join(row.split("|")[1] for row in table.splitlines()[2:]))) == COLUMNS


def test_a_refusal_says_what_to_do(tally: Tally, tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("x")
    for words, said in (
        ("split run --party Coop --on 2026-12-03", "no account at the provider"),
        ("split account Coop", "ID: is missing: write how the provider calls 'Coop'"),
        ("split file 1 --out split.xml", "ends with neither .csv nor .json"),
        ("split file 1 --out other.csv", "1 does not exist"),
        ("split show 7", "7 does not exist"),
        ("split in nothing.csv --party Coop", "nothing.csv cannot be read: No such file"),
        ("split in other.csv --party Coop", "line 1, payment: must be the name of one column"),
    ):
        assert said in tally(*words.split(), code=1)
