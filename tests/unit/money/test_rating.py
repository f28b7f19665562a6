"""What a use costs and who gets it, case by case."""

from typing import Any

import pytest
from support.money import (
    BANK,
    CHAIN,
    CONTI,
    ELENA,
    FUND,
    HADDAD,
    HOUR,
    KOFLER,
    T0,
    contract,
    cycles,
    energy,
    event,
    flat,
    hours,
    interval,
    loan,
    price,
    ratio,
    rest,
)
from tallystick_protocol.errors import InvariantError
from tallystick_protocol.money.calendar import period_of
from tallystick_protocol.money.contract import Contract, GapRule, Terms
from tallystick_protocol.money.errors import UsageError
from tallystick_protocol.money.numbers import Exact
from tallystick_protocol.money.plan import problem
from tallystick_protocol.money.rating import (
    Rated,
    Usage,
    UsageForm,
    canonical,
    counter_keys,
    counters_of,
    minimum_usage,
    rate,
    rebate_usage,
)
from tallystick_protocol.money.split import Scope, Step
from tallystick_protocol.money.tariff import Band, Tariff, Tier, Window

EUR = 10**9


def fees(version: Contract, uses: list[Usage]) -> list[int]:
    return [rated.fee for rated in rate([version], CHAIN, uses, {})]


def share_of(rated: Rated, party: bytes) -> int:
    return dict(rated.shares)[party]  # type: ignore[index]


def test_one_price_per_kwh() -> None:
    assert fees(contract(), hours([1000, 500, 1])) == [300_000_000, 150_000_000, 300_000]


def test_plain_prices_need_no_counters() -> None:
    assert counter_keys(contract(), CHAIN, interval(0, 5)) == ()


def test_ten_uses_of_one_kwh_cost_one_of_ten() -> None:
    graduated = energy(Band("all", (price("0.33333", 3500), price("0.21111"))))
    assert sum(fees(contract(graduated), hours([1000] * 10))) == fees(contract(graduated), [interval(0, 10_000)])[0]
    assert fees(contract(graduated), [interval(0, 10_000)]) == [3500 * 333_330 + 6500 * 211_110]


def test_graduated_tiers_change_inside_one_use() -> None:
    graduated = energy(Band("all", (price("0.40", 1000), price("0.20"))))
    assert fees(contract(graduated), hours([900, 200])) == [360_000_000, 40_000_000 + 20_000_000]


def test_a_price_that_is_not_whole_per_count_is_floored_once_over_the_period() -> None:
    thirds = Tariff(energy().form, "cycle", "s", 0, ratio(3, 1), (flat("0.000000001"),))
    assert fees(contract(thirds), hours([1] * 6)) == [0, 0, 1, 0, 0, 1]


def test_a_quota_is_free_in_every_period() -> None:
    version = contract(energy(flat("0.30", quota=1500)))
    assert fees(version, hours([1000, 1000])) == [0, 150_000_000]
    assert fees(version, [interval(5000, 6000, T0 + 40 * 24 * HOUR)]) == [0]


def test_bands_by_time_of_use_have_tiers_of_their_own() -> None:
    day = Band("day", (price("0.40"),), windows=(Window(0b11111, 480, 1140),))
    version = contract(energy(day, flat("0.20", "night")))
    thursday = hours([1000] * 24)
    rated = rate([version], CHAIN, thursday, {})
    assert [r.band for r in rated] == ["night"] * 8 + ["day"] * 11 + ["night"] * 5
    assert sum(r.fee for r in rated) == 11 * 400_000_000 + 13 * 200_000_000


def test_a_period_cap_spans_the_bands() -> None:
    day = Band("day", (price("1"),), windows=(Window(127, 480, 1140),))
    version = contract(energy(day, flat("1", "night"), cap=Exact.of(10)))
    got = fees(version, hours([1000] * 16))
    assert got == [EUR] * 10 + [0] * 6


