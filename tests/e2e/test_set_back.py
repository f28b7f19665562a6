"""An aggregator set back to an older backup, and cards of other times: both sides find each other again alone."""

from pathlib import Path

import pytest
from support.real_aggregator import Gateway, RealAggregator
from tallystick_cloud import schema
from tallystick_cloud.errors import LogSetBack
from tallystick_protocol.batch import LogView, SealedPart, Upload
from tallystick_protocol.checkpoint import epoch_of


def in_balance(aggregator: RealAggregator, gateway: Gateway) -> bool:
    """Books are right, and what the meter counted has arrived."""
    assert aggregator.audit() == []
    return aggregator.channel(1)["last_total"] == gateway.energy_mwh // 1_000


async def test_washes_reach_the_real_books(aggregator: RealAggregator, gateway: Gateway) -> None:
    gateway.wash_and_seal()
    gateway.wash_and_seal()
    await gateway.deliver()
    assert aggregator.washes() == [(1, 1), (2, 2)]
    assert in_balance(aggregator, gateway)


async def in_second_epoch(aggregator: RealAggregator, gateway: Gateway, tmp_path: Path) -> Path:
    """Books at (1, 1) in a backup; then (1, 2), (1, 3) without a wash and, with the card of (1, 2), epoch 2."""
    backup, card = tmp_path / "backup.db", tmp_path / "card.sqlite"
    gateway.wash_and_seal()
    await gateway.deliver()
    aggregator.back_up(backup)
    gateway.wash_and_seal()
    await gateway.deliver()
    gateway.copy_card(card)
    gateway.core = gateway.boot("goes on")
    gateway.run(10, 600)
    gateway.core.seal()
    await gateway.deliver()
    gateway.put_card(card)
    await gateway.meet(2)
    gateway.wash_and_seal()
    await gateway.deliver()
    assert gateway.core.chain.epoch == 2
    gateway.wash_and_seal()
    await gateway.deliver()
    return backup


async def test_backup_from_before_the_gateways_epoch(
    aggregator: RealAggregator, gateway: Gateway, tmp_path: Path
) -> None:
    """The case that stalled a gateway for ever: it sent its epoch, and the books knew nothing of what that follows."""
    backup = await in_second_epoch(aggregator, gateway, tmp_path)
    washes, total = aggregator.washes(), aggregator.channel(1)["last_total"]
    assert len(washes) == 4
    await aggregator.restore(backup)
    assert aggregator.batches() == [(1, 1)]
    gateway.wash_and_seal()
    await gateway.deliver()
    assert aggregator.batches()[:2] == [(1, 1), (1, 2)]
    assert aggregator.washes() == [*washes, (5, 5)]
    assert int(str(aggregator.channel(1)["last_total"])) > int(str(total))
    assert in_balance(aggregator, gateway)
    gateway.restart("later")
    gateway.wash_and_seal()
    await gateway.deliver()
    assert aggregator.washes()[-1] == (6, 6)
    assert in_balance(aggregator, gateway)


async def goes_on(aggregator: RealAggregator, gateway: Gateway) -> None:
    """A wash more arrives, and everything the meter counted is in the books."""
    before = len(aggregator.washes())
    gateway.wash_and_seal()
    await gateway.deliver()
    assert len(aggregator.washes()) > before
    assert in_balance(aggregator, gateway)


async def test_log_goes_on_under_another_name_and_the_gateway_follows(
    aggregator: RealAggregator, gateway: Gateway, tmp_path: Path
) -> None:
    """Nothing is signed under the old name; what came after the backup comes again, and both sides know which log."""
    gateway.wash_and_seal()
    await gateway.deliver()
    aggregator.back_up(tmp_path / "backup.db")
    gateway.wash_and_seal()
    gateway.wash_and_seal()
    await gateway.deliver()
    newest = aggregator.sign()
    gateway.restart("sees the newest checkpoint")
    await gateway.meet(1)
    gateway.wash_and_seal()
    await gateway.deliver()
    assert seen_by(gateway) == (0, size_of(newest))
    washes, total = aggregator.washes(), aggregator.channel(1)["last_total"]
    await aggregator.restore(tmp_path / "backup.db")
    with pytest.raises(LogSetBack):
        aggregator.sign()
    origin = aggregator.begin_epoch()
    gateway.restart("after the restore")
    gateway.wash_and_seal()
    await gateway.deliver()
    assert aggregator.washes() == [*washes, (5, 5)]
    assert int(str(aggregator.channel(1)["last_total"])) > int(str(total))
    assert in_balance(aggregator, gateway)
    note = aggregator.sign()
    assert note.startswith(origin.encode() + b"\n")
    gateway.restart("sees the new log")
    gateway.wash_and_seal()
    await gateway.deliver()
    assert seen_by(gateway) == (int(origin.rpartition("/e")[2]), size_of(note))
    assert in_balance(aggregator, gateway)


