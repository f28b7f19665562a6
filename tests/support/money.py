"""Builders of contracts and uses for tests of the money rules: small, exact, and valid unless a test says otherwise."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from hypothesis import strategies as st
from tallystick_protocol import ids
from tallystick_protocol.ids import H32, PartyId
from tallystick_protocol.money.contract import (
    AssetTerms,
    Contract,
    ContractState,
    Mode,
    Notice,
    PartyRef,
    RatingPeriod,
    Terms,
)
from tallystick_protocol.money.numbers import Exact, Ratio
from tallystick_protocol.money.rating import Usage, UsageForm
from tallystick_protocol.money.split import Scope, Step
from tallystick_protocol.money.tariff import Band, Form, Tariff, Tier, Window

T0 = 1_767_222_000_000  # 2026-01-01T00:00 in Rome
HOUR = 3_600_000
CHAIN = ids.sha256(b"a chain of contract versions")
NAMES = ("Elena", "Kofler", "Bank", "Fund", "Conti", "Haddad")
PARTIES = {name: PartyId(ids.sha256(name.encode())[:16]) for name in NAMES}
ELENA, KOFLER, BANK, FUND, CONTI, HADDAD = PARTIES.values()


def price(value: str, up_to: int | None = None) -> Tier:
    return Tier(up_to, Exact.of(value))


def flat(value: str = "0.30", name: str = "all", **more: Any) -> Band:
    return Band(name, (price(value),), **more)


def energy(*bands: Band, form: Form = Form.INTERVAL, **more: Any) -> Tariff:
    return Tariff(form, "kWh", "Wh", 0, Ratio(1000, 1), bands or (flat(),), **more)


def cycles(*bands: Band, **more: Any) -> Tariff:
    return Tariff(Form.EVENT, "cycle", "cycle", 0, Ratio(1, 1), bands or (flat("1.50"),), **more)


def rest(*to: tuple[PartyId, int]) -> Step:
    return Step(to or ((ELENA, 1),))


def loan(cap: str, portion: Ratio | None = None) -> Step:
    part = portion or Ratio(1, 2)
    return Step(((BANK, 1),), part, cap=Exact.of(cap), cap_per=Scope.LIFETIME, counter="loan")


def contract(tariff: Tariff | None = None, *split: Step, **more: Any) -> Contract:
    values: dict[str, Any] = {
        "nonce": bytes(16),
        "prev": None,
        "name": "a contract",
        "version": 1,
        "community": "aurora",
        "unit": "EUR",
        "zone": "Europe/Rome",
        "state": ContractState.LIVE,
        "mode": Mode.PRINCIPAL,
        "collector": ELENA,
        "change_rule": "all",
        "decision_ref": None,
        "effective_from_ms": T0,
        "effective_to_ms": None,
        "parties": tuple(PartyRef(name, party, "owner") for name, party in PARTIES.items()),
        "assets": (AssetTerms("meter", "energy", CONTI), AssetTerms("other", "energy", HADDAD)),
        "tariff": tariff or energy(),
        "split": split or (rest(),),
        "terms": Terms(),
        "notice": Notice("what", "why", 3650, "who"),
    }
    return Contract(**(values | more))


def channel(name: str) -> H32:
    return ids.sha256(name.encode())


def interval(start: int, end: int, at_ms: int = T0, payer: PartyId = CONTI, meter: str = "meter", **more: Any) -> Usage:
    """Counts start..end, used in the hour that begins at `at_ms`."""
    here = channel(f"{meter} of {payer.hex()}")
    return Usage(ids.use_id(here, start), here, start, at_ms, at_ms + HOUR, start, end, meter, payer, **more)


def event(number: int, counts: int = 1, at_ms: int | None = None, payer: PartyId = CONTI, **more: Any) -> Usage:
    here = channel(f"machine of {payer.hex()}")
    start = T0 + number * HOUR if at_ms is None else at_ms
    form = UsageForm.EVENT
    use = ids.use_id(here, number)
    return Usage(use, here, number, start, start + HOUR, number, number + counts, "meter", payer, form=form, **more)


def hours(quantities: Sequence[int], payer: PartyId = CONTI, from_ms: int = T0) -> list[Usage]:
    """One interval use per hour with these counts; hours without counts make none."""
    total, uses = 0, []
    for index, counts in enumerate(quantities):
        if counts:
            uses.append(interval(total, total + counts, from_ms + index * HOUR, payer))
        total += counts
    return uses


amounts = st.integers(0, 500_000).map(lambda n: Exact.of(f"{n // 1000}.{n % 1000:03d}"))
prices = st.integers(0, 10**6).map(lambda n: Exact.of(f"{n // 10**6}.{n % 10**6:06d}"))
portions = st.tuples(st.integers(0, 1000), st.integers(1, 1000)).map(lambda pair: ratio(min(pair), max(pair)))


def ratio(n: int, d: int) -> Ratio:
    return Ratio.of(Fraction(n, d))


@st.composite
def bands(draw: st.DrawFn, name: str, windows: tuple[Window, ...] = ()) -> Band:
    bounds = sorted(draw(st.sets(st.integers(1, 20_000), max_size=3)))
    found = [draw(prices) for _ in range(len(bounds) + 1)]
    falling = sorted({one.fraction(): one for one in found}.items(), reverse=True)
    volume = len(falling) == len(found) > 1 and draw(st.booleans())
    found = [one for _, one in falling] if volume else found
    tiers = tuple(Tier(bound, one) for bound, one in zip([*bounds, None], found, strict=True))
    return Band(name, tiers, draw(st.sampled_from((0, 0, 700))), windows, volume=volume)


@st.composite
def tariffs(draw: st.DrawFn, form: Form = Form.INTERVAL) -> Tariff:
    """Tariffs by time of use, graduated or by volume, with odd prices and meters (counts of a third of a Wh), minimum,
    cap and standing charge."""
    timed = draw(st.booleans())
    day = draw(bands("day", (Window(0b11111, 480, 1140),))) if timed else None
    parts = ((day,) if day else ()) + (draw(bands("rest")),)
    cap = draw(st.none() | amounts)
    minimum = draw(st.none() | amounts)
    if cap and minimum and minimum.nano() > cap.nano():
        cap, minimum = minimum, cap
    per = draw(st.sampled_from((Ratio(1000, 1), Ratio(3, 1), Ratio(3600, 7))))
    standing = draw(st.none() | amounts)
    return Tariff(form, "kWh", "Wh", 0, per, parts, minimum=minimum, cap=cap, standing_charge=standing)


@st.composite
def splits(draw: st.DrawFn, form: Form = Form.INTERVAL) -> tuple[Step, ...]:
    """Waterfalls of up to four steps before the rest: portions, amounts per use or period, caps, weighted parties."""
    return (*(draw(_step(form, index)) for index in range(draw(st.integers(0, 4)))), Step(draw(_weighted())))


@st.composite
def _weighted(draw: st.DrawFn) -> tuple[tuple[PartyId, int], ...]:
    chosen = draw(st.sets(st.sampled_from(NAMES), min_size=1))
    return tuple((PARTIES[name], draw(st.integers(1, 10_000))) for name in NAMES if name in chosen)


@st.composite
def _step(draw: st.DrawFn, form: Form, index: int) -> Step:
    kind = draw(st.sampled_from(("portion", "fixed", "rest")))
    per = Scope.PERIOD if form is Form.INTERVAL else draw(st.sampled_from((Scope.USE, Scope.PERIOD)))
    is_capped = kind == "rest" or draw(st.booleans())
    return Step(
        draw(_weighted()),
        draw(portions) if kind == "portion" else None,
        draw(amounts) if kind == "fixed" else None,
        draw(st.none() | amounts),
        per,
        draw(amounts) if is_capped else None,
        draw(st.sampled_from((Scope.PERIOD, Scope.LIFETIME))) if is_capped else None,
        draw(st.sampled_from((f"counter {index}", "shared"))) if is_capped else None,
    )


def monthly(**more: Any) -> Terms:
    return Terms(rating_period=RatingPeriod.MONTH, **more)
