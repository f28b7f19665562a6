"""What a channel counts, said twice: by the site's plan that the community signed, and by the register that is read.
Where the two differ nothing is billed, nothing is lost, and it is told."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from support.aggregator import planned_channel
from support.books import TOWN
from support.edge import T0, WATT_HOURS, HandClock, plans
from support.edge_online import until
from support.real_aggregator import Gateway, RealAggregator
from tallystick_cloud import schema
from tallystick_cloud.gateways.commands import told
from tallystick_cloud.gateways.extend import extend
from tallystick_cloud.town.toml import load_site
from tallystick_edge.described import misfits, unread
from tallystick_edge.enrolment import load_enrolment, planned_in
from tallystick_edge.plan import MeterPlan
from tallystick_edge.usage.session import SessionRule
from tallystick_protocol.codes import Reason
from tallystick_protocol.measure import Measure, unplanned_name
from tallystick_protocol.part import Part

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
async def served(folder: Path, clock: HandClock, plan: str = TOWN) -> AsyncIterator[RealAggregator]:
    aggregator = RealAggregator(folder, clock, plan)
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


async def test_a_meter_that_the_running_sites_plan_gets_later_is_billed_from_its_start_on(tmp_path: Path) -> None:
    """The whole path: read, set aside, planned, told by a signed command, named by its description, billed."""
    clock, begins, ends = HandClock(), TOWN.index("[[site.channel]]"), TOWN.index("[[site.channel]]\nnumber = 2")
    flat = TOWN[begins:ends].replace("S1", "4711")
    async with served(tmp_path, clock, TOWN[:begins] + TOWN[ends:]) as aggregator:
        (tmp_path / "edge").mkdir()
        gateway = Gateway(tmp_path / "edge", aggregator, clock=clock)
        gateway.renews = True
        await gateway.enrol()
        async with gateway.online():
            pass
        gateway.wash_and_seal()
        await gateway.deliver()
        assert of_energy(aggregator) == []
        waiting = [row for row in aggregator.rows(schema.part) if row["standing"] == "quarantined"]
        assert {(row["channel"], row["reason"]) for row in waiting} == {(1, Reason.NO_DESCRIPTOR.name)}

        (tmp_path / "cellar.toml").write_text(f'version = 1\n[site]\nid = "cellar"\nname = "Cellar"\n{flat}')
        context, entropy = aggregator.aggregator.of(aggregator.community), aggregator.aggregator.entropy
        wanted = load_site(tmp_path / "cellar.toml").plan.channels
        done = aggregator.database.write_now(extend, context, entropy, "cellar", wanted, T0, clock.utc_ms())
        assert (done.retried.taken, done.retried.left) == (len(waiting), 0)
        gateway.wash_and_seal()
        async with gateway.online():
            await until(lambda: 1 in planned_channels(gateway))
        gateway.wash_and_seal()
        await gateway.deliver()
        assert aggregator.database.read_now(told, gateway.identity.gid, clock.utc_ms())[0].result == "done"
        assert named_on(aggregator, 1) == {unplanned_name(WATT_HOURS), gateway.core._known.descriptors[1]}
        assert of_energy(aggregator) != []
        row = aggregator.channel(1)
        assert row["last_total"] == gateway.energy_mwh // 1_000
        assert (len(aggregator.washes()), aggregator.audit()) == (3, [])
        gateway.restart("it remembers")
        async with gateway.online():
            pass
        assert 1 in planned_channels(gateway)
        gateway.core.close()


def planned_channels(gateway: Gateway) -> set[int]:
    """Of the plan as it is stored on the card."""
    enrolment = load_enrolment(gateway.data, gateway.identity)
    return set() if enrolment is None else {each.channel for each in planned_in(enrolment.answer)}


def named_on(aggregator: RealAggregator, channel: int) -> set[bytes]:
    """What the parts of a channel name as their description."""
    rows = [row for row in aggregator.rows(schema.part) if row["channel"] == channel and row["data"] is not None]
    return {Part.decode(bytes(row["data"])).descriptor for row in rows}  # type: ignore[call-overload]
