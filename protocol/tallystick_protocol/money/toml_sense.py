"""What a contract file is refused for although its values fit: what nobody can have meant.
It never judges a contract that is in force: these rules are for whoever writes one, so they may grow."""

from collections.abc import Sequence
from itertools import combinations

from tallystick_protocol.money.split import Step
from tallystick_protocol.money.tariff import EVERY_DAY, Band, Tariff
from tallystick_protocol.money.toml_table import Table
from tallystick_protocol.money.waterfall import REACHED

PRICE_MAX = 10**9  # per unit of use or as one amount: ten of them would leave the 64 bits that an amount has
GAP_INTERVALS_MAX = 9_000  # 94 days of quarter-hours: one reading after such a gap makes as many uses, all of one size
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def check_bands(tables: Sequence[Table], bands: Sequence[Band]) -> None:
    """Refuse prices beyond all measure and windows that lie over each other, in one band or in two."""
    for table, band in zip(tables, bands, strict=True):
        if any(tier.price.fraction() > PRICE_MAX for tier in band.tiers):
            key = "price" if table.has("price") else "tiers"
            raise table.fail(key, f"is above {PRICE_MAX:,} per unit: nobody can pay that, check the decimal point")
    windows = [(i, window) for i, band in enumerate(bands) for window in band.windows]
    for (first, one), (second, other) in combinations(windows, 2):
        days = one.days & other.days & EVERY_DAY
        begin, end = max(one.from_minute, other.from_minute), min(one.to_minute, other.to_minute)
        if days and begin < end:
            day = next(name for i, name in enumerate(_DAYS) if days >> i & 1)
            both = "itself" if first == second else repr(bands[first].name)
            at = f"{day} {begin // 60:02d}:{begin % 60:02d}-{end // 60:02d}:{end % 60:02d}"
            raise tables[second].fail("windows", f"overlaps {both} on {at}: every time needs one price")


def check_tariff(table: Table, tariff: Tariff) -> None:
    """Refuse amounts beyond all measure, and a tariff by which nothing can ever cost anything."""
    named = {name: getattr(tariff, name) for name in ("start_fee", "session_minimum", "standing_charge", "minimum")}
    amounts = tuple(named.values())
    for name, amount in named.items():
        if amount is not None and amount.fraction() > PRICE_MAX:
            raise table.fail(name, f"is above {PRICE_MAX:,}: nobody can pay that, check the decimal point")
    if tariff.cap is not None and tariff.cap.mantissa == 0:
        raise table.fail("cap", "is 0, so nothing ever costs anything: leave it away")
    priced = any(tier.price.mantissa for band in tariff.bands for tier in band.tiers)
    if not priced and not any(amount is not None and amount.mantissa for amount in amounts):
        raise table.fail("band", "has only prices of 0 and no minimum or fee: nothing would ever be charged")


def check_gap(table: Table, interval_ms: int, max_gap_ms: int) -> None:
    """Refuse a gap that would be cut into very many uses, of whose times nobody knows anything."""
    count = max_gap_ms // interval_ms
    if count > GAP_INTERVALS_MAX:
        reason = f"holds {count:,} intervals, at most {GAP_INTERVALS_MAX:,}: shorten it, or lengthen interval"
        raise table.fail("max_gap", reason)


def check_steps(tables: Sequence[Table], steps: Sequence[Step]) -> None:
    """Refuse steps that take nothing, and counters that two steps understand differently."""
    counted: dict[str, Step] = {}
    for table, step in zip(tables, steps, strict=True):
        _check_step(table, step)
        if step.counter is None:
            continue
        if step.counter.startswith(REACHED):
            raise table.fail("counter", f"begins with {REACHED!r}, which is a name of the engine's own: choose another")
        before = counted.setdefault(step.counter, step)
        if (before.cap, before.cap_per) != (step.cap, step.cap_per):
            reason = f"{step.counter!r} has another cap in a step before: write the same cap, or another counter"
            raise table.fail("counter", reason)


def _check_step(table: Table, step: Step) -> None:
    if step.portion is not None and step.portion.n == 0:
        raise table.fail("portion", "is 0, so the step takes nothing: leave the step out")
    for name, amount in (("fixed", step.fixed), ("floor", step.floor), ("cap", step.cap)):
        if amount is not None and amount.mantissa == 0:
            raise table.fail(name, f"is 0: leave {'the step' if name != 'floor' else 'it'} out")
    if step.floor is None:
        return
    for name, amount in (("fixed", step.fixed), ("cap", step.cap)):
        if amount is not None and amount.fraction() < step.floor.fraction():
            raise table.fail("floor", f"is above {name}: the least cannot be more than the most")
