"""`tallystick party` and `asset add`: a community that was founded grows: members, accounts, roles, machines."""

import json
import shutil
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from sqlalchemy import Connection, select
from support.books import T0
from support.payouts import EURO, IBANS, open_payouts
from tallystick_cloud import schema
from tallystick_cloud.cli import main
from tallystick_cloud.parties import service
from tallystick_cloud.payouts.errors import PayoutRefused
from tallystick_protocol.keys import P256Signer

IBAN, OTHER = "DE89370400440532013000", "IT60X0542811101000000123456"


class Desk:
    def __init__(self, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.data, self._capsys = data, capsys

    def __call__(self, *words: str, code: int = 0) -> str:
        self._capsys.readouterr()
        assert main([*words, "--data", str(self.data)]) == code, self._capsys.readouterr().err
        said = self._capsys.readouterr()
        return said.err if code else said.out

    def people(self) -> dict[str, Any]:
        return {one["name"]: one for one in json.loads(self("party", "list", "--whole", "--json"))}

    def books(self) -> list[str]:
        with sqlite3.connect(self.data / "cloud.db") as books:
            return list(books.iterdump())


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A community as `init` leaves it, without a bank account; made once, copied for each test."""
    data = tmp_path_factory.mktemp("founded") / "d"
    answers = ["--community", "Linde", "--manager", "Maria", "--approver", "Jon", "--from", "2026-01-01", "--yes"]
    assert main(["init", "--data", str(data), *answers]) == 0
    return data


@pytest.fixture
def desk(founded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(Path(shutil.copytree(founded, tmp_path / "d")), capsys)


def test_who_was_founded_without_an_account_gets_one_and_another(desk: Desk) -> None:
    assert desk.people()["Linde"]["iban"] is None
    assert f"Linde: {IBAN} of Linde" in desk(
        "party", "account", "Linde", "--iban", "DE89 3704 0044 0532 0130 00", "--yes"
    )
    before = desk.books()
    assert "nothing is changed" in desk("party", "account", "Linde", "--iban", IBAN, "--yes")
    assert desk.books() == before
    desk("party", "account", "Linde", "--iban", OTHER, "--holder", "Linde eG", "--yes")
    linde = desk.people()["Linde"]
    assert (linde["iban"], linde["holder"]) == (OTHER, "Linde eG")
    assert "IT...3456" in desk("party", "list"), "not everybody at the screen needs all of it"
    desk("party", "account", "Linde", "--none", "--yes")
    assert desk.people()["Linde"]["iban"] is None
    with sqlite3.connect(desk.data / "cloud.db") as books:
        spans = books.execute("SELECT iban, valid_to_ms IS NULL FROM party_account ORDER BY id").fetchall()
    assert spans == [(IBAN, 0), (OTHER, 0)], "the past stays"


def test_a_member_and_a_machine_come_and_a_contract_version_names_them(desk: Desk, tmp_path: Path) -> None:
    assert "Lena Koch is in linde: user; this server keeps the signing key" in desk(
        "party", "add", "Lena Koch", "--role", "user"
    )
    added = ["washer-3", "--name", "Third machine", "--kind", "washer", "--site", "cellar"]
    assert "washer-3 is in linde" in desk("asset", "add", *added, "--owner", "Linde", "--user", "Lena Koch")
    assert "washer-3" in desk("asset", "list")
    text = (desk.data / "community" / "contract.toml").read_text()
    user = '[[user]]\nname = "Lena Koch"\n[[asset]]\nasset = "washer-3"\nquantity = "cycles"\nuser = "Lena Koch"\n'
    text = text.replace("[tariff]", f"{user}\n[tariff]", 1)
    text = text.replace("effective_from = 2026-01-01", "effective_from = 2026-02-01")
    (tmp_path / "second.toml").write_text(text)
    (first,) = (one["chain"] for one in json.loads(desk("contract", "list", "--json")))
    said = desk("contract", "propose", str(tmp_path / "second.toml"), "--after", first[:8], "--party", "Linde")
    assert ": shadow" in said, said
    h = said.split()[1].rstrip(":")
    assert "Lena Koch accepts" in desk("contract", "accept", h[:8], "--user", "Lena Koch")


def test_who_comes_can_sign_with_a_key_of_its_own(desk: Desk, tmp_path: Path) -> None:
    key = load_der_public_key(P256Signer.generate().spki)
    (tmp_path / "own.pem").write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    words = ["--form", "organisation", "--role", "servicer", "--iban", IBAN, "--key", str(tmp_path / "own.pem")]
    assert "signs with the key in that file" in desk("party", "add", "Berger & Co", *words)
    before = desk.books()
    assert "key: is the key of somebody else here" in desk("party", "add", "Other", "--key", words[-1], code=1)
    assert desk.books() == before
    assert desk.people()["Berger & Co"]["signs"] is True


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("party", "add", "Maria"), "name: 'Maria' is in linde already"),
        (("party", "add", " "), "NAME: ' ' must have 1 to 70 characters"),
        (("party", "add", "Lena "), "NAME: 'Lena ' begins or ends with a space"),
        (("party", "add", "Lena", "--role", "king"), "--role: 'king' is not a role; use one of auditor"),
        (("party", "add", "Lena", "--iban", "DE00"), "--iban: 'DE00' is not an IBAN"),
        (("party", "add", "Lena", "--iban", IBAN[:-1] + "1"), "has wrong check digits"),
        (("party", "account", "Nobody", "--iban", IBAN, "--yes"), "NAME: 'Nobody' is not in linde; names are: House"),
        (("party", "account", "Maria", "--iban", IBAN), f"to answer: Pay what is owed to Maria to {IBAN}"),
        (("party", "role", "Maria", "king"), "ROLE: 'king' is not a role"),
        (("asset", "add", "washer-1", "--name", "x", "--kind", "washer"), "'washer-1' is an asset of linde already"),
        (("asset", "add", "Was her", "--name", "x", "--kind", "washer"), "ID: is 'Was her'; use a-z"),
        (("asset", "add", "w3", "--name", "x", "--kind", "washer", "--site", "no"), "site: 'no' is no site of"),
        (("asset", "add", "w3", "--name", "x", "--kind", "washer", "--owner", "Nobody"), "--owner: 'Nobody' is not in"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_and_nothing_changes(desk: Desk, words: Sequence[str], reason: str) -> None:
    before = desk.books()
    keys = sorted((desk.data / "keys").rglob("*.pem"))
    assert reason in desk(*words, code=1)
    assert desk.books() == before
    assert sorted((desk.data / "keys").rglob("*.pem")) == keys


def test_a_role_is_given_and_ended_and_somebody_manages_always(desk: Desk) -> None:
    assert desk("party", "role", "Jon", "auditor") == "Jon is auditor\n"
    assert "nothing is changed" in desk("party", "role", "Jon", "auditor")
    assert desk("party", "role", "Jon", "community_manager", "--end") == "Jon is no community_manager any more\n"
    assert desk.people()["Jon"]["roles"] == ["auditor"]
    assert "nobody else manages linde" in desk("party", "role", "Maria", "community_manager", "--end", code=1)
    assert desk.people()["Maria"]["roles"] == ["community_manager"]


def test_a_run_with_the_account_of_before_is_not_released() -> None:
    at = open_payouts()
    at.earn({"Repairer": 3 * EURO})
    at.propose()
    repairer, austrian = at.ids["Repairer"], "AT611904300234573201"
    assert at.books.run(service.set_account, at.community, repairer, austrian, "Somebody", T0 + 1)
    with pytest.raises(PayoutRefused, match="account"):
        at.approve("Maria", now_ms=T0 + 2)
    at.books.run(service.set_account, at.community, repairer, None, None, T0 + 3)

    def spans(conn: Connection) -> list[tuple[str, int | None]]:
        of = schema.party_account.c
        query = select(of.iban, of.valid_to_ms).where(of.party == repairer).order_by(of.id)
        return [(iban, to_ms) for iban, to_ms in conn.execute(query)]

    assert at.books.database.read_now(spans) == [(IBANS["Repairer"], T0 + 1), (austrian, T0 + 3)]
    at.books.database.close()


DRYER = """\
version = 1
[site]
id = "cellar"
name = "Cellar"
[[site.channel]]
number = 3
meter = "dryer-1"
asset = "dryer-1"
quantity = "cycles"
unit = "cycle"
form = "event"
profile = "first-meter"
"""


def test_a_sites_plan_gets_the_channels_of_a_new_meter_and_keeps_those_it_has(desk: Desk, tmp_path: Path) -> None:
    file = tmp_path / "cellar.toml"
    file.write_text(DRYER)
    words = ("site", "extend", str(file), "--by", "Maria")
    assert "'dryer-1' is no asset of linde; add it with `tallystick asset add`" in desk(*words, "--yes", code=1)
    desk("asset", "add", "dryer-1", "--name", "Dryer", "--kind", "dryer", "--site", "cellar")
    before = desk.books()
    assert "--yes: is missing; nobody is here to answer" in desk(*words, code=1)
    assert "'Lender' may not do this" in desk("site", "extend", str(file), "--by", "Lender", "--yes", code=1)
    assert "--from: is '1 Dec'; write a day" in desk(*words, "--from", "1 Dec", "--yes", code=1)
    assert desk.books() == before
    said = json.loads(desk(*words, "--from", "2026-12-01", "--yes", "--json"))
    assert said == {
        "site": "cellar",
        "channels": [3],
        "gateways": [],
        "since_ms": 1_796_079_600_000,  # midnight in Berlin
        "waited": {"taken": 0, "left": 0, "uses": 0},
    }
    assert "none is new at 'cellar'" in desk(*words, "--yes", code=1)
    file.write_text(DRYER.replace("number = 3", "number = 4") + 'serial = "D4"\n')
    assert "the first one gets the whole plan" in desk(*words, "--yes")
    file.write_text(DRYER.replace("number = 3", "number = 1"))
    assert "channel 1, meter: differs from the plan in force" in desk(*words, "--yes", code=1)
