"""Short cuts of `make crash` and uploads.py: some kills with a printed seed, and an older store put back."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from support import postgres
from support.seeds import drawn
from tallystick_sim.plan import Gateway

pytestmark = [pytest.mark.alone, pytest.mark.drawn]
CYCLES = 10
UPLOAD_KILLS = 6
DATABASE_CYCLES = 3  # each costs as much as three of the others


def crash_module(name: str = "crash") -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"tallystick_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.mark.timeout(600)
async def test_nothing_is_lost_or_billed_twice_by_kills(tmp_path: Path) -> None:
    crash = crash_module()
    seed = drawn("crash kills")
    outcome = await crash.crash(CYCLES, seed, tmp_path)
    assert outcome.amiss == [], crash.describe(outcome)
    assert outcome.cycles == CYCLES


@pytest.mark.timeout(600)
async def test_a_restored_older_store_bills_nothing_twice(tmp_path: Path) -> None:
    crash = crash_module()
    seed = drawn("crash an older store")
    outcome = await crash.crash(4, seed, tmp_path, restore=Gateway.ATTIC)
    assert outcome.amiss == [], crash.describe(outcome)


@pytest.mark.timeout(600)
@pytest.mark.skipif(postgres.binaries() is None and not postgres.required(), reason="PostgreSQL is not installed")
async def test_nothing_is_lost_when_the_database_is_killed(tmp_path: Path) -> None:
    crash = crash_module()
    seed = drawn("crash the database")
    outcome = await crash.crash(DATABASE_CYCLES, seed, tmp_path, victims=("postgres",))
    assert outcome.amiss == [], crash.describe(outcome)
    assert outcome.kills["postgres"] == DATABASE_CYCLES


@pytest.mark.timeout(600)
@pytest.mark.skipif(postgres.binaries() is None and not postgres.required(), reason="PostgreSQL is not installed")
async def test_every_batch_is_in_the_books_once_whatever_is_killed_under_load() -> None:
    uploads = crash_module("uploads")
    outcome = await uploads.storm(UPLOAD_KILLS, drawn("crash uploads"))
    assert outcome.amiss == [], uploads.describe(outcome)
    assert outcome.kills.total() == UPLOAD_KILLS
