"""A contract in words that a member understands: prices, bands, the steps of the split and the other terms.

It never computes an amount; what it says of a rule is the rule as signed."""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from tallystick_protocol.money.contract import Contract, Mode, RatingPeriod
from tallystick_protocol.money.numbers import NANO, Exact, Ratio
from tallystick_protocol.money.pool import PriceClass
from tallystick_protocol.money.split import Scope, Step
from tallystick_protocol.money.tariff import EVERY_DAY, Band, Tariff, Window

from tallystick_cloud.http.amounts import exact
from tallystick_cloud.http.locale import N_, Wording

HUNDREDTH = Fraction(1, 100)
_WEEK = 0b0011111
_WEEKEND = 0b1100000


@dataclass(frozen=True, slots=True)
class PriceLine:
    """One line of the price list: for what, the price, and where it begins or ends."""

    band: str
    when: str
    price: str
    reach: str


@dataclass(frozen=True, slots=True)
class Term:
    """One term and what it says."""

    name: str
    says: str


def price_list(contract: Contract, w: Wording) -> tuple[PriceLine, ...]:
    """Every tier of every band, or every class of a pool, in contract order."""
    tariff = contract.tariff
    if contract.pool is not None:
        return tuple(PriceLine(one.name, "", worth(one, contract, w), "") for one in contract.pool.classes)
    found = []
    for band in tariff.bands:
        below = 0
        if band.quota:
            found.append(PriceLine(band.name, when(band, w), w.gettext("free"), _first(band.quota, tariff, w)))
        for tier in band.tiers:
            reach = _reach(below, tier.up_to, tariff, w) if len(band.tiers) > 1 else ""
            found.append(PriceLine(band.name, when(band, w), price(tier.price, contract, w), reach))
            below = tier.up_to or below
    return tuple(found)


def standing_charge(contract: Contract, w: Wording) -> str:
    """What a payer owes for a whole period; empty where that is nothing."""
    charge = contract.tariff.standing_charge
    return "" if charge is None else money(charge, contract.unit, w)


def each_period(contract: Contract, w: Wording) -> str:
    """EUR 6.20 a month, whatever is used; empty where that is nothing."""
    amount, period = standing_charge(contract, w), w.gettext(PERIODS[contract.terms.rating_period])
    return w.gettext("{amount} a {period}").format(amount=amount, period=period) if amount else ""


def extras(contract: Contract, w: Wording) -> tuple[Term, ...]:
    """What a price has beside its list: start fee, least price of a use, standing charge, minimum and cap of a
    period, volume tiers."""
    _, tariff, period = w.gettext, contract.tariff, contract.terms.rating_period
    rows = (
        (_("Every use begins with"), tariff.start_fee),
        (_("A use costs at least"), tariff.session_minimum),
        (_("Standing charge of a {period}").format(period=_(PERIODS[period])), tariff.standing_charge),
        (_("A {period} costs at least").format(period=_(PERIODS[period])), tariff.minimum),
        (_("A {period} costs at most").format(period=_(PERIODS[period])), tariff.cap),
    )
    found = [Term(name, money(one, contract.unit, w)) for name, one in rows if one is not None]
    for band in tariff.bands:
        if band.volume:
            says = _("the price that a {period} reaches holds for all of it; at its end the rest comes back")
            name = _("Volume tiers of {band}").format(band=band.name)
            found.append(Term(name, says.format(period=_(PERIODS[period]))))
    return tuple(found)


def price(number: Exact, contract: Contract, w: Wording) -> str:
    """EUR 1.20 per cycle; below a hundredth of a unit in ct."""
    value, per = number.fraction(), contract.tariff.price_unit
    if value and value < HUNDREDTH:
        return w.gettext("{amount} ct per {unit}").format(amount=decimal(number.fraction() * 100, w), unit=per)
    return w.gettext("{currency} {amount} per {unit}").format(
        currency=contract.unit, amount=decimal(value, w, places=2), unit=per
    )


def worth(one: PriceClass, contract: Contract, w: Wording) -> str:
    """EUR 130.00 per MWh, or EUR 130.00 - 90.00 per MWh over the prices of a series."""
    values = [decimal(one.worth(at.fraction()), w, places=2) for at, _ in one.knots]
    return w.gettext("{currency} {amount} per {unit}").format(
        currency=contract.unit, amount=" - ".join(values), unit=contract.tariff.price_unit
    )


def when(band: Band, w: Wording) -> str:
    """What a band is for."""
    _ = w.gettext
    if band.programmes:
        return _("programme {names}").format(names=", ".join(band.programmes))
    if band.windows:
        return "; ".join(_window(one, w) for one in band.windows)
    return _("everything else")


def who(step: Step, contract: Contract) -> str:
    """The parties of a step, with their weights when there are several; or the group of a pool."""
    if step.group is not None:
        return step.group.value
    if len(step.to) == 1:
        return contract.party_name(step.to[0][0])
    whole = sum(weight for _, weight in step.to)
    return ", ".join(f"{contract.party_name(party)} {weight}/{whole}" for party, weight in step.to)