def test_price_counters_are_per_payer() -> None:
    version = contract(energy(Band("all", (price("0.40", 1000), price("0.20")))))
    uses = canonical([*hours([1000]), *hours([1000], HADDAD, T0 + 1)])
    assert fees(version, uses) == [400_000_000, 400_000_000]


def test_a_shared_tariff_counts_all_payers_together() -> None:
    version = contract(energy(Band("all", (price("0.40", 1000), price("0.20"))), shared=True))
    uses = canonical([*hours([1000]), *hours([1000], HADDAD, T0 + 1)])
    assert fees(version, uses) == [400_000_000, 200_000_000]


def test_tiers_begin_again_at_local_midnight_of_the_first() -> None:
    version = contract(energy(Band("all", (price("0.40", 1000), price("0.20")))))
    february = T0 + 31 * 24 * HOUR
    uses = [
        interval(0, 1000, february - 2 * HOUR),
        interval(1000, 1100, february - HOUR),
        interval(1100, 2000, february),
    ]
    assert fees(version, uses) == [400_000_000, 20_000_000, 360_000_000]


def test_the_minimum_is_the_last_use_of_the_period() -> None:
    version = contract(energy(minimum=Exact.of("15.99")), loan("1"), rest())
    january = period_of(version, T0)
    last_hour = interval(0, 1000, january.to_ms - HOUR)
    minimum = minimum_usage(CHAIN, version, CONTI, january)
    uses = canonical([minimum, last_hour])
    assert uses == [last_hour, minimum]
    rated = rate([version], CHAIN, uses, {})
    assert [r.fee for r in rated] == [300_000_000, 15_690_000_000]
    assert [share_of(r, BANK) for r in rated] == [150_000_000, 850_000_000]


def volume(*tiers: Tier, **more: Any) -> Band:
    return Band("all", tiers, volume=True, **more)


def test_the_unit_that_reaches_a_volume_tier_brings_a_rebate_at_the_end() -> None:
    """101 cycles at 10, and at 8 from the 101st on, cost 808: use by use 1,008, and 200 less when the month closes."""
    version = contract(cycles(volume(price("10", 100), price("8"))))
    january = period_of(version, T0)
    rebate = rebate_usage(CHAIN, CONTI, january, january.to_ms)
    for count, given in ((100, 0), (101, -200 * EUR), (150, -200 * EUR)):
        got = fees(version, [*(event(n, at_ms=T0 + n * 60_000) for n in range(count)), rebate])
        assert got[-1] == given
        assert sum(got) == (1000 * EUR if count == 100 else count * 8 * EUR)


def test_what_is_free_stays_free_of_a_volume() -> None:
    version = contract(energy(volume(price("0.40", 1000), price("0.20"), quota=500)))
    january = period_of(version, T0)
    assert fees(version, [interval(0, 2000), rebate_usage(CHAIN, CONTI, january, january.to_ms)])[1] == -200_000_000


def test_a_rebate_comes_before_cap_and_minimum() -> None:
    """Uses of 0.70, capped at 0.60; by volume 0.50, so 0.10 comes back; the minimum of 0.55 takes half of that."""
    tariff = energy(volume(price("0.40", 1000), price("0.20")), cap=Exact.of("0.60"), minimum=Exact.of("0.55"))
    version = contract(tariff)
    january = period_of(version, T0)
    ends = [minimum_usage(CHAIN, version, CONTI, january), rebate_usage(CHAIN, CONTI, january, january.to_ms)]
    uses = canonical([*ends, interval(0, 2500)])
    assert [use.form for use in uses] == [UsageForm.INTERVAL, UsageForm.REBATE, UsageForm.MINIMUM]
    assert fees(version, uses) == [600_000_000, -100_000_000, 50_000_000]


