"""Prices again for a party to the split: all uses in order, from the openings that the settlement commits to.
It never learns who pays: a tag stands in the payer's place, one counter for one tag.
"""

from collections.abc import Sequence

from tallystick_protocol.counter_line import Counter
from tallystick_protocol.ids import H32
from tallystick_protocol.money.plan import Counter as Meaning
from tallystick_protocol.money.rating import Rated, counters_of, rate
from tallystick_protocol.settled_use import Use
from tallystick_protocol.verify import words
from tallystick_protocol.verify.case import Account, Case, ensure
from tallystick_protocol.verify.compare import (
    check_closings,
    check_periods,
    compare_group,
    contract_of,
    counters_by_key,
    live_uses,
    opening_of,
    payer_of,
    replaced,
    usage_of,
)
from tallystick_protocol.verify.reversals import counted
from tallystick_protocol.verify.slices import check_sums


def check_contract_prices(case: Case, account: Account) -> None:
    """Every use costs and splits as its contract says, in canonical order; raises Misfit naming what does not."""
    uses = live_uses(account)
    counters = counters_by_key(account)
    _check_openings(account, counters)
    joined = any(use.slices is not None for use in uses)
    links = _Links(case, account, uses)
    if joined:
        check_periods(account, counters, links.meanings)
        check_sums(case, account, uses, counters)
        return
    usages = [usage_of(case, use, payer_of(use.tag)) for use in uses]
    starts = {key: opening_of(account, counters, links.committed[key]) for key in links.committed}
    _take_back(case, account, uses, starts, links, counters)
    contracts = {usage.use_id: contract_of(account, use) for usage, use in zip(usages, uses, strict=True)}
    rated = rate(lambda usage: contracts[usage.use_id], account.chain, usages, starts)
    ends = {links.committed[key]: value for key, value in starts.items()}
    for use, one in zip(uses, rated, strict=True):
        _compare(case, account, use, one, links.committed)
        ends.update({links.committed[key]: value for key, value in one.after})
    check_closings(account, counters, links.meanings, ends)


class _Links:
    """Which committed counter key stands for which computed one: equal for the split's, one to one for payers'."""

    def __init__(self, case: Case, account: Account, uses: Sequence[Use]) -> None:
        self.committed: dict[H32, H32] = {}
        self.meanings: dict[H32, Meaning] = {}
        self.back: dict[H32, H32] = {}
        for use in uses:
            self.add(case, account, use)

    def add(self, case: Case, account: Account, use: Use) -> None:
        """The counters of a use; raises Misfit."""
        usage = usage_of(case, use, payer_of(use.tag))
        if use.slices is not None:  # the first of its readings may be reversed, and others not
            usage = usage._replace(aborted=bool(use.reversals) and counted(case, use) == 0)
        expected = counters_of(contract_of(account, use), account.chain, usage)
        name = case.use_name(use)
        why = f"moves {len(use.counters)} counters, by the contract {len(expected)}"
        ensure(len(expected) == len(use.counters), name, why)
        for meaning, (key, _) in zip(expected, use.counters, strict=True):
            if meaning.payer is None:
                ensure(key == meaning.key, name, "moves another counter of the split than the contract says")
            known = self.committed.setdefault(meaning.key, key)
            ensure(known == key, name, "counts one payer in two counters")
            ensure(self.back.setdefault(key, meaning.key) == meaning.key, name, "counts two payers in one counter")
            self.meanings[key] = meaning


def _check_openings(account: Account, counters: dict[H32, Counter]) -> None:
    """opening(n+1) = closing(n), and a new counter begins at 0."""
    before = {} if account.before is None else counters_by_key(account.before)
    for key, counter in counters.items():
        was = before.get(key)
        expected = 0 if was is None else was.closing
        why = f"counter {words.short(key)} begins at {counter.opening}, the settlement before left it at {expected}"
        ensure(counter.opening == expected, account.name, why)
    for key, was in before.items():
        running = was.period is None or was.period[1] > account.settlement.from_ms
        ensure(key in counters or not running, account.name, f"leaves out counter {words.short(key)}, which is running")


def _take_back(
    case: Case,
    account: Account,
    uses: Sequence[Use],
    starts: dict[H32, int],
    links: "_Links",
    counters: dict[H32, Counter],
) -> None:
    """Corrected uses are rated anew: their old effect leaves the counters first.

    A correction therefore brings every later use of its counters along, also those whose price stays. A reversed use
    leaves its counters for good, also those that nobody else moves here.
    """
    for use in uses:
        old = replaced(case, use)
        if old is None:
            continue
        if use.reversals:
            links.add(case, account, old)
            for key, _ in old.counters:
                if key in counters:
                    starts.setdefault(links.back[key], counters[key].opening)
        usage = usage_of(case, old, payer_of(old.tag))
        contract = contract_of(account, old)
        keys = [meaning.key for meaning in counters_of(contract, account.chain, usage)]
        values = dict(zip(keys, (value for _, value in old.counters), strict=True))
        (one,) = rate(contract, account.chain, [usage], values)
        for (key, was), (_, after) in zip(one.before, one.after, strict=True):
            if key in starts:
                starts[key] -= after - was


def _compare(case: Case, account: Account, use: Use, one: Rated, committed: dict[H32, H32]) -> None:
    shape = one.shape._replace(keys=tuple(committed[key] for key in one.shape.keys))
    compare_group(case, account, use, [one._replace(shape=shape)])
