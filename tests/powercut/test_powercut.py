"""A short cut of `make powercut`: a printed seed, and a weakened journal that is caught."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
from support.seeds import drawn

IMAGES = 400
WEAK_IMAGES = 150


def powercut_module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tallystick_powercut", Path(__file__).with_name("powercut.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.mark.drawn
def test_no_power_cut_takes_what_was_acknowledged() -> None:
    seed = drawn("power cut")
    outcome = powercut_module().run(IMAGES, seed)
    assert outcome.images == IMAGES
    assert outcome.writes > 500
    assert not outcome.amiss, f"seed {seed}: {dict(outcome.amiss)}"


def test_the_same_cuts_find_losses_when_the_journal_only_promises_normal() -> None:
    outcome = powercut_module().run(WEAK_IMAGES, "weak", "NORMAL")  # that it can fail is no matter of luck: one seed
    lost = sum(count for text, count in outcome.amiss.items() if "lost" in text)
    assert lost > WEAK_IMAGES // 20, dict(outcome.amiss)