def test_a_rebate_is_given_by_those_who_share_and_not_by_a_lender_who_is_repaid() -> None:
    tiers = price("1", 4), price("0.50")
    owing, repaid = (contract(cycles(volume(*tiers)), loan(cap), rest((ELENA, 3), (FUND, 1))) for cap in ("9", "1"))
    january = period_of(owing, T0)
    uses = [*(event(n) for n in range(5)), rebate_usage(CHAIN, CONTI, january, january.to_ms)]
    half, none = (rate([version], CHAIN, uses, {})[-1] for version in (owing, repaid))
    assert half.fee == none.fee == -2 * EUR
    assert [share_of(half, one) for one in (BANK, ELENA, FUND)] == [-EUR, -750_000_000, -250_000_000]
    assert [share_of(none, one) for one in (BANK, ELENA, FUND)] == [0, -1_500_000_000, -500_000_000]
    assert (half.old[-1], half.new[-1]) == (2_250_000_000, 1_250_000_000)  # it is lent again, and repaid again
    assert none.old[-1] == none.new[-1] == EUR


def test_a_late_use_takes_from_the_minimum_and_not_from_the_next_month() -> None:
    version = contract(energy(minimum=Exact.of("15.99")))
    january = period_of(version, T0)
    minimum = minimum_usage(CHAIN, version, CONTI, january)
    without, with_late = ([minimum], [interval(0, 10_000, january.to_ms - HOUR), minimum])
    assert sum(fees(version, without)) == sum(fees(version, with_late)) == 15_990_000_000


def test_an_unused_period_and_a_period_above_the_minimum() -> None:
    version = contract(energy(minimum=Exact.of(3)))
    january = period_of(version, T0)
    minimum = minimum_usage(CHAIN, version, CONTI, january)
    assert fees(version, [interval(0, 10_000), minimum]) == [3 * EUR, 0]
    assert minimum_usage(CHAIN, version, HADDAD, january).use_id != minimum.use_id


def test_the_last_version_of_a_contract_that_ended_gives_the_minimum() -> None:
    end = T0 + 48 * HOUR
    version = contract(energy(minimum=Exact.of(3)), effective_to_ms=end)
    minimum = minimum_usage(CHAIN, version, CONTI, period_of(version, T0))
    assert minimum.start_ms == end - 1
    assert fees(version, [minimum]) == [3 * EUR]


def test_event_parts_start_fee_step_and_session_minimum() -> None:
    tariff = energy(form=cycles().form, start_fee=Exact.of("0.50"), session_minimum=Exact.of("1"), step=100)
    assert fees(contract(tariff), [event(0, 1), event(1, 1900), event(2, 1901)]) == [EUR, 1_070_000_000, 1_100_000_000]


def test_programmes_have_prices() -> None:
    cold = Band("cold", (price("1.20"),), programmes=("20", "cold"))
    hot = Band("hot", (price("2.10"),), programmes=("60",))
    version = contract(cycles(cold, hot))
    uses = [event(0, programme="cold"), event(1, programme="60"), event(2, programme="20")]
    assert fees(version, uses) == [1_200_000_000, 2_100_000_000, 1_200_000_000]
    unknown = event(3, programme="spin")
    reason = problem(version, unknown)
    assert reason is not None
    assert "'spin' has no price" in reason
    with pytest.raises(UsageError, match="'spin' has no price"):
        rate([version], CHAIN, [unknown], {})


def test_the_band_for_the_rest_prices_unknown_programmes() -> None:
    version = contract(cycles(Band("hot", (price("2.10"),), programmes=("60",)), flat("1.60", "other")))
    assert [r.band for r in rate([version], CHAIN, [event(0, programme="x"), event(1, programme="60")], {})] == [
        "other",
        "hot",
    ]


def test_an_aborted_use_is_free_and_moves_nothing() -> None:
    version = contract(cycles(Band("all", (price("2", 1), price("1")))), loan("5"), rest())
    aborted = event(0, 0, aborted=True)
    rated = rate([version], CHAIN, [aborted, event(1)], {})
    assert (rated[0].fee, rated[0].before, rated[0].after) == (0, (), ())
    assert rated[0].shares == ((ELENA, 0), (BANK, 0))
    assert rated[1].fee == 2 * EUR
    assert counter_keys(version, CHAIN, aborted) == ()


