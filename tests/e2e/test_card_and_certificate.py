"""Forks, a cloned card and a certificate that ran out, between the real aggregator and the real agent over HTTPS."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.edge import CountedEntropy
from support.edge_online import until
from support.real_aggregator import Gateway, RealAggregator
from tallystick_cloud import schema
from tallystick_edge.enrolment import client_context, store_enrolment
from tallystick_edge.renewal import Renewal, validity
from tallystick_edge.uplink.enrol_https import post_renewal


def alarms(aggregator: RealAggregator) -> set[object]:
    return {row["code"] for row in aggregator.rows(schema.alarm)}


def billed(aggregator: RealAggregator) -> int:
    """Counts of energy in uses and open: all that the meter moved since the first reading, once."""
    channel = aggregator.channel(1)
    return int(str(channel["last_total"])) - int(str(channel["first_total"]))


async def lose_a_write(gateway: Gateway, card: Path) -> None:
    """The card forgets a batch that was receipted, and another one is signed under its number before going online."""
    gateway.copy_card(card)
    gateway.core = gateway.boot("goes on")
    gateway.run(10, 1_800)
    gateway.core.seal()
    await gateway.deliver()
    gateway.put_card(card)
    gateway.run(10, 1_800)
    gateway.core.seal()


async def test_card_that_lost_a_write_goes_on_in_a_new_epoch(
    aggregator: RealAggregator, gateway: Gateway, tmp_path: Path
) -> None:
    gateway.wash_and_seal()
    first = gateway.energy_mwh // 1_000
    await gateway.deliver()
    await lose_a_write(gateway, tmp_path / "card.sqlite")
    await gateway.deliver()
    assert gateway.core.chain.epoch == 2
    gateway.wash_and_seal()
    await gateway.deliver()
    assert aggregator.audit() == []
    assert aggregator.channel(1)["last_total"] == gateway.energy_mwh // 1_000 > first
    assert aggregator.washes() == [(1, 1), (2, 2)]
    assert "card-restored" in alarms(aggregator)


async def test_two_copies_of_a_card_are_noticed_and_bill_nothing_twice(
    aggregator: RealAggregator, gateway: Gateway, tmp_path: Path
) -> None:
    """Both keep growing: each takes the other's batch for a fork of its own, and the books keep one truth."""
    gateway.wash_and_seal()
    await gateway.deliver()
    copies = [tmp_path / "a.sqlite", tmp_path / "b.sqlite"]
    gateway.copy_card(copies[0])
    gateway.core = gateway.boot("b")
    gateway.copy_card(copies[1])
    gateway.core = gateway.boot("start")
    for turn in range(4):
        gateway.put_card(copies[turn % 2], f"turn {turn}")
        gateway.run(10, 1_800)
        gateway.core.seal()
        await gateway.deliver()
        gateway.copy_card(copies[turn % 2])
        gateway.core = gateway.boot(f"after {turn}")
    assert aggregator.audit() == []
    assert billed(aggregator) == gateway.energy_mwh // 1_000 - int(str(aggregator.channel(1)["first_total"]))
    assert aggregator.washes() == [(1, 1)]
    assert alarms(aggregator) & {"card-restored", "card-lost-a-write", "clone"}


async def test_certificate_that_ran_out_is_renewed_by_the_proof_key(
    aggregator: RealAggregator, gateway: Gateway
) -> None:
    gateway.wash_and_seal()
    await gateway.deliver()
    stored = await gateway.enrol()
    long_ago = datetime.now(UTC) - timedelta(days=120)
    old = aggregator.aggregator.authority.client(gateway.identity.csr(), gateway.identity.gid, long_ago)
    expired = replace(stored, answer=replace(stored.answer, certificate_pem=old.pem))
    store_enrolment(gateway.data, expired)
    gateway.wash_and_seal()
    async with gateway.online():
        with pytest.raises(TimeoutError):
            await until(lambda: gateway.core.waiting_count() == 0, 2)
    context = client_context(expired, gateway.data, gateway.identity)
    entropy = CountedEntropy("renewal")
    renewal = Renewal(gateway.data, gateway.identity, expired, context, "test 1", entropy, post_renewal)
    assert await renewal.look(datetime.now(UTC)) is False
    assert validity((await gateway.enrol()).answer.certificate_pem)[1] > datetime.now(UTC) + timedelta(days=60)
    await gateway.deliver()
    assert aggregator.washes() == [(1, 1), (2, 2)]
