"""The command line of payouts against a real folder: from a proposal to a file on disk."""

import json
import shutil
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support import pain_xsd
from support.payouts import DRYING, EURO, TOWN, WASHING, chains_of
from tallystick_cloud.cli import main
from tallystick_cloud.home import Home
from tallystick_cloud.ledger import journals
from tallystick_cloud.ledger.model import Account, Line
from tallystick_cloud.parties.store import ids_by_name


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An aggregator's folder in which Bank is owed EUR 40.005."""
    beside = tmp_path_factory.mktemp("prepared")
    (beside / "town.toml").write_text(TOWN)
    (beside / "washes.toml").write_text(WASHING)
    (beside / "drying.toml").write_text(DRYING)
    folder = beside / "data"
    assert main(["init", "--data", str(folder)]) == 0
    claims = str(beside / "claims")
    town = ["community", "import", str(beside / "town.toml"), "--claims", claims, "--server", "https://localhost:1"]
    assert main([*town, "--data", str(folder)]) == 0
    database = Home(folder).database()
    ids, chain = database.read_now(ids_by_name, "lindenhof"), database.read_now(chains_of)["Washes"]
    owed = 40 * EURO + 5_000_000
    lines = {
        Line(ids["Coop"], Account.PAYABLE, ids["Bank"], chain, "EUR"): -owed,
        Line(ids["Coop"], Account.RECEIVABLE, ids["Anna"], chain, "EUR"): owed,
    }
    database.write_now(journals.post, "lindenhof", [journals.Entry("k", "test", bytes(32), lines)], 1)
    database.close()
    return beside


@pytest.fixture
def data(prepared: Path, tmp_path: Path) -> Path:
    """The folder, in a copy that is the test's own."""
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    return tmp_path / "data"


def soon() -> str:
    return (datetime.now(UTC) + timedelta(days=3)).date().isoformat()


