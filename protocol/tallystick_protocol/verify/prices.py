"""Eleventh step: every price and share computed again, with the same rules that the books use.
Scope `contract` starts from the settlement's openings; scope `own` takes the split's counters as committed.
"""

from collections.abc import Sequence

from tallystick_protocol.codes import UseKind
from tallystick_protocol.counter_line import Counter
from tallystick_protocol.errors import InvariantError, ProtocolError
from tallystick_protocol.ids import H32, PartyId, sha256, use_id
from tallystick_protocol.money.contract import Contract, ContractState, version_at
from tallystick_protocol.money.plan import Counter as Meaning
from tallystick_protocol.money.plan import plan_of
from tallystick_protocol.money.rating import Rated, Usage, UsageForm, counters_of, minimum_usage, rate
from tallystick_protocol.money.settle import RatedUse, Was, settle_uses
from tallystick_protocol.money.zone import offsets_of
from tallystick_protocol.settled_use import Use
from tallystick_protocol.verify import words
from tallystick_protocol.verify.case import Account, Case, ensure, is_minimum
from tallystick_protocol.verify.report import Check, Misfit
from tallystick_protocol.verify.slices import check_sums, usages_of_slices

_KINDS = {ContractState.LIVE: UseKind.LIVE, ContractState.SHADOW: UseKind.SHADOW}


def check_prices(case: Case) -> Check:
    """Rate all shown uses again and compare; raises Misfit."""
    fees = uses = 0
    for account in case.verified():
        try:
            _check_offsets(account)
            for use in account.leaves.uses.values():
                _check_version(case, account, use)
            if case.is_own:
                _own(case, account)
            else:
                _contract(case, account)
        except (ProtocolError, InvariantError) as error:
            raise Misfit(account.name, f"cannot be priced again ({error})") from None
        uses += len(account.leaves.uses)
        fees += sum(use.fee for use in account.leaves.uses.values())
    unit = case.verified()[0].settlement.unit
    text = f"{words.count(uses, 'use')} priced again: {words.amount(fees, unit)} in all, to the last digit"
    if case.is_own:
        text += "; the split was checked from the counters that the settlement commits to"
    return Check("prices", True, text, {"uses": uses, "fees_nano": fees})


def _check_offsets(account: Account) -> None:
    """The settlement's clock offsets are those of the contract's zone."""
    settlement = account.settlement
    zone = account.versions[-1].contract.zone
    first = min([settlement.from_ms, *(use.start_ms for use in account.leaves.uses.values())])
    rows = settlement.offsets
    ensure(bool(rows) and rows[0][0] <= first, account.name, "does not record the clock offsets of its first use")
    expected = tuple(offsets_of(zone).rows(rows[0][0], settlement.to_ms))
    ensure(rows == expected, account.name, f"records other clock offsets than those of {zone}")


def _check_version(case: Case, account: Account, use: Use) -> None:
    """The version in force when the use began, and the kind of use that this version's state makes."""
    name = case.use_name(use)
    ensure(use.version < len(account.versions), name, "applies a contract version that the settlement does not list")
    contracts = [version.contract for version in account.versions]
    applied, in_force = contracts[use.version], version_at(contracts, use.start_ms)
    if in_force is None:
        raise Misfit(name, f"began {words.moment(use.start_ms)}, when no version of the contract was in force")
    why = f"was priced by version {applied.version} of the contract, but version {in_force.version} was in force"
    ensure(applied is in_force, name, why)
    kind = _KINDS.get(applied.state)
    ensure(
        use.kind in (kind, UseKind.TEST), name, f"is {use.kind.name.lower()} under a contract that is {applied.state}"
    )
    beneficiaries = plan_of(applied, account.chain).waterfall.beneficiaries
    order = {party.id: index for index, party in enumerate(applied.parties)}
    shared = [party for party, _ in use.shares]
    ensure(
        shared == [order[party] for party in beneficiaries], name, "shares its fee among others than the contract names"
    )
    if is_minimum(use):
        _check_minimum(case, account, use, applied)
    if use.kind is not UseKind.LIVE:
        ensure(not any(share for _, share in use.shares) and not use.counters, name, "is not live, but moves money")


