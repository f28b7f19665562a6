"""Whatever is washed, by whom, in which order: honest files of all parties are valid, and the books hold together."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import evidence_builder as b
from support import evidence_world as w
from support import money as m
from tallystick_protocol import cose
from tallystick_protocol.codes import Reason
from tallystick_protocol.ids import H32, use_id
from tallystick_protocol.money.numbers import Ratio
from tallystick_protocol.money.settle import Built
from tallystick_protocol.money.tariff import Band, Form, Tariff
from tallystick_protocol.money.usage import Usage
from tallystick_protocol.salted_tree import verify_leaf
from tallystick_protocol.verify import VALID, VALID_SPLIT_AS_COMMITTED, verify_evidence

SLOT = 90 * w.MINUTE  # no machine washes twice in one slot
SLOTS = 59 * w.DAY // SLOT
SETTINGS = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def histories(draw: st.DrawFn) -> list[w.Wash]:
    """Up to twelve washes in two months; some aborted, some over midnight of the month's end."""
    slots = draw(st.sets(st.tuples(st.integers(0, 1), st.integers(0, SLOTS - 1)), max_size=12))
    rows = []
    for machine, slot in sorted(slots, key=lambda row: (row[1], row[0])):
        start = w.JANUARY + slot * SLOT + draw(st.integers(0, 30)) * w.MINUTE
        programme = draw(st.sampled_from(("60", "60", "60", "30", None)))
        rows.append(w.wash(machine, start, programme, draw(st.integers(1, 59)) * w.MINUTE))
    return rows


@given(histories())
@SETTINGS
def test_honest_files_are_valid_for_everybody(rows: list[w.Wash]) -> None:
    scene = b.scene(b.Host(washes=lambda _: rows))
    for party in (w.BANK, w.OWNER):
        assert (
            _has(scene, party) is False or verify_evidence(b.evidence(scene, party), w.policy(party)).verdict == VALID
        )
    for payer in (w.ANNA, w.BRUNO):
        if all(any(s.party == payer for s in built.statements) for built in scene.built):
            report = verify_evidence(b.evidence(scene, payer), w.policy(payer))
            assert report.verdict == VALID_SPLIT_AS_COMMITTED


def _has(scene: b.Scene, party: w.PartyId) -> bool:
    return all(any(s.party == party for s in built.statements) for built in scene.built)


@given(histories())
@SETTINGS
def test_statements_sum_to_zero_and_chain(rows: list[w.Wash]) -> None:
    scene = b.scene(b.Host(washes=lambda _: rows))
    before: dict[w.PartyId, tuple[H32, int]] = {}
    for built in scene.built:
        assert sum(statement.closing for statement in built.statements) == 0
        for statement in built.statements:
            prev, opening = before.get(statement.party, (None, 0))
            assert (statement.prev, statement.opening) == (prev, opening)
            before[statement.party] = (statement.hash, statement.closing)


@given(histories())
@SETTINGS
def test_every_leaf_is_in_its_tree_and_nowhere_else(rows: list[w.Wash]) -> None:
    for built in b.scene(b.Host(washes=lambda _: rows)).built:
        for key in (5, 7, 10, 12):
            tree = built.tree(key)
            assert tree.head == built.settlement.tree(key)
            for index, leaf in enumerate(tree.leaves):
                verify_leaf(tree.head, index, leaf, tree.path(index))


@given(histories(), st.data())
@SETTINGS
def test_a_nano_moved_between_two_shares_is_found(rows: list[w.Wash], data: st.DataObject) -> None:
    honest = b.scene(b.Host(washes=lambda _: rows))
    uses = [n for n, one in enumerate(honest.built[0].uses) if one.use.fee]
    if not uses or not _has(honest, w.OWNER):
        return
    at = data.draw(st.sampled_from(uses))

    def bend(period: int, built: Built) -> Built:
        if period:
            return built
        changed = list(built.uses)
        (first, one), (second, two), *rest = changed[at].use.shares
        shares = ((first, one + 1), (second, two - 1), *rest)
        changed[at] = replace(changed[at], use=replace(changed[at].use, shares=shares))
        return b.rebuilt(built, uses=changed)

    report = verify_evidence(b.evidence(b.scene(b.Host(washes=lambda _: rows, built=bend)), w.OWNER), w.policy(w.OWNER))
    assert "by the contract" in report.verdict


def test_settling_twice_gives_the_same_bytes() -> None:
    one, two = b.scene(), b.scene()
    assert [cose.parse(e).payload for e, _, _ in one.envelopes] == [cose.parse(e).payload for e, _, _ in two.envelopes]
    assert use_id(one.world.machines[0].channel, 1) != use_id(one.world.machines[1].channel, 1)


@pytest.mark.parametrize("reason", [Reason.RESTORED, Reason.USE_END, None])
def test_a_counted_wash_that_was_closed_as_aborted_is_judged_by_its_count(reason: Reason | None) -> None:
    """Its price is the same whatever ran, so that nobody has to decide; why it was closed does not matter."""
    scene = one_price(counted=True, reason=reason)
    for party in (w.OWNER, w.ANNA):
        assert verify_evidence(b.evidence(scene, party), w.policy(party)).verdict.startswith(VALID)
    owed = [statement.closing for statement in scene.built[-1].statements if statement.party == w.ANNA]
    assert [abs(closing) for closing in owed] == [2_000_000_000]


@pytest.mark.parametrize("is_start_counted", [True, False])
def test_a_wash_that_was_closed_before_it_counted_is_billed_to_nobody_who_sees_its_start(
    is_start_counted: bool,
) -> None:
    """Where its begin was signed without a total, the abort is free."""

    def billed(_: int, usages: list[Usage]) -> list[Usage]:
        return [bill_it(usage) if usage.aborted else usage for usage in usages]

    scene = one_price(usages=billed, reason=Reason.RESTORED, is_start_counted=is_start_counted)
    report = verify_evidence(b.evidence(scene, w.ANNA), w.policy(w.ANNA))
    assert "was settled from count 0, the gateway signed 1" in str(report)


def bill_it(usage: Usage) -> Usage:
    return usage._replace(from_total=usage.from_total - 1, aborted=False)


def one_price(
    *, counted: bool = False, reason: Reason | None = None, is_start_counted: bool = True, **cheat: Any
) -> b.Scene:
    """Two washes of Anna's where every wash costs the same; the second one was closed as aborted."""
    tariff = Tariff(Form.EVENT, "cycle", "cycle", 0, Ratio(1, 1), (Band("all", (m.price("1"),)),))
    every = replace(w.laundry(), tariff=tariff)
    closed = replace(
        w.wash(0, w.JANUARY + 2 * w.DAY, None), counted=counted, reason=reason, is_start_counted=is_start_counted
    )
    rows = [w.wash(0, w.JANUARY + w.DAY, "60"), closed]
    return b.scene(b.Host(washes=lambda _: rows, found=lambda: w.found(contracts=[every]), **cheat))
