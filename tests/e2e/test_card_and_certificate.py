"""Forks, a cloned card and a certificate that ran out, between the real aggregator and the real agent over HTTPS."""

import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.edge import CountedEntropy
from support.edge_online import until
from support.real_aggregator import Gateway, RealAggregator
from tallystick_cloud import schema
from tallystick_edge.doctor.copies import check_copies
from tallystick_edge.doctor.verdict import Level, Verdict
from tallystick_edge.enrolment import client_context, store_enrolment
from tallystick_edge.renewal import Renewal, validity
from tallystick_edge.uplink.enrol_https import post_renewal


def alarms(aggregator: RealAggregator) -> set[object]:
    return {row["code"] for row in aggregator.rows(schema.alarm)}


def open_alarms(aggregator: RealAggregator) -> set[object]:
    return {row["code"] for row in aggregator.rows(schema.alarm) if row["cleared_ms"] is None}


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


@dataclass
class Twin:
    """A second device with a copy of the first one's card; the same meter hangs on both."""

    first: Gateway
    second: Gateway

    @classmethod
    def of(cls, gateway: Gateway, folder: Path) -> "Twin":
        gateway.core.close()
        shutil.copytree(gateway.data, folder)
        gateway.core = gateway.boot("the one")
        second = Gateway(folder, gateway.aggregator, "the other", gateway.clock)
        second.energy_mwh = gateway.energy_mwh
        return cls(gateway, second)

    async def speak(self, one: Gateway) -> None:
        """Half an hour later one of them says what it counted."""
        one.energy_mwh = max(self.first.energy_mwh, self.second.energy_mwh)
        one.run(10, 1_800)
        one.core.seal()
        await one.deliver()


def copy_verdict(gateway: Gateway) -> Verdict:
    with closing(sqlite3.connect(gateway.data / "journal.sqlite")) as db:
        return check_copies(db, gateway.data, gateway.clock.utc_ms())


async def test_two_cards_that_run_at_the_same_time_are_told_as_copies(
    aggregator: RealAggregator, gateway: Gateway, tmp_path: Path
) -> None:
    """Each leaves the other behind; to the office they were a restored card, again and again."""
    gateway.wash_and_seal()
    await gateway.deliver()
    twin = Twin.of(gateway, tmp_path / "copy")
    await twin.speak(twin.first)
    await twin.speak(twin.second)
    assert open_alarms(aggregator) == {"card-restored"}
    assert {copy_verdict(one).level for one in (twin.first, twin.second)} == {Level.OK}
    await twin.speak(twin.first)
    assert open_alarms(aggregator) == {"clone"}
    await twin.speak(twin.second)
    await twin.speak(twin.first)
    assert open_alarms(aggregator) == {"clone"}
    for one in (twin.first, twin.second):
        found = copy_verdict(one)
        assert (found.level, "new claim" in found.step) == (Level.FAIL, True)
    twin.second.core.close()
    assert aggregator.audit() == []
    assert billed(aggregator) == gateway.energy_mwh // 1_000 - int(str(aggregator.channel(1)["first_total"]))
    assert aggregator.washes() == [(1, 1)]


async def test_two_cards_in_turn_are_told_at_the_second_return_and_a_card_put_back_never_is(
    aggregator: RealAggregator, gateway: Gateway, tmp_path: Path
) -> None:
    """Every turn is another boot, as when a card is put into the one device there is."""
    gateway.wash_and_seal()
    await gateway.deliver()
    cards = [tmp_path / "a.sqlite", tmp_path / "b.sqlite"]
    for card in cards:
        gateway.copy_card(card)
        gateway.core = gateway.boot(card.name)
    told = []
    for turn in range(5):
        gateway.put_card(cards[turn % 2], f"turn {turn}")
        gateway.run(10, 1_800)
        gateway.core.seal()
        await gateway.deliver()
        assert copy_verdict(gateway).level is Level.OK
        gateway.copy_card(cards[turn % 2])
        gateway.core = gateway.boot(f"after {turn}")
        told.append("clone" in open_alarms(aggregator))
    assert told == [False, False, False, False, True]
    assert aggregator.audit() == []
    assert aggregator.washes() == [(1, 1)]


async def test_the_same_old_card_put_back_three_times_is_no_copy(
    aggregator: RealAggregator, gateway: Gateway, tmp_path: Path
) -> None:
    gateway.wash_and_seal()
    await gateway.deliver()
    gateway.copy_card(tmp_path / "old.sqlite")
    gateway.core = gateway.boot("goes on")
    for turn in range(3):
        gateway.run(10, 1_800)
        gateway.core.seal()
        await gateway.deliver()
        gateway.put_card(tmp_path / "old.sqlite", f"put back {turn}")
        gateway.run(10, 1_800)
        gateway.core.seal()
        await gateway.deliver()
        assert copy_verdict(gateway).level is Level.OK
    assert open_alarms(aggregator) == {"card-restored"}
    assert aggregator.audit() == []


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
