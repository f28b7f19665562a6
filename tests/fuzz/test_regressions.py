"""What fuzzing found once stays refused by name: each line of regressions.txt is `target hex`, added before its fix.
Runs without atheris; a second test shows that a finding is seen, kept and told."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from fuzz.target import Target, TooSlow
from fuzz.targets import TARGETS

FOLDER = Path(__file__).parent
FOUND = [line.split() for line in (FOLDER / "regressions.txt").read_text().splitlines() if line and line[0] != "#"]
PLANTED = """
import contextlib, sys
sys.path.insert(0, {folder!r})
import atheris
atheris.instrument_imports = lambda include: contextlib.nullcontext()  # it takes ten seconds, and both readers are here
import run_all
from fuzz.target import Target

@atheris.instrument_func
def read(data):
    if data[:1] == b"o":
        raise KeyError("planted")

@atheris.instrument_func
def read_well(data):
    if data[:1] == b"o":
        raise ValueError("refused by name")

for name, reader in (("planted", read), ("sound", read_well)):
    run_all.TARGETS[name] = Target(name, reader, (ValueError,), lambda: [b"mouse"])
sys.argv = ["run_all", "--only", "planted,sound", "--executions", "20000", "--state", {state!r}]
sys.exit(run_all.main())
"""


@pytest.mark.parametrize(("name", "data"), FOUND, ids=[f"{name}-{index}" for index, (name, _) in enumerate(FOUND)])
def test_what_was_found_once_is_refused_by_name(name: str, data: str) -> None:
    """`Target.run` raises whatever is a finding: any error that is not the border's own, or takes too long."""
    TARGETS[name].run(b"" if data == "-" else bytes.fromhex(data))


@pytest.mark.parametrize("target", TARGETS.values(), ids=lambda target: target.name)
def test_every_target_takes_its_own_seeds(target: Target) -> None:
    seeds = target.seeds()
    assert seeds, "fuzzing begins with nothing"
    for data in seeds[:5]:
        target.run(data)


def test_an_error_of_no_border_is_a_finding() -> None:
    target = Target("planted", lambda data: data[9], (ValueError,), list)
    with pytest.raises(IndexError):
        target.run(b"x")


def test_an_error_without_words_is_a_finding() -> None:
    def read(data: bytes) -> None:
        raise ValueError

    with pytest.raises(AssertionError, match="says nothing"):
        Target("planted", read, (ValueError,), list).run(b"x")


def test_an_input_that_takes_longer_than_a_second_is_a_finding() -> None:
    def read(data: bytes) -> None:
        _busy()

    with pytest.raises(TooSlow):
        Target("planted", read, (), list).run(b"x")


def test_a_second_that_only_the_first_try_took_is_none_of_the_input() -> None:
    tries: list[bytes] = []

    def read(data: bytes) -> None:
        tries.append(data)
        if len(tries) == 1:
            _busy()

    Target("planted", read, (), list).run(b"x")
    assert tries == [b"x", b"x"]


def _busy() -> None:
    ends = time.thread_time() + 1.05
    while time.thread_time() < ends:
        pass


def test_a_planted_error_is_found_kept_and_told_and_the_next_target_still_runs(tmp_path: Path) -> None:
    pytest.importorskip("atheris")
    script = PLANTED.format(folder=str(FOLDER), state=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1, done.stderr
    kept = [path for path in (tmp_path / "planted" / "findings").iterdir() if path.read_bytes()[:1] == b"o"]
    assert kept, done.stderr
    assert "again.py planted FILE" in done.stderr
    assert '"name": "fuzz.sound", "value": 20000' in done.stdout
