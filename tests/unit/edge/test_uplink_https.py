"""The whole uplink over real TLS against a small aggregator: enrol, receipts, loss, forgery, restore."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from support import aggregator as aggregator_module
from support import edge_online
from support.aggregator import Authority, TestAggregator
from support.edge_online import until
from tallystick_edge.claim_file import load_claim
from tallystick_edge.errors import EnrolmentError, UplinkError
from tallystick_protocol.codes import EventCode, Reason
from tallystick_protocol.ids import Gid

Gateway = edge_online.Gateway[TestAggregator]


@pytest.fixture
async def aggregator(tmp_path: Path) -> AsyncIterator[TestAggregator]:
    folder = tmp_path / "aggregator"
    folder.mkdir()
    server = TestAggregator(folder)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def gateway(tmp_path: Path, aggregator: TestAggregator) -> Gateway:
    return Gateway(tmp_path / "edge", aggregator)


async def test_a_gateway_seals_before_it_was_ever_online_and_all_of_it_is_accepted(gateway: Gateway) -> None:
    gateway.run(2, 60)
    gateway.core.seal()
    gateway.wash()
    gateway.core.seal()
    await gateway.deliver()
    books = gateway.aggregator.books
    assert list(books.batches) == [(1, 1), (1, 2)]
    assert books.channels[11].uses == [1]
    assert books.channels[1].billed == gateway.energy_mwh // 1_000 - 1_000


async def test_a_claim_is_erased_after_success_and_enrolling_again_is_harmless(gateway: Gateway) -> None:
    first = await gateway.enrol()
    assert not (gateway.data / "claim.toml").exists()
    assert (await gateway.enrol()).answer == first.answer


async def test_an_answer_lost_on_the_way_does_not_burn_the_claim_for_this_gateway(gateway: Gateway) -> None:
    await gateway.enrol()
    (gateway.data / "enrolment.cbor").unlink()
    assert (await gateway.enrol()).answer.gid == gateway.identity.gid


async def test_a_used_claim_is_refused_with_the_remedy(gateway: Gateway, tmp_path: Path) -> None:
    await gateway.enrol()
    other = Gateway(tmp_path / "other", gateway.aggregator)
    with pytest.raises(EnrolmentError, match="was used by another gateway; ask for a new claim"):
        await other.enrol()
    assert (other.data / "claim.toml").exists()


async def test_a_claim_with_another_authority_is_kept_and_said_to_be_of_another_server(gateway: Gateway) -> None:
    claim = gateway.data / "claim.toml"
    mine, other = gateway.aggregator.authority.pem.decode(), Authority.make().pem.decode()
    claim.write_text(gateway.aggregator.claim_toml().replace(mine, other))
    with pytest.raises(UplinkError, match=r"not of the authority in the claim file\. Next: ask the office"):
        await gateway.enrol()
    assert claim.exists()
    assert gateway.aggregator.claim_used_by is None


@pytest.mark.parametrize("begin_days", [300, -300])
async def test_a_clock_that_is_years_off_is_named_and_not_the_server(
    gateway: Gateway, begin_days: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server's certificate is the one that is off here, which looks the same to a gateway whose clock is."""
    await gateway.aggregator.stop()
    begin = timedelta(days=begin_days)
    monkeypatch.setattr(aggregator_module, "SERVER_VALIDITY", (begin, begin + timedelta(days=90)))
    await gateway.aggregator.start()
    with pytest.raises(UplinkError, match=r"the clock here says 20.*Next: wait for the time \(timedatectl\) or set it"):
        await gateway.enrol()
    assert (gateway.data / "claim.toml").exists()


async def test_a_lost_receipt_is_asked_for_again_and_nothing_is_taken_twice(gateway: Gateway) -> None:
    gateway.aggregator.swallow_receipts = 2
    gateway.wash()
    gateway.core.seal()
    await gateway.deliver()
    assert gateway.aggregator.books.duplicates >= 1
    assert gateway.aggregator.books.channels[11].uses == [1]


