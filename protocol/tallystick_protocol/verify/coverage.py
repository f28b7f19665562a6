"""Ninth step: nothing is missing and nothing is counted twice.
Per channel: open before + (to - from) = billed + waived + open after, and every use number stands somewhere once.
"""

from collections.abc import Iterable
from itertools import pairwise

from tallystick_protocol.codes import ResolutionAction
from tallystick_protocol.cose import ContentType
from tallystick_protocol.cover import Cover, Open
from tallystick_protocol.ids import H32
from tallystick_protocol.records import Resolution
from tallystick_protocol.settled_use import Use
from tallystick_protocol.verify import words
from tallystick_protocol.verify.case import Account, Case, ensure, first_missing, is_metered
from tallystick_protocol.verify.report import Check, Misfit

Span = tuple[int, int]


def check_coverage(case: Case) -> Check:
    """Leaves are complete for the scope and in order, and each shown cover adds up; raises Misfit."""
    covers = billed = 0
    for account in case.accounts:
        if not case.is_own:
            _check_complete(account, base=account.is_base)
        if account.is_base:
            continue
        _check_order(case, account)
        for cover in account.leaves.covers.values():
            billed += _check_cover(case, account, cover)
            covers += 1
        _check_covered(case, account)
    shown = sum(len(account.leaves.uses) for account in case.verified())
    if case.is_own and not covers:
        text = f"{words.count(shown, 'use')} of yours; what others used at the same machines is not shown to you"
    else:
        text = f"{words.count(covers, 'channel')} add up: open before + used = billed + waived + still open"
    return Check("coverage", True, text, {"covers": covers, "uses": shown, "billed": billed})


def resolutions(case: Case) -> dict[H32, Resolution]:
    """The decisions in the file by hash."""
    return {item.h: item.body for item in case.of(ContentType.RESOLUTION) if isinstance(item.body, Resolution)}


def closed_by(case: Case, account: Account, cover: Cover) -> list[tuple[Open, Resolution]]:
    """The spans of the settlement before that decisions closed in this one; raises Misfit."""
    known = resolutions(case)
    before = _cover_before(account, cover)
    opens = {} if before is None else {one.id: one for one in before.opens}
    found = []
    for open_id, h in cover.closed:
        where = f"{account.name}, open span {open_id} of {case.asset_of(cover.channel_hash)}"
        ensure(open_id in opens, where, "is closed, but was not open before")
        resolution = known.get(h)
        if resolution is None:
            raise Misfit(where, "is closed by a decision that is not in the file")
        fits = (resolution.channel_hash, resolution.open_id) == (cover.channel_hash, open_id)
        ensure(fits, where, "is closed by a decision about something else")
        found.append((opens[open_id], resolution))
    return found


def _check_complete(account: Account, *, base: bool) -> None:
    """A party to the split is shown every cover, counter and use of its contract."""
    settlement, leaves = account.settlement, account.leaves
    rows: list[tuple[str, Iterable[int], int]] = [
        ("channel", leaves.covers, settlement.covers.n),
        ("counter", leaves.counters, settlement.counters.n),
    ]
    if not base:
        rows.append(("use", leaves.uses, settlement.uses.n))
    for name, known, n in rows:
        missing = first_missing(known, n)
        ensure(
            missing is None, account.name, f"commits to {words.count(n, name)}, and number {missing} is not in the file"
        )


def _check_order(case: Case, account: Account) -> None:
    """Uses stand in canonical order, and none ends outside of the period without being a late or corrected one."""
    uses = [use for _, use in sorted(account.leaves.uses.items())]
    for before, after in pairwise(uses):
        ensure(
            before.position < after.position,
            case.use_name(after),
            f"stands after {case.use_name(before)}, against the order by time",
        )
    for use in uses:
        ensure(use.end_ms <= account.settlement.to_ms, case.use_name(use), "ended after the settlement's period")
    covers = list(account.leaves.covers.values())
    ensure(len({c.channel_hash for c in covers}) == len(covers), account.name, "covers one channel twice")


def _check_covered(case: Case, account: Account) -> None:
    """Every use lies in a cover that is shown (contract scope), and every channel goes on in the next settlement."""
    if case.is_own:
        return
    here = {cover.channel_hash for cover in account.leaves.covers.values()}
    for use in account.leaves.uses.values():
        if is_metered(use):
            ensure(
                use.channel_hash in here,
                case.use_name(use),
                f"is billed, but {account.name} does not cover its channel",
            )
    if account.before is not None:
        for cover in account.before.leaves.covers.values():
            name = case.asset_of(cover.channel_hash)
            ensure(
                cover.channel_hash in here, account.name, f"leaves out {name}, which the settlement before it covered"
            )


def _cover_before(account: Account, cover: Cover) -> Cover | None:
    return None if account.before is None else account.before.leaves.cover_of(cover.channel_hash)


