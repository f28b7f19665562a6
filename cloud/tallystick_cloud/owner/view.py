"""The owner home in words: what comes next and when, the four steps, and lines as people read them.

It never computes an amount: model.py has done that."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from tallystick_cloud.http.amounts import Amount, exact, widths
from tallystick_cloud.http.locale import Wording
from tallystick_cloud.http.month import Span
from tallystick_cloud.owner.model import ON_THE_WAY, AssetIncome, Home, Loan, PayoutView, Stage

BAR_WIDTH = 1_000


@dataclass(frozen=True, slots=True)
class Headline:
    """The one sentence of the page: an amount, what it is, and when."""

    amount: Amount
    says: str
    when: str


@dataclass(frozen=True, slots=True)
class StepView:
    """One step of the money line; `colour` is a class, `x` and `width` its part of the bar."""

    key: str
    name: str
    amount: Amount
    note: str
    x: int
    width: int


@dataclass(frozen=True, slots=True)
class Bar:
    """An asset's income; `width` of BAR_WIDTH against the largest."""

    name: str
    uses: str
    amount: Amount
    width: int


@dataclass(frozen=True, slots=True)
class LoanView:
    """A loan's repayment in words."""

    name: str
    contract: str
    chain: str
    repaid: Amount
    cap: Amount
    left: Amount
    percent: int
    says: str


def headline(home: Home, span: Span, unit: str, w: Wording) -> Headline:
    """What comes next, the surest first."""
    _, line = w.gettext, home.line
    coming = [one for one in home.payouts if one.stage in ON_THE_WAY]
    if line.on_the_way:
        days = sorted(one.day for one in coming)
        when = (
            _("arrives about {day}").format(day=w.weekday(date.fromisoformat(days[0])))
            if days
            else _("your bank has it soon")
        )
        return Headline(exact(line.on_the_way, w), _("on the way"), when)
    if any(one.stage is Stage.PROPOSED for one in home.payouts):
        return Headline(exact(line.to_come, w), _("ready to be paid"), _("a second person still has to release it"))
    if line.to_come > 0 and home.account.own >= line.to_come:
        return Headline(exact(line.to_come, w), _("in your own books"), _("you collect it yourself: nothing is sent"))
    if line.to_come > 0:
        return Headline(exact(line.to_come, w), _("to come"), _next(home, span, unit, w))
    if line.to_come < 0:
        return Headline(exact(line.to_come, w), _("to be made up"), _("your next earnings settle it first"))
    return Headline(exact(line.paid, w), _("paid this month"), _("nothing else is waiting"))


def _next(home: Home, span: Span, unit: str, w: Wording) -> str:
    _ = w.gettext
    if not home.has_account:
        return _("no bank account is known: give your IBAN to the community manager")
    least = home.threshold
    if least is not None and home.line.to_come < least.nano:
        return _("paid out from {unit} {amount} on").format(unit=unit, amount=exact(least.nano, w))
    if span.is_running:
        day = w.weekday(w.when(span.to_ms).date())
        return _("next payout after the month closes on {day}").format(day=day)
    return _("next payout: with the next run")


def steps(home: Home, w: Wording) -> tuple[StepView, ...]:
    """The four steps; the bar shows what is still to come and what was paid this month."""
    _, line = w.gettext, home.line
    values = (
        ("accrued", _("Accrued"), line.accrued, _accrued(home, w)),
        ("confirmed", _("Confirmed"), line.confirmed, _confirmed(home, w)),
        ("way", _("On the way"), line.on_the_way, _on_the_way(home, w)),
        ("paid", _("Paid"), line.paid, _paid(home, w)),
    )
    spans = widths((max(0, nano) for _, _, nano, _ in values), BAR_WIDTH)
    return tuple(
        StepView(key, name, exact(nano, w), note, x, width)
        for (key, name, nano, note), (x, width) in zip(values, spans, strict=True)
    )


def _accrued(home: Home, w: Wording) -> str:
    _ = w.gettext
    return _("used and priced, not settled yet") if home.line.accrued else _("all of it is settled")


def _confirmed(home: Home, w: Wording) -> str:
    _ = w.gettext
    if any(one.stage is Stage.PROPOSED for one in home.payouts):
        return _("in a payout that waits for its second person")
    return _("in a signed statement") if home.line.confirmed else _("nothing waits here")


def _on_the_way(home: Home, w: Wording) -> str:
    _ = w.gettext
    found = next((one for one in home.payouts if one.stage in ON_THE_WAY), None)
    if found is None:
        return _("no payout is running")
    if found.stage is Stage.SENT:
        return _sent(found, w).format(day=w.date(found.since_ms))
    return _("released, goes out {day}").format(day=w.weekday(date.fromisoformat(found.day)))


def _paid(home: Home, w: Wording) -> str:
    _ = w.gettext
    found = next((one for one in home.payouts if one.stage is Stage.PAID), None)
    return _("nothing yet this month") if found is None else _("last on {day}").format(day=w.date(found.since_ms))


def bars(assets: Sequence[AssetIncome], w: Wording) -> tuple[Bar, ...]:
    """Per asset, against the largest."""
    largest = max((one.nano for one in assets), default=0)
    return tuple(
        Bar(
            one.name,
            uses_words(one, w),
            exact(one.nano, w),
            BAR_WIDTH * max(0, one.nano) // largest if largest else 0,
        )
        for one in assets
    )


def uses_words(one: AssetIncome, w: Wording) -> str:
    """1 use, 12 uses, 96 slices."""
    _ = w.gettext
    if one.form == "interval":
        return _("{n} intervals").format(n=w.count(one.uses))
    return _("1 use") if one.uses == 1 else _("{n} uses").format(n=w.count(one.uses))


def loan_view(loan: Loan, unit: str, w: Wording) -> LoanView:
    """A capped step as the lender reads it."""
    _ = w.gettext
    return LoanView(
        loan.counter, loan.contract, loan.chain.hex(), exact(loan.repaid, w), exact(loan.cap, w), exact(loan.left, w),
        loan.percent, _loan_end(loan, w),
    )  # fmt: skip


def _loan_end(loan: Loan, w: Wording) -> str:
    _ = w.gettext
    if loan.left <= 0:
        return _("fully repaid: your share has ended by itself")
    if loan.payoff is None:
        return _("your share ends by itself when it is repaid")
    likely, low, high = (w.date(ms) for ms in (loan.payoff.likely_ms, loan.payoff.low_ms, loan.payoff.high_ms))
    says = _("at the pace of the last weeks it is repaid about {likely}").format(likely=likely)
    if low == high:
        return says
    return says + ", " + _("most likely between {low} and {high}").format(low=low, high=high)


def _sent(one: PayoutView, w: Wording) -> str:
    _ = w.gettext
    return _("with the payment provider since {day}") if one.by_provider else _("with the bank since {day}")


def payout_words(one: PayoutView, w: Wording) -> str:
    """Where a payout stands."""
    _ = w.gettext
    day = w.date(one.since_ms)
    return {
        Stage.PROPOSED: _("waits for its second person since {day}"),
        Stage.RELEASED: _("released on {day}"),
        Stage.SENT: _sent(one, w),
        Stage.PAID: _("paid on {day}"),
        Stage.REFUSED: _("not collected on {day}: the next run tries again"),
        Stage.RETURNED: _("came back on {day}"),
        Stage.CANCELLED: _("cancelled on {day}"),
    }[one.stage].format(day=day)
