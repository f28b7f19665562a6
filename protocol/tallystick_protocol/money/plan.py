"""A contract version compiled for rating: integer tables for prices, bands and split, and the counters of a use.
It holds no money and no order; the same contract always compiles to the same plan."""

from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from tallystick_protocol import cbor, ids
from tallystick_protocol.ids import H32, PartyId
from tallystick_protocol.money.calendar import MINUTE_MS, Period, cheapest_band, days_in, use_period
from tallystick_protocol.money.contract import Contract, GapRule
from tallystick_protocol.money.errors import UsageError
from tallystick_protocol.money.price import Curve, curve_of
from tallystick_protocol.money.rated import Shape
from tallystick_protocol.money.split import Scope
from tallystick_protocol.money.tariff import MINUTES_PER_DAY, Form, Window
from tallystick_protocol.money.usage import Usage, UsageForm
from tallystick_protocol.money.waterfall import Waterfall, waterfall_of
from tallystick_protocol.money.zone import Offsets, offsets_of

PLANS_MAX = 4_096  # versions that one process rates at a time, some 6 kB each
WEEKS_MAX = 256  # remembered tables of bands by time; houses of one template share one
SHAPES_MAX = 65_536  # remembered shapes of a plan: payers x bands x the periods that are still open
_WEEK_MINUTES = 7 * MINUTES_PER_DAY
_ALWAYS = Period(-(1 << 64), 1 << 64)
FOR_MINIMUM, FOR_REBATE, FOR_STANDING = -1, -2, -3
"""In the place of a band's index: a minimum and a standing charge are priced by none of them, a rebate by what all of
them count."""
_AT_CLOSE = {UsageForm.MINIMUM: FOR_MINIMUM, UsageForm.REBATE: FOR_REBATE, UsageForm.STANDING: FOR_STANDING}
_THURSDAY = 3 * MINUTES_PER_DAY  # 1970-01-01T00:00 in minutes of a week that begins on Monday


@dataclass(frozen=True, slots=True)
class Counter:
    """One counter that a use moves. `kind`: quantity of a band, money of a period, or a step of the split."""

    key: H32
    kind: str
    name: str
    payer: PartyId | None
    period: Period | None  # None: over the life of the contract
    cap: int | None


class Stretch(NamedTuple):
    """While uses start in [start_low, start_high) and end in (end_low, end_high], one band by time prices those of a
    payer, and they count in the same counters."""

    start_low: int
    start_high: int
    end_low: int
    end_high: int

    def holds(self, start_ms: int, end_ms: int) -> bool:
        return self.start_low <= start_ms < self.start_high and self.end_low < end_ms <= self.end_high


