"""Certificates renewed over real TLS: at two thirds of life, after they ran out, and never for a wrong answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from support.aggregator import TestAggregator, planned_channel
from support.edge import CountedEntropy
from tallystick_edge.app import App
from tallystick_edge.claim_file import ServerInfo
from tallystick_edge.clock import SystemEntropy, system_clock
from tallystick_edge.config_toml import load_config
from tallystick_edge.enrolment import Enrolment, client_context, enrol, load_enrolment, with_new_channels
from tallystick_edge.errors import EnrolmentError
from tallystick_edge.identity import Identity, load_identity
from tallystick_edge.renewal import Renewal, validity
from tallystick_edge.uplink.enrol_https import post_enrolment, post_renewal
from tallystick_protocol import cose
from tallystick_protocol.enrol import EnrolAnswer
from tallystick_protocol.keys import P256Signer

LONG = (timedelta(minutes=-5), timedelta(days=90))
USED_UP = (timedelta(days=-90), timedelta(seconds=-1))


@pytest.fixture
async def aggregator(tmp_path: Path) -> AsyncIterator[TestAggregator]:
    folder = tmp_path / "aggregator"
    folder.mkdir()
    server = TestAggregator(folder)
    await server.start()
    yield server
    await server.stop()


@dataclass
class Gateway:
    data: Path
    identity: Identity
    enrolment: Enrolment
    aggregator: TestAggregator

    def __post_init__(self) -> None:
        self.context = client_context(self.enrolment, self.data, self.identity)
        entropy = CountedEntropy("renewal")
        self.renewal = Renewal(self.data, self.identity, self.enrolment, self.context, "test 1", entropy, post_renewal)

    def stored(self) -> Enrolment:
        found = load_enrolment(self.data, self.identity)
        assert found is not None
        return found

    def ends(self) -> datetime:
        return validity(self.stored().answer.certificate_pem)[1]

    async def is_let_in(self) -> bool:
        """Whether a new connection with the present context gets through TLS and the certificate check."""
        url = f"https://localhost:{self.aggregator.port}/v1/gateways/{self.identity.gid.hex()}/hello"
        connector = aiohttp.TCPConnector(ssl=self.context)
        try:
            async with aiohttp.ClientSession(connector=connector) as http, http.post(url, data=b"") as answer:
                return answer.status != 403
        except (aiohttp.ClientError, OSError):
            return False


async def enrolled(tmp_path: Path, aggregator: TestAggregator, life: tuple[timedelta, timedelta]) -> Gateway:
    aggregator.authority.client_validity = life
    data = tmp_path / "edge"
    identity = load_identity(data)
    claim = data / "claim.toml"
    claim.write_text(aggregator.claim_toml())
    enrolment = await enrol(data, identity, claim, "test 1", CountedEntropy("a"), post_enrolment)
    aggregator.authority.client_validity = LONG
    return Gateway(data, identity, enrolment, aggregator)


async def test_nothing_is_asked_before_two_thirds_of_life(tmp_path: Path, aggregator: TestAggregator) -> None:
    gateway = await enrolled(tmp_path, aggregator, (timedelta(days=-59), timedelta(days=31)))
    assert not await gateway.renewal.look(datetime.now(UTC))
    assert aggregator.renewals == 0


async def test_after_two_thirds_of_life_another_is_stored_and_the_enrolment_stays(
    tmp_path: Path, aggregator: TestAggregator
) -> None:
    gateway = await enrolled(tmp_path, aggregator, (timedelta(days=-61), timedelta(days=29)))
    before = gateway.stored()
    assert not await gateway.renewal.look(datetime.now(UTC))
    assert gateway.ends() > datetime.now(UTC) + timedelta(days=89)
    assert (gateway.stored().info, gateway.stored().answer.keys) == (before.info, before.answer.keys)
    await gateway.renewal.look(datetime.now(UTC))
    assert aggregator.renewals == 1


async def test_a_certificate_that_ran_out_is_renewed_and_the_next_connection_uses_it(
    tmp_path: Path, aggregator: TestAggregator
) -> None:
    gateway = await enrolled(tmp_path, aggregator, USED_UP)
    assert not await gateway.is_let_in()
    await gateway.renewal.look(datetime.now(UTC))
    assert await gateway.is_let_in()


async def test_a_renewal_that_fails_is_tried_again_and_nothing_is_lost(
    tmp_path: Path, aggregator: TestAggregator
) -> None:
    gateway = await enrolled(tmp_path, aggregator, USED_UP)
    aggregator.down = True
    assert await gateway.renewal.look(datetime.now(UTC))
    aggregator.down = False
    assert not await gateway.renewal.look(datetime.now(UTC))
    assert aggregator.renewals == 2


async def test_a_certificate_for_another_key_or_nonsense_is_not_taken(
    tmp_path: Path, aggregator: TestAggregator
) -> None:
    gateway = await enrolled(tmp_path, aggregator, (timedelta(days=-61), timedelta(days=29)))
    before = gateway.stored().answer
    server = aggregator.authority.write_server(tmp_path)[0].read_bytes()
    aggregator.tamper = lambda answer: _with_certificate(answer, server)
    await gateway.renewal.look(datetime.now(UTC))
    aggregator.tamper = lambda answer: b"\xff"
    await gateway.renewal.look(datetime.now(UTC))
    assert aggregator.renewals == 2
    assert gateway.stored().answer == before
    assert await gateway.is_let_in()


def _with_certificate(answer: bytes, certificate: bytes) -> bytes:
    return replace(EnrolAnswer.decode(answer), certificate_pem=certificate).encode()


async def test_an_enrolment_that_cannot_be_used_is_told_and_metering_goes_on(
    tmp_path: Path, aggregator: TestAggregator, caplog: pytest.LogCaptureFixture
) -> None:
    await enrolled(tmp_path, aggregator, LONG)  # its claim names no broker
    path = tmp_path / "edge.toml"
    path.write_text('version = 1\n[gateway]\nname = "test"\ndata = "edge"\n[uplink]\ntransport = "mqtt"\n')
    app = App(load_config(path), system_clock(), SystemEntropy())
    running = asyncio.create_task(app.run())
    async with asyncio.timeout(60):
        while "metering goes on: configuration: uplink.transport" not in caplog.text:  # noqa: ASYNC110 - a log has no event
            await asyncio.sleep(0.02)
    assert not running.done()
    app.stop()
    await running


async def test_a_full_disk_puts_a_renewal_off_and_ends_nothing(tmp_path: Path, aggregator: TestAggregator) -> None:
    gateway = await enrolled(tmp_path, aggregator, LONG)
    gateway.renewal.ask()
    in_the_way = gateway.data / "tls.crt.new.new"  # what is written beside a file: nothing can be written here
    in_the_way.mkdir()
    assert await gateway.renewal.look(datetime.now(UTC))  # in a minute again
    in_the_way.rmdir()
    assert not await gateway.renewal.look(datetime.now(UTC))
    assert await gateway.is_let_in()


async def test_a_full_disk_at_the_start_keeps_nobody_from_metering_and_an_old_certificate_in_use(
    tmp_path: Path, aggregator: TestAggregator, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = await enrolled(tmp_path, aggregator, LONG)
    (gateway.data / "tls.crt.new").mkdir()
    client_context(gateway.stored(), gateway.data, gateway.identity)
    (gateway.data / "tls.crt").unlink()
    path = tmp_path / "edge.toml"
    path.write_text('version = 1\n[gateway]\nname = "test"\ndata = "edge"\n[uplink]\ntransport = "https"\n')
    app = App(load_config(path), system_clock(), SystemEntropy())
    running = asyncio.create_task(app.run())
    async with asyncio.timeout(60):
        while "metering goes on: " not in caplog.text and not running.done():  # noqa: ASYNC110 - a log has no event
            await asyncio.sleep(0.02)
    assert "Next: free the disk" in caplog.text
    app.stop()
    await running


async def test_a_command_has_plan_and_certificate_fetched_also_after_a_restart(
    tmp_path: Path, aggregator: TestAggregator
) -> None:
    gateway = await enrolled(tmp_path, aggregator, LONG)
    gateway.renewal.ask()
    aggregator.down = True
    assert await gateway.renewal.look(datetime.now(UTC))  # in a minute again
    aggregator.down = False
    again = Gateway(gateway.data, gateway.identity, gateway.stored(), aggregator)
    before = aggregator.renewals
    assert not await again.renewal.look(datetime.now(UTC))
    assert not await again.renewal.look(datetime.now(UTC))
    assert aggregator.renewals == before + 1


async def test_who_asks_while_an_answer_is_under_way_is_answered_once_more(
    tmp_path: Path, aggregator: TestAggregator
) -> None:
    gateway = await enrolled(tmp_path, aggregator, LONG)
    gateway.renewal.ask()

    async def post(info: ServerInfo, gid: str, request: bytes) -> bytes:
        body = await post_renewal(info, gid, request)
        if aggregator.renewals == 1:
            gateway.renewal.ask()
        return body

    gateway.renewal._post = post
    for _ in range(3):
        await gateway.renewal.look(datetime.now(UTC))
    assert aggregator.renewals == 2


async def test_a_plan_that_changes_a_channel_or_is_not_the_communitys_is_not_taken(
    tmp_path: Path, aggregator: TestAggregator
) -> None:
    gateway = await enrolled(tmp_path, aggregator, LONG)
    stored = gateway.stored()
    (channel, *_) = stored.descriptors
    other = replace(planned_channel(channel, "1-0:2.8.0", "kWh"), gid=gateway.identity.gid)
    changed = cose.sign(P256Signer.generate(), cose.ContentType.DESCRIPTOR, other.encode())
    assert with_new_channels(stored, [changed]) == stored
    new = cose.sign(P256Signer.generate(), cose.ContentType.DESCRIPTOR, replace(other, channel=99).encode())
    with pytest.raises(EnrolmentError, match="not the community's"):
        with_new_channels(stored, [new])
    with pytest.raises(EnrolmentError, match="not the community's"):
        with_new_channels(stored, [b"nonsense"])
    told: list[Enrolment] = []
    gateway.renewal._planned = told.append
    gateway.renewal._take(replace(stored.answer, descriptors=(new,)))
    assert (told, gateway.stored().descriptors) == ([], stored.descriptors)
