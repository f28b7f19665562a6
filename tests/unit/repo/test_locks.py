"""The locks carry names, versions and hashes, hold all that is declared, and agree with each other."""

from __future__ import annotations

import re

import pytest
from support.repository import DISTRIBUTIONS, ROOT, declared, group, locked, pyproject

PIN = re.compile(r"^[a-z0-9][a-z0-9._-]*==\S+( ; .+)? \\$")
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}( \\)?$")


@pytest.mark.parametrize("name", ["runtime", "test"])
def test_a_lock_carries_names_versions_and_hashes_and_no_address(name: str) -> None:
    for line in (ROOT / "requirements" / f"{name}.lock").read_text().splitlines():
        assert PIN.match(line) or HASH.match(line), line


def test_everything_declared_is_locked() -> None:
    runtime = set().union(*(declared(folder) for folder in DISTRIBUTIONS), group("build"))
    assert runtime <= set(locked("runtime"))
    assert runtime | group("test") <= set(locked("test"))


def test_the_test_lock_holds_the_runtime_lock() -> None:
    assert locked("runtime").items() <= locked("test").items()


def test_the_four_carry_one_version_and_one_licence() -> None:
    projects = [pyproject(folder)["project"] for folder in DISTRIBUTIONS]
    assert {p["version"] for p in projects} == {"0.1.0"}
    assert {p["license"] for p in projects} == {"Apache-2.0"}
    assert {p["requires-python"] for p in projects} == {">=3.11"}