def _check_cover(case: Case, account: Account, cover: Cover) -> int:
    """The law of one channel; returns how many counts were billed."""
    where = f"{account.name}, {case.asset_of(cover.channel_hash)}"
    before = _cover_before(account, cover)
    opens: tuple[Open, ...] = ()
    if before is not None:
        opens = before.opens
        ensure(
            before.to_total == cover.from_total,
            where,
            f"begins at {cover.from_total}, but the one before ended at {before.to_total}",
        )
        ensure(
            before.to_use == cover.from_use,
            where,
            f"begins after use {cover.from_use}, but the one before ended at use {before.to_use}",
        )
    uses = [u for u in account.leaves.uses.values() if u.channel_hash == cover.channel_hash and u.replaces is None]
    closed = closed_by(case, account, cover)
    _check_kept(where, opens, cover, closed)
    totals = [(o.from_total, o.to_total) for o in opens] + [(cover.from_total, cover.to_total)]
    waived = [(r.from_total, r.to_total) for _, r in closed if r.action is ResolutionAction.WAIVE]
    after = [(o.from_total, o.to_total) for o in cover.opens]
    billed = [(use.from_total, use.to_total) for use in uses]
    if all(use.slices is None for use in uses):
        _check_spans(where, "counts", totals, billed + waived + after)
        _check_numbers(where, cover, opens, uses, closed)
    sums = _sum(totals), _sum(billed), _sum(waived), _sum(after)
    why = f"does not add up: {sums[0]} counted, but {sums[1]} billed + {sums[2]} waived + {sums[3]} open"
    ensure(sums[0] == sums[1] + sums[2] + sums[3], where, why)
    return sums[1]


def _check_kept(where: str, opens: tuple[Open, ...], cover: Cover, closed: list[tuple[Open, Resolution]]) -> None:
    """An open span keeps its id; a decision closes at most what was open."""
    known = {one.id: one for one in opens}
    for one in cover.opens:
        was = known.get(one.id)
        if was is not None:
            inside = was.from_total <= one.from_total and one.to_total <= was.to_total
            ensure(inside, where, f"moves open span {one.id} to where it was not")
    for was, resolution in closed:
        inside = was.from_total <= resolution.from_total and resolution.to_total <= was.to_total
        ensure(inside, where, f"closes more of open span {was.id} than was open")


def _check_numbers(
    where: str, cover: Cover, opens: tuple[Open, ...], uses: list[Use], closed: list[tuple[Open, Resolution]]
) -> None:
    """Use numbers are contiguous: each is billed, open or closed by a decision, once."""
    left = [(o.from_use, o.to_use) for o in opens] + [(cover.from_use, cover.to_use)]
    numbers = {use.number for use in uses if not _is_decision(use, closed)}
    right = [(number - 1, number) for number in sorted(numbers)]
    right += [(o.from_use, o.to_use) for o in cover.opens]
    for was, _ in closed:
        spans = [(was.from_use, was.to_use)]
        for number in sorted(n for n in numbers if was.from_use < n <= was.to_use):
            low, high = spans.pop()
            spans += [(low, number - 1), (number, high)]
        right += spans
    _check_spans(where, "use numbers", left, right)


def _is_decision(use: Use, closed: list[tuple[Open, Resolution]]) -> bool:
    """Whether people decided to bill counts that had no use number: the decision's use brings one of its own."""
    for was, decision in closed:
        inside = decision.from_total <= use.from_total and use.to_total <= decision.to_total
        if decision.action is ResolutionAction.BILL and inside and not was.from_use < use.number <= was.to_use:
            return True
    return False


def _check_spans(where: str, what: str, left: list[Span], right: list[Span]) -> None:
    """The same half-open spans, none overlapping another."""
    expected, found = _merged(where, what, left), _merged(where, what, right)
    if expected == found:
        return
    lost, more = _without(expected, found), _without(found, expected)
    if lost:
        why = f"{what} {lost[0][0]} to {lost[0][1]} are not billed, not waived and not open: something is missing"
    else:
        why = f"{what} {more[0][0]} to {more[0][1]} are billed or open, but were never counted: something was added"
    raise Misfit(where, why)


def _without(left: list[Span], right: list[Span]) -> list[Span]:
    """What of merged spans is not in other merged spans."""
    rest = list(left)
    for low, high in right:
        cut = [((a, min(b, low)), (max(a, high), b)) for a, b in rest]
        rest = [span for pair in cut for span in pair if span[0] < span[1]]
    return rest


def _merged(where: str, what: str, spans: list[Span]) -> list[Span]:
    merged: list[Span] = []
    for low, high in sorted(span for span in spans if span[0] < span[1]):
        if merged and low < merged[-1][1]:
            raise Misfit(where, f"{what} {low} to {min(high, merged[-1][1])} are counted twice")
        if merged and low == merged[-1][1]:
            merged[-1] = (merged[-1][0], high)
        else:
            merged.append((low, high))
    return merged


def _sum(spans: list[Span]) -> int:
    return sum(high - low for low, high in spans)
