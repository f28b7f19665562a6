"""A claim put beside an enrolment is what every refusal tells people to do: it must work, and lose nothing."""

from pathlib import Path

import pytest
from support.edge_online import until
from support.lives import claim_text, put_claim, start_again
from support.real_aggregator import Gateway, RealAggregator
from tallystick_cloud import schema
from tallystick_edge.enrolment import load_enrolment

NEXT = "Next: Make a new claim for its site"


async def test_books_from_before_the_gateway_was_enrolled(
    aggregator: RealAggregator, gateway: Gateway, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What it sealed names descriptors that the books had lost; they said it had none, and two washes were nobody's."""
    aggregator.back_up(tmp_path / "before.db")
    gateway.wash_and_seal()
    await gateway.deliver()
    gateway.wash_and_seal()
    await gateway.deliver()
    washes = aggregator.washes()
    await aggregator.restore(tmp_path / "before.db")
    gateway.restart("again")
    gateway.wash_and_seal()
    async with gateway.online():
        await until(lambda: NEXT in caplog.text)
    put_claim(gateway, aggregator)
    await start_again(gateway)
    await gateway.deliver()
    assert aggregator.washes() == [*washes, (3, 3)]
    assert aggregator.channel(1)["last_total"] == gateway.energy_mwh // 1_000
    assert aggregator.rows(schema.exception) == []
    assert aggregator.audit() == []


@pytest.mark.parametrize("is_spoilt", [False, True])
async def test_a_new_claim_leads_to_where_the_server_is_now(
    aggregator: RealAggregator, gateway: Gateway, is_spoilt: bool
) -> None:
    gateway.wash_and_seal()
    await gateway.deliver()
    await aggregator.stop()
    aggregator.port = 0  # it moves to another address
    await aggregator.start()
    if is_spoilt:
        (gateway.data / "enrolment.cbor").unlink()  # as is told of one that the card spoilt
    claim = put_claim(gateway, aggregator)
    found = await start_again(gateway)
    assert found.info.server.endswith(f":{aggregator.port}")
    assert not claim.exists()
    gateway.wash_and_seal()
    await gateway.deliver()
    assert aggregator.washes() == [(1, 1), (2, 2)]
    assert aggregator.audit() == []


async def test_a_claim_that_cannot_be_used_leaves_what_is_there(aggregator: RealAggregator, gateway: Gateway) -> None:
    before = await gateway.enrol()
    claim = gateway.data / "claim.toml"
    for text in ("no claim at all", claim_text(aggregator).replace(f":{aggregator.port}", ":1")):
        claim.write_text(text)
        assert (await start_again(gateway)).answer == before.answer
        assert claim.exists()
    stored = load_enrolment(gateway.data, gateway.identity)
    assert stored is not None
    assert (stored.answer, stored.info) == (before.answer, before.info)


async def test_a_used_claim_that_comes_back_is_not_used_again(aggregator: RealAggregator, gateway: Gateway) -> None:
    """Where it cannot be erased, or a program puts it there again: each start would be another certificate."""
    await gateway.enrol()
    claim = put_claim(gateway, aggregator)
    text = claim.read_text()
    first = await start_again(gateway)
    claim.write_text(text)
    assert (await start_again(gateway)).answer == first.answer
