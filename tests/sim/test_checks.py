"""What the checks of the simulation allow to be missing at a seam of a register, and no more than that."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from sim.checks import aborts_like_a_wash, seam_loss, untold
from sim.meters import Kept, Register, Seam, Seen

SEAM_MS, SECOND_MS = 100_000, 1_000
NOTHING: Mapping[int, int] = {}


def missing(
    *restores: tuple[int, int],
    settled_s: int = 140,
    joins: tuple[tuple[int, int], ...] = (),
    kind: str = "reset",
    told: Mapping[int, int] = NOTHING,
) -> int:
    """A sample every 10 s, 1 Wh each, a seam at 100 s, the level after it in company from `settled_s` on. Copies: when
    they were made and put back; when the boots began that went on from the books, and when they did; `told`: which
    readings the books have, and since when; in seconds."""
    register = Register("A", 0, None, truth_wh=100, seams=[Seam(SEAM_MS, kind)])
    kept = []
    for t_s in range(0, 1_000, 10):
        has_reading = t_s < 100 or t_s >= settled_s
        kept.append(Kept(t_s * SECOND_MS, t_s // 10, (b"boot", t_s) if has_reading else None, False, t_s * SECOND_MS))
    in_ms = [[(one * SECOND_MS, other * SECOND_MS) for one, other in times] for times in (restores, joins)]
    cellar: Any = SimpleNamespace(restores=in_ms[0], joins=in_ms[1])
    heard = {(b"boot", t_s): at_s * SECOND_MS for t_s, at_s in told.items()}
    return seam_loss(cellar, register, Seen(kept, kept), heard)


def test_what_ran_between_the_values_on_both_sides_of_a_seam_is_missing() -> None:
    assert missing() == 1


@pytest.mark.parametrize(("made", "back", "lost"), [(50, 300, 25), (120, 300, 21), (200, 300, 1), (20, 95, 8)])
def test_a_copy_that_was_made_before_the_level_had_company_has_forgotten_the_seam_and_no_later_one_has(
    made: int, back: int, lost: int
) -> None:
    assert missing((made, back)) == lost


def test_a_second_copy_that_knows_the_level_as_it_was_found_again_loses_nothing_more() -> None:
    assert missing((50, 300), (250, 400)) == 35  # made before the first one was put back
    assert missing((50, 300), (350, 400)) == 25


def test_what_a_card_read_in_boots_before_it_went_on_from_the_books_is_missing_behind_a_reset() -> None:
    """Seed 5100836: put back at 80 s, it saw the reset in one boot and heard the books in the next, begun at 150 s."""
    assert missing((20, 80), joins=((150, 160),)) == 6
    assert missing((20, 80), joins=((85, 95),)) == 1  # it went on from them before the reset
    assert missing((20, 80), joins=((90, 160),)) == 1  # in the boot that saw the reset
    assert missing((200, 300), joins=((310, 320),)) == 1  # the copy knows the level
    assert missing((20, 80), joins=((150, 160),), kind="exchange") == missing((20, 80), kind="exchange")


def test_what_the_books_had_before_a_copy_was_put_back_is_not_missing() -> None:
    """Copied at 50 s, put back at 300 s: the first sample after that is of 300 s."""
    assert missing((50, 300), told={80: 200}) == 22
    assert missing((50, 300), told={80: 310}) == 25  # too late: nobody knew it when the copy went on
    assert missing((20, 95), told={60: 90}) == 4  # the seam comes after the copy
    assert missing((20, 95), (30, 96), told={60: 96}) == 8  # so is this for the first of two copies


def test_a_level_that_the_books_had_before_a_copy_was_put_back_is_known_to_both() -> None:
    assert missing((50, 300), told={80: 200, 150: 290}) == 2
    assert missing((50, 300), told={80: 200, 150: 310}) == 22


def test_a_card_that_told_of_a_reset_before_it_went_on_from_the_books_lost_nothing_of_it() -> None:
    joins = ((150, 190),)
    assert missing((20, 80), joins=joins) == 14 - 8
    assert missing((20, 80), joins=joins, told={140: 185}) == 1
    assert missing((20, 80), joins=joins, told={140: 195}) == 14 - 8


def washer(boots: list[int]) -> Any:
    """A machine that is polled every 20 s: so many samples in each boot, with 27 s between two boots."""
    kept, t_ms = [], 0
    for samples in boots:
        kept += [Kept(t_ms + at * 20_000, 0, None, False) for at in range(samples)]
        t_ms = kept[-1].t_ms + 27_000
    return SimpleNamespace(restores=[], seen={"house-lone": Seen(), "washer-lone": Seen(kept, kept)})


@pytest.mark.parametrize(("samples", "unseen"), [(4, 1), (5, 0)])
def test_boots_that_end_before_a_machine_steps_see_no_rest(samples: int, unseen: int) -> None:
    """It holds the first five samples of a boot; between two long boots lie twelve minutes of short ones."""
    assert untold(washer([40, *[samples] * (720 // (20 * samples + 7)), 40]), 20_000) == unseen


def test_three_starts_that_were_aborted_may_look_like_a_wash() -> None:
    machines = [SimpleNamespace(washer=SimpleNamespace(appliance=SimpleNamespace(aborted=n))) for n in (2, 3, 6)]
    assert [aborts_like_a_wash(one) for one in machines] == [0, 1, 2]  # type: ignore[arg-type]
