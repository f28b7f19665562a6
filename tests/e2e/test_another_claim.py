"""A claim put beside an enrolment is what every refusal tells people to do: it must work, and lose nothing."""

import shutil
from pathlib import Path

import pytest
from support.edge_online import until
from support.lives import claim_text, put_claim, start_again
from support.real_aggregator import Gateway, RealAggregator
from tallystick_cloud import schema
from tallystick_edge.enrolment import load_enrolment
from tallystick_edge.errors import EnrolmentError, JournalError
from tallystick_edge.identity import load_identity

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


@pytest.mark.parametrize("was_online", [True, False])
async def test_a_journal_of_another_key_is_refused_and_what_is_told_next_works(
    aggregator: RealAggregator, gateway: Gateway, tmp_path: Path, was_online: bool
) -> None:
    """A gateway that was revoked, or whose key was lost, needs a new one; on the old journal all that it sealed was
    refused for ever (`wrong-gateway`), and nothing said why."""
    if was_online:
        gateway.wash_and_seal()
        await gateway.deliver()
    gateway.run(2, 60)
    gateway.core.flush()
    gateway.core._journal.close()  # type: ignore[union-attr]
    proof, lost = gateway.data / "proof.pem", tmp_path / "proof.pem"
    proof.rename(lost)
    gateway.identity = load_identity(gateway.data)
    with pytest.raises(JournalError, match=r"is of .*gateway.*Next: put the proof\.pem of that gateway back"):
        gateway.boot("another")
    if was_online:
        with pytest.raises(EnrolmentError, match="and the proof key here is of"):
            load_enrolment(gateway.data, gateway.identity)
    shutil.copy(lost, proof)  # what it says first
    gateway.identity = load_identity(gateway.data)
    gateway.core = gateway.boot("its own again")
    gateway.core.close()
    gateway.data.rename(tmp_path / "given-up")  # and what it says then
    gateway.identity = load_identity(gateway.data)
    put_claim(gateway, aggregator)
    gateway.core = gateway.boot("as another")
    gateway.wash_and_seal()
    await gateway.deliver()
    assert len(aggregator.washes()) == 1 + was_online
    assert aggregator.audit() == []
