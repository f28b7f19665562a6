"""The command line against a real folder: close a month, export a policy, write evidence, verify it elsewhere."""

import json
import shutil
import stat
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from cryptography.x509 import load_pem_x509_crl
from sqlalchemy import select
from support.books import DAY, ENERGY, HOUR, TOWN, WASHES
from support.uploads import Randomness, SimGateway, event, money, wash
from tallystick_cloud import schema
from tallystick_cloud.cli import main
from tallystick_cloud.gateways.enrol import enrol
from tallystick_cloud.home import Home
from tallystick_cloud.ingest.service import ingest
from tallystick_cloud.ingest.work import ChannelWork
from tallystick_protocol.codes import EventCode
from tallystick_protocol.ids import H32
from tallystick_protocol.keys import Ed25519Signer, P256Signer
from tallystick_protocol.part import Event
from tallystick_protocol.verify_cli import main as verify

OCTOBER = 1_790_812_800_000 + 9 * DAY  # 2026-10-10T00:00:00Z
SIGNERS: list[P256Signer] = []  # of the gateway in `data`, the newest last
WITNESS = "elena.example/witness"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An aggregator's folder with three washes in October, of which the second is lost."""
    beside = tmp_path_factory.mktemp("prepared")
    (beside / "town.toml").write_text(TOWN)
    (beside / "washes.toml").write_text(WASHES)
    (beside / "energy.toml").write_text(ENERGY)
    folder, claims = beside / "data", beside / "claims"
    assert main(["init", "--data", str(folder)]) == 0
    town = ["community", "import", str(beside / "town.toml"), "--claims", str(claims)]
    assert main([*town, "--server", "https://localhost:1", "--data", str(folder)]) == 0
    home = Home(folder)
    database = home.database()
    aggregator = home.aggregator(database, Randomness("commands"))
    gateway = SimGateway("cellar")
    SIGNERS.append(gateway.signer)
    request = gateway.enrol_request(tomllib.loads((claims / "cellar.toml").read_text())["claim"])
    database.write_now(enrol, aggregator, request, OCTOBER, datetime.now(UTC))
    first = wash(2, 1, 1, 1, OCTOBER, OCTOBER + HOUR)
    ended = event(9, OCTOBER + DAY, EventCode.USE_ENDED, use=3, total=3, programme="60")
    for parts in (first, [money(2, events=[ended])]):
        database.write_now(ingest, aggregator, gateway.gid, gateway.seal(parts), OCTOBER + DAY)
    database.close()
    return beside


@pytest.fixture
def data(prepared: Path, tmp_path: Path) -> Path:
    """The folder, in a copy that is the test's own."""
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    return tmp_path / "data"


def tally(capsys: pytest.CaptureFixture[str], data: Path, *words: str) -> Any:
    capsys.readouterr()
    code = main([*words, "--json", "--data", str(data)])
    printed = capsys.readouterr()
    assert code == 0, printed.err
    return json.loads(printed.out)


