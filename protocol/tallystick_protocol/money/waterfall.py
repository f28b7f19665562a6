"""The split of a contract compiled to integers, and the one loop in which a fee runs down its steps.
It never loses or makes a nano: what no step takes is taken by the last."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from tallystick_protocol.errors import InvariantError
from tallystick_protocol.ids import PartyId
from tallystick_protocol.money.split import Scope, Step, dither

REACHED = "reached step"  # how the counters begin that hold what came down to a step in a period


@dataclass(frozen=True, slots=True)
class SplitCounter:
    """A counter that a split needs: over what it counts, its name, and the cap it must not pass (None: it has none)."""

    scope: Scope
    name: str
    cap: int | None


@dataclass(frozen=True, slots=True)
class Taker:
    """A step in integers. `base` and `cap_at` are indices into the counters, -1 for none."""

    places: tuple[int, ...]  # of its parties among the beneficiaries
    bounds: tuple[tuple[int, int], ...]  # place and running sum of the weights
    weight_sum: int
    numerator: int
    denominator: int  # 0: not a portion
    fixed: int  # -1: not a fixed amount
    floor: int
    base: int
    cap: int
    cap_at: int
    is_plain_rest: bool  # takes all that is left


@dataclass(frozen=True, slots=True)
class Waterfall:
    """`beneficiaries` in contract order; `counters` in step order, each once."""

    beneficiaries: tuple[PartyId, ...]
    counters: tuple[SplitCounter, ...]
    takers: tuple[Taker, ...]
    is_alone: bool  # one party takes all

    def divide(self, fee: int, use_id: bytes, per_use: bool, values: list[int]) -> list[int]:
        """Shares of the beneficiaries, summing to `fee`; `values` are the counters and are moved in place.

        `per_use` is whether amounts per use apply: to event uses, not to slices and not to a period's minimum. A
        negative fee is given back by the same steps, in the same parts: no share of it is positive.
        """
        shares = [0] * len(self.beneficiaries)
        left = abs(fee)
        for taker in self.takers:
            if taker.is_plain_rest:
                amount = left
            else:
                amount = _take(taker, left, per_use, values) if fee >= 0 else _give_back(taker, left, values)
            left -= amount
            if amount == 0:
                continue
            if len(taker.places) == 1:
                shares[taker.places[0]] += amount
            else:
                _spread(taker, amount, use_id, shares)
        if left:
            raise InvariantError(f"a split left {left} of {fee} nano over")
        return shares if fee >= 0 else [-share for share in shares]


def waterfall_of(steps: Sequence[Step], order: Sequence[PartyId]) -> Waterfall:
    """Compile the steps; `order` are the contract's parties in file order."""
    named = {party for step in steps for party, _ in step.to}
    beneficiaries = tuple(party for party in order if party in named)
    counters: list[SplitCounter] = []
    takers = tuple(_taker(step, index, beneficiaries, counters) for index, step in enumerate(steps))
    is_alone = len(takers) == 1 and len(beneficiaries) == 1
    return Waterfall(beneficiaries, tuple(counters), takers, is_alone)


def _taker(step: Step, index: int, beneficiaries: Sequence[PartyId], counters: list[SplitCounter]) -> Taker:
    by_period = step.per is Scope.PERIOD and (step.fixed is not None or step.floor is not None)
    base = _place(counters, Scope.PERIOD, f"{REACHED} {index + 1}", None) if by_period else -1
    cap, cap_at = 0, -1
    if step.cap is not None and step.cap_per is not None and step.counter is not None:
        cap = step.cap.nano()
        cap_at = _place(counters, step.cap_per, step.counter, cap)
    places = tuple(beneficiaries.index(party) for party, _ in step.to)
    running = tuple(accumulate(weight for _, weight in step.to))
    return Taker(
        places,
        tuple(zip(places, running, strict=True)),
        running[-1],
        step.portion.n if step.portion else 0,
        step.portion.d if step.portion else 0,
        step.fixed.nano() if step.fixed else -1,
        step.floor.nano() if step.floor else 0,
        base,
        cap,
        cap_at,
        step.takes_rest and step.cap is None and step.floor is None,
    )


def _place(counters: list[SplitCounter], scope: Scope, name: str, cap: int | None) -> int:
    for index, known in enumerate(counters):
        if known.scope is scope and known.name == name:
            return index
    counters.append(SplitCounter(scope, name, cap))
    return len(counters) - 1


def _take(taker: Taker, left: int, per_use: bool, values: list[int]) -> int:
    """What a step takes of `left`; never more than that."""
    if taker.base >= 0:
        reached = values[taker.base]
        values[taker.base] = reached + left
        amount = of_period(taker, reached + left) - of_period(taker, reached)
    elif taker.denominator:
        amount = left * taker.numerator // taker.denominator
    elif taker.fixed >= 0:
        amount = min(left, taker.fixed) if per_use else 0
    else:
        amount = left
    if taker.floor and taker.base < 0 and per_use and amount < taker.floor:
        amount = min(taker.floor, left)
    if taker.cap_at >= 0:
        got = values[taker.cap_at]
        amount = max(0, min(amount, taker.cap - got))
        values[taker.cap_at] = got + amount
    return amount


def _give_back(taker: Taker, left: int, values: list[int]) -> int:
    """What a step gives of `left` that is given back; never more than that, nor than what its counter holds.

    Amounts per use are not given back. A cap that is reached stays so: what was lent and repaid is not lent again.
    """
    if taker.base >= 0:
        reached = values[taker.base]
        values[taker.base] = below = max(0, reached - left)
        amount = of_period(taker, reached) - of_period(taker, below)
    elif taker.denominator:
        amount = left * taker.numerator // taker.denominator
    else:
        amount = left if taker.fixed < 0 else 0
    if taker.cap_at >= 0:
        got = values[taker.cap_at]
        amount = min(amount, got) if got < taker.cap else 0
        values[taker.cap_at] = got - amount
    return amount


def of_period(taker: Taker, reached: int) -> int:
    """What a step with amounts per period holds once `reached` nano came down to it: slices make no difference."""
    if taker.fixed >= 0:
        amount = min(reached, taker.fixed)
    elif taker.denominator:
        amount = reached * taker.numerator // taker.denominator
    else:
        amount = reached
    return max(amount, min(reached, taker.floor))


def _spread(taker: Taker, amount: int, use_id: bytes, shares: list[int]) -> None:
    """The stateless dithered floor (see split.share) into the beneficiaries' places."""
    total = taker.weight_sum
    r = dither(use_id, total)
    before = 0
    for place, running in taker.bounds:
        after = (amount * running + r) // total
        shares[place] += after - before
        before = after
