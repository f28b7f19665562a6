"""What time is believed: steps, boots without a battery-backed clock, and the aggregator's signed time."""

from __future__ import annotations

from dataclasses import dataclass, field

from tallystick_edge.clock_watch import CLOCK_ERROR_MS, SERVER_ERROR_MS, ClockWatch
from tallystick_protocol.codes import TimeQuality

U, I, S, R = TimeQuality.U, TimeQuality.I, TimeQuality.S, TimeQuality.R  # noqa: E741 - OCMF's own letter
T0, YEAR_MS, MINUTE_MS = 1_780_000_000_000, 365 * 86_400_000, 60_000


@dataclass
class Board:
    """A clock that a test sets; time goes on by a minute at each look."""

    wall: int = T0
    uptime: int = 0
    watch: ClockWatch = field(default_factory=ClockWatch)

    def look(self, claimed: TimeQuality) -> TimeQuality:
        self.uptime += MINUTE_MS
        return self.watch.look(self.uptime, self.wall + self.uptime, claimed)


def test_a_claim_is_believed_while_nothing_speaks_against_it() -> None:
    for claimed in (U, S):
        board = Board()
        assert [board.look(claimed), board.look(claimed)] == [claimed, claimed]
        assert board.watch.correction(claimed) is None


def agreed() -> Board:
    """A board whose clock was set by hand or by its battery, and that heard the same time from the aggregator."""
    board = Board()
    board.watch.server_said(T0, 0)
    return board


def test_a_clock_with_a_battery_is_believed_once_the_aggregator_agrees() -> None:
    board = Board()
    assert board.look(I) is U  # the battery may have been empty: nobody can tell yet
    board.watch.server_said(T0 + board.uptime, board.uptime)
    assert board.look(I) is I
    assert board.watch.correction(I) == (T0, CLOCK_ERROR_MS)


def test_a_clock_that_lost_its_source_runs_on_as_relative_until_it_steps() -> None:
    board = Board()
    assert [board.look(S), board.look(U), board.look(U)] == [S, R, R]
    board.wall += YEAR_MS
    assert [board.look(U), board.look(U)] == [U, U]
    assert board.look(S) is S


def test_a_step_takes_the_belief_from_a_clock_that_only_somebody_set() -> None:
    for jump in (YEAR_MS, -YEAR_MS, 6_000):
        board = agreed()
        assert board.look(I) is I
        board.wall += jump
        assert [board.look(I), board.look(I)] == [U, U]
        board.wall = T0
        assert [board.look(I), board.look(S)] == [U, S]


def test_slewing_is_no_step() -> None:
    board = agreed()
    for _ in range(1_000):
        board.wall += 30  # 500 ppm of a minute
        assert board.look(I) is I


def test_a_boot_without_time_is_corrected_once_when_ntp_sets_the_clock() -> None:
    board = Board(wall=T0 - YEAR_MS)
    assert board.look(U) is U
    assert board.watch.correction(U) is None
    board.wall = T0
    assert board.look(S) is S
    assert board.watch.correction(S) == (T0, CLOCK_ERROR_MS)
    board.look(S)
    assert board.watch.correction(S) is None


def test_the_aggregators_time_corrects_a_boot_that_nothing_else_ever_will() -> None:
    board = Board(wall=T0 - YEAR_MS)
    board.look(U)
    board.watch.server_said(T0 + board.uptime, board.uptime)
    assert board.look(U) is U
    assert board.watch.correction(U) == (T0, SERVER_ERROR_MS)
    board.look(U)
    assert board.watch.correction(U) is None


def test_an_old_answer_that_comes_late_says_nothing() -> None:
    board = Board()
    board.look(U)
    board.watch.server_said(T0 + board.uptime, board.uptime)
    assert board.watch.correction(U) == (T0, SERVER_ERROR_MS)
    board.uptime += 10 * 3_600_000
    board.watch.server_said(T0 + MINUTE_MS, board.uptime)
    board.look(U)
    assert board.watch.correction(U) is None


def test_a_synchronised_clock_a_year_from_the_aggregators_is_not_believed() -> None:
    for wrong in (YEAR_MS, -YEAR_MS):
        board = Board(wall=T0 + wrong)
        assert board.look(S) is S  # nobody has spoken against it yet
        board.watch.server_said(T0 + board.uptime, board.uptime)
        assert board.look(S) is U
        assert board.watch.correction(U) == (T0, SERVER_ERROR_MS)
        board.wall = T0
        assert board.look(S) is S