def takes(step: Step, contract: Contract, w: Wording) -> str:
    """What a step takes."""
    _ = w.gettext
    says = _takes(step, contract, w)
    if step.floor is not None:
        says += ", " + _("at least {amount}").format(amount=money(step.floor, contract.unit, w))
    if step.cap is not None:
        scope = (
            _("in all")
            if step.cap_per is Scope.LIFETIME
            else _("in a {period}").format(period=_(PERIODS[contract.terms.rating_period]))
        )
        says += ", " + _("at most {amount} {scope}").format(amount=money(step.cap, contract.unit, w), scope=scope)
    return says


def terms(contract: Contract, w: Wording) -> tuple[Term, ...]:
    """The other terms, each in a sentence."""
    _, t = w.gettext, contract.terms
    charged = Term(_("Charged by the payment provider from"), money(t.least_charge, contract.unit, w))
    return (
        Term(_("Accounting period"), _(PERIODS[t.rating_period])),
        Term(_("Collected by"), f"{contract.party_name(contract.collector)}: {_(MODES[contract.mode])}"),
        charged if contract.mode is Mode.PSP else Term(_("Paid out from"), money(t.payout_threshold, contract.unit, w)),
        Term(_("Changes need"), _("the yes of all parties") if contract.change_rule == "all" else contract.change_rule),
        Term(_("Late readings are taken for"), _("{n} days").format(n=t.late_days)),
        Term(_("Disputes until"), _("{n} days after the statement").format(n=t.dispute_days)),
        Term(_("Holes in the readings"), _(GAPS[t.gap_rule.value])),
    )


def money(number: Exact, unit: str, w: Wording) -> str:
    """EUR 600.00, exact."""
    return f"{unit} {exact(number.nano(), w)}"


def ratio(number: Ratio, w: Wording) -> str:
    """40 %, or 1/3 where that has no end."""
    percent = Fraction(number.n * 100, number.d)
    if NANO % percent.denominator:
        return f"{number.n}/{number.d}"
    return f"{decimal(percent, w)} %"


def decimal(value: Fraction, w: Wording, places: int = 0) -> str:
    """A decimal that ends, with at least so many places."""
    number = Decimal(value.numerator) / Decimal(value.denominator)
    return w.decimal(number, f"#,##0.{'0' * places}{'#' * (9 - places)}")


def upper_first(text: str) -> str:
    """A name at the begin of a sentence; what follows its first letter stays."""
    return text[:1].upper() + text[1:]


def quantity(counts: int, tariff: Tariff, w: Wording) -> str:
    """Counts as people say them: 8,026 Wh as 8.026 kWh."""
    value = Fraction(counts) / Fraction(tariff.counts_per_unit.n, tariff.counts_per_unit.d)
    return f"{decimal(value, w)} {tariff.price_unit}"


def _takes(step: Step, contract: Contract, w: Wording) -> str:
    _ = w.gettext
    if step.portion is not None:
        return _("{share} of what is left").format(share=ratio(step.portion, w))
    if step.fixed is not None:
        scope = (
            _("per use")
            if step.per is Scope.USE
            else _("per {period}").format(period=_(PERIODS[contract.terms.rating_period]))
        )
        return f"{money(step.fixed, contract.unit, w)} {scope}"
    return _("all that is left")


def _reach(below: int, up_to: int | None, tariff: Tariff, w: Wording) -> str:
    _ = w.gettext
    if up_to is None:
        return _("above {quantity}").format(quantity=quantity(below, tariff, w))
    return _("up to {quantity}").format(quantity=quantity(up_to, tariff, w))


def _first(quota: int, tariff: Tariff, w: Wording) -> str:
    return w.gettext("the first {quantity}").format(quantity=quantity(quota, tariff, w))


def _window(one: Window, w: Wording) -> str:
    span = (
        f"{one.from_minute // 60:02d}:{one.from_minute % 60:02d} to {one.to_minute // 60:02d}:{one.to_minute % 60:02d}"
    )
    return f"{_days(one.days, w)} {span}"


def _days(days: int, w: Wording) -> str:
    _ = w.gettext
    known = {EVERY_DAY: _("daily"), _WEEK: _("Monday to Friday"), _WEEKEND: _("Saturday and Sunday")}
    if days in known:
        return known[days]
    names = w.locale.days["format"]["abbreviated"]
    return ", ".join(str(names[day]) for day in range(7) if days >> day & 1)


PERIODS = {
    RatingPeriod.DAY: N_("day"),
    RatingPeriod.WEEK: N_("week"),
    RatingPeriod.MONTH: N_("month"),
    RatingPeriod.QUARTER: N_("quarter"),
    RatingPeriod.YEAR: N_("year"),
}
MODES = {
    Mode.PRINCIPAL: N_("takes the money in and pays the others"),
    Mode.PSP: N_("a payment service splits the money"),
    Mode.DIRECT: N_("everybody pays everybody directly"),
}
GAPS = {
    "cheapest": N_("are charged in the cheapest band"),
    "start": N_("are charged in the band where they begin"),
    "hold": N_("wait for a person"),
}
