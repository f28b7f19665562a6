"""Law 12 where a version is agreed late: it may not begin before uses that an earlier version priced, or every proof of
these uses would say that another version was in force."""

import pytest
from support.books import DAY, ENERGY, HOUR, T0, WASHES
from support.late_versions import OTHERS, begins, proposed, says_yes, washes
from support.settled import AFTER_NOVEMBER, NOVEMBER, open_world
from tallystick_cloud import schema
from tallystick_cloud.contracts.errors import ContractRefused
from tallystick_protocol.codes import Scope


def test_a_version_that_is_proposed_late_is_refused_and_nothing_changes() -> None:
    world = open_world()
    for day in range(3):
        world.wash(T0 + day * DAY + 9 * HOUR)
    h, contract = washes(world)
    before = world.books.dump()
    with pytest.raises(ContractRefused) as refused:
        proposed(world, begins(world, h, contract, 1), T0 + 3 * DAY)
    assert refused.value.field == "contract.effective_from"
    assert "is 2026-11-02 00:00, and 2 uses that began since (the last at 2026-11-03 09:00)" in refused.value.reason
    assert world.books.dump() == before


def test_the_last_yes_comes_too_late_and_the_evidence_stays_valid() -> None:
    world = open_world()
    h, contract = washes(world)
    late = proposed(world, begins(world, h, contract, 2), T0 + DAY)
    assert [says_yes(world, late, name, T0 + DAY) for name in OTHERS[:2]] == ["draft", "draft"]
    for day in range(4):
        world.wash(T0 + day * DAY + 9 * HOUR)
    before = world.books.dump()
    with pytest.raises(ContractRefused, match="2 uses that began since"):
        says_yes(world, late, "Fund", T0 + 4 * DAY)
    assert world.books.dump() == before
    again = proposed(world, begins(world, late, contract, 5, version=3), T0 + 4 * DAY)
    assert [says_yes(world, again, name, T0 + 4 * DAY) for name in OTHERS] == ["draft", "draft", "live"]
    world.wash(T0 + 6 * DAY)
    world.close(NOVEMBER, AFTER_NOVEMBER)
    made = world.evidence("Bank", NOVEMBER, h, Scope.CONTRACT)
    report = world.verify(made, "Bank")
    assert report.ok, report.verdict


def test_a_late_yes_to_what_holds_already_is_taken_and_moves_nothing() -> None:
    """Of four parties three are a majority; the fourth answers when uses are priced by the version."""
    files = {"washes.toml": WASHES.replace('state = "live"', 'state = "live"\nchange_rule = "majority"')}
    world = open_world(contracts={**files, "energy.toml": ENERGY})
    h, contract = washes(world)
    here = proposed(world, begins(world, h, contract, 2), T0 + DAY)
    assert [says_yes(world, here, name, T0 + DAY) for name in OTHERS[:2]] == ["draft", "live"]
    world.wash(T0 + 3 * DAY)
    held = [row["in_force_ms"] for row in world.books.rows(schema.contract_version)]
    assert says_yes(world, here, "Fund", T0 + 4 * DAY) == "live"
    assert [row["in_force_ms"] for row in world.books.rows(schema.contract_version)] == held
    assert len(world.books.rows(schema.approval)) == 12