def test_from_a_month_to_a_verified_file(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    closed = tally(capsys, data, "settlement", "close", "2026-10")
    assert [one["again"] for one in closed] == [False, False]
    again = tally(capsys, data, "settlement", "close", "2026-10-31")
    assert [one["settlement"] for one in again] == [one["settlement"] for one in closed]
    assert len(tally(capsys, data, "settlement", "show")) == 2
    for name, verdict in (("Bank", "valid"), ("Anna", "valid, split counter as committed")):
        policy, out = tmp_path / f"{name}.json", tmp_path / f"{name}.evidence"
        tally(capsys, data, "policy", "export", name, "--out", str(policy))
        made = tally(capsys, data, "evidence", name, "2026-10", "--out", str(out))
        assert made["bytes"] == out.stat().st_size
        assert stat.S_IMODE(out.stat().st_mode) == 0o600
        assert verify(["evidence", str(out), "--policy", str(policy), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["verdict"] == verdict
    other = ["evidence", str(tmp_path / "Bank.evidence"), "--policy", str(tmp_path / "Anna.json")]
    assert verify(other) == 1
    assert main(["summary", "--data", str(data)]) == 0


def test_the_evidence_of_one_contract_into_a_named_file(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tally(capsys, data, "settlement", "close", "2026-10")
    monkeypatch.chdir(tmp_path)
    made = tally(capsys, data, "evidence", "Bank", "2026-10", "--contract", "Washes", "--scope", "contract")
    assert (made["file"], made["contracts"]) == ("bank-2026-10.evidence", ["Washes"])
    assert main(["evidence", "Bank", "2026-10", "--data", str(data)]) == 1
    assert "is there already" in capsys.readouterr().err


def test_what_is_open_is_listed_and_decided(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tally(capsys, data, "settlement", "close", "2026-10")
    (one,) = tally(capsys, data, "settlement", "open")
    assert (one["asset"], one["counts"], one["uses"]) == ("washer", [1, 2], [1, 2])
    words = ["settlement", "decide", "washer", str(one["id"]), "waive", "--why", "lost", "--party", "Coop"]
    assert main([*words, "--data", str(data)]) == 0
    assert "the next settlement closes it" in capsys.readouterr().out
    assert main([*words, "--data", str(data)]) == 1
    assert "decided already" in capsys.readouterr().err


def test_a_statement_on_the_command_line(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tally(capsys, data, "settlement", "close", "2026-10")
    capsys.readouterr()
    assert main(["statement", "Anna", "2026-10", "--data", str(data)]) == 0
    assert "use,washer,1,60,-1.85,-1.85,EUR" in capsys.readouterr().out
    out = tmp_path / "anna.csv"
    assert main(["statement", "Anna", "2026-10-03", "--out", str(out), "--data", str(data)]) == 0
    assert stat.S_IMODE(out.stat().st_mode) == 0o600


def test_a_witness_without_network(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tally(capsys, data, "settlement", "close", "2026-10")
    signer = Ed25519Signer.generate()
    public = load_der_public_key(signer.spki).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "w.pub.pem").write_bytes(public)
    (tmp_path / "w.pem").write_bytes(signer.to_pem())
    log, key = tmp_path / "log", str(tmp_path / "w.pub.pem")
    for asked in (
        ("witness", "add", WITNESS, "--key", key),
        ("witness", "need", "1"),
        ("log", "export", "--out", str(log)),
    ):
        assert main([*asked, "--data", str(data)]) == 0
    policy, signed = tmp_path / "bank.json", tmp_path / "signed.txt"
    tally(capsys, data, "policy", "export", "Bank", "--out", str(policy))
    words = ["witness", str(log / "checkpoint.txt"), "--policy", str(policy), "--state", str(tmp_path / "seen.json")]
    words += ["--tiles", str(log), "--sign", str(tmp_path / "w.pem"), "--name", WITNESS, "--out", str(signed)]
    assert verify(words) == 0
    assert main(["witness", "accept", str(signed), "--data", str(data)]) == 0
    assert WITNESS in capsys.readouterr().out
    out = tmp_path / "bank.evidence"
    tally(capsys, data, "evidence", "Bank", "2026-10", "--out", str(out))
    assert verify(["evidence", str(out), "--policy", str(policy)]) == 0
    assert main(["witness", "need", "0", "--data", str(data)]) == 0
    assert main(["witness", "remove", WITNESS, "--data", str(data)]) == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["settlement", "close", "October"], "write YYYY-MM or YYYY-MM-DD"),
        (["settlement", "close", "2099-01"], "close it when it is over"),
        (["evidence", "Nobody", "2026-10"], "names are: Anna, Bank"),
        (["evidence", "Bank", "2026-10"], "nothing settled then concerns this party"),
        (["evidence", "Bank", "2026-10", "--contract", "Nothing"], "names are: Energy, Washes"),
        (["settlement", "decide", "washer", "7", "waive", "--why", "x", "--party", "Coop"], "see `settlement open`"),
        (["statement", "Anna", "2026-10"], "is not settled"),
        (["witness", "accept", "/nowhere/note.txt"], "cannot be read"),
        (["witness", "need", "3"], "list more first"),
    ],
)
def test_wrong_words_change_nothing(
    data: Path, words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main([*words, "--data", str(data)]) == 1
    assert says in capsys.readouterr().err


def test_quarantine_is_listed_and_tried_again(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(data)
    database = home.database()
    aggregator = home.aggregator(database, Randomness("commands"))
    gateway = next(iter(database.read_now(lambda conn: list(conn.execute(select(schema.gateway_head))))))
    copy = SimGateway("cellar", SIGNERS[-1], seq=gateway.next_seq)
    copy.prev = H32(bytes(gateway.head))

    def broken(*_: object) -> None:
        raise ZeroDivisionError("planted")

    with monkeypatch.context() as patch:
        patch.setattr(ChannelWork, "take_event", broken)
        parts = wash(2, 10, 4, 4, OCTOBER + DAY, OCTOBER + DAY + HOUR)
        database.write_now(ingest, aggregator, gateway.gid, copy.seal(parts), OCTOBER + DAY)
        database.close()
        rows = tally(capsys, data, "quarantine", "list")
        assert [(row["channel"], row["reason"], row["seq"]) for row in rows] == [(2, "internal", 3), (2, "held", 3)]
        assert rows[0]["detail"] == "ZeroDivisionError: planted"
        assert tally(capsys, data, "quarantine", "retry") == {"taken": 0, "left": 2, "uses": 0}
    assert tally(capsys, data, "quarantine", "retry") == {"taken": 2, "left": 0, "uses": 1}
    assert main(["quarantine", "list", "--data", str(data)]) == 0
    assert capsys.readouterr().out == "nothing waits\n"


def test_hopeless_part_is_given_up_by_a_person_and_its_channel_goes_on(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(data)
    database = home.database()
    head = next(iter(database.read_now(lambda conn: list(conn.execute(select(schema.gateway_head))))))
    copy = SimGateway("cellar", SIGNERS[-1], seq=head.next_seq)
    copy.prev = H32(bytes(head.head))
    real = ChannelWork.take_event

    def broken(self: ChannelWork, one: Event) -> object:
        if one.use == 4:
            raise ZeroDivisionError("planted")
        return real(self, one)

    monkeypatch.setattr(ChannelWork, "take_event", broken)
    aggregator = home.aggregator(database, Randomness("commands"))
    for use in (4, 5):
        start = OCTOBER + use * HOUR
        sealed = copy.seal([money(2, events=wash_events(use, start))])
        database.write_now(ingest, aggregator, head.gid, sealed, start + HOUR)
    database.close()
    gid = head.gid.hex()
    why = ["--why", "sent by a broken card", "--yes"]
    for words, reason in (
        ([gid, "1/3", "0", *why, "--by", "Anna"], "--by: 'Anna' may not do this"),
        ([gid, "1.3", "0", *why, "--by", "Coop"], "EPOCH/SEQ: is '1.3'"),
        ([gid, "1/3", "7", *why, "--by", "Coop"], "is no part of lindenhof"),
        ([gid, "1/4", "0", *why, "--by", "Coop"], "only waits behind another part"),
        ([gid, "1/1", "0", *why, "--by", "Coop"], "does not wait: it is read"),
    ):
        assert main(["quarantine", "skip", *words, "--data", str(data)]) == 1
        assert reason in capsys.readouterr().err
    done = tally(capsys, data, "quarantine", "skip", gid, "1/3", "0", *why, "--by", "Coop")
    assert done == {"taken": 1, "left": 0, "uses": 1}
    assert main(["quarantine", "list", "--data", str(data)]) == 0
    assert capsys.readouterr().out == "nothing waits\n"
    database = Home(data).database()
    rows = database.read_now(lambda conn: list(conn.execute(select(schema.exception))))
    database.close()
    spans = [(row.reason, row.from_total, row.to_total) for row in rows if row.state == "open"]
    assert spans == [("use-unexplained", 1, 2), ("use-unexplained", 3, 4)]
    (given_up,) = [row for row in rows if row.resolution == "skip"]
    assert given_up.detail == "ZeroDivisionError: planted; given up by Coop: sent by a broken card"


def wash_events(use: int, start_ms: int) -> list[Event]:
    """One wash as three events, numbered on after those of `data`."""
    first = 10 + 3 * (use - 4)
    return [
        event(first, start_ms, EventCode.USE_STARTED, use=use),
        event(first + 1, start_ms + HOUR // 2, EventCode.USE_BILLABLE, use=use, total=use, programme="60"),
        event(first + 2, start_ms + HOUR, EventCode.USE_ENDED, use=use, total=use, programme="60"),
    ]


def test_erase_says_first_what_goes_and_then_asks(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    would = tally(capsys, data, "erase", "Anna", "--dry-run")
    assert (would["erased"], would["parts"], would["gateways"]) == (False, 1, 1)
    for words, reason in (
        (("--yes",), "--by: is missing"),
        (("--by", "Ben", "--yes"), "--by: 'Ben' may not do this"),
        (("--by", "Coop"), "--yes: is missing"),
    ):
        assert main(["erase", "Anna", *words, "--data", str(data)]) == 1
        assert reason in capsys.readouterr().err
    assert tally(capsys, data, "erase", "Anna", "--dry-run") == would
    done = tally(capsys, data, "erase", "Anna", "--by", "Coop", "--yes")
    assert done == {**would, "erased": True, "commands": 1}
    assert tally(capsys, data, "erase", "Anna", "--dry-run")["parts"] == 0
    assert main(["erase", "Nobody", "--dry-run", "--data", str(data)]) == 1


def test_revoke_asks_logs_and_rewrites_the_list(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (one,) = tally(capsys, data, "gateway", "list")
    assert one["state"] == "active"
    broker = tmp_path / "broker"
    assert main(["broker-config", "--out", str(broker), "--data", str(data)]) == 0
    revoke = ["gateway", "revoke", one["gid"], "--why", "sold", "--broker", str(broker)]
    for words, reason in (
        ([*revoke, "--by", "Anna", "--yes"], "--by: 'Anna' may not do this"),
        ([*revoke, "--by", "Coop"], "--yes: is missing"),
        (["gateway", "revoke", "12", "--why", "x", "--by", "Coop", "--yes"], "GID: is '12'"),
        (["gateway", "revoke", "00" * 16, "--why", "x", "--by", "Coop", "--yes"], "is no gateway of lindenhof"),
        (["gateway", "revoke", one["gid"], "--why", " ", "--by", "Coop", "--yes"], "--why: is empty"),
    ):
        assert main([*words, "--data", str(data)]) == 1
        assert reason in capsys.readouterr().err
    done = tally(capsys, data, *revoke, "--by", "Coop", "--yes")
    assert (done["from_epoch"], done["from_seq"], len(done["leaves"])) == (1, 3, 1)
    for path in done["revocation_lists"]:
        assert len(list(load_pem_x509_crl(Path(path).read_bytes()))) == 1
    assert tally(capsys, data, "gateway", "list")[0]["state"] == "revoked"
    assert main([*revoke, "--by", "Coop", "--yes", "--data", str(data)]) == 1
    assert "is revoked already" in capsys.readouterr().err


def test_an_asset_is_shown_as_of_a_day(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert [row["id"] for row in tally(capsys, data, "asset", "list")] == ["flat", "washer"]
    assert tally(capsys, data, "asset", "show", "washer")["revenue"] == "3700000000"
    assert tally(capsys, data, "asset", "show", "washer", "--as-of", "2026-10-09")["months"] == []
    for words, reason in (
        (["washer", "--as-of", "yesterday"], "--as-of: is 'yesterday'; write a day as 2026-10-31"),
        (["dryer"], "see `tallystick asset list`"),
    ):
        assert main(["asset", "show", *words, "--data", str(data)]) == 1
        assert reason in capsys.readouterr().err
