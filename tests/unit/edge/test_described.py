"""What a channel counts, said twice: by the site's plan that the community signed, and by the register that is read.
Where the two differ nothing is billed, nothing is lost, and it is told."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from support.aggregator import planned_channel
from support.edge import WATT_HOURS, HandClock, plans
from support.real_aggregator import Gateway, RealAggregator
from tallystick_cloud import schema
from tallystick_edge.described import misfits, unread
from tallystick_edge.plan import Measure, MeterPlan
from tallystick_edge.usage.session import SessionRule
from tallystick_protocol.codes import Reason

MILLI = Measure("1-0:1.8.0", "Wh", -3)


ENERGY, CYCLES = planned_channel(1, "1-0:1.8.0", "Wh"), planned_channel(11, "cycles", "cycle")


def test_a_plan_that_says_what_is_read_fits() -> None:
    assert misfits(plans(), (ENERGY, CYCLES)) == {}
    assert unread(plans(), (ENERGY, CYCLES)) == []


@pytest.mark.parametrize(
    ("plan", "read"),
    [
        (("1-0:1.8.0", "kWh", -3), WATT_HOURS),
        (("1-0:1.8.0", "Wh", 0), Measure("1-0:1.8.0", "kWh", -3)),
        (("import", "Wh", 0), WATT_HOURS),
    ],
)
def test_the_same_said_otherwise_fits(plan: tuple[str, str, int], read: Measure) -> None:
    assert misfits(plans(measure=read), (planned_channel(1, *plan), CYCLES)) == {}


@pytest.mark.parametrize(
    ("plan", "read", "said"),
    [
        (("1-0:1.8.0", "Wh", 0), MILLI, "1-0:1.8.0 in Wh, and read is 1-0:1.8.0 in 10^-3 Wh"),
        (("1-0:1.8.0", "kWh", 0), WATT_HOURS, "1-0:1.8.0 in kWh, and read is 1-0:1.8.0 in Wh"),
        (("1-0:1.8.0", "Wh", 0), Measure("1-0:2.8.0", "Wh", 0), "1-0:1.8.0 in Wh, and read is 1-0:2.8.0 in Wh"),
        (("8-0:1.0.0", "l", 0), WATT_HOURS, "8-0:1.0.0 in l, and read is 1-0:1.8.0 in Wh"),
    ],
)
def test_what_would_be_a_wrong_bill_is_named_with_the_next_step(
    plan: tuple[str, str, int], read: Measure, said: str
) -> None:
    found = misfits(plans(measure=read), (planned_channel(1, *plan), CYCLES))
    assert list(found) == [1]
    assert found[1].startswith("channel 1 (meter washer): the plan says ")
    assert said in found[1]
    assert "Next: " in found[1]


def test_washes_are_counted_in_no_unit_of_energy() -> None:
    assert list(misfits(plans(), (ENERGY, planned_channel(11, "1-0:1.8.0", "Wh")))) == [11]
    assert list(misfits(plans(), (ENERGY, planned_channel(11, "cycles", "cycle", 1)))) == [11]
    assert misfits(plans(), (ENERGY, planned_channel(11, "dryings", "drying"))) == {}


def test_sessions_are_counted_as_fine_as_the_plan_says() -> None:
    wallbox = {"wallbox": MeterPlan("wallbox", 1_000, (), (), None, SessionRule(7, -3))}
    assert misfits(wallbox, (planned_channel(7, "1-0:1.8.0", "Wh", -3),)) == {}
    assert list(misfits(wallbox, (planned_channel(7, "1-0:1.8.0", "Wh", 0),))) == [7]


def test_a_channel_on_one_side_only_is_told_on_both() -> None:
    assert "channel 11 (meter washer): it is not in the site's plan" in misfits(plans(), (ENERGY,))[11]
    assert unread(plans(), (ENERGY, CYCLES, planned_channel(2, "1-0:1.8.0", "Wh"))) == [
        planned_channel(2, "1-0:1.8.0", "Wh")
    ]


@asynccontextmanager
async def served(folder: Path, clock: HandClock) -> AsyncIterator[RealAggregator]:
    aggregator = RealAggregator(folder, clock)
    await aggregator.start()
    try:
        yield aggregator
    finally:
        await aggregator.stop()
        aggregator.database.close()


def of_energy(aggregator: RealAggregator) -> list[dict[str, object]]:
    return [row for row in aggregator.rows(schema.use) if row["form"] == "interval"]


async def test_a_register_a_thousand_times_finer_than_planned_is_set_aside_and_not_billed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = HandClock()
    async with served(tmp_path, clock) as aggregator:
        (tmp_path / "edge").mkdir()
        gateway = Gateway(tmp_path / "edge", aggregator, clock=clock)
        gateway.plans = plans(measure=MILLI)
        gateway.restart("finer")
        await gateway.enrol()
        with caplog.at_level(logging.ERROR, "tallystick.app"):
            async with gateway.online():
                pass  # it knows the plan now
        gateway.wash_and_seal()
        await gateway.deliver()

        assert of_energy(aggregator) == []
        reasons = {row["reason"] for row in aggregator.rows(schema.part) if row["standing"] == "quarantined"}
        assert reasons == {Reason.NO_DESCRIPTOR.name}
        assert "set aside, not billed: channel 1 (meter washer)" in caplog.text
        assert len(aggregator.washes()) == 1  # the other channel fits and goes on

        gateway.plans = plans()
        gateway.restart("corrected")
        async with gateway.online():
            pass
        gateway.wash_and_seal()
        await gateway.deliver()
        assert of_energy(aggregator) != []
        assert aggregator.audit() == []
        gateway.core.close()
