"""Access tokens from the command line: made once, good for what the person may do, ended by name."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tallystick_cloud.cli import main
from tallystick_cloud.clock import real_utc_ms
from tallystick_cloud.db import Database, sqlite_url
from tallystick_cloud.http.authz import PrincipalKind, Role
from tallystick_cloud.http.identity import Credential, find_principal

TOWN = """\
version = 1
[community]
id = "aurora"
name = "Casa Aurora"
zone = "Europe/Rome"
unit = "EUR"
log = "tallystick.example/aurora"
[[party]]
name = "Giulia Ferrari"
roles = ["community_manager", "installer"]
"""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    beside = tmp_path_factory.mktemp("prepared")
    town = beside / "town.toml"
    town.write_text(TOWN)
    folder = beside / "data"
    claims = ["--claims", str(beside / "claims"), "--server", "https://localhost:8443"]
    assert main(["init", "--data", str(folder)]) == 0
    assert main(["community", "import", str(town), *claims, "--data", str(folder)]) == 0
    return beside


@pytest.fixture
def data(prepared: Path, tmp_path: Path) -> Path:
    """The folder, in a copy that is the test's own."""
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    return tmp_path / "data"


def token(data: Path, capsys: pytest.CaptureFixture[str], *more: str) -> str:
    capsys.readouterr()
    words = ["token", "new", "--party", "Giulia Ferrari", "--role", "installer", "--data", str(data), *more]
    assert main(words) == 0
    return capsys.readouterr().out.strip()


def who(data: Path, secret: str, now_ms: int) -> tuple[PrincipalKind, frozenset[Role]]:
    database = Database(sqlite_url(data))
    credential = Credential(PrincipalKind.TOKEN, bytes.fromhex(secret))
    found, _ = database.read_now(find_principal, credential, now_ms)
    database.close()
    return found.kind, found.roles_in("aurora")


def test_a_token_acts_in_its_role_until_its_day(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    secret, now = token(data, capsys, "--days", "2"), real_utc_ms()
    assert who(data, secret, now) == (PrincipalKind.TOKEN, frozenset({Role.INSTALLER}))
    assert who(data, secret, now + 2 * 86_400_000)[0] is PrincipalKind.ANONYMOUS
    assert secret not in (data / "cloud.db").read_bytes().hex()


def test_a_token_is_listed_without_its_secret_and_ended_by_name(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    secret = token(data, capsys)
    assert main(["token", "list", "--data", str(data)]) == 0
    line = capsys.readouterr().out
    assert "Giulia Ferrari" in line
    assert secret[:12] not in line
    assert main(["token", "end", line.split()[0], "--data", str(data)]) == 0
    assert who(data, secret, real_utc_ms())[0] is PrincipalKind.ANONYMOUS


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["new", "--party", "Giulia Ferrari", "--role", "owner"], "--role: Giulia Ferrari is not owner"),
        (["new", "--party", "Nobody", "--role", "owner"], "--party: 'Nobody' is not a party"),
        (["new", "--party", "Giulia Ferrari", "--role", "installer", "--days", "0"], "--days: 0 is not in 1..366"),
        (["end", "ffff"], "NAME: 0 tokens begin with 'ffff'"),
    ],
)
def test_a_wrong_word_is_named_with_its_reason(
    data: Path, capsys: pytest.CaptureFixture[str], words: list[str], reason: str
) -> None:
    assert main(["token", *words, "--data", str(data)]) == 1
    assert reason in capsys.readouterr().err
