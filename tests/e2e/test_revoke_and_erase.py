"""Revoke and erase on the real path: the aggregator's command goes down over HTTPS, the agent obeys, signs, answers."""

import pytest
from sqlalchemy import Connection
from support.edge_online import until
from support.real_aggregator import Gateway, RealAggregator
from tallystick_cloud import schema
from tallystick_cloud.commands.erase import Told
from tallystick_cloud.gateways import commands
from tallystick_cloud.gateways.revoke import revoke
from tallystick_cloud.parties.store import ids_by_name
from tallystick_cloud.settlement.erase import erase_payer
from tallystick_protocol import cose
from tallystick_protocol.batch import open_upload
from tallystick_protocol.codes import CommandType, KeyAction
from tallystick_protocol.part import Part
from tallystick_protocol.records import KeyEvent

DAY = 24 * 3_600_000


def parts_of(gateway: Gateway) -> dict[tuple[int, int, int], bytes]:
    """(epoch, seq, part) -> bytes of every personal part on the card."""
    found = {}
    for epoch in range(1, gateway.core.chain.epoch + 1):
        for seq in range(1, gateway.core.chain.next_seq):
            data = gateway.core._use(lambda journal, at=(epoch, seq): journal.upload(*at))  # type: ignore[misc]
            opened = open_upload(data)
            for at, (sealed, part) in enumerate(zip(opened.sealed, opened.parts, strict=True)):
                if isinstance(part, Part) and part.sensitivity and sealed is not None:
                    found[epoch, seq, at] = sealed.data
    return found


def erase(aggregator: RealAggregator, gateway: Gateway, name: str) -> Told:
    def run(conn: Connection) -> Told:
        party = ids_by_name(conn, aggregator.community)[name]
        gone = erase_payer(conn, aggregator.community, party, aggregator.clock.utc_ms())
        places = [(one.epoch, one.seq, one.part) for one in gone.places]
        context = aggregator.aggregator.of(aggregator.community)
        entropy, now_ms = aggregator.aggregator.entropy, aggregator.clock.utc_ms()
        return Told(gone, 1, commands.erase(conn, context, entropy, gateway.identity.gid, places, now_ms))

    return aggregator.database.write_now(run)


def results(aggregator: RealAggregator) -> list[object]:
    return [row["result"] for row in sorted(aggregator.rows(schema.command), key=lambda row: int(str(row["cmd_seq"])))]


async def answered(aggregator: RealAggregator, gateway: Gateway, number: int) -> None:
    """Online until a command is obeyed, then until its answer has arrived."""
    async with gateway.online():
        await until(lambda: gateway.core.chain.last_command == number)
        gateway.core.seal()
        await until(lambda: gateway.core.waiting_count() == 0)


async def test_what_is_erased_goes_on_both_sides_and_the_gateway_signs_it(
    aggregator: RealAggregator, gateway: Gateway
) -> None:
    gateway.wash_and_seal()
    gateway.wash_and_seal()
    await gateway.deliver()
    before = parts_of(gateway)
    assert before
    told = erase(aggregator, gateway, "Anna")
    assert {(one.epoch, one.seq, one.part) for one in told.erased.places} <= set(before)
    assert (told.commands, results(aggregator)) == (1, [None])
    await answered(aggregator, gateway, 1)
    assert results(aggregator) == ["done"]
    for place in told.erased.places:
        at = (place.epoch, place.seq, place.part)
        assert at not in parts_of(gateway)
        for name in ("journal.sqlite", "journal.sqlite-wal"):
            file = gateway.data / name
            assert not file.exists() or before[at] not in file.read_bytes()
    assert set(parts_of(gateway)) == set(before) - {(p.epoch, p.seq, p.part) for p in told.erased.places}
    assert {row["type"] for row in aggregator.rows(schema.log_leaf)} >= {6}
    gateway.restart("after")
    gateway.wash_and_seal()
    await gateway.deliver()
    assert aggregator.washes() == [(1, 1), (2, 2)]
    waiting = [row["reason"] for row in aggregator.rows(schema.exception)]
    assert waiting == ["no-payer"]  # who was erased is billed for nothing that comes later
    assert aggregator.audit() == []


async def test_command_that_came_while_the_gateway_was_away_is_obeyed_once(
    aggregator: RealAggregator, gateway: Gateway
) -> None:
    gateway.wash_and_seal()
    await gateway.deliver()
    erase(aggregator, gateway, "Anna")
    gateway.clock.ms += 300 * DAY
    gateway.restart("much later")
    await answered(aggregator, gateway, 1)
    batches = len(aggregator.batches())
    gateway.restart("again")
    async with gateway.online():
        await until(lambda: len(aggregator.rows(schema.gateway_contact)) == 1)
    assert (results(aggregator), len(aggregator.batches())) == (["done"], batches)


@pytest.mark.parametrize("args", [(), ((1, 2),), ((1, True, 0),), ("all",), ((1, 1, -1, 0),)])
async def test_command_with_other_arguments_is_refused_and_told(
    aggregator: RealAggregator, gateway: Gateway, args: tuple[object, ...]
) -> None:
    gateway.wash_and_seal()
    await gateway.deliver()
    before = parts_of(gateway)
    context, entropy = aggregator.aggregator.of(aggregator.community), aggregator.aggregator.entropy
    kind, now_ms = CommandType.ERASE, aggregator.clock.utc_ms()
    aggregator.database.write_now(commands.issue, context, entropy, gateway.identity.gid, kind, args, DAY, now_ms)
    await answered(aggregator, gateway, 1)
    assert results(aggregator) == ["refused: malformed"]
    assert parts_of(gateway) == before
    assert [row["code"] for row in aggregator.rows(schema.alarm)] == ["command-refused"]


async def test_revoked_gateway_is_refused_at_once_and_the_log_says_since_when(
    aggregator: RealAggregator, gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.wash_and_seal()
    await gateway.deliver()
    gid, now_ms = gateway.identity.gid, aggregator.clock.utc_ms()
    context, entropy = aggregator.aggregator.of(aggregator.community), aggregator.aggregator.entropy
    async with gateway.online():
        done = aggregator.database.write_now(revoke, context, entropy, gid, "Coop", "stolen", now_ms)
        gateway.wash_and_seal()
        for _ in range(3):
            with pytest.raises(TimeoutError):
                await until(lambda: gateway.core.waiting_count() == 0, 0.5)
    assert aggregator.batches() == [(1, 1)]
    said_to_it = "403: gateway cellar is revoked: nothing of it is taken any more. Next: Ask the community why."
    assert said_to_it in caplog.text
    (event,) = [row for row in aggregator.rows(schema.key_event) if row["action"] == "revoke"]
    said = KeyEvent.decode(cose.parse(bytes(event["envelope"])).payload)  # type: ignore[arg-type]
    assert (said.action, said.revoked_from) == (KeyAction.REVOKE, (1, 2))
    assert event["leaf"] == done.leaves[0]
    assert aggregator.audit() == []
