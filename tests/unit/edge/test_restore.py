"""A card that was put back goes on from the books: also when a meter was exchanged or reset since it was copied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from support.edge import COUNTER, moment
from tallystick_edge.items import Item, Reading
from tallystick_edge.journal import Chain
from tallystick_edge.metering.channel import ChannelState
from tallystick_edge.metering.counter import CONFIRM_COUNT, Seen, meter
from tallystick_edge.restore import Card, Restored, restore
from tallystick_protocol.batch import LogView
from tallystick_protocol.hello import ChannelState as BookedChannel
from tallystick_protocol.hello import State
from tallystick_protocol.ids import H32, Gid

ZERO, EVERY = H32(bytes(32)), 5_000
AGAIN = 2  # an exchange is believed with the third value of the new meter
COPIED = ChannelState(1, 0, 0, 1_000, moment(0), "A", pagination=3)


def fed(
    state: ChannelState, values: list[int], serial: str | None, start_ms: int = EVERY
) -> tuple[ChannelState, list[Item]]:
    items: list[Item] = []
    for index, value in enumerate(values):
        metered = meter(state, COUNTER, Seen(moment(start_ms + index * EVERY), value, serial))
        state = metered.state
        items += metered.items
    return state, items


def joined(own: ChannelState, pending: list[Item], generation: int, base: int, billed_to: int, serial: str) -> Restored:
    """What the card goes on from when the books say this of its channel."""
    booked = BookedChannel(
        channel=1,
        billed_to=billed_to,
        last_use=0,
        last_pagination=9,
        last_event=2,
        generation=generation,
        base=base,
        serial=serial,
    )
    view = LogView(bytes(4), 1, ZERO)
    state = State(Gid(bytes(16)), 1, 0, 7, ZERO, view, (1, 1), None, None, 0, (booked,))
    card = Card(Chain(1, 4, bytes(32)), pending, (), {1: own}, {}, {})
    return restore(card, state, bytes(32), False, moment(60_000))


def totals(items: tuple[Item, ...]) -> list[int]:
    return [item.total for item in items if isinstance(item, Reading)]


@pytest.mark.parametrize(
    ("values", "serial", "used"),
    [([*[7] * AGAIN, 7, 57], "B", 50), ([*range(CONFIRM_COUNT), 57], "A", 57)],
    ids=["exchange", "reset"],
)
def test_what_a_new_register_counted_goes_on_top_of_books_that_do_not_know_it(
    values: list[int], serial: str, used: int
) -> None:
    """The lost card had told 1,500; this one joined the new register on to its own 1,000."""
    own, pending = fed(COPIED, values, serial)
    assert own.total == 1_000 + used
    found = joined(own, pending, generation=0, base=0, billed_to=1_500, serial="A")
    assert found.channels[1].total == 1_500 + used
    assert totals(found.items)[-1] == 1_500 + used
    assert found.channels[1].generation == 1


def test_a_register_that_the_books_know_is_read_with_their_base() -> None:
    """The lost card saw meter B begin with 7 at 1,500 and told 20 more; this one read it up to 57."""
    own, pending = fed(COPIED, [*[30] * AGAIN, 30, 57], "B")
    found = joined(own, pending, generation=1, base=1_493, billed_to=1_520, serial="B")
    assert (found.channels[1].total, found.channels[1].value) == (1_550, 57)
    assert totals(found.items) == [1_523, 1_550]


def test_another_meter_than_the_books_know_is_never_read_with_their_base() -> None:
    own, pending = fed(COPIED, [*[90_000] * AGAIN, 90_000, 90_010], "C")
    found = joined(own, pending, generation=1, base=1_493, billed_to=1_520, serial="B")
    assert (found.channels[1].total, found.channels[1].generation) == (1_530, 2)
    assert totals(found.items) == [1_520, 1_530]


def of_boot(items: Sequence[Item], boot: bytes) -> list[Item]:
    """The same, seen by another boot."""
    moments = [replace(each.at, boot=boot) for each in items]
    return [
        each._replace(at=at) if isinstance(each, Reading) else replace(each, at=at)
        for each, at in zip(items, moments, strict=True)
    ]


@pytest.mark.parametrize("generation", [1, 3], ids=["as many levels", "more levels"])
@pytest.mark.parametrize("boot", [moment(0).boot, b"before"], ids=["this boot", "an earlier boot"])
def test_an_exchange_of_the_meter_that_the_books_know_begins_after_all_their_levels(
    generation: int, boot: bytes
) -> None:
    """Seed 2100032 of the simulation: the lost card had told a reset, and this one's first exchange had its number."""
    own, pending = fed(COPIED, [*[90_000] * AGAIN, 90_000, 90_010], "B")
    pending = of_boot(pending, boot)
    found = joined(own, pending, generation=generation, base=500, billed_to=1_500, serial="A")
    assert (found.channels[1].total, found.channels[1].generation) == (1_510, generation + 1)
    assert totals(found.items) == [1_500, 1_510]
    assert [each.generation for each in found.items if isinstance(each, Reading)] == [generation + 1] * 2


