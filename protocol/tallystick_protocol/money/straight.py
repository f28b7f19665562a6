"""The price and split of one use as a straight line of Python, written once per contract version and band.

What is the same for every use of a band (prices, caps, weights, the order of the steps) becomes numbers in the line, so
that rating a use looks nothing up and calls next to nothing. The source holds integers and fixed names alone, never a
text of a contract. `rating.rate_plainly` says the same in plain rules; a law holds the two equal.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from hashlib import sha256
from itertools import pairwise
from struct import Struct
from types import CodeType

from tallystick_protocol.errors import InvariantError
from tallystick_protocol.ids import H32
from tallystick_protocol.money.plan import Plan
from tallystick_protocol.money.price import Curve
from tallystick_protocol.money.rated import Rated, Shape
from tallystick_protocol.money.tariff import Form
from tallystick_protocol.money.usage import Usage
from tallystick_protocol.money.waterfall import Taker, of_period

Straight = Callable[[Usage, H32, int, dict[H32, int]], Rated]
"""From a use, its id and its counts, and the counters by key, which it moves."""

LINES_MAX = 65_536  # remembered lines of a plan, one for each set of counters: payers x bands x open periods
SOURCES_MAX = 512  # compiled sources; contracts from one template that differ in their parties alone share one
_INDENT = " " * 8
_FIRST_8 = Struct(">Q").unpack_from  # as split.dither takes them


def straight_of(plan: Plan, usage: Usage) -> Straight:
    """The line for a usual use and those like it: of its band, counting in the same counters."""
    band = plan.band(usage)
    shape = plan.shape(usage, band)
    known = plan.lines.get((band, shape.keys))
    if known is None:
        if len(plan.lines) >= LINES_MAX:
            plan.lines.clear()
        known = plan.lines[band, shape.keys] = _made(plan, band, shape)
    return known


def source_of(plan: Plan, band: int) -> str:
    """The source of a band's line, for those who want to read what a contract comes to."""
    curve, flow = plan.curves[band], plan.waterfall
    first = (0 if curve.is_plain else 1) + plan.counts_money  # of the split's counters among all of them
    counters = range(first + len(flow.counters))
    amounts: list[list[str]] = [[] for _ in flow.beneficiaries]  # what is added up for each of them
    split = list(_split(plan, first, amounts))
    body = [
        *(f"new{i} = old{i} = standing[key{i}]" for i in counters),
        *_price(plan, curve),
        *split,
        *(f"standing[key{i}] = new{i}" for i in counters),
        "return make(Rated, (",
        f"    usage, fee, {_tuple(' + '.join(terms) for terms in amounts)},",
        f"    {_tuple(f'old{i}' for i in counters)}, {_tuple(f'new{i}' for i in counters)}, shape,",
        "))",
    ]
    keys = [f"    {_tuple(f'key{i}' for i in counters)} = shape.keys"] if counters else []
    head = ["def line_of(shape, takers, of_period, sha256, first8, make, Rated):", *keys]
    return "\n".join([*head, "    def line(usage, use_id, counts, standing):", *(_INDENT + row for row in body),
                      "    return line", ""])  # fmt: skip


def _made(plan: Plan, band: int, shape: Shape) -> Straight:
    maker = plan.makers.get(band)
    if maker is None:
        names: dict[str, Callable[..., Straight]] = {}
        exec(_compiled(source_of(plan, band)), names)
        maker = plan.makers[band] = names["line_of"]
    return maker(shape, plan.waterfall.takers, of_period, sha256, _FIRST_8, tuple.__new__, Rated)


@lru_cache(maxsize=SOURCES_MAX)
def _compiled(source: str) -> CodeType:
    return compile(source, "<a contract's line>", "exec")


def _price(plan: Plan, curve: Curve) -> Iterator[str]:
    """`fee`, and the counters of quantity and of the period's money."""
    event = plan.contract.tariff.form is Form.EVENT
    step = plan.contract.tariff.step
    if event and step != 1:
        yield f"counts = -(-counts // {step:d}) * {step:d}"
    if curve.is_plain:
        yield f"fee = counts * {curve.slopes[0]:d}"
    else:
        yield "new0 += counts"
        yield f"fee = {_total(curve, 'new0')} - {_total(curve, 'old0')}"
    if event and plan.start_fee:
        yield f"fee += {plan.start_fee:d}"
    if event and plan.session_minimum:
        yield f"if fee < {plan.session_minimum:d}: fee = {plan.session_minimum:d}"
    if plan.counts_money:
        at = 0 if curve.is_plain else 1
        yield f"new{at} += fee"
        if plan.cap is not None:
            yield f"if new{at} > {plan.cap:d}: fee = max({plan.cap:d} - old{at}, 0)"