async def test_a_forged_receipt_is_not_believed(gateway: Gateway) -> None:
    gateway.aggregator.forge_receipts = True
    gateway.run(2, 60)
    gateway.core.seal()
    async with gateway.online():
        await until(lambda: gateway.aggregator.requests >= 4)
        assert gateway.core.waiting_count() == 1
        gateway.aggregator.forge_receipts = False
        await until(lambda: gateway.core.waiting_count() == 0)


async def test_a_long_backlog_goes_out_in_order(gateway: Gateway) -> None:
    for _ in range(30):
        gateway.run(500, 60)
        gateway.core.seal()
    await gateway.deliver()
    assert list(gateway.aggregator.books.batches) == [(1, seq) for seq in range(1, 31)]


async def test_an_aggregator_that_was_down_gets_everything_later(gateway: Gateway) -> None:
    await gateway.enrol()
    gateway.aggregator.down = True
    gateway.run(500, 60)
    gateway.core.seal()
    async with gateway.online():
        await until(lambda: gateway.aggregator.requests >= 2)
        assert not gateway.aggregator.books.batches
        gateway.aggregator.down = False
        await until(lambda: gateway.core.waiting_count() == 0)
    assert list(gateway.aggregator.books.batches) == [(1, 1)]


async def test_a_restart_goes_on_in_the_same_epoch(gateway: Gateway) -> None:
    gateway.run(500, 60)
    gateway.core.seal()
    await gateway.deliver()
    gateway.core.close()
    gateway.core = gateway.boot("second boot")
    gateway.run(500, 60)
    gateway.core.seal()
    await gateway.deliver()
    assert list(gateway.aggregator.books.batches) == [(1, 1), (1, 2)]


async def test_a_restored_older_copy_opens_a_new_epoch_and_bills_nothing_twice(
    gateway: Gateway, tmp_path: Path
) -> None:
    gateway.wash()
    gateway.core.seal()
    await gateway.deliver()
    gateway.core.close()
    copy = tmp_path / "old.sqlite"
    shutil.copy(gateway.data / "journal.sqlite", copy)
    gateway.core = gateway.boot("goes on")
    gateway.wash()
    gateway.run(900, 600)
    gateway.core.seal()
    await gateway.deliver()
    gateway.put_card(copy)
    gateway.run(2, 60)
    gateway.core.seal()  # sealed before it could know that it is a copy
    gateway.wash()
    await gateway.deliver()
    gateway.core.seal()
    await gateway.deliver()
    books = gateway.aggregator.books
    assert books.epoch == 2
    assert books.channels[1].billed == gateway.energy_mwh // 1_000 - 1_000
    segments = [segment for part in books.parts if part.channel == 1 for segment in part.segments]
    pages = sorted(reading.pagination for segment in segments for reading in segment.readings())
    assert pages == list(range(1, len(pages) + 1))
    assert books.channels[11].last_use == len(books.channels[11].uses)


async def test_a_wash_open_in_a_restored_copy_is_closed_as_aborted(gateway: Gateway, tmp_path: Path) -> None:
    gateway.run(2_050, 100)
    gateway.core.seal()
    await gateway.deliver()
    gateway.core.close()
    copy = tmp_path / "old.sqlite"
    shutil.copy(gateway.data / "journal.sqlite", copy)
    gateway.core = gateway.boot("goes on")
    gateway.wash()
    gateway.core.seal()
    await gateway.deliver()
    gateway.put_card(copy)
    async with gateway.online():
        await until(lambda: gateway.core.chain.epoch == 2)
    gateway.run(2, 180)
    gateway.wash()
    gateway.core.seal()
    await gateway.deliver()
    assert gateway.aggregator.books.channels[11].uses == [1, 2]
    aborted = [e for p in gateway.aggregator.books.parts for e in p.events if e.code is EventCode.USE_ABORTED]
    assert [(each.use, each.reason) for each in aborted] == [(1, Reason.RESTORED)]


