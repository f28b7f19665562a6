"""What a use costs and who gets it, told once more, slowly and plainly: fractions, the contract itself, one step after
the other. It shares no table, no curve and no compiled split with the engine that it is held against."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from math import ceil, floor

from tallystick_protocol.ids import H32, PartyId
from tallystick_protocol.money.calendar import Period, band_of, cheapest_band, use_period
from tallystick_protocol.money.contract import Contract, GapRule, version_at
from tallystick_protocol.money.plan import counter_key
from tallystick_protocol.money.rating import Usage, UsageForm
from tallystick_protocol.money.split import Scope, Step, share
from tallystick_protocol.money.tariff import Band, Form
from tallystick_protocol.money.zone import offsets_of

NANO, DAY_MS = 10**9, 86_400_000
Pairs = tuple[tuple[bytes, int], ...]
Told = tuple[int, Pairs, Pairs, Pairs, str | None]
"""Fee, shares, counters before, counters after, band."""


def told(versions: Sequence[Contract], chain: H32, uses: Sequence[Usage], opening: dict[H32, int]) -> list[Told]:
    stands = dict(opening)
    found = []
    for use in uses:
        version = version_at(versions, use.start_ms)
        assert version is not None
        found.append(_One(version, chain, use, stands).told())
    return found


class _One:
    def __init__(self, version: Contract, chain: H32, use: Usage, stands: dict[H32, int]) -> None:
        self.version, self.chain, self.use, self.stands = version, chain, use, stands
        self.tariff, self.offsets = version.tariff, offsets_of(version.zone)
        self.period = use_period(version, use.end_ms)
        self.moved: dict[H32, tuple[int, int]] = {}
        self.shares = {
            p.id: 0 for p in version.parties if any(p.id == to for step in version.split for to, _ in step.to)
        }

    def told(self) -> Told:
        if self.use.aborted:
            name = self.use.programme if self.use.form is UsageForm.EVENT else self._band().name
            return 0, tuple(self.shares.items()), (), (), name
        band = self._band() if self.use.form in (UsageForm.EVENT, UsageForm.INTERVAL) else None
        fee = self._fee(band)
        is_back = self.use.form is UsageForm.REBATE
        left = -fee if is_back else fee
        for number, step in enumerate(self.version.split, 1):
            left -= self._back(number, step, left) if is_back else self._step(number, step, left)
        assert left == 0
        if is_back:
            self.shares = {party: -amount for party, amount in self.shares.items()}
        before, after = (tuple((key, pair[at]) for key, pair in self.moved.items()) for at in (0, 1))
        return fee, tuple(self.shares.items()), before, after, None if band is None else band.name

    def _band(self) -> Band:
        for band in self.tariff.bands:
            if self.use.programme in band.programmes:
                return band
        if self.use.gap and self.version.terms.gap_rule is not GapRule.START:
            return cheapest_band(self.tariff)
        return band_of(self.version, self.use.start_ms)

    def _move(self, kind: str, name: str, payer: PartyId | None, period: Period | None, by: int) -> int:
        """Move a counter; what it stood at."""
        key = counter_key(self.chain, kind, name, payer, period)
        stood = self.stands.get(key, 0)
        self.stands[key] = stood + by
        self.moved[key] = (self.moved.get(key, (stood, 0))[0], stood + by)
        return stood

    def _standing(self) -> int:
        """For each day as much of the charge as brings all days of the period to it exactly."""
        charge = self.tariff.standing_charge
        first, last = ((ms + self.offsets.at(ms)) // DAY_MS for ms in (self.period.from_ms, self.period.to_ms))
        each = Fraction(charge.nano() if charge else 0, last - first)
        return floor(each * self.use.to_total) - floor(each * self.use.from_total)

    def _fee(self, band: Band | None) -> int:
        if self.use.form is UsageForm.STANDING:
            return self._standing()
        payer = None if self.tariff.shared else self.use.payer
        raw = -self._rebate(payer) if band is None else self._raw(band, payer)
        minimum = self.tariff.minimum.nano() if self.tariff.minimum else 0
        cap = self.tariff.cap.nano() if self.tariff.cap is not None else None
        if not minimum and cap is None:
            return raw
        stood = self._move("money", "", payer, self.period, 0)
        paid = stood if cap is None else min(cap, stood)
        if self.use.form is UsageForm.MINIMUM:
            raw = fee = max(0, minimum - paid)
        else:
            fee = raw if cap is None else min(cap, stood + raw) - paid
        self._move("money", "", payer, self.period, raw)
        return fee

    def _raw(self, band: Band, payer: PartyId | None) -> int:
        tariff = self.tariff
        per_count = NANO / Fraction(tariff.counts_per_unit.n, tariff.counts_per_unit.d)
        counts = self.use.to_total - self.use.from_total
        if tariff.form is Form.EVENT:
            counts = ceil(Fraction(counts, tariff.step)) * tariff.step
        price = band.tiers[0].price.fraction() * per_count
        if len(band.tiers) == 1 and not band.quota and price.denominator == 1:
            raw = int(counts * price)
        else:
            stood = self._move("quantity", band.name, payer, self.period, counts)
            raw = floor(_exact(band, stood + counts) * per_count) - floor(_exact(band, stood) * per_count)
        if tariff.form is Form.INTERVAL:
            return raw
        raw += tariff.start_fee.nano() if tariff.start_fee else 0
        return max(raw, tariff.session_minimum.nano() if tariff.session_minimum else 0)

    def _rebate(self, payer: PartyId | None) -> int:
        """What the period's counts in bands with volume tiers cost more than all of them at the price reached."""
        if self.use.form is not UsageForm.REBATE:
            return 0
        per_count = NANO / Fraction(self.tariff.counts_per_unit.n, self.tariff.counts_per_unit.d)
        found = 0
        for band in (one for one in self.tariff.bands if one.volume):
            counts = self._move("quantity", band.name, payer, self.period, 0)
            priced = max(0, counts - band.quota)
            reached = next(tier for tier in band.tiers if tier.up_to is None or priced <= tier.up_to)
            found += floor(_exact(band, counts) * per_count) - floor(priced * reached.price.fraction() * per_count)
        return found

    def _back(self, number: int, step: Step, left: int) -> int:
        """What a step gives of a rebate: its part, never more than its counter holds, nothing once its cap is full."""
        if step.per is Scope.PERIOD and (step.fixed is not None or step.floor is not None):
            reached = self._move("split", f"reached step {number}", None, self.period, 0)
            self._move("split", f"reached step {number}", None, self.period, max(0, reached - left) - reached)
            given = _wanted(step, reached, True) - _wanted(step, max(0, reached - left), True)
        else:
            given = _wanted(replace(step, floor=None), left, False)
        if step.cap is not None and step.counter is not None:
            within = self.period if step.cap_per is Scope.PERIOD else None
            stood = self._move("split", step.counter, None, within, 0)
            given = 0 if stood >= step.cap.nano() else min(given, stood)
            self._move("split", step.counter, None, within, -given)
        for (party, _), amount in zip(step.to, share(given, [w for _, w in step.to], self.use.use_id), strict=True):
            self.shares[party] += amount
        return given

    def _step(self, number: int, step: Step, left: int) -> int:
        per_use = self.use.form is UsageForm.EVENT
        if step.per is Scope.PERIOD and (step.fixed is not None or step.floor is not None):
            reached = self._move("split", f"reached step {number}", None, self.period, left)
            taken = _wanted(step, reached + left, True) - _wanted(step, reached, True)
        else:
            taken = _wanted(step, left, per_use)
        if step.cap is not None and step.counter is not None:
            within = self.period if step.cap_per is Scope.PERIOD else None
            stood = self._move("split", step.counter, None, within, 0)
            taken = max(0, min(taken, step.cap.nano() - stood))
            self._move("split", step.counter, None, within, taken)
        for (party, _), amount in zip(step.to, share(taken, [w for _, w in step.to], self.use.use_id), strict=True):
            self.shares[party] += amount
        return taken


def _exact(band: Band, counts: int) -> Fraction:
    """The cumulative price of a band in price units' worth of counts."""
    left, below, exact = max(0, counts - band.quota), 0, Fraction(0)
    for tier in band.tiers:
        width = left if tier.up_to is None else min(left, tier.up_to - below)
        exact += width * tier.price.fraction()
        left, below = left - width, tier.up_to or 0
    return exact


def _wanted(step: Step, left: int, amounts_apply: bool) -> int:
    if step.fixed is not None:
        wanted = min(left, step.fixed.nano()) if amounts_apply else 0
    elif step.portion is not None:
        wanted = floor(Fraction(step.portion.n, step.portion.d) * left)
    else:
        wanted = left
    if step.floor is not None and amounts_apply:
        wanted = max(wanted, min(left, step.floor.nano()))
    return wanted
