"""Promise 5 on the wire: an answer that comes late is never taken for the answer to the next question."""

from __future__ import annotations

import asyncio

from support.stale import Setting, run_guarded, run_plain


async def test_ten_percent_late_answers_give_no_wrong_value_where_plain_pymodbus_gives_some() -> None:
    setting = Setting(reads=300, late_per_mille=0, held_per_mille=100, timeout_ms=60)
    ours, plain = await asyncio.gather(run_guarded(setting), run_plain(setting))
    assert ours.right + ours.wrong + ours.failed == 300
    assert ours.late >= 15
    assert ours.wrong == 0
    assert ours.right > 0
    assert plain.wrong > 0, "the line no longer shows the trap, so this test shows nothing"


async def test_answers_later_than_the_quarantine_are_told_by_the_fence() -> None:
    ours = await run_guarded(Setting(reads=200, late_ms=70, window_ms=5, seed=2))
    assert ours.late >= 8
    assert ours.wrong == 0
