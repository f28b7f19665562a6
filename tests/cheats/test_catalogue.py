"""The catalogue of cheats: at least twenty are detected by name, the others are listed, and the page says the same."""

from __future__ import annotations

import pytest
from support import evidence_world as w
from support.cheats import CHEATS
from support.cheats_page import rows_under
from support.undetectable import UNDETECTABLE, Undetectable
from tallystick_protocol.codes import EvidenceLevel
from tallystick_protocol.verify import VALID, verify_evidence
from tallystick_sim.cheat_plays import NAMES, PAST_THE_METER

NEVER = "no level"


def test_at_least_twenty_are_detected_and_no_name_is_used_twice() -> None:
    names = [one.name for one in (*CHEATS, *UNDETECTABLE)]
    assert len(CHEATS) >= 20
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("cheat", UNDETECTABLE, ids=[one.name for one in UNDETECTABLE])
def test_what_is_said_to_be_undetectable_is_not_detected(cheat: Undetectable) -> None:
    assert verify_evidence(cheat.make(), w.policy(w.BANK)).verdict == VALID
    assert cheat.from_level is None or cheat.from_level > EvidenceLevel.GATEWAY_FILE


def test_the_page_lists_every_cheat_with_what_the_verifier_says() -> None:
    assert rows_under("Detected") == [(one.name, f"`{one.named}`") for one in CHEATS]


def test_the_page_lists_what_is_not_detected_with_the_level_that_would() -> None:
    levels = {name: level for name, level, _ in rows_under("Not detected")}
    expected = {
        one.name: NEVER if one.from_level is None else one.from_level.name.lower().replace("_", " ")
        for one in UNDETECTABLE
    }
    assert levels == expected


def test_the_page_lists_what_the_command_plays() -> None:
    assert [row[0] for row in rows_under("Try it")] == [f"`{kind}`" for kind in NAMES]
    assert PAST_THE_METER in NAMES
