"""Joined interval uses: a payer's slices against the signed readings, and what others can check without them.
A curve is for its payer alone: a party to the split sees sums, and the sums must follow from the counters.
"""

from itertools import pairwise

from tallystick_protocol.batch import Batch
from tallystick_protocol.codes import EventCode, MeterState, TimeQuality
from tallystick_protocol.counter_line import Counter
from tallystick_protocol.errors import ProtocolError
from tallystick_protocol.ids import H32, channel_hash, use_id
from tallystick_protocol.money.calendar import edges
from tallystick_protocol.money.contract import version_at
from tallystick_protocol.money.intervals import Cut, Point, cut
from tallystick_protocol.money.plan import Plan, plan_of
from tallystick_protocol.money.price import capped
from tallystick_protocol.money.rating import Usage, UsageForm
from tallystick_protocol.money.waterfall import SplitCounter
from tallystick_protocol.part import Segment
from tallystick_protocol.settled_use import Replaced, Slice, Use
from tallystick_protocol.verify import words
from tallystick_protocol.verify.case import Account, Case, ensure, first_missing
from tallystick_protocol.verify.report import Check, Misfit
from tallystick_protocol.verify.reversals import counted, reversed_in

EDGES_MAX = 1_000_000  # two years of minutes
_EXPLAINS = frozenset({EventCode.WRAP, EventCode.RESET, EventCode.EXCHANGE})


def usages_of_slices(case: Case, account: Account, use: Use) -> list[tuple[Usage, tuple[int, ...]]]:
    """A joined use's slices as the price sees them, with the counters before each; raises Misfit."""
    name = case.use_name(use)
    slices = _slices(account, use)
    missing = first_missing(slices, use.slices.n if use.slices else 0)
    ensure(missing is None, name, f"is made of slices, and slice {missing} is not in the file")
    rows = []
    for _, one in sorted(slices.items()):
        here = use_id(use.channel_hash, one.from_total)
        moved = 0 if here in reversed_in(case, use) else len(use.counters)
        ensure(len(one.before) == moved, name, "has a slice with other counters than the use")
        usage = Usage(
            use_id=here,
            channel_hash=use.channel_hash,
            number=one.from_total,
            start_ms=one.start_ms,
            end_ms=one.end_ms,
            from_total=one.from_total,
            to_total=one.to_total,
            asset="",
            payer=case.party,
            form=UsageForm.INTERVAL,
            aborted=here in reversed_in(case, use),
            gap=one.gap,
        )
        rows.append((usage, one.before))
    ensure(
        sum(u.to_total - u.from_total for u, _ in rows) == use.to_total - use.from_total,
        name,
        "has slices of another sum",
    )
    return rows


def check_readings(case: Case) -> Check:
    """Cut the signed readings again and compare with the slices (scope own); raises Misfit."""
    compared = 0
    for account in case.verified():
        channels: dict[H32, list[tuple[Use, Slice]]] = {}
        for index, use in account.leaves.uses.items():
            if use.replaces is not None:
                _check_same_spans(case, account, index, use.replaces)
                continue
            for one in account.leaves.slices.get(index, {}).values():
                channels.setdefault(use.channel_hash, []).append((use, one))
        for channel, rows in channels.items():
            compared += _check_channel(case, account, channel, sorted(rows, key=lambda row: row[1].start_ms))
    text = f"{words.count(compared, 'slice')} cut again from the readings that the gateway signed"
    return Check("readings", True, text, {"slices": compared})


def _check_same_spans(case: Case, account: Account, index: int, replaces: Replaced) -> None:
    """A correction of joined readings prices the same slices anew: it never cuts others."""
    now = account.leaves.slices.get(index, {})
    home = case.leaves.get(replaces.settlement)
    was = {} if home is None else home.slices.get(replaces.leaf, {})
    same = [_span(one) for _, one in sorted(now.items())] == [_span(one) for _, one in sorted(was.items())]
    ensure(same, case.use_name(account.leaves.uses[index]), "corrects readings by cutting them otherwise than before")


def _span(one: Slice) -> tuple[int, int, int, int, bool]:
    return one.start_ms, one.end_ms, one.from_total, one.to_total, one.gap


def _slices(account: Account, use: Use) -> dict[int, Slice]:
    for index, known in account.leaves.uses.items():
        if known is use:
            return account.leaves.slices.get(index, {})
    return {}


def _check_channel(case: Case, account: Account, channel: H32, rows: list[tuple[Use, Slice]]) -> int:
    name = case.asset_of(channel)
    points = _points(case, channel)
    first, last = rows[0][1], rows[-1][1]
    contracts = [version.contract for version in account.versions]
    in_force = version_at(contracts, first.start_ms)
    if in_force is None:
        raise Misfit(name, "was priced when no version of the contract was in force")
    ensure(bool(points), name, "is billed by its readings, and none of them is in the file")
    most = (last.end_ms - first.start_ms) // min(contract.terms.interval_ms for contract in contracts)
    ensure(most <= EDGES_MAX, name, "was settled over more intervals than can be checked at once")
    marks = edges(contracts, first.start_ms, last.end_ms)
    try:
        again, _ = cut(points, Cut(first.start_ms, first.from_total), marks, in_force.terms.max_gap_ms)
    except ProtocolError as error:
        raise Misfit(name, f"its readings cannot be cut again ({error})") from None
    found = [_span(one) for _, one in rows]
    expected = [(one.start_ms, one.end_ms, one.from_total, one.to_total, one.gap) for one in again]
    for mine, theirs in zip(found, expected, strict=False):
        signed = f"from {words.moment(theirs[0])} the gateway counted {theirs[2]} to {theirs[3]}"
        ensure(mine == theirs, name, f"{signed}, settled was {mine[2]} to {mine[3]}")
    ensure(len(found) <= len(expected), name, "was settled further than its readings in the file go")
    return len(found)


