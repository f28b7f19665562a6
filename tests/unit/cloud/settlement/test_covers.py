"""The next cover of a channel: nothing between two settlements is left out, whatever came and whatever did not."""

from hypothesis import given
from hypothesis import strategies as st
from tallystick_cloud.settlement.covers import Channel, Item, Known, next_cover
from tallystick_protocol.codes import Reason, ResolutionAction
from tallystick_protocol.cover import BatchSpan, Cover, Open
from tallystick_protocol.ids import H32

H = H32(bytes(32))
SPAN = (BatchSpan(1, 1, 1, H),)


def channel(
    items: list[Item],
    before: Cover | None = None,
    closed: dict[int, tuple[H32, ResolutionAction]] | None = None,
    known: list[Known] | None = None,
) -> Channel:
    ids = [one.id for one in before.opens] if before else []
    return Channel(H, before, (0, 0), items, SPAN, H, H, known or [], closed or {}, max(ids, default=0) + 1)


def test_washes_without_a_hole_leave_nothing_open() -> None:
    cover = next_cover(channel([Item(at, at + 1, at + 1) for at in range(5)]))
    assert (cover.from_total, cover.to_total, cover.from_use, cover.to_use, cover.opens) == (0, 5, 0, 5, ())


def test_a_lost_wash_stands_open_with_its_reason_until_it_comes() -> None:
    lost = Known(Reason.LOST, None, None, 2)
    cover = next_cover(channel([Item(0, 1, 1), Item(2, 3, 3)], known=[lost]))
    (one,) = cover.opens
    assert (one.id, one.reason, one.from_total, one.to_total, one.from_use, one.to_use) == (1, Reason.LOST, 1, 2, 1, 2)
    after = next_cover(channel([Item(3, 4, 4)], cover))
    assert after.opens == cover.opens
    assert next_cover(channel([Item(1, 2, 2)], after)).opens == ()


def test_a_decision_closes_its_span_only() -> None:
    cover = next_cover(channel([Item(0, 1, 1), Item(2, 3, 3), Item(4, 5, 5)]))
    first, second = cover.opens
    waived = {first.id: (H, ResolutionAction.WAIVE)}
    after = next_cover(channel([], cover, waived))
    assert after.opens == (second,)
    assert after.closed == ((first.id, H),)


def test_counts_without_a_use_stand_open_without_numbers() -> None:
    (one,) = next_cover(channel([Item(0, 1, 1), Item(4, 5, 2)])).opens
    assert (one.from_total, one.to_total, one.from_use, one.to_use) == (1, 4, 1, 1)
    assert one.reason is Reason.USE_UNEXPLAINED


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.booleans()), max_size=30), st.integers(0, 30))
def test_law_15_holds_over_two_settlements(steps: list[tuple[int, int, bool]], cut: int) -> None:
    """open before + (to - from) = billed + open after, for counts and for use numbers."""
    items, total, number = [], 0, 0
    for skipped, missing, counts in steps:
        total, number = total + skipped, number + missing + 1
        items.append(Item(total, total + counts, number))
        total += counts
    cover: Cover | None = None
    for part in (items[:cut], items[cut:]):
        before = cover
        cover = next_cover(channel(part, before))
        was: list[Open] = [] if before is None else list(before.opens)
        billed = sum(one.to_total - one.from_total for one in part)
        counted = sum(one.to_total - one.from_total for one in was) + cover.to_total - cover.from_total
        assert counted == billed + sum(one.to_total - one.from_total for one in cover.opens)
        numbers = sum(one.to_use - one.from_use for one in was) + cover.to_use - cover.from_use
        assert numbers == len(part) + sum(one.to_use - one.from_use for one in cover.opens)