def test_a_loan_is_repaid_to_the_nano_in_the_middle_of_one_use() -> None:
    version = contract(cycles(flat("1.50")), loan("2"), rest((ELENA, 7), (FUND, 3)))
    rated = rate([version], CHAIN, [event(n) for n in range(4)], {})
    assert [share_of(r, BANK) for r in rated] == [750_000_000, 750_000_000, 500_000_000, 0]
    assert share_of(rated[2], ELENA) + share_of(rated[2], FUND) == EUR
    assert [counter.cap for counter in counters_of(version, CHAIN, event(0))] == [2 * EUR]


def test_a_cap_is_shared_by_all_payers_and_assets() -> None:
    version = contract(cycles(flat("1.50")), loan("1"), rest())
    uses = [event(0), event(1, payer=HADDAD)]
    assert [share_of(r, BANK) for r in rate([version], CHAIN, uses, {})] == [750_000_000, 250_000_000]


def test_a_lifetime_cap_does_not_begin_again() -> None:
    version = contract(cycles(flat("1.50")), loan("1"), rest())
    uses = [event(0), event(1, at_ms=T0 + 400 * 24 * HOUR)]
    assert [share_of(r, BANK) for r in rate([version], CHAIN, uses, {})] == [750_000_000, 250_000_000]


def test_a_cap_per_period_begins_again() -> None:
    step = Step(((BANK, 1),), cap=Exact.of(1), cap_per=Scope.PERIOD, counter="rent")
    version = contract(cycles(flat("1.50")), step, rest())
    uses = [event(0), event(1), event(2, at_ms=T0 + 32 * 24 * HOUR)]
    assert [share_of(r, BANK) for r in rate([version], CHAIN, uses, {})] == [EUR, 0, EUR]


def test_fixed_and_floor_per_event_use() -> None:
    fixed = Step(((KOFLER, 1),), fixed=Exact.of("0.20"))
    floored = Step(((FUND, 1),), portion=ratio(1, 10), floor=Exact.of("0.50"))
    version = contract(energy(form=cycles().form), fixed, floored, rest())
    rated = rate([version], CHAIN, [event(0, 100), event(1, 1000), event(2, 100_000)], {})
    assert [share_of(r, KOFLER) for r in rated] == [30_000_000, 200_000_000, 200_000_000]
    assert [share_of(r, FUND) for r in rated] == [0, 100_000_000, 2_980_000_000]


def test_fixed_and_floor_per_period_do_not_see_slices() -> None:
    fixed = Step(((KOFLER, 1),), fixed=Exact.of(2), per=Scope.PERIOD)
    floored = Step(((FUND, 1),), portion=ratio(1, 10), floor=Exact.of("0.50"), per=Scope.PERIOD)
    version = contract(energy(), fixed, floored, rest())
    sums = []
    for slices in ([1000] * 40, [40_000], [1, 39_999]):
        rated = rate([version], CHAIN, hours(slices), {})
        sums.append({party: sum(share_of(r, party) for r in rated) for party in (KOFLER, FUND, ELENA)})
    assert sums[0] == sums[1] == sums[2] == {KOFLER: 2 * EUR, FUND: EUR, ELENA: 9 * EUR}


def test_a_floor_per_period_is_reached_first_and_then_waits_for_the_portion() -> None:
    floored = Step(((FUND, 1),), portion=ratio(1, 10), floor=Exact.of("0.50"), per=Scope.PERIOD)
    version = contract(energy(flat("1")), floored, rest())
    rated = rate([version], CHAIN, hours([300, 300, 4400, 1000]), {})
    assert [share_of(r, FUND) for r in rated] == [300_000_000, 200_000_000, 0, 100_000_000]


def test_amounts_per_use_leave_the_minimum_alone() -> None:
    version = contract(cycles(minimum=Exact.of(5)), Step(((KOFLER, 1),), fixed=Exact.of("0.20")), rest())
    rated = rate([version], CHAIN, [event(0), minimum_usage(CHAIN, version, CONTI, period_of(version, T0))], {})
    assert [share_of(r, KOFLER) for r in rated] == [200_000_000, 0]


