"""Readings that nobody need look at, edges of a day remembered: both give what one by one and without memory gives."""

from random import Random
from typing import Any

import pytest
from support.money import HOUR, T0, cycles, energy, price, rest
from support.money import contract as contract_of
from support.uploads import BOOT, segment
from tallystick_cloud.contracts.model import DAYS_MAX, ChannelContracts, Version
from tallystick_cloud.ingest.model import Origin, Timeless
from tallystick_cloud.ingest.work import FUTURE_MS, ChannelWork
from tallystick_protocol.codes import MeterState, TimeQuality
from tallystick_protocol.ids import H32
from tallystick_protocol.money.calendar import edges
from tallystick_protocol.money.contract import Contract, RatingPeriod, Terms
from tallystick_protocol.money.tariff import Band, Window
from tallystick_protocol.part import Segment

DAY = 24 * HOUR
MINUTE = 60_000
TIMED = energy(
    Band("day", (price("0.40"),), windows=(Window(0b11111, 480, 1140),)), Band("night", (price("0.20"),))
)  # fmt: skip


def priced(*contracts: Contract) -> ChannelContracts:
    versions = tuple(Version(bytes((n,)) * 32, bytes(32), one) for n, one in enumerate(contracts))
    return ChannelContracts("meter", "energy", (versions,))


@pytest.mark.parametrize("zone", ["Europe/Rome", "America/New_York", "UTC", "Asia/Kathmandu"])
@pytest.mark.parametrize("period", [RatingPeriod.MONTH, RatingPeriod.DAY])
def test_edges_day_by_day_are_the_edges_of_the_whole_span(zone: str, period: RatingPeriod) -> None:
    terms = Terms(rating_period=period, interval_ms=10 * MINUTE)
    changed = T0 + 80 * DAY + 13 * HOUR + 1
    versions = (
        contract_of(TIMED, rest(), zone=zone, terms=terms, effective_to_ms=changed),
        contract_of(
            energy(), rest(), zone=zone, version=2, prev=H32(bytes(32)), effective_from_ms=changed,
            effective_to_ms=T0 + 90 * DAY,
        ),
    )  # fmt: skip
    found, random = priced(*versions), Random(7)
    for _ in range(60):
        begin = T0 + random.choice([random.randrange(-2 * DAY, 95 * DAY), random.randrange(-2, 95) * DAY])
        end = begin + random.choice([1, HOUR, DAY, DAY + 5 * HOUR, 3 * DAY, (DAYS_MAX + 2) * DAY])
        assert list(found.edges(begin, end)) == edges(versions, begin, end)


def test_contracts_that_cut_otherwise_share_no_edges() -> None:
    one, other = contract_of(energy(), rest()), contract_of(TIMED, rest(), terms=Terms(interval_ms=HOUR))
    later = contract_of(energy(), rest(), effective_from_ms=T0 + HOUR + 1)
    for contract in (one, other, later, contract_of(cycles(), rest())):
        assert priced(contract).edges(T0, T0 + DAY) == edges([contract], T0, T0 + DAY)


def test_a_hole_of_ten_years_asks_for_no_edge_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a wrong clock, or by a gateway that means harm: 5,256,000 edges were 8 s and 700 MB, for each channel."""
    years = 3650 * DAY
    contracts = priced(contract_of(TIMED, rest(), terms=Terms(interval_ms=MINUTE), effective_from_ms=T0 - years))
    asked: list[int] = []

    def edges_of(self: ChannelContracts, from_ms: int, to_ms: int) -> list[int]:
        asked.append(to_ms - from_ms)
        return edges(self._contracts, from_ms, to_ms)

    monkeypatch.setattr(ChannelContracts, "edges", edges_of)
    channel = work(Random(1), T0 + DAY, is_event=False, first_total=None, billed_total=None, last_total=None,
                   last_reading_ms=None, last_edge_ms=None, tail=[], timeless=[], last_pagination=0,
                   contracts=contracts)  # fmt: skip
    before, after = (T0 - years + n * MINUTE for n in (5, 6)), (T0 + n * MINUTE for n in (0, 1))
    assert channel.take_segment(segment(1, [*((t, 10) for t in before), *((t, 30) for t in after)]), False) is None
    channel.cut_intervals()
    assert sum(asked) == 2 * MINUTE
    assert [(use.usage.start_ms, use.usage.end_ms, use.usage.gap) for use in channel.uses] == [
        (T0 - years + 6 * MINUTE, T0, True)
    ]


def work(random: Random, now_ms: int, **changes: Any) -> ChannelWork:
    known = random.randrange(3)
    tail = [(T0 - 3 * MINUTE, 90), (T0 - MINUTE, 95)][:known]
    values: dict[str, Any] = {
        "channel_hash": H32(bytes(32)), "gid": bytes(16), "number": 1, "asset": "meter", "meter": "m",
        "quantity": "energy", "is_event": random.random() < 0.1, "first_total": 50 if known else None,
        "billed_total": 90 if known else None, "last_use": 0, "last_total": random.choice([None, 95]),
        "last_reading_ms": random.choice([None, T0 + HOUR]),
        "last_pagination": random.choice([0, 2, 5]), "last_event": 0, "generation": 0,
        "seams": 0, "base": 0, "serial": None,
        "last_edge_ms": T0 - 3 * MINUTE if known else None, "tail": tail,
        "timeless": [Timeless(70, BOOT, 5)] if random.random() < 0.2 else [], "contracts": priced(contract_of()),
        "origin": Origin(bytes(32), 1, now_ms),
    }  # fmt: skip
    return ChannelWork(**(values | changes))


def drawn(random: Random) -> Segment:
    readings, t_ms, total = [], T0 - random.choice([-MINUTE, 0, MINUTE, 2 * MINUTE]), 95
    for _ in range(random.choice([1, 2, 9])):
        readings.append((t_ms, total))
        t_ms += random.choice([0, MINUTE, 15 * MINUTE])
        total += random.choice([0, 3])
    quality = random.choice([TimeQuality.S, TimeQuality.S, TimeQuality.U])
    made = segment(random.choice([1, 3, 6]), readings, quality=quality)
    if len(readings) > 2 and random.random() < 0.2:
        states = ((0, MeterState.OK), (1, MeterState.TIMEOUT), (2, MeterState.OK))
        made = Segment(**{name: getattr(made, name) for name in made.__slots__} | {"state": states})
    return made


def test_readings_taken_together_leave_what_readings_taken_one_by_one_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    together = [took(seed) for seed in range(400)]
    plain = sum(one[-1] for one in together)
    monkeypatch.setattr(ChannelWork, "_is_plain", lambda self, segment: False)
    for seed, found in enumerate(together):
        assert took(seed)[:-1] == found[:-1], f"seed {seed}"
    assert 100 < plain < 390


def took(seed: int) -> tuple[Any, ...]:
    random = Random(seed)
    now_ms = random.choice([T0 + DAY, T0 - FUTURE_MS + 20 * MINUTE])
    channel, came = work(random, now_ms), drawn(random)
    plain = channel._is_plain(came)
    trouble = channel.take_segment(came, explained=False)
    channel.cut_intervals()
    left = [getattr(channel, name) for name in ChannelWork.__slots__ if name != "contracts"]
    return trouble, left, plain
