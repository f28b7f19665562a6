"""Laws 2-6 of the ledger and the law of order, over drawn tariffs, splits and uses."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from math import floor

from hypothesis import given, settings
from hypothesis import strategies as st
from support.money import (
    BANK,
    CHAIN,
    CONTI,
    ELENA,
    FUND,
    HADDAD,
    HOUR,
    NAMES,
    T0,
    contract,
    event,
    hours,
    interval,
    loan,
    rest,
    splits,
    tariffs,
)
from tallystick_protocol.ids import H32, PartyId
from tallystick_protocol.money.calendar import Period, days_in, period_of
from tallystick_protocol.money.contract import Contract
from tallystick_protocol.money.price import curve_of
from tallystick_protocol.money.rating import (
    Rated,
    Usage,
    UsageForm,
    canonical,
    counters_of,
    minimum_usage,
    rate,
    rebate_usage,
    standing_usage,
)
from tallystick_protocol.money.split import share
from tallystick_protocol.money.tariff import Band, Form
from tallystick_protocol.money.zone import offsets_of

quantities = st.lists(st.integers(0, 9_000), min_size=1, max_size=30)


@st.composite
def contracts(draw: st.DrawFn) -> Contract:
    return contract(draw(tariffs()), *draw(splits()))


@st.composite
def two_payers(draw: st.DrawFn) -> list[Usage]:
    """Uses of two payers over two months, some weeks apart, in canonical order."""
    uses = hours(draw(quantities)) + hours(draw(quantities), HADDAD, T0 + 25 * 24 * HOUR)
    late = interval(10**6, 10**6 + draw(st.integers(1, 5000)), T0 + 40 * 24 * HOUR)
    return canonical([*uses, late])


def closed(version: Contract, uses: list[Usage]) -> list[Usage]:
    """The uses with standing charge (in two parts), rebate and minimum of each payer in each period they touch."""
    touched = {(use.payer, period_of(version, use.end_ms - 1)) for use in uses}
    minimums = [minimum_usage(CHAIN, version, payer, period) for payer, period in touched]
    rebates = [rebate_usage(CHAIN, payer, period, period.to_ms) for payer, period in touched]
    standing = [one for payer, period in touched for one in stood(version, payer, period)]
    return canonical([*uses, *minimums, *rebates, *standing])


def stood(version: Contract, payer: PartyId, period: Period) -> list[Usage]:
    """As if another version had begun with the fifth day."""
    middle_ms, days = period.from_ms + 4 * 24 * HOUR, days_in(period, period.to_ms, offsets_of(version.zone))
    return [
        standing_usage(CHAIN, payer, period, period.from_ms, (0, 4)),
        standing_usage(CHAIN, payer, period, middle_ms, (4, days)),
    ]


@given(contracts(), st.lists(st.integers(1, 30), max_size=4), st.sampled_from((T0, T0 + 60 * 24 * HOUR)))
def test_parts_of_a_standing_charge_make_the_whole_whatever_was_used(
    version: Contract, cuts: list[int], at_ms: int
) -> None:
    """Law 5, of days; 2026 has its months of 31 days with 744 and 743 hours."""
    period = period_of(version, at_ms)
    days = days_in(period, period.to_ms, offsets_of(version.zone))
    edges = sorted({0, days, *(cut for cut in cuts if cut < days)})
    parts = [standing_usage(CHAIN, CONTI, period, period.from_ms + a, (a, b)) for a, b in pairwise(edges)]
    charge = version.tariff.standing_charge
    found = rate([version], CHAIN, canonical([*hours([500]), *parts] if at_ms == T0 else parts), {})
    fees = [one.fee for one in found if one.usage.form is UsageForm.STANDING]
    assert days == 31
    assert sum(fees) == (charge.nano() if charge else 0)
    assert min(fees) >= 0


@given(contracts(), two_payers())
def test_shares_sum_to_the_fee_and_none_has_another_sign(version: Contract, uses: list[Usage]) -> None:
    for rated in rate([version], CHAIN, closed(version, uses), {}):
        assert sum(rated.amounts) == rated.fee
        sign = -1 if rated.usage.form is UsageForm.REBATE else 1
        assert rated.fee * sign >= 0
        assert min(amount * sign for amount in rated.amounts) >= 0


@given(
    st.integers(0, 10**15),
    st.lists(st.integers(1, 10**6), min_size=1, max_size=12),
    st.binary(min_size=32, max_size=32),
)
def test_each_share_is_the_floor_or_ceiling_of_the_exact_one(amount: int, weights: list[int], use: bytes) -> None:
    shares = share(amount, weights, use)
    assert sum(shares) == amount
    for got, weight in zip(shares, weights, strict=True):
        exact = Fraction(amount * weight, sum(weights))
        assert got in (floor(exact), -floor(-exact))


@given(contracts(), two_payers())
def test_counters_never_exceed_caps(version: Contract, uses: list[Usage]) -> None:
    for rated in rate([version], CHAIN, closed(version, uses), {}):
        caps = {counter.key: counter.cap for counter in counters_of(version, CHAIN, rated.usage)}
        for key, value in rated.after:
            cap = caps[key]
            own = [c for c in counters_of(version, CHAIN, rated.usage) if c.key == key]
            assert value >= 0
            assert cap is None or value <= max(
                s.cap.nano() for s in version.split if s.cap and s.counter == own[0].name
            )


@given(contracts(), two_payers())
def test_no_payer_pays_more_than_the_cap_or_less_than_the_minimum(version: Contract, uses: list[Usage]) -> None:
    """Beside the standing charge, which counts in neither."""
    paid: dict[tuple[bytes, int], int] = {}
    for rated in rate([version], CHAIN, closed(version, uses), {}):
        place = (rated.usage.payer, period_of(version, rated.usage.end_ms - 1).from_ms)
        fee = 0 if rated.usage.form is UsageForm.STANDING else rated.fee
        paid[place] = paid.get(place, 0) + fee
    cap, minimum = version.tariff.cap, version.tariff.minimum
    assert all(cap is None or fee <= cap.nano() for fee in paid.values())
    assert all(minimum is None or fee >= minimum.nano() for fee in paid.values())


@given(contracts(), two_payers())
def test_a_period_costs_what_its_volume_does(version: Contract, uses: list[Usage]) -> None:
    """Bands by themselves, whatever the order of the uses: graduated, or all at the price of the tier reached."""
    version = replace(version, tariff=replace(version.tariff, cap=None, minimum=None, standing_charge=None))
    paid: dict[tuple[bytes, int], int] = {}
    used: dict[tuple[bytes, int, str], int] = {}
    for rated in rate([version], CHAIN, closed(version, uses), {}):
        place = rated.usage.payer, period_of(version, rated.usage.end_ms - 1).from_ms
        paid[place] = paid.get(place, 0) + rated.fee
        if rated.band is not None:
            counts = rated.usage.to_total - rated.usage.from_total
            used[*place, rated.band] = used.get((*place, rated.band), 0) + counts
    expected = dict.fromkeys(paid, 0)
    for (payer, from_ms, name), counts in used.items():
        band = next(one for one in version.tariff.bands if one.name == name)
        expected[payer, from_ms] += cost_of(version, band, counts)
    assert paid == expected


def cost_of(version: Contract, band: Band, counts: int) -> int:
    """In plain fractions."""
    per = Fraction(version.tariff.counts_per_unit.n, version.tariff.counts_per_unit.d)
    left = max(0, counts - band.quota)
    if band.volume:
        tier = next(one for one in band.tiers if one.up_to is None or left <= one.up_to)
        return floor(left * tier.price.fraction() * 10**9 / per)
    return curve_of(band, version.tariff).total(counts)


@given(tariffs(), st.lists(st.integers(1, 3000), min_size=2, max_size=20))
def test_slicing_does_not_change_the_price(tariff_: object, counts: list[int]) -> None:
    version = contract(tariff_)  # type: ignore[arg-type]
    sliced, total = [], 0
    for index, count in enumerate(counts):  # all at night, in one band
        at = T0 + index * 60_000
        sliced.append(interval(total, total + count, at))
        total += count
    whole = [interval(0, total, T0)]
    assert sum(r.fee for r in rate([version], CHAIN, sliced, {})) == rate([version], CHAIN, whole, {})[0].fee


@given(tariffs(), st.integers(0, 10**7), st.integers(0, 10**6))
def test_more_use_never_costs_less(tariff_: object, counts: int, more: int) -> None:
    for band in tariff_.bands:  # type: ignore[attr-defined]
        curve = curve_of(band, tariff_)  # type: ignore[arg-type]
        assert 0 <= curve.total(counts) <= curve.total(counts + more)


@given(tariffs(), st.integers(0, 10**7))
def test_a_band_costs_the_floor_of_the_exact_rational(tariff_: object, counts: int) -> None:
    for band in tariff_.bands:  # type: ignore[attr-defined]
        per = Fraction(tariff_.counts_per_unit.n, tariff_.counts_per_unit.d)  # type: ignore[attr-defined]
        left, below, exact = max(0, counts - band.quota), 0, Fraction(0)
        for tier in band.tiers:
            width = left if tier.up_to is None else min(left, tier.up_to - below)
            exact += width * tier.price.fraction() * 10**9 / per
            left, below = left - width, tier.up_to or 0
        assert curve_of(band, tariff_).total(counts) == floor(exact)  # type: ignore[arg-type]


@given(contracts(), two_payers(), st.randoms(use_true_random=False))
def test_order_of_arrival_does_not_move_a_nano(version: Contract, uses: list[Usage], random: object) -> None:
    shuffled = list(uses)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    expected = rate([version], CHAIN, uses, {})
    assert rate([version], CHAIN, canonical(shuffled), {}) == expected
    assert arriving(version, shuffled) == expected


def arriving(version: Contract, uses: list[Usage]) -> list[Rated]:
    """Rate each use as it comes; the later ones are rated again from the counters before it."""
    known: list[Rated] = []
    for use in uses:
        earlier = [r for r in known if r.usage.position < use.position]
        later = [r.usage for r in known if r.usage.position > use.position]
        counters: dict[H32, int] = {}
        for rated in earlier:
            counters.update(rated.after)
        known = earlier + rate([version], CHAIN, [use, *later], counters)
    return known


@settings(max_examples=50)
@given(contracts(), two_payers(), st.integers(0, 60))
def test_rating_goes_on_from_opening_counters(version: Contract, uses: list[Usage], at: int) -> None:
    expected = rate([version], CHAIN, uses, {})
    counters = {key: value for rated in expected[:at] for key, value in rated.after}
    frozen = dict(counters)
    assert rate([version], CHAIN, uses[at:], counters) == expected[at:]
    assert counters == frozen


@given(splits(Form.EVENT), st.lists(st.tuples(st.integers(1, 3), st.booleans()), min_size=1, max_size=25))
def test_event_uses_keep_the_same_laws_and_aborted_ones_are_free(
    steps: tuple[object, ...], washes: list[tuple[int, bool]]
) -> None:
    from support.money import cycles, flat

    version = contract(cycles(flat("1.333333")), *steps)  # type: ignore[arg-type]
    uses = [event(number, counts, aborted=aborted) for number, (counts, aborted) in enumerate(washes)]
    for rated in rate([version], CHAIN, uses, {}):
        assert sum(amount for _, amount in rated.shares) == rated.fee >= 0
        assert min(amount for _, amount in rated.shares) >= 0
        if rated.usage.aborted:
            assert (rated.fee, rated.before, rated.after) == (0, (), ())


def test_two_thousand_shuffles_give_one_state() -> None:
    from random import Random

    version = contract(None, loan("12.50"), rest((ELENA, 2), (FUND, 1)))
    uses = canonical([*hours([900] * 20), *hours([450] * 20, HADDAD, T0 + 60_000)])
    random, states = Random(5), set()
    for _ in range(2000):
        shuffled = list(uses)
        random.shuffle(shuffled)
        sums: dict[bytes, int] = {}
        for rated in rate([version], CHAIN, canonical(shuffled), {}):
            for party, amount in rated.shares:
                sums[party] = sums.get(party, 0) + amount
        states.add(tuple(sorted(sums.items())))
    assert len(states) == 1


def test_dithered_shares_drift_at_most_201_nano_in_100_000_uses() -> None:
    for weights, amount in (
        ([3333, 3333, 3334], 210_000_001),
        ([4500, 3000, 2000, 300, 200], 3_700_007),
        ([7, 2, 1], 1),
    ):
        total = sum(weights)
        sums = [0] * len(weights)
        for number in range(100_000):
            for index, got in enumerate(share(amount, weights, b"%d" % number)):
                sums[index] += got
        drift = [abs(got - Fraction(amount * 100_000 * w, total)) for got, w in zip(sums, weights, strict=True)]
        assert max(drift) <= 201, drift


def test_names_of_the_support_are_in_contract_order() -> None:
    assert [party.name for party in contract().parties] == list(NAMES)
    assert BANK != CONTI