def _total(curve: Curve, counts: str) -> str:
    """The cumulative price: the piece that `counts` lie in, as height + (counts - start) * slope, floored once."""
    pieces = zip(curve.starts, curve.heights, curve.slopes, strict=True)
    offsets = [(slope, height - start * slope) for start, height, slope in pieces]
    texts = [f"{counts} * {slope:d}" + (f" + {offset:d}" if offset else "") for slope, offset in offsets]
    found = texts[-1]
    for bound, text in zip(reversed(curve.starts[1:]), reversed(texts[:-1]), strict=True):
        found = f"{text} if {counts} < {bound:d} else {found}"
    return f"({found})" if curve.denominator == 1 else f"({found}) // {curve.denominator:d}"


def _split(plan: Plan, first: int, amounts: list[list[str]]) -> Iterator[str]:
    """The steps in order; each leaves to the next what it does not take. Adds to the terms of `amounts`."""
    flow = plan.waterfall
    if not flow.takers[-1].is_plain_rest:
        raise InvariantError("the last step of a split takes the rest")
    left = "fee"
    for index, taker in enumerate(flow.takers[:-1]):
        yield from _take(index, taker, left, first, plan.contract.tariff.form is Form.EVENT)
        yield f"left{index} = {left} - take{index}"
        left = f"left{index}"
        yield from _spread(index, taker, f"take{index}", amounts)
    yield from _spread(len(flow.takers) - 1, flow.takers[-1], left, amounts)


def _take(index: int, taker: Taker, left: str, first: int, per_use: bool) -> Iterator[str]:
    """What a step takes of what is left, as in waterfall.py; its counters come after the `first` ones of the price."""
    take, base, counter = f"take{index}", f"new{first + taker.base}", f"new{first + taker.cap_at}"
    if taker.base >= 0:
        yield f"{take} = of_period(takers[{index}], {base} + {left}) - of_period(takers[{index}], {base})"
        yield f"{base} += {left}"
    elif taker.denominator:
        part = left if taker.numerator == 1 else f"{left} * {taker.numerator:d}"
        yield f"{take} = {part} // {taker.denominator:d}"
    elif taker.fixed >= 0:
        yield f"{take} = min({left}, {taker.fixed:d})" if per_use else f"{take} = 0"
    else:
        yield f"{take} = {left}"
    if taker.floor and taker.base < 0 and per_use:
        yield f"if {take} < {taker.floor:d}: {take} = min({taker.floor:d}, {left})"
    if taker.cap_at >= 0:
        yield f"{counter} += {take}"
        yield f"if {counter} > {taker.cap:d}:"
        yield f"    was = {counter} - {take}"
        yield f"    {counter} = max({taker.cap:d}, was)"
        yield f"    {take} = {counter} - was"


def _spread(index: int, taker: Taker, amount: str, amounts: list[list[str]]) -> Iterator[str]:
    """The dithered floor of split.share. Where the amount is a whole multiple of the weights' sum, every share is exact
    whatever r is, for r is less than that sum: then nothing is hashed."""
    if len(taker.places) == 1:
        amounts[taker.places[0]].append(amount)
        return
    total = taker.weight_sum
    running = [bound for _, bound in taker.bounds]
    weights = [after - before for before, after in zip([0, *running], running, strict=False)]
    names = [f"part{index}_{k}" for k in range(len(weights))]
    yield f"if {amount} % {total:d}:"
    yield f"    r = first8(sha256(use_id).digest())[0] % {total:d}"
    for k, bound in enumerate(running[:-1]):
        yield f"    at{k} = ({amount} * {bound:d} + r) // {total:d}"
    edges = [*(f"at{k}" for k in range(len(running) - 1)), amount]
    yield f"    {names[0]} = at0"
    for name, (low, high) in zip(names[1:], pairwise(edges), strict=True):
        yield f"    {name} = {high} - {low}"
    yield "else:"
    yield f"    unit = {amount} // {total:d}"
    for name, weight in zip(names, weights, strict=True):
        yield f"    {name} = unit * {weight:d}"
    for place, name in zip(taker.places, names, strict=True):
        amounts[place].append(name)


def _tuple(items: Iterable[str]) -> str:
    return "(" + "".join(f"{item}, " for item in items).rstrip() + ")"
