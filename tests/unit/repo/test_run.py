"""run.py explains itself, refuses clearly, and the Makefile is only a short way to it."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import IO

import pytest
from support.repository import ROOT


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "run.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("tallystick_run", ROOT / "run.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(module, "PYTHON", tmp_path / ".venv" / "bin" / "python")
    monkeypatch.setattr(module, "FRONT_END", tmp_path / "cloud" / "ui")
    return module


def test_help_names_every_command(module: ModuleType) -> None:
    text = run("help").stdout
    for command in module.COMMANDS:
        if not command.startswith("-"):
            assert re.search(rf"^  {command}\b", text, re.MULTILINE), command


def test_every_command_of_the_makefile_is_one_of_run(module: ModuleType) -> None:
    targets = re.findall(r"^([a-z %-]+):$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    named = {word for line in targets for word in line.split()}
    assert named - {"bench-%"} == {c for c in module.COMMANDS if not c.startswith("-")}


def test_an_unknown_command_is_refused_with_the_list() -> None:
    done = run("dmeo")
    assert done.returncode == 2
    assert "no command 'dmeo'" in done.stderr
    assert "demo" in done.stderr


def test_a_bad_number_is_refused(module: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        module.value_of("CYCLES", ["CYCLES=many"], default="100")
    assert "CYCLES=many: expected a whole number above 0" in capsys.readouterr().err


def test_tests_that_failed_are_named_from_the_report(module: ModuleType, tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    assert module.failures_in(report) == []
    report.write_text(
        '<testsuites><testsuite><testcase classname="tests.unit.test_a" name="test_good"/>'
        '<testcase classname="tests.unit.test_a" name="test_bad[1]"><failure message="no"/></testcase>'
        '<testcase classname="tests.web.test_b" name="test_down"><error message="no server"/></testcase>'
        '<testcase classname="tests.web.test_b" name="test_left_out"><skipped message="why"/></testcase>'
        "</testsuite></testsuites>"
    )
    assert module.failures_in(report) == [
        "FAILED tests/unit/test_a.py::test_bad[1]",
        "ERROR tests/web/test_b.py::test_down",
    ]


def test_both_passes_run_and_one_failure_is_enough(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: dict[str, tuple[str, ...]] = {}

    def ran(*command: str, output: IO[str] | None = None) -> bool:
        marker = command[command.index("-m", command.index("pytest")) + 1]
        asked[marker] = command
        print(f"what {marker!r} said", file=output)
        return marker == "alone"

    monkeypatch.setattr(module, "install", lambda with_tests: None)
    monkeypatch.setattr(module, "run", ran)
    assert module.test([]) == 1
    assert asked.keys() == {"not alone", "alone"}
    assert "-n" in asked["not alone"]
    assert "-n" not in asked["alone"]
    said = capsys.readouterr()
    assert "pass 'alone': passed" in said.err
    assert said.out.splitlines() == [
        "what 'not alone' said",
        "what 'alone' said",
        "FAILED pass 'side by side': pytest did not end well",
    ]


def test_the_pass_of_towns_reads_their_files_alone(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    assert module.files_marked("alone") == []
    monkeypatch.setattr(module, "ROOT", ROOT)
    found = module.files_marked("alone")
    assert {"tests/crash/test_crash.py", "tests/e2e/test_demo.py"} <= set(found)
    assert len(found) < 10


def test_what_a_check_said_is_told_in_one_piece(module: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    talk = "print('one'); print('two'); raise SystemExit({})"
    assert module.run_quietly((sys.executable, "-c", talk.format(0)))
    assert capsys.readouterr().err.splitlines()[1:] == ["two"]
    assert not module.run_quietly((sys.executable, "-c", talk.format(1)))
    assert capsys.readouterr().err.splitlines()[1:] == ["one", "two"]


def test_missing_venv_names_the_one_command(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit):
        module.make_venv()
    said = capsys.readouterr().err
    assert re.search(r"sudo apt-get install python3\.\d+-venv", said)
    assert not (module.ROOT / ".venv").exists()


def test_an_old_python_is_refused(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module.sys, "version_info", (3, 9, 2, "final", 0))
    with pytest.raises(SystemExit):
        module.install(with_tests=False)
    assert "needs Python 3.11 or newer" in capsys.readouterr().err


def test_the_stamp_covers_locks_pyprojects_and_front_end(module: ModuleType, tmp_path: Path) -> None:
    for member in (".", *module.MEMBERS):
        (tmp_path / member).mkdir(exist_ok=True)
        (tmp_path / member / "pyproject.toml").write_text("")
    (tmp_path / "cloud" / "ui" / "node_modules").mkdir(parents=True)
    source = tmp_path / "cloud" / "ui" / "page.ts"
    source.write_text("one")
    before = module.digest_of(module.member_sources())
    (tmp_path / "cloud" / "ui" / "node_modules" / "big.js").write_text("not ours")
    assert module.digest_of(module.member_sources()) == before
    source.write_text("two")
    after = module.digest_of(module.member_sources())
    assert after != before
    (tmp_path / "edge" / "pyproject.toml").write_text("changed")
    assert module.digest_of(module.member_sources()) != after


def test_paths_mean_the_callers_folder(module: ModuleType) -> None:
    words = module.absolute_paths(["--data", "x", "--seconds", "3", "--report", "/y"])
    assert words == ["--data", str(Path("x").absolute()), "--seconds", "3", "--report", "/y"]