def size_of(note: bytes) -> int:
    return int(note.split(b"\n")[1])


def seen_by(gateway: Gateway) -> tuple[int, int]:
    """(epoch, size) of the checkpoint that the gateway echoes."""
    assert gateway.core.chain.log_view is not None
    view = LogView.decode(gateway.core.chain.log_view)
    return epoch_of(view.log, gateway.aggregator.aggregator.of("lindenhof").log_id), view.size


async def test_backup_from_two_epochs_before(aggregator: RealAggregator, gateway: Gateway, tmp_path: Path) -> None:
    backup = await in_second_epoch(aggregator, gateway, tmp_path)
    gateway.copy_card(tmp_path / "second.sqlite")
    gateway.core = gateway.boot("goes on in the second")
    gateway.wash_and_seal()
    await gateway.deliver()
    gateway.put_card(tmp_path / "second.sqlite", "third")
    await gateway.meet(3)
    gateway.wash_and_seal()
    await gateway.deliver()
    assert gateway.core.chain.epoch == 3
    washes = aggregator.washes()
    await aggregator.restore(backup)
    await goes_on(aggregator, gateway)
    assert {epoch for epoch, _ in aggregator.batches()} == {1, 2, 3}
    on_an_old_card = (5, 5)  # in a batch of the second epoch that went with its card
    assert aggregator.washes() == [one for one in (*washes, (7, 7)) if one != on_an_old_card]
    open_spans = [(row["from_total"], row["to_total"]) for row in aggregator.rows(schema.exception)]
    assert open_spans == [(4, 5)]  # its batch is on neither side any more: said aloud, for a person to decide


async def test_empty_card_goes_on_from_the_real_books(aggregator: RealAggregator, gateway: Gateway) -> None:
    gateway.wash_and_seal()
    await gateway.deliver()
    gateway.put_card(None, "empty")
    await gateway.meet(2)
    await goes_on(aggregator, gateway)
    assert aggregator.washes() == [(1, 1), (2, 2)]


async def test_empty_cards_and_a_backup_from_before_both(
    aggregator: RealAggregator, gateway: Gateway, tmp_path: Path
) -> None:
    """The epochs between are on no card: the gateway goes on in its own, and the books follow."""
    gateway.wash_and_seal()
    await gateway.deliver()
    aggregator.back_up(tmp_path / "backup.db")
    for epoch, seed in ((2, "second"), (3, "third")):
        gateway.put_card(None, seed)
        await gateway.meet(epoch)
        gateway.wash_and_seal()
        await gateway.deliver()
    await aggregator.restore(tmp_path / "backup.db")
    await goes_on(aggregator, gateway)
    assert aggregator.batches()[-1][0] == 3


async def test_books_ask_for_batches_that_the_card_dropped_years_ago(
    aggregator: RealAggregator, gateway: Gateway, tmp_path: Path
) -> None:
    gateway.wash_and_seal()
    await gateway.deliver()
    aggregator.back_up(tmp_path / "backup.db")
    for _ in range(3):
        gateway.wash_and_seal()
    await gateway.deliver()
    gateway.spoil("DELETE FROM batch WHERE seq <= 3")
    await aggregator.restore(tmp_path / "backup.db")
    await goes_on(aggregator, gateway)
    assert aggregator.batches() == [(1, 1), (1, 4), (1, 5)]
    assert "batches-lost" in {row["code"] for row in aggregator.rows(schema.alarm)}


