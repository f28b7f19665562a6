"""The pure rules of the situation room: states, days, gaps, shares, cents, positions, and what is sent."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tallystick_cloud.city.drawing import city
from tallystick_cloud.city.frame import Frame, changes
from tallystick_cloud.city.geometry import is_inside
from tallystick_cloud.city.map_svg import Mark, Measure, base, draw, positions, shape_of, window_on
from tallystick_cloud.city.model import (
    BUCKET_MS,
    CENT_NANO,
    LATE_MS,
    OFFLINE_MS,
    SHARES_MAX,
    Community,
    Gateway,
    GatewayState,
    Period,
    Place,
    Share,
    buckets_of,
    day_start_ms,
    first_bucket_ms,
    in_cents,
    main_shares,
    state_of,
)
from tallystick_cloud.city.store import contains
from tallystick_cloud.city.view import _csv
from tallystick_cloud.http.amounts import exact
from tallystick_cloud.http.locale import NUMBERS, Wording, negotiate, negotiate_numbers

NOW = 1_795_370_000_000
ROME = Wording("en", ZoneInfo("Europe/Rome"))


@pytest.mark.parametrize(
    ("silent_ms", "critical", "state"),
    [
        (None, False, GatewayState.OFFLINE),
        (0, False, GatewayState.ONLINE),
        (LATE_MS, False, GatewayState.ONLINE),
        (LATE_MS + 1, False, GatewayState.LATE),
        (OFFLINE_MS, False, GatewayState.LATE),
        (OFFLINE_MS + 1, True, GatewayState.OFFLINE),
        (0, True, GatewayState.FAULT),
        (LATE_MS + 1, True, GatewayState.FAULT),
    ],
)
def test_state_says_the_worst_that_can_be_known(silent_ms: int | None, critical: bool, state: GatewayState) -> None:
    assert state_of(None if silent_ms is None else NOW - silent_ms, critical, NOW) is state


@pytest.mark.parametrize(
    ("now", "midnight"),
    [
        ("2026-11-22T08:00:00+01:00", "2026-11-22T00:00:00+01:00"),
        ("2026-10-25T23:30:00+01:00", "2026-10-25T00:00:00+02:00"),
        ("2026-03-29T12:00:00+02:00", "2026-03-29T00:00:00+01:00"),
        ("2026-11-22T00:00:00+01:00", "2026-11-22T00:00:00+01:00"),
    ],
)
def test_day_begins_at_local_midnight_also_when_clocks_change(now: str, midnight: str) -> None:
    def ms(text: str) -> int:
        return int(datetime.fromisoformat(text).timestamp()) * 1000

    assert day_start_ms(ms(now), "Europe/Rome") == ms(midnight)


def test_a_point_without_a_sealed_batch_near_is_a_gap_not_a_zero() -> None:
    first = first_bucket_ms(NOW, Period.SIX_HOURS)
    number = first // BUCKET_MS
    found = buckets_of(first, NOW, {number + 20: (2, 5)}, frozenset({number + 5}))
    assert len(found) == Period.SIX_HOURS.buckets
    known = [index for index, one in enumerate(found) if one.known]
    assert known == [2, 3, 4, 5, 20]
    assert found[20].uses == 2


@given(st.lists(st.integers(0, 10**15), max_size=12))
def test_cents_shown_sum_to_the_rounded_total_and_stay_within_one_cent(parts: list[int]) -> None:
    total = sum(parts)
    cents = in_cents(parts, total)
    assert sum(cents) == (total + CENT_NANO // 2) // CENT_NANO
    assert all(cent - part // CENT_NANO in (0, 1) for cent, part in zip(cents, parts, strict=True))


@given(st.lists(st.tuples(st.text(min_size=1, max_size=4), st.integers(1, 10**12)), max_size=12))
def test_shares_never_lose_money_and_are_few(pairs: list[tuple[str, int]]) -> None:
    found = main_shares([Share(name, nano) for name, nano in pairs])
    assert sum(one.nano for one in found) == sum(nano for _, nano in pairs)
    assert len(found) <= SHARES_MAX


def gateway(number: int, east: int = 0, north: int = 0, **more: object) -> Gateway:
    place = Place(460_000_000 + north, 110_000_000 + east)
    found = Gateway(bytes([number]) * 16, f"gw-{number}", "House", place, "1", GatewayState.ONLINE, NOW, 0, 0)
    return replace(found, **more)  # type: ignore[arg-type]


COMMUNITY = Community("c", "City", "Europe/Rome", "EUR", Place(460_000_000, 110_000_000))


def test_positions_are_true_metres_from_the_centre() -> None:
    found = positions(COMMUNITY, [gateway(1, north=100_000), gateway(2, east=100_000), gateway(3, place=None)])
    assert found[bytes([1]) * 16] == (0, -1113)
    assert found[bytes([2]) * 16] == (773, 0)
    assert bytes([3]) * 16 not in found


@given(st.lists(st.tuples(st.integers(-9_000, 9_000), st.integers(-9_000, 9_000)), min_size=1, max_size=30))
def test_the_window_always_holds_every_gateway(places: list[tuple[int, int]]) -> None:
    shown = window_on(places)
    for x, y in places:
        assert abs(x - shown.x) <= shown.half_width
        assert abs(y - shown.y) <= shown.half_height


def test_marks_say_their_words_escaped_and_the_drawing_is_well_formed() -> None:
    marks = [Mark("ab", 10, 20, "ok", 100, "<b>", 'say "a & b"'), Mark("cd", 11, 21, "crit", 145, "x", "y")]
    root = ET.fromstring(draw(marks, "Map of <City>"))
    titles = [one.text for one in root.iter("title")]
    assert titles == ['<b>: say "a & b"', "x: y"]
    moved = [one.attrib["transform"] for one in root.iter("g") if one.attrib.get("id", "").startswith("m-")]
    assert len(set(moved)) == 2, "two gateways on one site must not hide each other"
    assert "style=" not in draw(marks, "m")


def test_the_drawn_city_is_always_the_same_and_small() -> None:
    found = city()
    assert len(base().encode()) < 60_000
    assert all(is_inside(found.outline, place) for _, place in found.labels)
    assert len({name for name, _ in found.labels}) == len(found.labels)


def test_area_of_a_mark_grows_with_what_it_measures() -> None:
    small, large = gateway(1, uses=1), gateway(2, uses=100)
    assert shape_of(gateway(3), Measure.USE, 100) == ("off", 80)
    assert shape_of(small, Measure.USE, 100)[1] < shape_of(large, Measure.USE, 100)[1]
    assert shape_of(gateway(4, state=GatewayState.FAULT), Measure.STATE, 0)[0] == "crit"


def test_only_what_changed_is_sent_and_what_is_gone_is_named() -> None:
    before = Frame(k={"uses": "1", "fees": "2"}, a={"7": {"h": "x"}})
    after = Frame(k={"uses": "1", "fees": "3"})
    assert changes(before, after) == {"k": {"fees": "3"}, "-": {"a": ["7"]}}
    assert changes(after, after) == {}
    assert json.dumps(changes(Frame(), after))


@pytest.mark.parametrize(
    ("accept", "language"), [("de-CH, en;q=0.8", "en"), ("", "en"), ("xx", "en"), ("en-US,en;q=0.5", "en")]
)
def test_an_unknown_language_falls_back_to_english(accept: str, language: str) -> None:
    assert negotiate(accept) == language


@pytest.mark.parametrize(
    ("accept", "count", "money", "exactly"),
    [
        ("de-DE,de;q=0.9,en;q=0.8", "184.765", "9.137,35", "\u22129.137,345"),
        ("de-CH", "184\u2019765", "9\u2019137.35", "\u22129\u2019137.345"),
        ("fr-FR, en", "184\xa0765", "9\xa0137,35", "\u22129\xa0137,345"),
        ("en-US,de;q=0.5", "184,765", "9,137.35", "\u22129,137.345"),
        ("zh-CN", "184,765", "9,137.35", "\u22129,137.345"),
    ],
)
def test_readers_have_their_own_numbers_while_the_words_are_english(
    accept: str, count: str, money: str, exactly: str
) -> None:
    w = Wording(negotiate(accept), ZoneInfo("Europe/Rome"), negotiate_numbers(accept))
    assert (w.language, w.date(1_795_330_154_000)) == ("en", "22 Nov 2026")
    assert w.count(184_765) == count
    assert w.money(9_137_345_000_000) == money
    assert str(exact(-9_137_345_000_000, w)) == exactly


def test_every_way_to_write_numbers_is_one_that_babel_and_the_paper_know() -> None:
    for key in NUMBERS:
        written = Wording("en", ZoneInfo("UTC"), key).money(-1_234_567_890_000_000)
        assert set(written) <= {*"0123456789-,.", "\u2019", "\u2212", "\xa0"}, key


def test_numbers_money_and_times_are_written_for_the_city() -> None:
    assert ROME.count(184_765) == "184,765"
    assert ROME.money(9_137_345_000_000) == "9,137.35"
    assert ROME.cents(187_600_000) == "18.76"
    at = int(datetime(2026, 7, 1, 22, 5, 9, tzinfo=UTC).timestamp()) * 1000
    assert (ROME.clock(at), ROME.time(at)) == ("00:05:09", "00:05")
    assert (ROME.date(at), ROME.zone_name(at)) == ("2 Jul 2026", "CEST")
    assert ROME.moment(at, at + 86_400_000) == "2 Jul 00:05"


@pytest.mark.parametrize(
    ("ms", "words"), [(6_240, ("6.2", "s")), (-5, ("0.0", "s")), (1_320_000, ("22", "min")), (10_800_000, ("3", "h"))]
)
def test_a_span_is_told_in_the_unit_a_person_would_choose(ms: int, words: tuple[str, str]) -> None:
    assert ROME.span(ms) == words


def test_what_like_takes_for_signs_is_text() -> None:
    assert contains("50%_\\") == "%50\\%\\_\\\\%"


def test_a_file_never_carries_a_formula() -> None:
    rows = _csv(("a",), [("=1+1",), ("+x",), ("@y",), ("ok",), (-5,)]).splitlines()
    assert rows == ["a", "'=1+1", "'+x", "'@y", "ok", "-5"]
    assert not re.search(r"^[=+@]", "\n".join(rows), re.M)
