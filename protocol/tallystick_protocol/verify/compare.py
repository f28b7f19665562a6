"""What both scopes of pricing again have in common: a settled use as the price sees it, counters, and comparing.
It never decides where a counter begins: each scope says that for itself.
"""

from collections.abc import Sequence

from tallystick_protocol.codes import UseKind
from tallystick_protocol.counter_line import Counter
from tallystick_protocol.ids import H32, PartyId, sha256, use_id
from tallystick_protocol.money.contract import Contract
from tallystick_protocol.money.plan import Counter as Meaning
from tallystick_protocol.money.rating import Rated, Usage, UsageForm
from tallystick_protocol.money.settle import RatedUse, Was, settle_uses
from tallystick_protocol.money.usage import form_at_close
from tallystick_protocol.settled_use import Use
from tallystick_protocol.verify import words
from tallystick_protocol.verify.case import Account, Case, ensure
from tallystick_protocol.verify.report import Misfit
from tallystick_protocol.verify.reversals import reversed_in


def usage_of(case: Case, use: Use, payer: PartyId) -> Usage:
    """A settled use as the price sees it."""
    here = use_id(use.channel_hash, use.number)
    metered = UsageForm.EVENT if use.slices is None else UsageForm.INTERVAL
    form = form_at_close(use.channel_hash) or metered
    taken_back = here in reversed_in(case, use)
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
        aborted=taken_back or aborted,  # a use that was reversed is rated as if it had been broken off
    )


def payer_of(tag: bytes) -> PartyId:
    """What stands for a payer whom only a tag names."""
    return PartyId(sha256(tag)[:16])


def live_uses(account: Account) -> list[Use]:
    """The uses that somebody owes something for, in the order of their leaves."""
    return [use for _, use in sorted(account.leaves.uses.items()) if use.kind is UseKind.LIVE]


def contract_of(account: Account, use: Use) -> Contract:
    """The version that the settlement says the use was priced by."""
    return account.versions[use.version].contract


def counters_by_key(account: Account) -> dict[H32, Counter]:
    """The counters that the settlement commits to; raises Misfit when one stands there twice."""
    rows = list(account.leaves.counters.values())
    found = {row.key: row for row in rows}
    ensure(len(found) == len(rows), account.name, "lists one counter twice")
    return found


def opening_of(account: Account, counters: dict[H32, Counter], key: H32) -> int:
    """What that counter held before the settlement's first use; raises Misfit when nothing commits to it."""
    found = counters.get(key)
    if found is None:
        raise Misfit(account.name, f"moves counter {words.short(key)}, but does not commit to it")
    return found.opening


def replaced(case: Case, use: Use) -> Use | None:
    """The leaf of an earlier settlement that a correction replaces; raises Misfit when it is not shown."""
    if use.replaces is None:
        return None
    name = case.use_name(use)
    leaves = case.leaves.get(use.replaces.settlement)
    old = leaves.uses.get(use.replaces.leaf) if leaves is not None else None
    if old is None:
        raise Misfit(name, "corrects a line of an earlier settlement that is not in the file")
    same = (old.channel_hash, old.number, old.tag) == (use.channel_hash, use.number, use.tag)
    ensure(same, name, "corrects the line of another use")
    spans = [(one.start_ms, one.end_ms, one.from_total, one.to_total) for one in (old, use)]
    ensure(spans[0] == spans[1], name, "has another time or count than the line that it corrects")
    is_same = use.slices is not None or old.programme == use.programme  # a band may have another name in a new version
    ensure(is_same, name, f"was settled as {old.programme!r}, and is corrected to {use.programme!r}")
    ensure(use.level <= old.level, name, "claims a better evidence level than the line that it corrects")
    stays = set(old.reversals) <= set(use.reversals)
    ensure(stays, name, "was reversed, and a later settlement brings it back")
    return old


def check_closings(
    account: Account, counters: dict[H32, Counter], meanings: dict[H32, Meaning], ends: dict[H32, int]
) -> None:
    """Each counter closes where the uses bring it (`ends`); raises Misfit naming the first that does not."""
    for key, counter in counters.items():
        closing = ends.get(key, counter.opening)
        why = f"counter {words.short(key)} closes at {counter.closing}, its uses bring it to {closing}"
        ensure(counter.closing == closing, account.name, why)
    check_periods(account, counters, meanings)


def check_periods(account: Account, counters: dict[H32, Counter], meanings: dict[H32, Meaning]) -> None:
    """Each counter that a use moves counts over its period: it may be left out of a settlement after that, not before;
    raises Misfit."""
    for key in counters.keys() & meanings.keys():
        meaning = meanings[key]
        period = None if meaning.period is None else (meaning.period.from_ms, meaning.period.to_ms)
        ensure(counters[key].period == period, account.name, f"counter {words.short(key)} counts over another period")


def compare_group(case: Case, account: Account, use: Use, rated: Sequence[Rated]) -> None:
    """What was settled is what the rules give: counters before, fee, shares, band, span."""
    h = account.versions[use.version].h
    was = None if use.replaces is None else Was(use.replaces, 0, ())
    reversed_ids = reversed_in(case, use)
    rows = [RatedUse(one, h, use.tag, use.kind, was=was, reversal=reversed_ids.get(one.usage.use_id)) for one in rated]
    again = settle_uses(account.versions, rows, bytes)
    name = case.use_name(use)
    ensure(len(again) == 1, name, "joins readings of different prices, bands or periods")
    found, unit = again[0].use, account.settlement.unit
    why = "was priced from other counters than the uses before it left"
    ensure(use.counters == found.counters, name, why)
    why = f"costs {words.amount(found.fee, unit)} by the contract, {words.amount(use.fee, unit)} was settled"
    ensure(use.fee == found.fee, name, why)
    for (party, share), (_, expected) in zip(use.shares, found.shares, strict=True):
        who = contract_of(account, use).parties[party].name
        why = f"gives {who} {words.amount(expected, unit)} by the contract, {words.amount(share, unit)} was settled"
        ensure(share == expected, name, why)
    ensure(use.programme == found.programme, name, f"was priced as {found.programme!r}, {use.programme!r} was settled")
    ensure(use.reversals == found.reversals, name, "is reversed otherwise than its decisions say")
    span = (use.start_ms, use.end_ms, use.from_total, use.to_total, use.number)
    same = span == (found.start_ms, found.end_ms, found.from_total, found.to_total, found.number)
    ensure(same, name, "does not span what its readings span")