def _points(case: Case, channel: H32) -> list[Point]:
    """The readings with time, in the order of their pagination; a new generation needs the event that explains it."""
    segments: list[Segment] = []
    explained = False
    for opened in case.parts:
        batch, part = opened.batch.body, opened.part
        if part is None or not isinstance(batch, Batch) or channel_hash(batch.gid, part.channel) != channel:
            continue
        segments += part.segments
        explained = explained or any(event.code in _EXPLAINS for event in part.events)
    segments.sort(key=lambda segment: segment.pagination)
    name = case.asset_of(channel)
    for before, after in pairwise(segments):
        if after.generation != before.generation:
            ensure(explained, name, "began to count anew, and no event in the file says why (exchange, reset or wrap)")
    return [
        Point(reading.t_ms, reading.total)
        for segment in segments
        for reading in segment.readings()
        if reading.state is MeterState.OK and reading.quality is not TimeQuality.U
    ]


def check_sums(case: Case, account: Account, uses: list[Use], counters: dict[H32, Counter]) -> None:
    """What a party to the split can check of joined uses: prices by counter, caps, and shares within rounding."""
    groups: dict[H32, list[Use]] = {}
    for use in uses:
        name, plan = case.use_name(use), plan_of(account.versions[use.version].contract, account.chain)
        for key, _ in use.counters:
            ensure(key in counters, name, f"moves counter {words.short(key)}, but the settlement does not commit to it")
        for key, _ in use.counters[: len(use.counters) - len(plan.waterfall.counters)]:
            groups.setdefault(key, []).append(use)
        if use.slices is not None:
            ensure(use.programme in plan.names, name, f"is priced in band {use.programme!r}, which the contract lacks")
            _check_plain(case, account, name, use, plan)
            _check_shares(name, use, plan)
    for key, group in groups.items():
        if len({use.version for use in group}) == 1 and all(use.replaces is None for use in group):
            _check_counter(case, account, group, counters[key])
    _check_caps(account, uses, counters)


def _raw(case: Case, use: Use, plan: Plan) -> int | None:
    """The price of a use in a band where it does not depend on what came before; None elsewhere."""
    curve = plan.curves[plan.names.index(use.programme or "")]
    return counted(case, use) * curve.slopes[0] if curve.is_plain else None


def _check_plain(case: Case, account: Account, name: str, use: Use, plan: Plan) -> None:
    fee, unit = _raw(case, use, plan), account.settlement.unit
    if fee is not None and not plan.counts_money:
        why = f"costs {words.amount(fee, unit)} by the contract, {words.amount(use.fee, unit)} was settled"
        ensure(use.fee == fee, name, why)


def _check_shares(name: str, use: Use, plan: Plan) -> None:
    """Without caps every slice was shared alike: each share is exact to a nano per slice and step."""
    if use.slices is None or plan.waterfall.counters:
        return
    expected = plan.waterfall.divide(use.fee, use_id(use.channel_hash, use.number), False, [])
    bound = use.slices.n * len(plan.contract.split)
    near = all(abs(share - e) <= bound for (_, share), e in zip(use.shares, expected, strict=True))
    ensure(near, name, "is shared otherwise than the contract says")


def _check_counter(case: Case, account: Account, group: list[Use], counter: Counter) -> None:
    """All uses of one price counter together cost what lies between its opening and its closing."""
    plan = plan_of(account.versions[group[0].version].contract, account.chain)
    name, unit = case.use_name(group[0]), account.settlement.unit
    fees = sum(use.fee for use in group)
    metered = [use for use in group if use.slices is not None]
    if len(metered) == len(group) and group[0].counters[0][0] == counter.key and _raw(case, group[0], plan) is None:
        curve = plan.curves[plan.names.index(group[0].programme or "")]
        used = sum(counted(case, use) for use in group)
        why = f"with the other uses of its counter used {used}, but the counter moved otherwise"
        ensure(counter.closing - counter.opening == used, name, why)
        expected = curve.total(counter.closing) - curve.total(counter.opening)
        if plan.counts_money:
            return
    else:
        raws = [_raw(case, use, plan) for use in metered]
        if plan.cap is None or len(metered) != len(group) or None in raws:
            return
        expected = capped(counter.opening, sum(raw for raw in raws if raw is not None), plan.cap)
    why = f"with the other uses of its counter costs {words.amount(expected, unit)} by the contract"
    ensure(fees == expected, name, f"{why}, {words.amount(fees, unit)} was settled")


def _check_caps(account: Account, uses: list[Use], counters: dict[H32, Counter]) -> None:
    """A counter of the split never passes its cap, and falls only where uses are corrected.

    Where versions differ the highest cap counts; what stood above a later, lower one before stays, and moves no more.
    """
    corrected = any(use.replaces is not None for use in uses)
    rules: dict[H32, list[SplitCounter]] = {}
    for use in uses:
        plan = plan_of(account.versions[use.version].contract, account.chain)
        split = use.counters[len(use.counters) - len(plan.waterfall.counters) :]
        for (key, _), rule in zip(split, plan.waterfall.counters, strict=False):
            rules.setdefault(key, []).append(rule)
    for key, mine in rules.items():
        found = counters[key]
        caps = [rule.cap for rule in mine if rule.cap is not None]
        within = len(caps) < len(mine) or found.closing <= max(*caps, found.opening)
        fits = (corrected or found.opening <= found.closing) and within
        ensure(fits, account.name, f"moves the counter {mine[0].name!r} backwards or past its cap")
