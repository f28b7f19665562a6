"""Clocks that jump by years and boots that do not know the time, from the gateway's core to the aggregator's books:
no use is negative, doubled or missing. The truth is what the meters counted and how often the drum turned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from support.books import T0, Books, open_books
from support.edge import WASH_RULE, CountedEntropy, wash_30, wash_60
from support.seeds import drawn
from support.uploads import SimGateway
from tallystick_cloud import schema
from tallystick_edge.core import Core
from tallystick_edge.metering.counter import CounterRule
from tallystick_edge.plan import CounterPlan, MeterPlan, Scale, WashPlan
from tallystick_edge.room import StoreLimits
from tallystick_edge.sample import Sample
from tallystick_edge.usage.wash import WashRule
from tallystick_protocol.codes import MeterState, ReceiptStatus, TimeQuality

SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000
YEAR = 365 * 24 * HOUR
EVERY_S = 10
FLAT, CYCLES, WASHER = 1, 2, 3
RULE = CounterRule(modulus=None, rated_max_per_h=11_000, every_ms=EVERY_S * SECOND)


def plans() -> dict[str, MeterPlan]:
    rule = WashRule(**{name: getattr(WASH_RULE, name) for name in WASH_RULE.__slots__} | {"channel": CYCLES})
    wash = WashPlan(rule, "power", Scale(1_000, 1), WASHER, Scale(1_000, 1))
    return {
        "flat": MeterPlan("flat", EVERY_S * SECOND, (CounterPlan(FLAT, "energy", RULE),), (), None),
        "washer": MeterPlan("washer", EVERY_S * SECOND, (CounterPlan(WASHER, "energy", RULE),), (), wash),
    }


@dataclass
class WrongClock:
    """`true_ms` since T0 goes on; the wall may be `skew_ms` off, and claims what the test lets it claim."""

    true_ms: int = 0
    skew_ms: int = 0
    booted_ms: int = 0
    claimed: TimeQuality = TimeQuality.S

    def utc_ms(self) -> int:
        return T0 + self.true_ms + self.skew_ms

    def uptime_ms(self) -> int:
        return self.true_ms - self.booted_ms

    async def sleep_ms(self, ms: int) -> None:
        raise AssertionError("nobody sleeps here")

    def quality(self) -> TimeQuality:
        return self.claimed


@dataclass
class House:
    """A flat and a washing machine, a gateway that reads them, and the aggregator it hands over to when online."""

    folder: Path
    books: Books
    chance: Random
    clock: WrongClock = field(default_factory=WrongClock)
    flat_mwh: int = 5_000_000
    washer_mwh: int = 1_000_000
    washes: int = 0
    first_seen_wh: int | None = None
    boots: int = 0
    sent: int = 0

    def __post_init__(self) -> None:
        self.gateway = SimGateway("cellar")
        self.books.enrol(self.gateway, "cellar")
        self.boot()

    def boot(self) -> None:
        self.boots += 1
        self.clock.booted_ms = self.clock.true_ms
        path, entropy = self.folder / "journal.sqlite", CountedEntropy(f"boot {self.boots}")
        limits = StoreLimits(ballast_bytes=0)
        self.core = Core(path, self.gateway.signer, plans(), self.clock, entropy, "test 1", limits=limits)

    def pass_s(self, seconds: int, power_w: int = 2, seen: bool = True) -> None:
        for _ in range(seconds // EVERY_S):
            self.clock.true_ms += EVERY_S * SECOND
            self.flat_mwh += 600 * EVERY_S * 1_000 // 3_600
            self.washer_mwh += power_w * EVERY_S * 1_000 // 3_600
            if seen:
                self.first_seen_wh = self.first_seen_wh or self.flat_mwh // 1_000
                self._read("flat", {"energy": self.flat_mwh // 1_000}, "S1")
                self._read("washer", {"energy": self.washer_mwh // 1_000, "power": power_w}, "W1")
                self.core.flush()

    def _read(self, meter: str, values: dict[str, int], serial: str) -> None:
        uptime, utc = self.clock.uptime_ms(), self.clock.utc_ms()
        self.core.desk.sample(Sample(meter, uptime, utc, values, serial, MeterState.OK))

    def wash(self) -> None:
        for power_w, seconds in self.chance.choice((wash_30, wash_60))():
            self.pass_s(seconds, power_w)
        self.pass_s(300)
        self.washes += 1

    def hand_over(self) -> None:
        """Everything that waits, and the signed time that comes back with a State."""
        self.core.seal(heartbeat=True)
        now_ms = T0 + self.clock.true_ms
        self.core.server_said(now_ms)
        for batch in self.core.waiting(1_000):
            data = self.core.upload(batch)
            assert data is not None
            receipt = self.books.send(self.gateway, data, now_ms).receipt
            assert receipt.status is ReceiptStatus.ACCEPTED
            self.core.finalise(receipt.epoch, receipt.from_seq, receipt.to_seq, b"receipt", receipt.server_ms)

    # --- what goes wrong ---------------------------------------------------------------------------------------

    def jump(self) -> None:
        """Somebody sets the clock; a kernel that NTP kept says at once that NTP does not keep it any more."""
        self.clock.skew_ms += self.chance.choice((YEAR, -YEAR, 3 * HOUR, -3 * HOUR))
        self.clock.claimed = self.chance.choice((TimeQuality.I, TimeQuality.U))

    def reboot_without_rtc(self) -> None:
        """The wall goes on from the time of the shutdown, or from the day the image was made."""
        before = self.clock.utc_ms()
        if self.chance.random() < 0.5:
            self.core.close()
        else:
            self.core._opened().close()  # no clean end
        self.pass_s(self.chance.randrange(1, 240) * 60, seen=False)
        wall = self.chance.choice((before, T0 - YEAR))
        self.clock.skew_ms += wall - self.clock.utc_ms()
        self.clock.claimed = TimeQuality.U
        self.boot()

    def synchronise(self) -> None:
        self.clock.skew_ms, self.clock.claimed = 0, TimeQuality.S


def live(house: House) -> None:
    """Some hours in which things go wrong in any order, and a good end."""
    chance = house.chance
    for _ in range(6):
        mishap: Callable[[], None] = chance.choice((house.jump, house.reboot_without_rtc, house.synchronise))
        mishap()
        house.pass_s(chance.randrange(1, 40) * 60)
        if chance.random() < 0.6:
            house.wash()
        if chance.random() < 0.5:
            house.hand_over()
    house.hand_over()
    house.synchronise()
    house.pass_s(1_800)
    house.hand_over()


def check(house: House) -> None:
    """The books against the truth."""
    uses = house.books.rows(schema.use)
    spans = sorted(_span(use) for use in uses if _channel(house, use) == FLAT)
    assert spans
    assert all(first < last for first, last in spans)
    assert all(before[1] == after[0] for before, after in pairwise(spans))
    assert house.first_seen_wh is not None
    counted_wh = house.flat_mwh // 1_000 - house.first_seen_wh
    billed_wh = spans[-1][1] - spans[0][0]
    assert 0 <= counted_wh - billed_wh <= 600 // 4 + 10, (counted_wh, billed_wh)  # the quarter hour that is not over
    cycles = [_span(use) for use in uses if _channel(house, use) == CYCLES]
    waiting = [  # told before its boot had a time: open in the books with that reason, never dropped, never guessed
        _span(row) for row in house.books.rows(schema.exception) if row["reason"] == "unknown-time"
    ]
    assert sorted(cycles + waiting) == [(number, number + 1) for number in range(house.washes)]
    assert house.books.audit() == []


def _span(row: dict[str, object]) -> tuple[int, int]:
    return int(row["from_total"]), int(row["to_total"])  # type: ignore[call-overload]


def _channel(house: House, use: dict[str, object]) -> int:
    rows = house.books.rows(schema.channel)
    return next(int(row["channel"]) for row in rows if row["channel_hash"] == use["channel_hash"])  # type: ignore[call-overload]


@pytest.mark.drawn
@pytest.mark.parametrize("number", range(4))
def test_no_use_is_negative_doubled_or_missing_whatever_the_clock_does(number: int, tmp_path: Path) -> None:
    seed = drawn(f"clock {number}")
    books = open_books()
    house = House(tmp_path, books, Random(seed))
    try:
        live(house)
        check(house)
    finally:
        house.core._opened().close()
        books.database.close()
