"""The command: words and exit codes, JSON, unusable input; a witness finds a fork and never signs one."""

import json
from pathlib import Path

import pytest
from support import evidence_builder as b
from support import evidence_world as w
from support.cheats import honest
from tallystick_protocol import tiles
from tallystick_protocol.checkpoint import verify_cosignature
from tallystick_protocol.ids import H32
from tallystick_protocol.keys import public_key_of
from tallystick_protocol.verify_cli import main


def _write(folder: Path, name: str, data: bytes | str) -> str:
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return str(path)


@pytest.fixture
def policy(tmp_path: Path) -> str:
    return _write(tmp_path, "policy.json", w.policy(w.BANK).to_json())


def _tiles(folder: Path, log: w.Log) -> str:
    for tile in tiles.tiles_of(len(log.hashes)):
        path = folder / tile.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(tiles.tile_of(tile, log.hashes))
    return str(folder)


def _log(size: int, bent: int | None = None) -> w.Log:
    log = w.Log()
    log.hashes = list(honest().world.log.hashes[:size])
    if bent is not None:
        log.hashes[bent] = H32(bytes(32))
    return log


def test_a_valid_file_exits_with_0(tmp_path: Path, policy: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = _write(tmp_path, "bank.evidence", b.evidence(honest(), w.BANK))
    assert main(["evidence", file, "--policy", policy]) == 0
    out = capsys.readouterr().out
    assert out.endswith("\nvalid\n")
    assert "ok  coverage" in out


def test_a_misfit_exits_with_1_and_is_named(tmp_path: Path, policy: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = _write(tmp_path, "bank.evidence", b.evidence(honest(), w.BANK)[:-1])
    assert main(["evidence", file, "--policy", policy]) == 1
    assert "does not fit: the file: is not a readable evidence file" in capsys.readouterr().out


def test_json_holds_every_check(tmp_path: Path, policy: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = _write(tmp_path, "bank.evidence", b.evidence(honest(), w.BANK))
    assert main(["evidence", file, "--policy", policy, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["verdict"] == "valid"
    assert [check["name"] for check in report["checks"]][-1] == "statement"


@pytest.mark.parametrize("missing", ["file", "policy"])
def test_input_that_is_not_there_exits_with_2(tmp_path: Path, policy: str, missing: str) -> None:
    file = _write(tmp_path, "bank.evidence", b"")
    args = [str(tmp_path / "no") if missing == "file" else file, "--policy", str(tmp_path / "no")]
    assert main(["evidence", args[0], "--policy", policy if missing == "file" else args[2]]) == 2


def test_a_policy_that_is_wrong_exits_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evidence", _write(tmp_path, "x", b""), "--policy", _write(tmp_path, "p", "{}")]) == 2
    assert "policy.version: is missing" in capsys.readouterr().err


def test_wrong_usage_exits_with_2() -> None:
    with pytest.raises(SystemExit) as caught:
        main(["evidence"])
    assert caught.value.code == 2


def test_help_shows_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["witness", "--help"])
    assert "tallystick-verify witness checkpoint.txt --policy policy.json" in capsys.readouterr().out


def test_a_witness_follows_a_growing_log_and_signs(tmp_path: Path, policy: str) -> None:
    state, out = str(tmp_path / "seen.json"), tmp_path / "signed.txt"
    key = _write(tmp_path, "witness.pem", w.WITNESSES[0].to_pem())
    first = _write(tmp_path, "first.txt", _log(20).note())
    assert main(["witness", first, "--policy", policy, "--state", state]) == 0
    log = _log(40)
    second = _write(tmp_path, "second.txt", log.note())
    common = ["--policy", policy, "--state", state, "--tiles", _tiles(tmp_path / "log", log)]
    sign = ["--sign", key, "--name", "witness-0", "--out", str(out)]
    assert main(["witness", second, *common, *sign]) == 0
    assert verify_cosignature(out.read_bytes(), "witness-0", public_key_of(w.WITNESSES[0])) > 0
    assert json.loads(Path(state).read_text())["size"] == 40
    assert main(["witness", first, *common]) == 0  # an older one that fits changes nothing
    assert json.loads(Path(state).read_text())["size"] == 40


@pytest.mark.parametrize("theirs", [20, 30, 15])
def test_a_forked_log_is_found_by_either_party(
    tmp_path: Path, policy: str, theirs: int, capsys: pytest.CaptureFixture[str]
) -> None:
    state, other = str(tmp_path / "seen.json"), _log(theirs, bent=7)
    assert main(["witness", _write(tmp_path, "a", _log(20).note()), "--policy", policy, "--state", state]) == 0
    before = Path(state).read_text()
    args = [
        "--policy",
        policy,
        "--state",
        state,
        "--tiles",
        _tiles(tmp_path / "log", other if theirs > 20 else _log(20)),
    ]
    key = _write(tmp_path, "witness.pem", w.WITNESSES[0].to_pem())
    sign = ["--sign", key, "--name", "witness-0", "--out", str(tmp_path / "signed.txt")]
    assert main(["witness", _write(tmp_path, "b", other.note()), *args, *sign]) == 1
    assert "The log was forked" in capsys.readouterr().out
    assert Path(state).read_text() == before
    assert not (tmp_path / "signed.txt").exists()


def test_a_neighbours_evidence_shows_the_fork(tmp_path: Path, policy: str, capsys: pytest.CaptureFixture[str]) -> None:
    state = str(tmp_path / "seen.json")
    mine = _log(len(honest().world.log.hashes), bent=3)
    assert main(["witness", _write(tmp_path, "mine", mine.note()), "--policy", policy, "--state", state]) == 0
    theirs = _write(tmp_path, "theirs.evidence", b.evidence(honest(), w.ANNA))
    assert main(["witness", theirs, "--policy", policy, "--state", state]) == 1
    assert "shows two histories" in capsys.readouterr().out


def test_growth_without_tiles_or_proof_is_not_believed(tmp_path: Path, policy: str) -> None:
    state = str(tmp_path / "seen.json")
    assert main(["witness", _write(tmp_path, "a", _log(20).note()), "--policy", policy, "--state", state]) == 0
    assert main(["witness", _write(tmp_path, "b", _log(30).note()), "--policy", policy, "--state", state]) == 2
    assert json.loads(Path(state).read_text())["size"] == 20


def test_a_damaged_state_is_not_started_anew(tmp_path: Path, policy: str) -> None:
    state = _write(tmp_path, "seen.json", "{}")
    assert main(["witness", _write(tmp_path, "a", _log(20).note()), "--policy", policy, "--state", state]) == 2