async def test_epoch_follows_a_batch_that_is_on_neither_side(
    aggregator: RealAggregator, gateway: Gateway, tmp_path: Path
) -> None:
    backup = await in_second_epoch(aggregator, gateway, tmp_path)
    gateway.spoil("DELETE FROM batch WHERE epoch = 1")
    await aggregator.restore(backup)
    await goes_on(aggregator, gateway)
    assert aggregator.batches()[:2] == [(1, 1), (2, 1)]


async def test_batch_of_an_older_epoch_that_became_unreadable(
    aggregator: RealAggregator, gateway: Gateway, tmp_path: Path
) -> None:
    backup = await in_second_epoch(aggregator, gateway, tmp_path)
    gateway.spoil("UPDATE batch SET upload = zeroblob(500) WHERE (epoch, seq) IN ((1, 2), (2, 2))")
    await aggregator.restore(backup)
    await goes_on(aggregator, gateway)
    assert (2, 1) in aggregator.batches()


async def test_several_batches_lost_in_one_window(aggregator: RealAggregator, gateway: Gateway) -> None:
    """One Hello can declare only the one at the books' next; the others must not wait for the next restart."""
    for _ in range(7):
        gateway.run(500, 60)
        gateway.core.seal()
    gateway.spoil("UPDATE batch SET upload = zeroblob(500) WHERE seq IN (2, 4, 6)")
    await gateway.deliver()
    assert aggregator.batches() == [(1, 1), (1, 3), (1, 5), (1, 7)]
    assert in_balance(aggregator, gateway)


async def test_books_that_go_forward_again_find_nothing_twice(
    aggregator: RealAggregator, gateway: Gateway, tmp_path: Path
) -> None:
    """Somebody restored the wrong backup first: what was sent meanwhile is known to both."""
    backup = await in_second_epoch(aggregator, gateway, tmp_path)
    aggregator.back_up(tmp_path / "newer.db")
    await aggregator.restore(backup)
    gateway.wash_and_seal()
    await gateway.deliver()
    await aggregator.restore(tmp_path / "newer.db")
    await goes_on(aggregator, gateway)
    assert aggregator.washes() == [(number, number) for number in range(1, 7)]


async def test_an_answer_that_comes_twenty_times_is_one_try(aggregator: RealAggregator, gateway: Gateway) -> None:
    """Each said that a part was spoilt, and so the gateway gave the part up before it was sent again."""
    spoilt: list[bytes] = []

    def spoil(upload: bytes) -> bytes:
        if spoilt:
            return upload
        spoilt.append(upload)
        opened = Upload.decode(upload)
        return Upload(opened.envelope, tuple(SealedPart(bytes(16), b"\xa0") for _ in opened.parts)).encode()

    aggregator.on_the_way = spoil
    gateway.answers = 20
    gateway.wash_and_seal()
    await gateway.deliver()
    assert aggregator.washes() == [(1, 1)]
    assert in_balance(aggregator, gateway)


@pytest.mark.parametrize("times", [1, 7, 20])
async def test_parts_spoilt_on_the_way_are_sent_again_and_billed_once(
    aggregator: RealAggregator, gateway: Gateway, times: int
) -> None:
    spoilt: list[bytes] = []

    def spoil(upload: bytes) -> bytes:
        if len(spoilt) == times:
            return upload
        spoilt.append(upload)
        opened = Upload.decode(upload)
        return Upload(opened.envelope, tuple(SealedPart(bytes(16), b"\xa0") for _ in opened.parts)).encode()

    aggregator.on_the_way = spoil
    gateway.wash_and_seal()
    await gateway.deliver()
    if times < 20:
        assert aggregator.washes() == [(1, 1)]
        assert in_balance(aggregator, gateway)
        assert [row for row in aggregator.rows(schema.alarm) if row["cleared_ms"] is None] == []
        return
    assert len(spoilt) == 9  # it gives up: whoever spoils every upload does not keep it from the next ones
    aggregator.on_the_way = lambda upload: upload
    gateway.restart("later")
    await goes_on(aggregator, gateway)
    assert [row["code"] for row in aggregator.rows(schema.alarm)] == ["quarantine-part-hash"]