def test_from_a_proposal_to_the_bank(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def tally(*words: str) -> dict[str, Any]:
        capsys.readouterr()
        assert main(["payout", *words, "--json", "--data", str(data)]) == 0
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    run = tally("run", "--party", "Coop", "--on", soon())
    assert (run["state"], run["total_cents"]) == ("proposed", "4000")
    assert run["payouts"][0]["remainder_nano"] == "5000000"
    assert tally("approve", "1", "--party", "Maria", "--yes")["approved_by"] == ["Maria"]
    out = tmp_path / "payout.xml"
    tally("file", "1", "--out", str(out))
    first = out.read_bytes()
    assert pain_xsd.wrong_in(first) == []
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    tally("file", "1", "--out", str(out))
    tally("file", "1", "--out", str(tmp_path / "again.xml"))
    assert (tmp_path / "again.xml").read_bytes() == first == out.read_bytes()
    assert tally("sent", "1", "--party", "Coop", "--yes")["state"] == "sent"
    assert tally("paid", "1", "--yes")["state"] == "settled"
    assert main(["summary", "--data", str(data)]) == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "--party", "Nobody", "--on", "2099-01-01"], "--party: 'Nobody' is not in lindenhof; names are"),
        (["run", "--party", "Coop", "--on", "soon"], "--on: is 'soon'; write YYYY-MM-DD"),
        (["run", "--party", "Coop", "--on", "2001-01-01"], "execution day"),
        (["run", "--party", "Anna", "--on", "2099-01-01"], "Anna may not handle payouts"),
        (["show", "7"], "7 does not exist"),
        (["sent", "1", "--party", "Coop"], "--yes: is missing"),
        (["approve", "1", "--party", "Maria"], "payout run: 1 does not exist"),
    ],
)
def test_a_refusal_names_the_field_and_the_next_step(
    data: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert main(["payout", *words, "--data", str(data)]) == 1
    assert said in capsys.readouterr().err


def test_show_says_in_words_what_is_missing_and_next(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["payout", "show", "--data", str(data)]) == 0
    assert "no payout run yet" in capsys.readouterr().out
    assert main(["payout", "run", "--party", "Coop", "--on", soon(), "--data", str(data)]) == 0
    said = capsys.readouterr().out
    assert "payout run 1 of Coop: proposed, 40.00 EUR to 1 payee on" in said
    assert "missing: a second person must approve it" in said
    assert "next: tallystick payout approve 1" in said


def test_a_file_that_is_something_else_is_never_overwritten(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["payout", "run", "--party", "Coop", "--on", soon(), "--data", str(data)])
    main(["payout", "approve", "1", "--party", "Maria", "--yes", "--data", str(data)])
    out = tmp_path / "letter.txt"
    out.write_text("dear bank")
    assert main(["payout", "file", "1", "--out", str(out), "--data", str(data)]) == 1
    assert "is not this run's file; name another" in capsys.readouterr().err
    assert out.read_text() == "dear bank"
    main(["payout", "show", "1", "--data", str(data)])
    assert ": approved," in capsys.readouterr().out


def test_a_credit_is_listed_and_paid_back(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def tally(*words: str, code: int = 0) -> str:
        capsys.readouterr()
        assert main([*words, "--data", str(data)]) == code
        said = capsys.readouterr()
        return said.out if code == 0 else said.err

    assert tally("payout", "credits") == "nobody paid too much\n"
    database = Home(data).database()
    ids, chain = database.read_now(ids_by_name, "lindenhof"), database.read_now(chains_of)["Washes"]
    lines = {
        Line(ids["Coop"], Account.PAYABLE, ids["Bank"], chain, "EUR"): 45 * EURO,
        Line(ids["Coop"], Account.RECEIVABLE, ids["Anna"], chain, "EUR"): -45 * EURO,
    }
    database.write_now(journals.post, "lindenhof", [journals.Entry("corrected", "test", bytes(32), lines)], 1)
    database.close()
    assert tally("payout", "credits").splitlines() == [
        "       4.995 EUR  Anna  (Washes), with Coop",
        "      no account: ask Anna for an IBAN and add it (tallystick party account); then it can be paid back",
    ]
    ask = ("payout", "refund", "--to", "Anna", "--party", "Coop", "--on", soon())
    assert "Anna (Washes): no account" in tally(*ask, code=1)
    assert "--to: 'Nobody' is not in lindenhof" in tally(*ask, "--to", "Nobody", code=1)
    tally("party", "account", "Anna", "--iban", "FR7630006000011234567890189", "--yes")
    (credit,) = json.loads(tally("payout", "credits", "--json"))
    assert (credit["payer"], credit["credit_nano"], credit["refund_cents"]) == ("Anna", "4995000000", "499")
    assert "payout run 1 of Coop: proposed, 4.99 EUR to 1 payee on" in tally(*ask)
    assert "(Washes, paid back)" in tally("payout", "approve", "1", "--party", "Maria", "--yes")


@pytest.mark.parametrize("word", ["run", "credits", "refund", "show", "approve", "file", "sent", "paid", "cancel"])
def test_each_help_has_examples(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["payout", word, "--help"])
    assert f"tallystick payout {word}" in capsys.readouterr().out.split("examples:")[1]


def test_what_nobody_can_be_paid_is_moved_listed_and_claimed(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    database = Home(data).database()
    ids, chain = database.read_now(ids_by_name, "lindenhof"), database.read_now(chains_of)["Washes"]
    lines = {
        Line(ids["Coop"], Account.PAYABLE, ids["Ben"], chain, "EUR"): -7 * EURO,
        Line(ids["Coop"], Account.RECEIVABLE, ids["Anna"], chain, "EUR"): 7 * EURO,
    }
    database.write_now(journals.post, "lindenhof", [journals.Entry("b", "test", bytes(32), lines)], 1)
    database.close()

    def tally(*words: str, code: int = 0) -> str:
        capsys.readouterr()
        assert main([*words, "--data", str(data)]) == code
        said = capsys.readouterr()
        return said.out if code == 0 else said.err

    by = ("--by", "Maria", "--yes")
    assert "has not decided after how many days" in tally("unclaimed", "due", code=1)
    assert "has no rule" in tally("unclaimed", "rule")
    rule = tally("unclaimed", "rule", "--days", "1095", "--decision", "statute, article 12", "--by", "Maria")
    assert rule == "lindenhof: after 1095 days (statute, article 12)\n"
    assert tally("unclaimed", "due") == "Ben: 7.00 EUR, owed by Coop; no account\n"
    assert "--by: 'Ben' may not do this" in tally("unclaimed", "move", "--by", "Ben", "--why", "x", code=1)
    assert "--yes: is missing" in tally("unclaimed", "move", "--by", "Maria", "--why", "x", code=1)
    (moved,) = json.loads(tally("unclaimed", "move", "Ben", *by, "--why", "three letters came back", "--json"))
    assert (moved["party"], moved["nano"], moved["reason"]) == ("Ben", "7000000000", "no account")
    assert "unclaimed 7.000000000" in tally("summary")
    assert tally("unclaimed", "list", "--csv").splitlines()[1].split(",")[1:4] == ["Ben", "Coop", "7.00"]
    assert tally("balance", "Ben").splitlines()[2].split() == ["Coop", "unclaimed", "Ben", "-7.00", "EUR"]
    assert tally("balance", "Ben", "--as-of", "2001-01-01").splitlines()[2].split()[1] == "payable"
    claim = ("unclaimed", "claim", moved["id"][:8], *by, "--identity", "passport seen")
    assert "--account-holder: is of an account" in tally(*claim, "--account-holder", "Ben", code=1)
    assert "is not hex" in tally("unclaimed", "claim", "x", *by, "--identity", "y", code=1)
    said = tally(*claim, "--iban", "IT60X0542811101000000123456")
    assert said.endswith("Maria: passport seen\n")
    assert "nothing has waited long enough" in tally("unclaimed", "move", *by, "--why", "again", code=1)
    assert tally("balance", "Ben").splitlines()[2].split()[1] == "payable"


def test_what_everybody_may_see_is_decided_shown_and_taken_back(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def tally(*words: str, code: int = 0) -> str:
        capsys.readouterr()
        assert main(["public", *words, "--data", str(data)]) == code
        said = capsys.readouterr()
        return said.out if code == 0 else said.err

    assert tally("show") == "lindenhof publishes nothing\n"
    rule = ("set", "washer", "--shows", "uses, revenue", "--decision", "assembly of 3 May", "--by")
    assert "--by: 'Ben' may not do this" in tally(*rule, "Ben", "--yes", code=1)
    assert "--yes: is missing" in tally(*rule, "Maria", code=1)
    said = tally(*rule, "Maria", "--yes")
    assert said == "washer: revenue, uses; months with 5 people or more (assembly of 3 May)\nwasher  Washer\n"
    found = json.loads(tally("show", "--json"))
    assert found["rules"][0]["shows"] == ["revenue", "uses"]
    assert found["public"]["assets"] == [
        {"id": "washer", "name": "Washer", "kind": "washing-machine", "payers_min": 5, "months": [], "claims": None}
    ]
    assert tally("off", "washer", "--by", "Maria", "--yes") == "lindenhof publishes nothing\n"