def _check_minimum(case: Case, account: Account, use: Use, contract: Contract) -> None:
    """The pseudo use stands at the end of its payer's rating period; a payer sees that it is one's own."""
    period = plan_of(contract, account.chain).period(use.end_ms)
    expected = minimum_usage(account.chain, contract, case.party, period)
    name = case.use_name(use)
    same = (use.number, use.start_ms, use.end_ms) == (expected.number, expected.start_ms, expected.end_ms)
    ensure(same and use.from_total == use.to_total == 0, name, "does not stand at the end of its period")
    mine = not case.is_own or use.channel_hash == expected.channel_hash
    ensure(mine, name, "is another payer's minimum")


def _live(account: Account) -> list[Use]:
    return [use for _, use in sorted(account.leaves.uses.items()) if use.kind is UseKind.LIVE]


def _contract_of(account: Account, use: Use) -> Contract:
    return account.versions[use.version].contract


def usage_of(case: Case, use: Use, payer: PartyId) -> Usage:
    """A settled use as the price sees it."""
    here = use_id(use.channel_hash, use.number)
    form = UsageForm.MINIMUM if is_minimum(use) else UsageForm.INTERVAL if use.slices is not None else UsageForm.EVENT
    nothing = use.fee == 0 and not use.counters and use.from_total == use.to_total
    aborted = form is UsageForm.EVENT and case.aborted.get(here, nothing)
    return Usage(
        use_id=here,
        channel_hash=use.channel_hash,
        number=use.number,
        start_ms=use.start_ms,
        end_ms=use.end_ms,
        from_total=use.from_total,
        to_total=use.to_total,
        asset="",
        payer=payer,
        programme=use.programme if form is UsageForm.EVENT else None,
        form=form,
        aborted=aborted,
    )


# ------------------------------------------------------------ scope contract


def _contract(case: Case, account: Account) -> None:
    uses = _live(account)
    counters = _counters(account)
    _check_openings(account, counters)
    joined = any(use.slices is not None for use in uses)
    links = _Links(case, account, uses)
    if joined:
        check_sums(case, account, uses, counters)
        return
    usages = [usage_of(case, use, payer_of(use.tag)) for use in uses]
    starts = {key: _opening(account, counters, links.committed[key]) for key in links.committed}
    _take_back(case, account, uses, starts)
    contracts = {usage.use_id: _contract_of(account, use) for usage, use in zip(usages, uses, strict=True)}
    rated = rate(lambda usage: contracts[usage.use_id], account.chain, usages, starts)
    ends: dict[H32, int] = {}
    for use, one in zip(uses, rated, strict=True):
        _compare(case, account, use, one, links.committed)
        ends.update({links.committed[key]: value for key, value in one.after})
    _check_closings(account, counters, links.meanings, ends)


def payer_of(tag: bytes) -> PartyId:
    """What stands for a payer whom only a tag names."""
    return PartyId(sha256(tag)[:16])


class _Links:
    """Which committed counter key stands for which computed one: equal for the split's, one to one for payers'."""

    def __init__(self, case: Case, account: Account, uses: Sequence[Use]) -> None:
        self.committed: dict[H32, H32] = {}
        self.meanings: dict[H32, Meaning] = {}
        back: dict[H32, H32] = {}
        for use in uses:
            if use.slices is not None:
                continue
            usage = usage_of(case, use, payer_of(use.tag))
            expected = counters_of(_contract_of(account, use), account.chain, usage)
            name = case.use_name(use)
            why = f"moves {len(use.counters)} counters, by the contract {len(expected)}"
            ensure(len(expected) == len(use.counters), name, why)
            for meaning, (key, _) in zip(expected, use.counters, strict=True):
                if meaning.payer is None:
                    ensure(key == meaning.key, name, "moves another counter of the split than the contract says")
                known = self.committed.setdefault(meaning.key, key)
                ensure(known == key, name, "counts one payer in two counters")
                ensure(back.setdefault(key, meaning.key) == meaning.key, name, "counts two payers in one counter")
                self.meanings[key] = meaning


