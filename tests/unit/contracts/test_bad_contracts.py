"""Bad contracts: each is refused by the real command with line, field, reason and next step, and nothing changes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, select
from support.bad_contracts import TOWN_OF_FAULTS, Fault, faults
from support.books import ENERGY, T0, WASHES, dump
from tallystick_cloud import schema
from tallystick_cloud.cli import main
from tallystick_cloud.clock import VARIABLE, real_utc_ms
from tallystick_cloud.db import Database
from tallystick_cloud.home import Home
from tallystick_cloud.parties.store import ids_by_name

ALL = faults()


@pytest.fixture(scope="module")
def november() -> Iterator[None]:
    """Commands think that it is November 2026, whenever the tests run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, f"1,{real_utc_ms()},{T0}")
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, november: None) -> Path:
    """An aggregator's folder with a community without contracts."""
    folder = tmp_path_factory.mktemp("faults")
    (folder / "town.toml").write_text(TOWN_OF_FAULTS)
    assert main(["init", "--data", str(folder / "data")]) == 0
    town = ["community", "import", str(folder / "town.toml"), "--claims", str(folder / "claims")]
    assert main([*town, "--server", "https://localhost:1", "--data", str(folder / "data")]) == 0
    return folder / "data"


@pytest.fixture(scope="module")
def database(data: Path) -> Iterator[Database]:
    found = Home(data).database()
    yield found
    found.close()


def test_the_catalogue_is_large_and_names_each_fault_once() -> None:
    assert len(ALL) >= 60
    assert len({one.name for one in ALL}) == len(ALL)
    assert len({one.data for one in ALL}) == len(ALL)


@pytest.mark.parametrize("fault", ALL, ids=[one.name for one in ALL])
def test_a_bad_contract_is_refused_word_for_word_and_nothing_changes(
    fault: Fault, data: Path, database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "contract.toml"
    file.write_bytes(fault.data)
    before = database.read_now(dump)
    assert main(["contract", "check", str(file)]) == (1 if fault.by == "check" else 0)
    if fault.by == "check":
        assert capsys.readouterr().err == f"tallystick: {file}: {fault.refused}\n"
    assert main(["contract", "propose", str(file), "--party", "Coop", "--data", str(data)]) == 1
    assert capsys.readouterr().err == f"tallystick: {file}: {fault.proposed}\n"
    assert database.read_now(dump) == before


@pytest.fixture(scope="module")
def proposed(data: Path, database: Database, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The hash of a contract that waits for the yes of three parties."""
    file = tmp_path_factory.mktemp("proposed") / "contract.toml"
    file.write_bytes(ENERGY.replace("\n", "\r\n").encode())  # saved on Windows
    before = database.read_now(dump)
    assert main(["contract", "check", str(file)]) == 0
    assert database.read_now(dump) == before
    assert main(["contract", "propose", str(file), "--party", "Coop", "--data", str(data)]) == 0

    def newest(conn: Connection) -> bytes:
        return bytes(conn.execute(select(schema.contract_version.c.h)).scalar_one())

    return database.read_now(newest).hex()


NOBODY = "0" * 64
SIGNATURES = {
    "a hash that is none": (
        "approve zz --party Bank",
        "hash: 'zz' begins no contract version here; `tallystick contract list` shows them",
    ),
    "a contract that nobody proposed": (
        f"approve {NOBODY} --party Bank",
        f"approval.object: {NOBODY} is not proposed here; propose it first",
    ),
    "a signer who is no party": ("approve HASH --party Anna", "approval.party: is not a party of this contract"),
    "a signer nobody knows": (
        "approve HASH --party Banca",
        "--party: 'Banca' is not in lindenhof; names are: Anna, Bank, Ben, Coop, Fund, Repairer",
    ),
    "the key of somebody else": (
        "approve HASH --party Fund --key BANKS",
        "approval.party: is not the one who signed",
    ),
    "a key that others can read": (
        "approve HASH --party Bank --key TEXT",
        "TEXT: can be read by others; run: chmod 600 TEXT",
    ),
    "a key that is not there": (
        "approve HASH --party Bank --key GONE",
        "GONE: is missing; run `tallystick init`, or bring it back from your backup",
    ),
    "a user who is none": (
        "accept HASH --user Bank",
        "party: is no user of this contract: parties approve it, users accept it",
    ),
    "after a version that is not here": (
        f"propose FILE --party Coop --after {NOBODY}",
        f"--after: {NOBODY} is not a version here",
    ),
    "proposed by a user": (
        "propose FILE --party Ben",
        "FILE: line 9: party: do not include the one who signed; sign with a party's key",
    ),
    "another community": ("approve HASH --party Bank --community aurora", "--community: name one of: lindenhof"),
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_a_bad_signature_is_refused_and_nothing_changes(
    name: str, proposed: str, data: Path, database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words, refused = SIGNATURES[name]
    bank = database.read_now(ids_by_name, "lindenhof")["Bank"]
    (tmp_path / "FILE").write_text(WASHES)
    (tmp_path / "TEXT").write_text("hello")
    meant = {
        "HASH": proposed,
        "BANKS": str(data / f"keys/lindenhof/parties/{bank.hex()}.pem"),
    }
    meant |= {one: str(tmp_path / one) for one in ("FILE", "TEXT", "GONE")}
    before = database.read_now(dump)
    assert main(["contract", *(meant.get(word, word) for word in words.split()), "--data", str(data)]) == 1
    for word, value in meant.items():
        refused = refused.replace(word, value)
    assert capsys.readouterr().err == f"tallystick: {refused}\n"
    assert database.read_now(dump) == before