async def test_a_card_that_lost_a_write_forks_into_a_new_epoch(gateway: Gateway, tmp_path: Path) -> None:
    gateway.run(500, 60)
    gateway.core.seal()
    await gateway.deliver()
    gateway.core.close()
    copy = tmp_path / "old.sqlite"
    shutil.copy(gateway.data / "journal.sqlite", copy)
    gateway.core = gateway.boot("goes on")
    gateway.run(500, 60)
    gateway.core.seal()
    await gateway.deliver()
    gateway.put_card(copy)
    gateway.run(500, 60)
    gateway.core.seal()
    gateway.run(500, 60)
    gateway.core.seal()
    await gateway.deliver()
    books = gateway.aggregator.books
    assert books.epoch == 2
    assert books.channels[1].billed == gateway.energy_mwh // 1_000 - 1_000


async def test_an_empty_card_with_the_old_key_goes_on_from_the_books(gateway: Gateway) -> None:
    gateway.wash()
    gateway.core.seal()
    await gateway.deliver()
    gateway.core.close()
    (gateway.data / "journal.sqlite").unlink()
    gateway.core = gateway.boot("empty")
    async with gateway.online():
        await until(lambda: gateway.core.chain.epoch == 2)
    gateway.run(2, 60)
    gateway.wash()
    gateway.core.seal()
    await gateway.deliver()
    books = gateway.aggregator.books
    assert books.channels[11].uses == [1, 2]
    assert books.channels[11].billed_to == 2
    assert books.channels[1].billed == gateway.energy_mwh // 1_000 - 1_000


async def test_a_receipt_for_another_gateway_is_refused(gateway: Gateway) -> None:
    books = gateway.aggregator.books
    gateway.run(500, 60)
    gateway.core.seal()
    await gateway.enrol()
    own, books.gid = books.gid, Gid(bytes(16))
    async with gateway.online():
        await until(lambda: gateway.aggregator.requests >= 3)
        assert gateway.core.waiting_count() == 1
        books.gid = own
        await until(lambda: gateway.core.waiting_count() == 0)


async def test_an_aggregator_restored_from_a_backup_gets_receipted_batches_again(gateway: Gateway) -> None:
    for _ in range(3):
        gateway.run(500, 60)
        gateway.core.seal()
    await gateway.deliver()
    books = gateway.aggregator.books
    del books.batches[(1, 3)], books.batches[(1, 2)]
    books.next, books.head = 2, books.batches[(1, 1)]
    gateway.run(500, 60)
    gateway.core.seal()
    await gateway.deliver()
    assert list(books.batches) == [(1, 1), (1, 2), (1, 3), (1, 4)]


async def test_a_state_replayed_from_another_boot_starts_no_epoch(gateway: Gateway) -> None:
    books = gateway.aggregator.books
    gateway.run(500, 60)
    gateway.core.seal()
    await gateway.deliver()
    honest = books.state
    books.epoch = 9

    def other_boot(nonce: bytes | None, signer: object = None) -> bytes:
        return honest(bytes(16))

    books.state = other_boot  # type: ignore[method-assign]
    async with gateway.online():
        await until(lambda: len(books.hellos) >= 3)
    assert gateway.core.chain.epoch == 1


async def test_a_batch_the_card_cannot_read_any_more_is_declared_and_the_next_ones_go_on(gateway: Gateway) -> None:
    for _ in range(4):
        gateway.run(500, 60)
        gateway.core.seal()
    with closing(sqlite3.connect(gateway.data / "journal.sqlite")) as db, db:
        db.execute("UPDATE batch SET upload = zeroblob(500) WHERE seq IN (2, 3)")
    await gateway.deliver()
    books = gateway.aggregator.books
    assert list(books.batches) == [(1, 1), (1, 4)]
    assert books.lost == [(2, 2), (3, 3)] or books.lost == [(2, 3)]
    assert books.channels[1].billed == gateway.energy_mwh // 1_000 - 1_000  # totals carry the money


def test_the_claim_file_is_never_shown(gateway: Gateway) -> None:
    path = gateway.data / "claim.toml"
    path.write_text(gateway.aggregator.claim_toml())
    assert gateway.aggregator.claim not in repr(load_claim(path))