def _counters(account: Account) -> dict[H32, Counter]:
    rows = list(account.leaves.counters.values())
    found = {row.key: row for row in rows}
    ensure(len(found) == len(rows), account.name, "lists one counter twice")
    return found


def _check_openings(account: Account, counters: dict[H32, Counter]) -> None:
    """opening(n+1) = closing(n), and a new counter begins at 0."""
    before = {} if account.before is None else _counters(account.before)
    for key, counter in counters.items():
        was = before.get(key)
        expected = 0 if was is None else was.closing
        why = f"counter {words.short(key)} begins at {counter.opening}, the settlement before left it at {expected}"
        ensure(counter.opening == expected, account.name, why)
    for key, was in before.items():
        running = was.period is None or was.period[1] > account.settlement.from_ms
        ensure(key in counters or not running, account.name, f"leaves out counter {words.short(key)}, which is running")


def _opening(account: Account, counters: dict[H32, Counter], key: H32) -> int:
    found = counters.get(key)
    if found is None:
        raise Misfit(account.name, f"moves counter {words.short(key)}, but does not commit to it")
    return found.opening


def _take_back(case: Case, account: Account, uses: Sequence[Use], starts: dict[H32, int]) -> None:
    """Corrected uses are rated anew: their old effect leaves the counters first.

    A correction therefore brings every later use of its counters along, also those whose price stays.
    """
    for use in uses:
        old = replaced(case, account, use)
        if old is None:
            continue
        usage = usage_of(case, old, payer_of(old.tag))
        contract = _contract_of(account, old)
        keys = [meaning.key for meaning in counters_of(contract, account.chain, usage)]
        values = dict(zip(keys, (value for _, value in old.counters), strict=True))
        (one,) = rate(lambda _, rules=contract: rules, account.chain, [usage], values)  # type: ignore[misc]
        for (key, was), (_, after) in zip(one.before, one.after, strict=True):
            starts[key] = starts.get(key, 0) - (after - was)


def replaced(case: Case, account: Account, use: Use) -> Use | None:
    """The leaf of an earlier settlement that a correction replaces; raises Misfit when it is not shown."""
    if use.replaces is None:
        return None
    name = case.use_name(use)
    ensure(use.replaces.settlement != account.item.h, name, "corrects itself")
    leaves = case.leaves.get(use.replaces.settlement)
    old = leaves.uses.get(use.replaces.leaf) if leaves is not None else None
    if old is None:
        raise Misfit(name, "corrects a line of an earlier settlement that is not in the file")
    same = (old.channel_hash, old.number, old.tag) == (use.channel_hash, use.number, use.tag)
    ensure(same, name, "corrects the line of another use")
    return old


def _check_closings(
    account: Account, counters: dict[H32, Counter], meanings: dict[H32, Meaning], ends: dict[H32, int]
) -> None:
    for key, counter in counters.items():
        closing = ends.get(key, counter.opening)
        why = f"counter {words.short(key)} closes at {counter.closing}, its uses bring it to {closing}"
        ensure(counter.closing == closing, account.name, why)
        meaning = meanings.get(key)
        if meaning is not None:
            period = None if meaning.period is None else (meaning.period.from_ms, meaning.period.to_ms)
            ensure(counter.period == period, account.name, f"counter {words.short(key)} counts over another period")


# ------------------------------------------------------------ scope own


def _own(case: Case, account: Account) -> None:
    """Own price counters go on from use to use; the split's counters are taken as the settlement commits to them."""
    uses = _live(account)
    _check_tags(case, account, uses)
    counters = _counters(account)
    ends: dict[H32, int] = {}
    meanings: dict[H32, Meaning] = {}
    rated: dict[int, list[Rated]] = {}
    undone = _own_effects(case, account, uses)
    work = sorted(
        (
            (usage, place, committed)
            for place, use in enumerate(uses)
            for usage, committed in _pieces(case, account, use)
        ),
        key=lambda row: row[0].position,
    )
    for usage, place, committed in work:
        contract = _contract_of(account, uses[place])
        expected = counters_of(contract, account.chain, usage)
        name = case.use_name(uses[place])
        same = [meaning.key for meaning in expected] == [key for key, _ in uses[place].counters]
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
        _compare_group(case, account, use, rated.get(place, []))
    strangers = set(counters) - set(meanings)
    ensure(not strangers, "the file", "opens a counter that is not yours")
    _check_closings(account, counters, meanings, ends)


