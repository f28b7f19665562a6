"""Runs the fast tests of the verifier and notes which refusals fire in which of them."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest
from support import refusals

ROOT = Path(__file__).resolve().parents[2]
TESTS = (
    "tests/unit/verify",
    "tests/fuzz/test_forged.py",
    "tests/fuzz/test_forged_sums.py",
    "tests/fuzz/test_lies.py",
    "tests/unit/pools/test_lying_host.py",
    "tests/unit/pools/test_lying_file.py",
    "tests/unit/pools/test_proof.py",
    "tests/unit/pools/test_statements.py",
    "tests/unit/pools/test_whole_close.py",
    "tests/unit/costs/test_proof.py",
    "tests/unit/cloud/settlement/test_commands.py",
    "tests/unit/cloud/settlement/test_evidence.py",
    "tests/unit/cloud/settlement/test_evidence_after_a_set_back.py",
    "tests/unit/cloud/settlement/test_witnesses.py",
    "tests/unit/cloud/test_meter_signed.py",
)


class Recorder:
    """A plugin of pytest. `fired`: test -> keys."""

    def __init__(self) -> None:
        self.fired: dict[str, frozenset[str]] = {}
        self.drawn: set[str] = set()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        with refusals.recording() as fired:
            result = yield
        self.fired[item.nodeid] = frozenset(fired)
        if item.get_closest_marker("hypothesis"):
            self.drawn.add(item.nodeid)
        return result


def renewed(recorder: Recorder) -> dict[str, str]:
    """The register after a run of some tests: key -> the test that stands for it, which is the one of before, else the
    one in which the fewest others fire. What was drawn by chance never does."""
    found: dict[str, list[str]] = {}
    for test, keys in recorder.fired.items():
        for key in keys if test not in recorder.drawn else ():
            found.setdefault(key, []).append(test)
    files = {test.split("::")[0] for test in recorder.fired}
    kept = {key: test for key, test in refusals.register().items() if test.split("::")[0] not in files}
    for key, tests in found.items():
        before = kept.get(key) or refusals.register().get(key, "")
        is_right = key in kept or before in tests
        kept[key] = before if is_right else min(tests, key=lambda test: (len(recorder.fired[test]), test))
    return kept
