"""Law 11: cents paid x 10^7 + remainder = entitlement, over any history of earnings, clawbacks and payout runs."""

from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.books import T0
from support.payouts import CENT, EURO, Payouts, open_payouts
from tallystick_cloud.errors import CloudError
from tallystick_cloud.ledger.model import Account
from tallystick_cloud.payouts import model, service
from tallystick_cloud.payouts.errors import PayoutRefused
from tallystick_cloud.payouts.model import Outcome

NANO_MAX = 2**62
PAYEES = ("Repairer", "Bank", "Fund")


@given(st.integers(-NANO_MAX, NANO_MAX))
@example(0)
@example(CENT - 1)
@example(-CENT)
def test_whole_cents_are_the_floor_of_what_is_owed_and_never_negative(owed: int) -> None:
    cents = model.whole_cents(owed)
    remainder = owed - cents * CENT
    assert cents == max(0, owed) // CENT
    assert 0 <= remainder < CENT if owed >= 0 else (cents == 0 and remainder == owed)


@given(st.lists(st.integers(-3 * EURO, 5 * EURO), max_size=60))
def test_cents_and_remainder_are_the_entitlement_over_many_runs(earnings: list[int]) -> None:
    owed = paid_cents = 0
    for earned in earnings:
        owed += earned
        cents = model.whole_cents(owed)
        owed -= cents * CENT
        paid_cents += cents
        assert owed < CENT
    assert paid_cents * CENT + owed == sum(earnings)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("earn"), st.sampled_from(PAYEES), st.integers(-4 * EURO, 9 * EURO)),
        st.tuples(st.just("run"), st.sampled_from(["paid", "returned", "later", "cancelled"]), st.integers(0, 2)),
    ),
    max_size=14,
)


@settings(max_examples=40, deadline=None)
@given(STEPS)
@example([("earn", "Bank", 5 * EURO + 1), ("run", "paid", 0), ("earn", "Bank", -EURO), ("run", "paid", 0)])
def test_the_books_keep_the_law_over_runs_clawbacks_and_returns(steps: list[tuple[str, str, int]]) -> None:
    town = open_payouts()
    earned = dict.fromkeys(PAYEES, 0)
    try:
        for at, (kind, what, amount) in enumerate(steps):
            if kind == "earn":
                town.earn({what: amount})
                earned[what] += amount
            else:
                _run(town, f"run-{at}", what, amount)
        for name in PAYEES:
            _holds(town, name, earned[name])
        assert town.books.audit() == []
    finally:
        town.books.database.close()


def _run(town: Payouts, key: str, end: str, which: int) -> None:
    """One run to the given end; `which` payout of it gets the outcome, the others stay in transit."""
    try:
        run = town.propose(key=key)
    except PayoutRefused as error:
        if "nothing" not in str(error):
            raise
        return
    write, number = town.books.database.write_now, run.stored.number
    if end == "cancelled":
        write(service.cancel, town.community, number, town.ids["Coop"], T0)
        return
    town.approve("Maria", number)
    town.file(number)
    town.sent(number=number)
    if end != "later":
        ids = [run.payouts[which % len(run.payouts)].id]
        write(service.confirm, town.community, number, Outcome(end), T0, ids)


def _holds(town: Payouts, name: str, earned: int) -> None:
    """Everything earned is on the account, on its way, or was paid, to the nano."""
    in_transit = town.owed(name, account=Account.PAYOUT_IN_TRANSIT)
    paid = sum(
        payout.cents
        for run in town.books.database.read_now(service.show_all, town.community)
        for payout in run.payouts
        if payout.outcome == Outcome.PAID and payout.owed.party == town.ids[name]
    )
    assert in_transit % CENT == 0
    assert in_transit >= 0
    assert paid * CENT + in_transit + town.owed(name) == earned


def test_law_13_whatever_is_refused_leaves_every_row_as_it_was() -> None:
    town = open_payouts()
    town.earn({"Bank": 5 * EURO})
    town.propose()
    before = town.books.dump()
    refused = 0
    for act in (town.file, town.sent, lambda: town.approve("Coop"), lambda: town.approve("Anna", 9)):
        try:
            act()
        except CloudError:
            refused += 1
    assert refused == 4
    assert town.books.dump() == before
    town.books.database.close()
