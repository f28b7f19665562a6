"""Prices again for a payer: own counters go on from use to use, the split's are taken as committed.
It never sees another payer's use, so what others moved in the split is believed, and the verdict says so.
"""

from collections.abc import Sequence

from tallystick_protocol.counter_line import Counter
from tallystick_protocol.ids import H32
from tallystick_protocol.money.plan import Counter as Meaning
from tallystick_protocol.money.plan import plan_of
from tallystick_protocol.money.rating import Rated, Usage, counters_of, rate
from tallystick_protocol.settled_use import Use
from tallystick_protocol.verify.case import Account, Case, ensure
from tallystick_protocol.verify.compare import (
    check_closings,
    compare_group,
    contract_of,
    counters_by_key,
    live_uses,
    opening_of,
    replaced,
    usage_of,
)
from tallystick_protocol.verify.slices import usages_of_slices


def check_own_prices(case: Case, account: Account) -> None:
    """Own price counters go on from use to use; the split's counters are taken as the settlement commits to them."""
    uses = live_uses(account)
    _check_tags(case, account, uses)
    counters = counters_by_key(account)
    ends: dict[H32, int] = {}
    meanings: dict[H32, Meaning] = {}
    rated: dict[int, list[Rated]] = {}
    undone, taken = _own_effects(case, account, uses)
    work = sorted(
        (
            (usage, place, committed)
            for place, use in enumerate(uses)
            for usage, committed in _pieces(case, account, use)
        ),
        key=lambda row: row[0].position,
    )
    for usage, place, committed in work:
        contract = contract_of(account, uses[place])
        expected = counters_of(contract, account.chain, usage)
        name = case.use_name(uses[place])
        moved = () if usage.aborted else uses[place].counters  # a slice that was reversed moves none of its leaf's
        same = [meaning.key for meaning in expected] == [key for key, _ in moved]
        ensure(same, name, "moves other counters than the contract says for you: this use may be another payer's")
        starts = {
            m.key: _before(account, counters, m, value, ends) + (undone.pop(m.key, 0) if m.payer is not None else 0)
            for m, value in zip(expected, committed, strict=True)
        }
        (one,) = rate(lambda _, rules=contract: rules, account.chain, [usage], starts)  # type: ignore[misc]
        for meaning, (key, after) in zip(expected, one.after, strict=True):
            if meaning.payer is not None:
                ends[key], meanings[key] = after, meaning
        rated.setdefault(place, []).append(one)
    for place, use in enumerate(uses):
        compare_group(case, account, use, rated.get(place, []))
    for key, effect in undone.items():  # of uses that were reversed, and nothing came after them
        if key in counters:
            meanings[key] = taken[key]
            ends[key] = _before(account, counters, taken[key], 0, ends) + effect
    strangers = set(counters) - set(meanings) - _own_keys(case)
    ensure(not strangers, "the file", "opens a counter that is not yours")
    check_closings(account, counters, meanings, ends)


def _own_keys(case: Case) -> set[H32]:
    """Price counters of all uses in the file: one may stand still in a settlement between two that move it."""
    keys: set[H32] = set()
    for account in case.verified():
        for use in live_uses(account):
            split = len(plan_of(contract_of(account, use), account.chain).waterfall.counters)
            keys |= {key for key, _ in use.counters[: len(use.counters) - split]}
    return keys


def _own_effects(case: Case, account: Account, uses: Sequence[Use]) -> tuple[dict[H32, int], dict[H32, Meaning]]:
    """What corrected uses, and slices, had moved own price counters by, negative: it leaves them first."""
    effects: dict[H32, int] = {}
    moved: dict[H32, Meaning] = {}
    for use in uses:
        old = replaced(case, use)
        if old is None or use.replaces is None:
            continue
        home = next(one for one in case.accounts if one.item.h == use.replaces.settlement)
        contract = contract_of(home, old)
        for usage, committed in _pieces(case, home, old):
            meanings = counters_of(contract, account.chain, usage)
            ensure(len(meanings) == len(committed), case.use_name(old), "moves other counters than the contract says")
            values = {meaning.key: value for meaning, value in zip(meanings, committed, strict=True)}
            (one,) = rate(lambda _, rules=contract: rules, account.chain, [usage], values)  # type: ignore[misc]
            for meaning, (key, was), (_, after) in zip(meanings, one.before, one.after, strict=True):
                if meaning.payer is not None:
                    effects[key], moved[key] = effects.get(key, 0) + was - after, meaning
    return effects, moved


def _pieces(case: Case, account: Account, use: Use) -> list[tuple[Usage, tuple[int, ...]]]:
    """A use, or its slices, each with the counters that the settlement commits to."""
    if use.slices is None:
        return [(usage_of(case, use, case.party), tuple(value for _, value in use.counters))]
    return usages_of_slices(case, account, use)


def _before(
    account: Account,
    counters: dict[H32, Counter],
    meaning: Meaning,
    committed: int,
    ends: dict[H32, int],
) -> int:
    """What a counter stood at: the split's as committed, one's own as the uses before left it."""
    if meaning.payer is None:
        return committed
    if meaning.key in ends:
        return ends[meaning.key]
    opening = opening_of(account, counters, meaning.key)
    before = {} if account.before is None else counters_by_key(account.before)
    was = before.get(meaning.key)
    expected = 0 if was is None else was.closing
    why = f"your {meaning.kind} counter begins at {opening}, the settlement before left it at {expected}"
    ensure(opening == expected, account.name, why)
    return opening


def _check_tags(case: Case, account: Account, uses: Sequence[Use]) -> None:
    """One tag per rating period: two tags would be two payers, with tiers and caps of their own."""
    tags: dict[int, bytes] = {}
    for use in uses:
        period = plan_of(contract_of(account, use), account.chain).period(use.end_ms)
        known = tags.setdefault(period.from_ms, use.tag)
        ensure(
            known == use.tag, case.use_name(use), "stands under another payer's tag than your other uses of the period"
        )