def test_an_exchange_that_the_books_are_past_is_not_billed_again() -> None:
    """An earlier boot saw A become B and told it; since then the books know C."""
    own, pending = fed(COPIED, [*[90_000] * AGAIN, 90_000, 90_010], "B")
    pending = of_boot(pending, b"before")
    found = joined(own, pending, generation=2, base=1_400, billed_to=1_500, serial="C")
    assert (found.channels[1].total, found.channels[1].generation) == (1_500, 2)


def test_a_jump_that_was_taken_for_a_new_level_is_not_lifted() -> None:
    """Too much for the time that its clock says: the register is still the old one, and the books read it too."""
    own, pending = fed(COPIED, [*range(1_400, 1_400 + CONFIRM_COUNT)], "A")
    assert own.generation == 1
    found = joined(own, pending, generation=0, base=0, billed_to=1_450, serial="A")
    assert found.channels[1].total == 1_450


def test_a_register_that_only_the_books_know_goes_on_although_their_value_is_old() -> None:
    """It stood at 9 when the lost card told it; this card reads 5,000 for the first time, and nothing is a jump."""
    found = joined(COPIED, [], generation=1, base=1_500, billed_to=1_509, serial="B")
    assert found.channels[1].total == 1_509
    own, items = fed(found.channels[1], [5_000 + step for step in range(CONFIRM_COUNT)], "B", start_ms=60_000)
    assert own.total == 1_500 + 5_000 + CONFIRM_COUNT - 1
    assert not [item for item in items if not isinstance(item, Reading)]


def test_a_register_below_what_the_books_believe_of_it_is_a_level_that_fell_from_its_first_value_on() -> None:
    """Seed 2100032 of the simulation: the lost card had taken a wrong first value of B for its level, and told it."""
    own, pending = fed(COPIED, [*[200] * AGAIN, 200, 210], "B")
    found = joined(own, pending, generation=2, base=-49_200, billed_to=1_500, serial="B").channels[1]
    assert (found.total, found.value, found.generation) == (1_500, 50_700, 2)
    found, items = fed(found, [220], "B", start_ms=60_000)
    assert not items  # it was a level already, so that a power cut here forgets nothing
    found, items = fed(found, [230, 240], "B", start_ms=65_000)
    assert totals(tuple(items)) == [1_540]
    assert (found.total, found.generation) == (1_540, 3)


def test_a_level_that_waited_for_company_waits_on_from_its_first_value() -> None:
    """This card's own first value of B was the wrong one, and four right ones after it fell."""
    own, pending = fed(COPIED, [*[9_000] * AGAIN, 9_000, 200, 210, 220, 230], "B")
    assert own.suspect is not None
    found = joined(own, pending, generation=2, base=-49_200, billed_to=1_500, serial="B").channels[1]
    found, items = fed(found, [240], "B", start_ms=60_000)
    assert totals(tuple(items)) == [1_540]
    assert found.generation == 3


def test_a_wrong_value_of_this_card_leaves_the_books_level_as_it_was() -> None:
    """Its first value of B was wrong and low, and what it read next is what the books go on from."""
    own, pending = fed(COPIED, [*[200] * AGAIN, 200], "B")
    found = joined(own, pending, generation=2, base=-49_200, billed_to=1_500, serial="B").channels[1]
    found, items = fed(found, [50_705], "B", start_ms=60_000)
    assert totals(tuple(items)) == [1_505]
    assert (found.generation, found.suspect) == (2, None)


def test_a_value_that_no_register_shows_is_no_level_that_fell() -> None:
    own, pending = fed(COPIED, [*[200] * AGAIN, 200, 210, -7], "B")
    found = joined(own, pending, generation=2, base=-49_200, billed_to=1_500, serial="B").channels[1]
    assert found.suspect is not None
    assert (found.suspect.first, found.suspect.older) == (200, None)


@pytest.mark.parametrize(("earlier", "first"), [(1, 210), (2, None)])
def test_what_an_earlier_boot_read_is_no_level_that_fell(earlier: int, first: int | None) -> None:
    """The copy may hold it since before the books heard of more."""
    own, pending = fed(COPIED, [*[200] * AGAIN, 200, 210], "B")
    readings = [each for each in pending if isinstance(each, Reading)]
    readings[:earlier] = of_boot(readings[:earlier], b"before")
    found = joined(own, [*readings], generation=2, base=-49_200, billed_to=1_500, serial="B").channels[1]
    assert found.total == 1_500
    assert first == (found.suspect and found.suspect.first)


def test_an_exchange_that_waits_when_the_books_answer_counts_from_its_first_value() -> None:
    """Seed 3800432 of the simulation: the new meter's first value was taken for a level of the old one that fell."""
    own, pending = fed(COPIED, [200], "B")
    found = joined(own, pending, generation=0, base=0, billed_to=1_500, serial="A").channels[1]
    found, items = fed(found, [210, 220], "B", start_ms=60_000)
    assert totals(tuple(items)) == [1_520]


def test_what_an_earlier_boot_set_aside_is_no_level_that_fell() -> None:
    own, _ = fed(COPIED, [*[9_000] * AGAIN, 9_000, 200], "B")
    assert own.suspect is not None
    own = own._replace(suspect=replace(own.suspect, at=replace(own.suspect.at, boot=b"before")))
    found = joined(own, [], generation=2, base=-49_200, billed_to=1_500, serial="B").channels[1]
    assert (found.total, found.suspect) == (1_500, None)
