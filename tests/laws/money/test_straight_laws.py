"""The quick way to a price and a split, a straight line of Python per contract and band, is the plain rules exactly."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
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
    amounts,
    bands,
    channel,
    contract,
    energy,
    flat,
    interval,
    loan,
    price,
    ratio,
    rest,
    splits,
)
from support.plain_rating import told
from tallystick_protocol import ids
from tallystick_protocol.ids import H32
from tallystick_protocol.money.calendar import days_in, period_of
from tallystick_protocol.money.contract import Contract, GapRule, RatingPeriod, Terms
from tallystick_protocol.money.numbers import Exact, Ratio
from tallystick_protocol.money.plan import plan_of
from tallystick_protocol.money.rating import (
    Rated,
    Standing,
    Usage,
    UsageForm,
    canonical,
    counter_keys,
    counter_keys_of,
    minimum_usage,
    rate,
    rate_plainly,
    rebate_usage,
    standing_usage,
)
from tallystick_protocol.money.straight import source_of
from tallystick_protocol.money.tariff import Band, Form, Tariff, Window
from tallystick_protocol.money.zone import offsets_of

MINUTE = 60_000
ZONES = ("Europe/Rome", "America/Santiago", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia", "UTC")
YEAR = 365 * 24 * HOUR


def changes(zone: str) -> list[int]:
    """When its clocks are changed in 2026, for days of 23, 24 1/2 and 25 hours; else the begin of the year."""
    return [*offsets_of(zone).changes(T0, T0 + YEAR)] or [T0]


windows = st.tuples(st.integers(1, 127), st.sets(st.integers(0, 1440), min_size=2, max_size=2)).map(
    lambda drawn: Window(drawn[0], min(drawn[1]), max(drawn[1]))
)
money = st.none() | amounts
small = st.none() | st.integers(0, 3000).map(lambda n: Exact.of(f"{n // 1000}.{n % 1000:03d}"))


@st.composite
def contracts(draw: st.DrawFn) -> Contract:
    """With every part that a tariff and a split can have."""
    form = draw(st.sampled_from(Form))
    kind = draw(st.sampled_from(("one", "timed", "programmes" if form is Form.EVENT else "timed")))
    parts = [draw(bands("rest"))]
    if kind == "timed":
        parts += [draw(bands(f"band {n}", tuple(draw(st.lists(windows, min_size=1, max_size=2))))) for n in range(2)]
    if kind == "programmes":
        parts += [replace(draw(bands(f"band {n}")), programmes=(f"{n}", f"{n}b")) for n in range(2)]
    minimum, cap = sorted((draw(amounts), draw(amounts)), key=Exact.nano)
    shared = draw(st.booleans()) and not any(part.volume for part in parts)
    more: dict[str, Any] = {} if form is Form.INTERVAL else {
        "start_fee": draw(small), "session_minimum": draw(small), "step": draw(st.sampled_from((1, 1, 100))),
    }  # fmt: skip
    tariff = Tariff(
        form,
        "kWh",
        "Wh",
        0,
        draw(st.sampled_from((Ratio(1000, 1), Ratio(3600, 7)))),
        tuple(parts),
        minimum=None if shared else draw(st.sampled_from((None, minimum))),
        cap=draw(st.sampled_from((None, cap))),
        shared=shared,
        standing_charge=draw(st.sampled_from((None, cap))),
        **more,
    )
    rules = Terms(rating_period=draw(st.sampled_from(RatingPeriod)), gap_rule=draw(st.sampled_from([*GapRule][:2])))
    return contract(
        tariff, *draw(splits(form)), effective_from_ms=T0 - 24 * HOUR, zone=draw(st.sampled_from(ZONES)), terms=rules
    )


@st.composite
def uses_of(draw: st.DrawFn, version: Contract) -> list[Usage]:
    """Of two payers, around a change of the clock or anywhere in the year; some aborted, over holes or at a closing."""
    around = [t - 6 * HOUR for t in changes(version.zone)]
    at = draw(st.sampled_from([*around, T0 + draw(st.integers(1, 400)) * 24 * HOUR]))
    event, found, total = version.tariff.form is Form.EVENT, [], 0
    for number in range(draw(st.integers(1, 12))):
        at += draw(st.sampled_from((0, 7 * MINUTE, 15 * MINUTE, HOUR, 5 * HOUR, 80 * HOUR)))
        payer, counts = draw(st.sampled_from((CONTI, HADDAD))), draw(st.integers(0, 900) | st.integers(0, 900_000))
        here = channel(f"meter {payer.hex()}")
        found.append(Usage(
            ids.use_id(here, number), here, number, at, at + draw(st.sampled_from((0, 15 * MINUTE, 3 * HOUR))), total,
            total + counts, "meter", payer, draw(st.sampled_from((None, "0", "1b", "other"))) if event else None,
            UsageForm.EVENT if event else UsageForm.INTERVAL,
            aborted=draw(st.integers(0, 9)) == 0, gap=not event and draw(st.integers(0, 9)) == 0,
        ))  # fmt: skip
        total += counts
    if draw(st.booleans()):
        period = period_of(version, found[-1].end_ms - 1)
        found += [minimum_usage(CHAIN, version, CONTI, period), rebate_usage(CHAIN, CONTI, period, period.to_ms)]
        days = days_in(period, period.to_ms, offsets_of(version.zone))
        first = draw(st.integers(0, days - 1))
        found.append(standing_usage(CHAIN, CONTI, period, period.from_ms + first, (first, days)))
    return canonical(found)


@given(st.data())
def test_the_straight_line_is_the_plain_rules(data: st.DataObject) -> None:
    version = data.draw(contracts())
    uses = data.draw(uses_of(version))
    keys = sorted({key for use in uses for key in counter_keys(version, CHAIN, use)})
    assert sorted(counter_keys_of(version, CHAIN, data.draw(st.permutations(uses)))) == keys
    opening: dict[H32, int] = {
        key: data.draw(st.integers(0, 20_000) | st.integers(10**11, 10**12)) for key in keys if data.draw(st.booleans())
    }
    quick = rate([version], CHAIN, uses, opening)
    assert [told_of(one) for one in quick] == told([version], CHAIN, uses, opening)
    standing, plan = Standing(opening), plan_of(version, CHAIN)
    assert quick == [rate_plainly(plan, use, standing) for use in uses]


def told_of(one: Rated) -> tuple[object, ...]:
    return one.fee, one.shares, one.before, one.after, one.band


@pytest.mark.parametrize("zone", ZONES)
def test_every_quarter_hour_of_weeks_with_a_change_of_the_clock_is_in_its_band(zone: str) -> None:
    early = Band("early", (price("0.17"),), windows=(Window(127, 135, 165), Window(0b1000000, 0, 60)))
    day = Band("day", (price("0.31"),), windows=(Window(31, 480, 1200),))
    version = contract(
        energy(early, day, flat("0.19", "night")),
        loan("1"),
        rest((ELENA, 2), (FUND, 1)),
        zone=zone,
        effective_from_ms=0,
    )
    for change in changes(zone):
        uses = []
        for n in range(
            7 * 96
        ):  # at each quarter hour one that begins then, and after it one that began a minute before
            at = change - 80 * HOUR + n * 15 * MINUTE
            early_one = interval(n, n + 1, at - MINUTE, meter="other")
            uses += [interval(n, n + 1, at), early_one._replace(end_ms=at + HOUR + 1)]
        assert [told_of(one) for one in rate([version], CHAIN, uses, {})] == told([version], CHAIN, uses, {})


def test_versions_and_payers_by_turns_get_their_own_lines() -> None:
    old = contract(energy(flat("0.30")), loan("0.5"), rest())
    new = contract(energy(Band("all", (price("0.4", 9), price("0.2")))), rest((ELENA, 45), (KOFLER, 30), (BANK, 1)),
                   version=2, prev=CHAIN, effective_from_ms=T0 + 5 * HOUR)  # fmt: skip
    uses = canonical([interval(n, n + 7, T0 + n * HOUR, payer) for n in range(10) for payer in (CONTI, HADDAD)])
    assert [told_of(one) for one in rate([old, new], CHAIN, uses, {})] == told([old, new], CHAIN, uses, {})
    by_turns = [(old, new)[n % 2] for n in range(len(uses))]
    turn = iter(by_turns)
    mixed = rate(lambda _: next(turn), CHAIN, uses, {})
    standing = Standing({})
    assert mixed == [rate_plainly(plan_of(v, CHAIN), use, standing) for v, use in zip(by_turns, uses, strict=True)]


def test_a_line_can_be_read() -> None:
    version = contract(energy(flat("0.31")), loan("40", ratio(1, 3)), rest((ELENA, 3), (FUND, 2)))
    source = source_of(plan_of(version, CHAIN), 0)
    wanted = ("fee = counts * 310000", "take0 = fee // 3", "at0 = (left0 * 3 + r) // 5", "part1_1 = left0 - at0")
    assert all(line in source for line in wanted), source