def _own_effects(case: Case, account: Account, uses: Sequence[Use]) -> dict[H32, int]:
    """What corrected uses, and slices, had moved own price counters by, negative: it leaves them first."""
    effects: dict[H32, int] = {}
    for use in uses:
        old = replaced(case, account, use)
        if old is None or use.replaces is None:
            continue
        home = next(one for one in case.accounts if one.item.h == use.replaces.settlement)
        contract = _contract_of(home, old)
        for usage, committed in _pieces(case, home, old):
            meanings = counters_of(contract, account.chain, usage)
            ensure(len(meanings) == len(committed), case.use_name(old), "moves other counters than the contract says")
            values = {meaning.key: value for meaning, value in zip(meanings, committed, strict=True)}
            (one,) = rate(lambda _, rules=contract: rules, account.chain, [usage], values)  # type: ignore[misc]
            for meaning, (key, was), (_, after) in zip(meanings, one.before, one.after, strict=True):
                if meaning.payer is not None:
                    effects[key] = effects.get(key, 0) + was - after
    return effects


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
    opening = _opening(account, counters, meaning.key)
    before = {} if account.before is None else _counters(account.before)
    was = before.get(meaning.key)
    expected = 0 if was is None else was.closing
    why = f"your {meaning.kind} counter begins at {opening}, the settlement before left it at {expected}"
    ensure(opening == expected, account.name, why)
    return opening


def _check_tags(case: Case, account: Account, uses: Sequence[Use]) -> None:
    """One tag per rating period: two tags would be two payers, with tiers and caps of their own."""
    tags: dict[int, bytes] = {}
    for use in uses:
        period = plan_of(_contract_of(account, use), account.chain).period(use.end_ms)
        known = tags.setdefault(period.from_ms, use.tag)
        ensure(
            known == use.tag, case.use_name(use), "stands under another payer's tag than your other uses of the period"
        )


# ------------------------------------------------------------ comparing


def _compare(case: Case, account: Account, use: Use, one: Rated, committed: dict[H32, H32]) -> None:
    before = tuple((committed[key], value) for key, value in one.before)
    keyed = Rated(one.usage, one.fee, before, one.after, one.shares, one.band)
    _compare_group(case, account, use, [keyed])


def _compare_group(case: Case, account: Account, use: Use, rated: Sequence[Rated]) -> None:
    """What was settled is what the rules give: counters before, fee, shares, band, span."""
    h = account.versions[use.version].h
    was = None if use.replaces is None else Was(use.replaces, 0, ())
    again = settle_uses(account.versions, [RatedUse(one, h, use.tag, use.kind, was=was) for one in rated], bytes)
    name = case.use_name(use)
    ensure(len(again) == 1, name, "joins readings of different prices, bands or periods")
    found, unit = again[0].use, account.settlement.unit
    why = "was priced from other counters than the uses before it left"
    ensure(use.counters == found.counters, name, why)
    why = f"costs {words.amount(found.fee, unit)} by the contract, {words.amount(use.fee, unit)} was settled"
    ensure(use.fee == found.fee, name, why)
    for (party, share), (_, expected) in zip(use.shares, found.shares, strict=True):
        who = _contract_of(account, use).parties[party].name
        why = f"gives {who} {words.amount(expected, unit)} by the contract, {words.amount(share, unit)} was settled"
        ensure(share == expected, name, why)
    ensure(use.programme == found.programme, name, f"was priced as {found.programme!r}, {use.programme!r} was settled")
    span = (use.start_ms, use.end_ms, use.from_total, use.to_total, use.number)
    same = span == (found.start_ms, found.end_ms, found.from_total, found.to_total, found.number)
    ensure(same, name, "does not span what its readings span")