def test_a_new_version_never_changes_an_old_use() -> None:
    change = T0 + 2 * HOUR
    old = contract(energy(flat("0.30")))
    new = contract(energy(flat("0.50")), version=2, prev=CHAIN, effective_from_ms=change)
    uses = hours([1000, 1000, 1000])
    assert [r.fee for r in rate([old, new], CHAIN, uses, {})] == [300_000_000, 300_000_000, 500_000_000]
    assert fees(old, uses[:2]) == [r.fee for r in rate([old, new], CHAIN, uses[:2], {})]


def test_a_new_version_does_not_bill_what_an_old_cap_forgave() -> None:
    change = T0 + 2 * HOUR
    old = contract(energy(flat("1"), cap=Exact.of(3)))
    new = contract(energy(flat("1"), cap=Exact.of(9)), version=2, prev=CHAIN, effective_from_ms=change)
    uses = hours([4000, 4000, 4000])
    assert [r.fee for r in rate([old, new], CHAIN, uses, {})] == [3 * EUR, 0, EUR]


def test_uses_count_in_the_order_of_their_metered_ends() -> None:
    long = event(0)._replace(end_ms=T0 + 9 * HOUR)
    short = event(1, payer=HADDAD)
    assert canonical([long, short]) == [short, long]
    assert short.position[0] < long.position[0]


def test_holes_are_priced_by_the_gap_rule() -> None:
    day = Band("day", (price("0.40"),), windows=(Window(127, 480, 1140),))
    tariff = energy(day, flat("0.20", "night"))
    hole = interval(0, 1000, T0 + 10 * HOUR, gap=True)
    rules = {GapRule.CHEAPEST: 200_000_000, GapRule.START: 400_000_000}
    for rule, fee in rules.items():
        assert fees(contract(tariff, terms=Terms(gap_rule=rule)), [hole]) == [fee]
    held = contract(tariff, terms=Terms(gap_rule=GapRule.HOLD))
    assert problem(held, hole) is not None
    with pytest.raises(UsageError, match="a person decide"):
        rate([held], CHAIN, [hole], {})


@pytest.mark.parametrize(
    ("usage", "reason"),
    [
        (event(0), "the contract prices interval uses"),
        (interval(5, 4), "its total falls from 5 to 4"),
        (interval(0, 1, T0 - 100 * HOUR), "no version of the contract is in force"),
    ],
)
def test_a_use_that_does_not_fit_is_refused_with_the_reason(usage: Usage, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        rate([contract()], CHAIN, [usage], {})


def test_uses_out_of_order_are_our_own_fault() -> None:
    first, second = hours([1, 1])
    for uses in ([second, first], [first, first]):
        with pytest.raises(InvariantError, match="canonical order"):
            rate([contract()], CHAIN, uses, {})


def test_rating_the_tail_again_gives_the_same_money() -> None:
    version = contract(energy(Band("all", (price("0.40", 2500), price("0.20")))), loan("1.10"), rest())
    first, late, *others = hours([900, 400, 900, 900])
    now = rate([version], CHAIN, [first, *others], {})
    again = rate([version], CHAIN, [late, *others], dict(now[0].after))
    assert [now[0], *again] == rate([version], CHAIN, [first, late, *others], {})
    assert now[1].fee != again[1].fee or now[2].fee != again[2].fee


def test_a_rated_use_is_made_again_from_its_pairs() -> None:
    version = contract(energy(Band("all", (price("0.40", 2500), price("0.20"))), cap=Exact.of(9)), loan("1.10"), rest())
    for one in rate([version], CHAIN, hours([900, 0, 3000]), {}):
        assert len(one.before) == len(one.after) == 3
        assert one.shares == ((ELENA, one.fee - share_of(one, BANK)), (BANK, share_of(one, BANK)))
        assert Rated.of(one.usage, one.fee, one.before, one.after, one.shares, one.band) == one
