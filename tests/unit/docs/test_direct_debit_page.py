"""The page about direct debits: its commands run, in its order, from mandates to what the bank says."""

import json
import re
import shlex
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from support import pain_xsd
from support.payouts import CENT, DRYING, IBANS, TOWN, WASHING, chains_of
from support.repository import ROOT
from tallystick_cloud.cli import main
from tallystick_cloud.home import Home
from tallystick_cloud.ledger import journals
from tallystick_cloud.ledger.model import Account, Line
from tallystick_cloud.parties.store import ids_by_name
from tallystick_sim.bank import SimBank

PAGE = (ROOT / "docs/how-to/direct-debit.md").read_text()
COMMANDS = re.findall(r"^\.venv/bin/tallystick (.+)$", PAGE, re.MULTILINE)
NOW = datetime(2026, 12, 1, tzinfo=UTC)
DAY = date(2026, 12, 17)
Tally = Callable[..., str]


@pytest.fixture
def tally(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Tally:
    """Runs a command in a folder in which Anna owes EUR 40.00 and a bit."""
    real, virtual = time.time_ns() // 1_000_000, int(NOW.timestamp()) * 1000
    monkeypatch.setenv("TALLYSTICK_CLOCK", f"1,{real},{virtual}")
    monkeypatch.chdir(tmp_path)
    for name, text in (("town.toml", TOWN), ("washes.toml", WASHING), ("drying.toml", DRYING)):
        (tmp_path / name).write_text(text)

    def run(*words: str, code: int = 0) -> str:
        capsys.readouterr()
        assert main([*words, "--data", "DIR"]) == code, capsys.readouterr().err
        told = capsys.readouterr()
        return told.out if code == 0 else told.err

    run("init")
    run("community", "import", "town.toml", "--claims", "claims", "--server", "https://localhost:1")
    database = Home(tmp_path / "DIR").database()
    ids, chain = database.read_now(ids_by_name, "lindenhof"), database.read_now(chains_of)["Washes"]
    lines = {
        Line(ids["Coop"], Account.PAYABLE, ids["Coop"], chain, "EUR"): -4_000 * CENT - 7,
        Line(ids["Coop"], Account.RECEIVABLE, ids["Anna"], chain, "EUR"): 4_000 * CENT + 7,
    }
    database.write_now(journals.post, "lindenhof", [journals.Entry("k", "test", bytes(32), lines)], 1)
    database.close()
    return run


def test_the_commands_of_the_page_collect_what_is_due(tally: Tally, tmp_path: Path) -> None:
    assert [command.partition(" --")[0] for command in COMMANDS] == [
        "mandate add", "mandate list", "debit run", "debit approve 1", "debit file 1", "debit sent 1",
        "bank in statement.xml", "debit show 1", "mandate revoke M-ANNA-1",
    ]  # fmt: skip
    told = {}
    for command in COMMANDS:
        words = shlex.split(command)[:-2]  # without --data DIR
        if words[:2] == ["bank", "in"]:
            assert "by direct debit, mandate M-ANNA-1" in tally("bank", "dues")
            bank = SimBank(IBANS["Coop"], 100_000)
            file = (tmp_path / "debit-1.xml").read_bytes()
            assert pain_xsd.wrong_in(file) == []
            bank.execute(file, DAY)
            (tmp_path / "statement.xml").write_bytes(bank.statement(DAY))
        told[" ".join(words[:2])] = tally(*words)
    assert "M-ANNA-1  active  Anna to Coop" in told["mandate list"]
    assert "40.00 EUR from 1 payer on 2026-12-17" in told["debit run"]
    assert "1 debit;" in told["bank in"]
    assert "settled" in told["debit show"]
    assert "collected" in told["debit show"]
    assert "revoked" in told["mandate revoke"]
    assert json.loads(tally("bank", "dues", "--json")) == []


def test_a_refusal_says_what_to_do(tally: Tally) -> None:
    for words, said in (
        ("debit run --party Coop --on 2026-12-17", "Anna pays by transfer"),
        ("debit run --party Coop --on soon", "--on: is 'soon'; write YYYY-MM-DD"),
        ("debit show 7", "7 does not exist"),
        ("mandate revoke M-9", "--yes: is missing"),
        ("mandate revoke M-9 --yes", "tallystick mandate list names them"),
    ):
        assert said in tally(*words.split(), code=1)
