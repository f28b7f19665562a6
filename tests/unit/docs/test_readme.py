"""The README is true: its commands exist, its links lead somewhere, and it stays short."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from support.repository import ROOT
from tallystick_cloud.http.sessions import PERSONAS
from tallystick_protocol.verify_cli import main as verify

README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *(ROOT / name for name in ("ARCHITECTURE.md", "SECURITY.md")), *ROOT.glob("docs/**/*.md")]
LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")
VERIFIER_LINE = re.compile(r"(?:`|^    )tallystick-verify ((?:evidence|witness)[^`\n]+)", re.MULTILINE)
COMMAND_BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)


@cache
def run_help() -> str:
    command = [sys.executable, str(ROOT / "run.py"), "help"]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=True).stdout


def test_every_command_exists() -> None:
    commands = [line for block in COMMAND_BLOCK.findall(README) for line in block.splitlines() if line]
    assert len(commands) == 2
    known = re.findall(r"^  (\w+)", run_help(), re.MULTILINE)
    for command in commands:
        tool, target = command.split()
        assert tool == "make"
        assert target in known
        dry = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, timeout=100, check=True)
        assert f"python3 run.py {target}" in dry.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_page_is_found_from_the_readme() -> None:
    found, unread = {ROOT / "README.md"}, [ROOT / "README.md"]
    while unread:
        page = unread.pop()
        leads_to = {(page.parent / target).resolve() for target in LINK.findall(page.read_text())}
        new = {path for path in leads_to if path.suffix == ".md" and path.exists()} - found
        found |= new
        unread += new
    assert [str(page.relative_to(ROOT)) for page in PAGES if page not in found] == []


def test_the_first_paragraph_is_three_sentences() -> None:
    paragraph = README.split("\n\n")[1]
    assert len(re.findall(r"[.!?](?=\s|$)", paragraph)) == 3


def test_there_is_one_path_per_persona() -> None:
    for persona in ("installer", "owner", "city operator", "community manager", "user", "developer", "auditor"):
        assert re.search(rf"^\| an? \*\*{persona}\*\*.*\| .*\S.* \|$", README, re.MULTILINE), persona


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_run_py_command_in_the_docs_exists(page: Path) -> None:
    known = set(re.findall(r"^  (\w+)", run_help(), re.MULTILINE))
    for command in re.findall(r"run\.py (\w+)", page.read_text()):
        assert command in known, f"{page.name} names run.py {command}"
    for target in re.findall(r"`make (\w+)", page.read_text()):
        assert target in known, f"{page.name} names make {target}"


def test_every_persona_of_the_readme_can_be_looked_at_as() -> None:
    named = set(re.findall(r"/demo/(\w+)", README))
    assert {"owner", "lender", "repairer", "user", "manager", "installer", "operator"} <= named <= set(PERSONAS)


def test_the_verifier_understands_the_words_that_the_pages_give_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Files that are not there: the words are understood, and the answer names the file."""
    found = [line for page in PAGES for line in VERIFIER_LINE.findall(page.read_text())]
    assert len(found) >= 3
    monkeypatch.chdir(tmp_path)
    for line in found:
        assert verify(line.replace("[--json]", "--json").split()) == 2, line
        assert "cannot be read" in capsys.readouterr().err, line


def test_every_decision_stands_once_in_the_index() -> None:
    folder = ROOT / "docs" / "adr"
    pages = sorted(page.name for page in folder.glob("[0-9]*.md"))
    listed = re.findall(r"^\| \[\d{4}\]\(([^)]+)\) \| \S", (folder / "README.md").read_text(), re.MULTILINE)
    assert sorted(listed) == pages
    assert len({name[:4] for name in pages}) == len(pages), "two decisions have one number"
