"""Every alarm that the program can raise has a meaning, a cause and three steps."""

import ast
from pathlib import Path

import pytest
import tallystick_cloud
from tallystick_cloud.city.alarm_words import WORDS
from tallystick_cloud.gateways.remedies import QUARANTINE, REMEDIES, remedy_of
from tallystick_cloud.ingest import notices
from tallystick_protocol.codes import Reason

SOURCE = Path(tallystick_cloud.__file__).parent
SET_ASIDE = range(32, 96)
"""Reasons for which something is set aside (codes.py)."""


def codes_in_calls() -> set[str]:
    """First arguments of every Alarm(...) in the source; a name stands for its module's constant."""
    found = set()
    for text in (path.read_text() for path in SOURCE.rglob("*.py")):
        if "Alarm(" not in text:  # reading them all takes a second, before each run of the tests
            continue
        tree = ast.parse(text)
        constants = {
            target.id: node.value.value
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(tree):
            is_alarm = isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("Alarm", "NewAlarm")
            if is_alarm and node.args:  # type: ignore[attr-defined]
                first = node.args[0]  # type: ignore[attr-defined]
                if isinstance(first, ast.Constant):
                    found.add(first.value)
                elif isinstance(first, ast.Name) and first.id in constants:
                    found.add(constants[first.id])
    return found


def all_codes() -> set[str]:
    told = {code for code, _, _ in (*notices._WORDS.values(), *notices._REFUSED.values())}
    reasons = {QUARANTINE + one.name.lower().replace("_", "-") for one in Reason if one in SET_ASIDE}
    return codes_in_calls() | told | reasons | set(WORDS)


def test_the_source_is_really_read() -> None:
    assert {"clone", "card-lost-a-write", "batches-lost", "no-contact"} <= codes_in_calls()
    assert len(all_codes()) > 35


@pytest.mark.parametrize("code", sorted(all_codes()))
def test_a_code_that_can_be_raised_has_its_remedy(code: str) -> None:
    found = remedy_of(code)
    assert found is not None, f"write the remedy of {code} in gateways/remedies.py"
    assert len(found.steps) == 3
    assert all(text.endswith((".", "?")) for text in (found.meaning, found.cause, *found.steps))


def test_no_remedy_is_for_a_code_that_nobody_raises() -> None:
    assert set(REMEDIES) <= all_codes()


def test_an_unknown_code_has_none() -> None:
    assert remedy_of("something-new") is None
    assert remedy_of("quarantine-something-new") is None