class Plan:
    """The compiled form; make it with `plan_of`, which remembers. Raises ZoneError for an unknown zone."""

    def __init__(self, contract: Contract, chain: H32, offsets: Offsets | None = None) -> None:
        tariff = contract.tariff
        self.contract = contract
        self.chain = chain
        self.offsets = offsets or offsets_of(contract.zone)
        self.names = tuple(band.name for band in tariff.bands)
        self.curves: tuple[Curve, ...] = tuple(curve_of(band, tariff) for band in tariff.bands)
        self.cheapest = tariff.bands.index(cheapest_band(tariff))
        self.programmes = {name: i for i, band in enumerate(tariff.bands) for name in band.programmes}
        self.rest = next((i for i, band in enumerate(tariff.bands) if band.is_rest), -1)
        self.week, self._turns = _week(tuple(band.windows for band in tariff.bands), self.rest)
        self.start_fee = tariff.start_fee.nano() if tariff.start_fee else 0
        self.session_minimum = tariff.session_minimum.nano() if tariff.session_minimum else 0
        self.minimum = tariff.minimum.nano() if tariff.minimum else 0
        self.standing = tariff.standing_charge.nano() if tariff.standing_charge else 0
        self.cap = tariff.cap.nano() if tariff.cap is not None else None
        self.volumes = tuple(index for index, band in enumerate(tariff.bands) if band.volume)
        self.counts_money = bool(self.minimum) or self.cap is not None
        self.waterfall: Waterfall = waterfall_of(contract.split, [party.id for party in contract.parties])
        self.split_scopes = tuple(counter.scope for counter in self.waterfall.counters)
        self.use_form = UsageForm(tariff.form.value)
        self._moves = tuple(not curve.is_plain or self.counts_money or bool(self.split_scopes) for curve in self.curves)
        self._is_simple = self.week is None and not self.programmes
        self._period = Period(0, 0)
        self._stretch = Stretch(0, 0, 0, 0)
        parties = self.waterfall.beneficiaries
        self.bare = (*(Shape(parties, (), name) for name in self.names), Shape(parties, (), None))  # no counters
        self._shapes: dict[tuple[PartyId, int, int], Shape] = {}
        self.makers: dict[int, Any] = {}  # by band: kept here for straight.py, which writes them
        self.lines: dict[tuple[int, tuple[H32, ...]], Any] = {}  # by band and counters: likewise

    def is_usual(self, usage: Usage) -> bool:
        """Whether a use needs no second look: of the contract's form, priced, not aborted, not over a hole."""
        if usage.form is not self.use_form or usage.aborted or usage.gap:
            return False
        if self.programmes and self.rest < 0 and usage.programme not in self.programmes:
            return False
        return usage.from_total <= usage.to_total and usage.start_ms <= usage.end_ms

    def period(self, end_ms: int) -> Period:
        """The rating period of a use that ends then."""
        period = self._period  # read once: another thread may put another one there
        if not period.from_ms < end_ms <= period.to_ms:
            period = self._period = use_period(self.contract, end_ms, self.offsets)
        return period

    def days(self, end_ms: int) -> int:
        """How many days the rating period of a use has that ends then."""
        period = self.period(end_ms)
        return days_in(period, period.to_ms, self.offsets)

    def stretch(self, start_ms: int, end_ms: int) -> Stretch:
        """The stretch around a use, remembered until one is asked for outside of it."""
        found = self._stretch  # read once: another thread may put another one there
        if not found.holds(start_ms, end_ms):
            low, high = self._band_span(start_ms)
            period = self.period(end_ms) if any(self._moves) else _ALWAYS
            found = self._stretch = Stretch(low, high, period.from_ms, period.to_ms)
        return found

    def _band_span(self, t_ms: int) -> tuple[int, int]:
        """[from, to) in UTC ms around a moment, in which the band by time stays and the clock is not changed."""
        if self.week is None:
            return _ALWAYS.from_ms, _ALWAYS.to_ms
        offset, low, high = self.offsets.span(t_ms)
        minute = ((t_ms + offset) // MINUTE_MS + _THURSDAY) % _WEEK_MINUTES
        turn = bisect_right(self._turns, minute)
        now_ms = (t_ms + offset) // MINUTE_MS * MINUTE_MS - offset
        from_ms = now_ms - (minute - self._turns[turn - 1]) * MINUTE_MS
        return max(low, from_ms), min(high, now_ms + (self._turns[turn] - minute) * MINUTE_MS)

    def band(self, usage: Usage) -> int:
        """Index of the band that prices a use, or of FOR_MINIMUM and the others. Raises UsageError when none does."""
        if not usage.form.is_metered:
            return _AT_CLOSE[usage.form]
        if self._is_simple:
            return self.rest
        if self.programmes:
            return self._by_programme(usage)
        if usage.gap and self.contract.terms.gap_rule is not GapRule.START:
            return self.cheapest
        if self.week is None:  # cannot be: bands are by time, by programme, or one for everything
            return self.rest
        minute = (self.offsets.at(usage.start_ms) + usage.start_ms) // MINUTE_MS + _THURSDAY
        return self.week[minute % _WEEK_MINUTES]

    def _by_programme(self, usage: Usage) -> int:
        index = self.programmes.get(usage.programme or "", self.rest)
        if index < 0 and not usage.aborted:
            raise UsageError("use.programme", f"{usage.programme!r} has no price: add it to a band of the contract")
        return index

    def keys(self, usage: Usage, band: int) -> tuple[H32, ...]:
        """Keys of the counters that a use moves: band quantity, money of the period, then the split's in step order."""
        return self.shape(usage, band).keys

    def shape(self, usage: Usage, band: int) -> Shape:
        """The same beside what else the use has in common with others of its payer, band and period."""
        if band >= 0 and not self._moves[band]:
            return self.bare[band]
        place = (usage.payer, self.period(usage.end_ms).from_ms, band)
        known = self._shapes.get(place)
        if known is None:
            if len(self._shapes) >= SHAPES_MAX:
                self._shapes.clear()
            keys = tuple(counter.key for counter in self.counters(usage, band))
            known = self._shapes[place] = self.bare[max(band, -1)]._replace(keys=keys)
        return known

    def counters(self, usage: Usage, band: int) -> tuple[Counter, ...]:
        """The same with what each of them means."""
        period = self.period(usage.end_ms)
        payer = None if self.contract.tariff.shared else usage.payer
        found: list[Counter] = []
        bands = self.volumes if band == FOR_REBATE else (band,) if band >= 0 and not self.curves[band].is_plain else ()
        found += [self._counter("quantity", self.names[one], payer, period, None) for one in bands]
        if self.counts_money and band != FOR_STANDING:
            found.append(self._counter("money", "", payer, period, None))
        for split in self.waterfall.counters:
            within = period if split.scope is Scope.PERIOD else None
            found.append(self._counter("split", split.name, None, within, split.cap))
        return tuple(found)

    def _counter(self, kind: str, name: str, payer: PartyId | None, period: Period | None, cap: int | None) -> Counter:
        key = counter_key(self.chain, kind, name, payer, period)
        return Counter(key, kind, name, payer, period, cap)


_PLANS: dict[tuple[int, H32], Plan] = {}


def plan_of(contract: Contract, chain: H32) -> Plan:
    """The plan of this very contract object, remembered among the last 4,096; a plan keeps its contract alive."""
    found = _PLANS.get((id(contract), chain))
    if found is not None:
        return found
    if len(_PLANS) >= PLANS_MAX:
        _PLANS.clear()
    plan = _PLANS[(id(contract), chain)] = Plan(contract, chain)
    return plan


def counter_key(chain: H32, kind: str, name: str, payer: PartyId | None, period: Period | None) -> H32:
    """SHA-256(CBOR [chain, kind, name, payer / null, [from-ms, to-ms] / null])."""
    span = None if period is None else [period.from_ms, period.to_ms]
    return ids.sha256(cbor.encode([chain, kind, name, payer, span]))


def problem(contract: Contract, usage: Usage) -> str | None:
    """Why this use cannot be priced by this contract, or None; such a use stays open with the reason."""
    form = contract.tariff.form
    if usage.form.is_metered and usage.form.value != form.value:
        return f"the contract prices {form.value} uses, this is one of form {usage.form.value}"
    if usage.to_total < usage.from_total:
        return f"its total falls from {usage.from_total} to {usage.to_total}"
    if usage.end_ms < usage.start_ms:
        return "it ends before it starts"
    if usage.gap and contract.terms.gap_rule is GapRule.HOLD:
        return "it lies over a hole, and the contract lets a person decide about holes"
    if usage.aborted or form is not Form.EVENT or not usage.form.is_metered:
        return None
    bands = contract.tariff.bands
    listed = {name for band in bands for name in band.programmes}
    if listed and usage.programme not in listed and not any(band.is_rest for band in bands):
        if usage.programme is None:
            return "nobody saw which programme ran, and no band takes what no other takes: a person decides"
        return f"programme {usage.programme!r} has no price: add it to a band of the contract"
    return None


@lru_cache(maxsize=WEEKS_MAX)
def _week(bands: tuple[tuple[Window, ...], ...], rest: int) -> tuple[bytes | None, tuple[int, ...]]:
    """Band index of each local minute of a week from Monday 00:00, None without bands by time; and the minutes at
    which it changes, with the week's begin and end."""
    if not any(bands):
        return None, ()
    table = bytearray([rest]) * _WEEK_MINUTES
    edges = set()
    for index, windows in reversed(list(enumerate(bands))):  # the first band in contract order wins
        for window in windows:
            for day in (d for d in range(7) if window.days >> d & 1):
                low, high = day * MINUTES_PER_DAY + window.from_minute, day * MINUTES_PER_DAY + window.to_minute
                table[low:high] = bytes([index]) * (high - low)
                edges |= {low, high}
    turns = sorted(m for m in edges if 0 < m < _WEEK_MINUTES and table[m] != table[m - 1])
    return bytes(table), (0, *turns, _WEEK_MINUTES)
