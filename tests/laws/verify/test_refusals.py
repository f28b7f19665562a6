"""Every refusal of the verifier fires in a test. `refusals.txt` says in which: that it does is checked whenever that
test runs (`conftest.py`), and here that none is missing."""

from __future__ import annotations

import pytest
from support import refusals

UNREACHED: dict[str, str] = {}  # key -> why no file can reach it; the list may only become shorter


def test_every_refusal_fires_in_some_test() -> None:
    never = refusals.refusals().keys() - refusals.register().keys() - UNREACHED.keys()
    assert not never, f"no test makes the verifier refuse at: {sorted(never)}; write one, then {refusals.RENEW}"


def test_the_lists_speak_of_refusals_that_there_are() -> None:
    known = refusals.refusals().keys()
    gone = (refusals.register().keys() | UNREACHED.keys()) - known
    assert not gone, f"not in the source: {sorted(gone)}; {refusals.RENEW}"
    assert not UNREACHED.keys() & refusals.register().keys()


def test_the_tests_that_the_list_names_are_there(request: pytest.FixtureRequest) -> None:
    config = request.config
    if any("::" in one for one in config.args) or config.option.keyword:
        pytest.skip("only some tests of a file were asked for")
    collected = {item.nodeid for item in request.session.items}
    files = {test.split("::")[0] for test in collected}
    named = {test for test in refusals.register().values() if test.split("::")[0] in files}
    assert named <= collected, f"no test: {sorted(named - collected)}; {refusals.RENEW}"
