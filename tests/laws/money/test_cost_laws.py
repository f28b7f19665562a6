"""Laws of shared bills: shares sum to it, each floor or ceiling of exact; every day of every flat is paid once."""

from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction
from math import ceil, floor

from hypothesis import assume, example, given
from hypothesis import strategies as st
from tallystick_protocol.money.cost import Bill, By, Cost, Flat, Lives, Part, Stay, UseOf, charges_of, stays_of

FIRST = date(2024, 1, 1)  # a leap year
DAYS = 366
bills = st.tuples(st.integers(1, 10**9), st.integers(0, DAYS), st.integers(0, DAYS)).map(
    lambda one: Bill("b", one[0], FIRST + timedelta(min(one[1:])), FIRST + timedelta(max(one[1:])))
)


@st.composite
def lives(draw: st.DrawFn, flat: int) -> tuple[Lives, ...]:
    """Stays that do not overlap, with gaps."""
    edges = sorted(draw(st.sets(st.integers(-20, DAYS + 20), max_size=6)))
    days = [FIRST + timedelta(one) for one in edges]
    return tuple(
        Lives(f"person {flat}.{at}", draw(st.integers(1, 5)), first, last - timedelta(1))
        for at, (first, last) in enumerate(zip(days[::2], days[1::2], strict=False))
    )


@st.composite
def costs(draw: st.DrawFn) -> Cost:
    count = draw(st.integers(1, 8))
    cuts = sorted(draw(st.sets(st.integers(1, 999), max_size=count - 1)))
    shares = [Fraction(b - a) for a, b in zip([0, *cuts], [*cuts, 1000], strict=True)]
    shares += [Fraction(0)] * (count - len(shares))
    areas = draw(st.lists(st.integers(1, 20_000), min_size=count, max_size=count))
    flats = tuple(
        Flat(f"flat {at}", "owner", shares[at], Fraction(areas[at], 100), draw(lives(at))) for at in range(count)
    )
    portion = Fraction(draw(st.integers(1, 100)), 100)
    measures = st.sampled_from(list(By))
    key = [(portion, draw(measures))] + ([(1 - portion, draw(measures))] if portion < 1 else [])
    parts = (Part(one, by, "q" if by is By.USE else None, By.FLAT if by is not By.FLAT else None) for one, by in key)
    found = Cost("pool", "town", "owner", "a decision", tuple(parts), flats)
    found.check_rules()
    return found


used = st.integers(0, 10**6)


def use_of(counted: dict[str, int]) -> UseOf:
    def read(stay: Stay, quantity: str) -> Fraction:
        return Fraction(counted.get(f"{stay.flat.asset} {stay.first_day}", 0))

    return read


@given(costs(), bills, st.data())
def test_shares_sum_to_the_bill_and_each_is_floor_or_ceiling(cost: Cost, bill: Bill, data: st.DataObject) -> None:
    counted = {f"{one.flat.asset} {one.first_day}": data.draw(used) for one in stays_of(cost, bill)}
    charges = charges_of(cost, bill, use_of(counted))
    assert sum(one.cents for one in charges) == bill.cents
    assert sum(one.exact for one in charges) == 1
    for one in charges:
        exact = one.exact * bill.cents
        assert floor(exact) <= one.cents <= ceil(exact)


@given(costs(), bills, st.data())
def test_the_order_of_flats_and_stays_in_the_file_makes_no_difference(
    cost: Cost, bill: Bill, data: st.DataObject
) -> None:
    counted = {f"{one.flat.asset} {one.first_day}": data.draw(used) for one in stays_of(cost, bill)}
    flats = data.draw(st.permutations([replace(one, lives=one.lives[::-1]) for one in cost.flats]))
    again = charges_of(replace(cost, flats=tuple(flats)), bill, use_of(counted))
    first = charges_of(cost, bill, use_of(counted))
    assert [(o.stay.flat.asset, o.stay.first_day, o.cents) for o in again] == [
        (o.stay.flat.asset, o.stay.first_day, o.cents) for o in first
    ]


@given(costs(), bills)
def test_every_day_of_every_flat_is_paid_by_exactly_one(cost: Cost, bill: Bill) -> None:
    days = Counter(
        (one.flat.asset, one.first_day + timedelta(at)) for one in stays_of(cost, bill) for at in range(one.days)
    )
    wanted = (bill.last_day - bill.first_day).days + 1
    assert set(days.values()) <= {1}
    assert len(days) == wanted * len(cost.flats)
    for one in stays_of(cost, bill):
        assert one.people or one.payer == one.flat.owner


@given(st.integers(1, 10**7), st.integers(1, 365), st.integers(1, 5))
@example(123_456, 200, 1)
def test_who_leaves_and_who_comes_pay_by_their_days(cents: int, moved: int, people: int) -> None:
    """With one key by area, a flat pays the same whether one person or two lived there in turn, to the cent."""
    bill = Bill("b", cents, FIRST, FIRST + timedelta(365))
    day = FIRST + timedelta(moved)
    assume(day <= bill.last_day)
    one = Flat("flat 1", "owner", area=Fraction(50), lives=(Lives("A", people, date.min, date.max),))
    two = replace(one, lives=(Lives("A", people, date.min, day - timedelta(1)), Lives("B", 1, day, date.max)))
    other = Flat("flat 2", "owner", area=Fraction(70), lives=(Lives("C", 1, date.min, date.max),))
    cost = Cost("pool", "town", "owner", "a decision", (Part(Fraction(1), By.AREA),), (one, other))
    whole = charges_of(cost, bill, use_of({}))
    split = charges_of(replace(cost, flats=(two, other)), bill, use_of({}))
    exact = [one.exact * cents for one in split]
    assert exact[0] + exact[1] == whole[0].exact * cents
    assert exact[0] / (exact[0] + exact[1]) == Fraction(moved, 366)
    assert abs(split[0].cents + split[1].cents - whole[0].cents) <= 1
