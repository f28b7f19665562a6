"""Which beginnings of epochs give copies of a card away, and that one card never does, whatever is put back."""

from dataclasses import dataclass, field, replace

from hypothesis import given
from hypothesis import strategies as st
from tallystick_cloud.ingest.copies import LOOK_BACK, Begun, Copies, copies_of

HOUR = 3_600_000
DAY = 24 * HOUR


@dataclass
class Card:
    """What a card knows: place of the last batch that was receipted, which run sealed it, and which one goes on now."""

    at: tuple[int, int] = (1, 1)
    sealed_by: bytes = b"run-0"
    boot: bytes = b"run-0"


@dataclass
class World:
    """The books' side: epochs as they were begun, and what was said at each."""

    begun: list[Begun] = field(default_factory=lambda: [Begun(1, b"run-0", 0, 0)])
    head: tuple[int, int] = (1, 1)
    said: list[Copies | None] = field(default_factory=list)
    now_ms: int = 0
    runs: int = 0

    def start(self, card: Card) -> None:
        self.runs += 1
        card.boot = b"run-%d" % self.runs

    def speak(self, card: Card) -> None:
        """A batch of the card, in an epoch of its own when the books are ahead of it."""
        self.now_ms += HOUR
        epoch, seq = self.head
        if card.at == self.head:
            self.head = (epoch, seq + 1)
        else:
            self.begun.append(Begun(epoch + 1, card.boot, card.at[0], self.now_ms))
            self.said.append(copies_of(self.begun[-LOOK_BACK:], card.sealed_by))
            self.head = (epoch + 1, 1)
        card.at, card.sealed_by = self.head, card.boot


def test_two_that_run_are_told_when_the_first_speaks_again() -> None:
    world, first = World(), Card()
    second = replace(first)
    world.start(second)
    for one in (first, second, first, second):
        world.speak(one)
    assert world.said == [None, Copies.AT_ONCE, Copies.AT_ONCE]


def test_two_that_start_anew_each_time_are_told_at_the_second_return() -> None:
    world, first = World(), Card()
    cards = [first, replace(first)]
    for turn in range(6):
        world.start(cards[turn % 2])
        world.speak(cards[turn % 2])
    assert world.said == [None, None, None, Copies.IN_TURN, Copies.IN_TURN]


def test_returns_that_are_a_month_apart_are_two_mistakes() -> None:
    world, first = World(), Card()
    cards = [first, replace(first)]
    for turn in range(6):
        world.now_ms += 31 * DAY
        world.start(cards[turn % 2])
        world.speak(cards[turn % 2])
    assert world.said == [None] * 5


def test_a_first_batch_that_nobody_can_read_accuses_nobody() -> None:
    begun = [Begun(1, b"run-0", 0, 0), Begun(2, None, 1, 1), Begun(3, b"run-0", 1, 2)]
    assert copies_of(begun, b"run-0") is None
    assert copies_of([begun[0], Begun(2, b"run-1", 1, 1), Begun(3, None, 1, 2)], None) is None


STEPS = st.lists(st.sampled_from(["speak", "start", "keep", "put back"]), max_size=40)


@given(STEPS)
def test_one_device_is_never_two_at_once_and_one_kept_copy_is_never_two_in_turn(steps: list[str]) -> None:
    """`keep` makes an image of the card, `put back` replaces the card by the newest image: a backup, played back."""
    world, card = World(), Card()
    image = replace(card)
    for step in steps:
        match step:
            case "speak":
                world.speak(card)
            case "start":
                world.start(card)
            case "keep":
                image = replace(card)
            case "put back":
                card = replace(image)
                world.start(card)
    assert world.said == [None] * len(world.said)
