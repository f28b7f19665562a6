"""The plays say so when there is nothing to cheat with, and pick washes that were really paid."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from support.cheats import honest
from tallystick_protocol.evidence import Evidence
from tallystick_protocol.evidence_file import unpack
from tallystick_sim import cheat_plays
from tallystick_sim.cheat_host import USES, Book, Row
from tallystick_sim.cheat_plays import PLAYS, fork_early, fork_late
from tallystick_sim.programs import ProgramError


def book(rows: int | None = None) -> Book:
    built = honest().built[0]
    kept = [Row(leaf, one.payer, None) for leaf, one in zip(built.use_tree.leaves, built.uses, strict=True)]
    return Book(b"", built.settlement.contracts[0], built.settlement, {USES: kept[:rows]})


def test_a_paid_wash_is_picked_and_the_last_one_is_the_newest_of_its_machine() -> None:
    uses = book().uses()
    first, last = uses[cheat_plays._counted(book())], uses[cheat_plays._counted(book(), last=True)]
    assert first.fee
    assert last.fee
    assert last.number == max(use.number for use in uses if use.channel_hash == last.channel_hash)


def test_a_town_without_a_paid_wash_is_refused_in_words() -> None:
    with pytest.raises(ProgramError, match="let a demo run longer"):
        cheat_plays._counted(book(rows=0))


@pytest.mark.parametrize("fork", [fork_early, fork_late])
def test_a_file_that_shows_the_whole_log_leaves_nothing_to_fork(fork: Any) -> None:
    from support import evidence_builder as b
    from support import evidence_world as w

    shown = Evidence.decode(unpack(b.evidence(honest(), w.BANK)))
    host: Any = SimpleNamespace(query=lambda _: [{"size": 0}], rewrite=lambda _: None)
    with pytest.raises(ProgramError, match="shows every entry"):
        fork(host, replace(shown, proofs=()))


def test_every_play_has_a_victim_and_words_of_its_own() -> None:
    assert len({play.kind for play in PLAYS}) == len(PLAYS) == 6
    assert all(play.named and play.tries and play.victim for play in PLAYS)
