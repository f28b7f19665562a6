"""A card whose journal was damaged and repaired: the real aggregator takes what is left and bills nothing twice."""

import pytest
from support.edge import WASH_RULE, CountedEntropy
from support.real_aggregator import Gateway, RealAggregator
from tallystick_edge.fsck import fsck
from tallystick_edge.repair import Journal, Outcome, repair


def mend(gateway: Gateway) -> Outcome:
    path, spki = gateway.data / "journal.sqlite", gateway.identity.signer.spki
    journal = Journal(path, spki, None, [1, WASH_RULE.channel], {WASH_RULE.channel: WASH_RULE})
    outcome = repair(journal, gateway.clock, CountedEntropy("repair"), lambda outcome: True)
    assert fsck(path, spki, None).is_sound
    return outcome


LAST = "(SELECT max(seq) FROM batch)"


@pytest.mark.parametrize(
    ("damage", "code", "unbilled"),
    [
        (("UPDATE channel SET sum = x'00000000'", "UPDATE machine SET sum = x'00000000'"), "channel-rebuilt", 0),
        (("DELETE FROM receipt", "UPDATE batch SET upload = x'00' WHERE seq = 1"), "evidence-lost", 0),
        (("UPDATE chain SET sum = x'00000000'", "UPDATE batch SET sum = x'00000000'"), "chain-lost", 0),
        ((f"UPDATE batch SET upload = x'00' WHERE seq = {LAST}",), "batch-lost", 1),
        ((f"DELETE FROM batch WHERE seq = {LAST}", "UPDATE chain SET sum = x'00000000'"), "chain-lost", 1),
        (
            (f"UPDATE batch SET upload = x'00' WHERE seq > {LAST} - 2", "UPDATE channel SET state = x'00'"),
            "channel-rebuilt",
            2,
        ),
        (("UPDATE pending SET items = x'00'", "UPDATE machine SET state = x'00'"), "readings-lost", 0),
    ],
)
async def test_a_repaired_card_goes_on_and_bills_nothing_twice(
    aggregator: RealAggregator, gateway: Gateway, damage: tuple[str, ...], code: str, unbilled: int
) -> None:
    """Two washes that the books have, two that only the card has, and readings that are not sealed yet."""
    for _ in range(2):
        gateway.wash_and_seal()
    await gateway.deliver()
    for _ in range(2):
        gateway.wash_and_seal()
    gateway.run(10, 600)
    gateway.core.flush()
    gateway.core._opened().close()
    for statement in damage:
        gateway.spoil(statement)
    outcome = mend(gateway)
    assert code in {each.code for each in outcome.losses}
    gateway.core = gateway.boot("repaired")
    gateway.run(10, 600)
    gateway.wash_and_seal()
    await gateway.deliver()
    gateway.run(10, 600)
    gateway.core.seal()
    await gateway.deliver()
    assert aggregator.audit() == []
    assert aggregator.channel(1)["last_total"] == gateway.energy_mwh // 1_000
    washes = aggregator.washes()
    assert len({use for use, _ in washes}) == len(washes)
    counts = [count for _, count in washes]
    assert len(set(counts)) == len(counts)
    assert len(washes) == 5 - unbilled, washes
