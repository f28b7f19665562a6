"""Law 11 for payers: what was paid, less what was used, less what went back, is the credit, whatever happens."""

from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.books import T0
from support.payouts import CENT, DAY, EURO, Payouts, open_payouts
from tallystick_cloud import schema
from tallystick_cloud.ledger.model import Account
from tallystick_cloud.payouts import service
from tallystick_cloud.payouts.errors import PayoutRefused
from tallystick_cloud.payouts.model import Outcome
from tallystick_cloud.runs.model import Proposal

CONTRACTS = ("Washes", "Drying")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("use"), st.sampled_from(CONTRACTS), st.integers(-9 * EURO, 9 * EURO)),
        st.tuples(st.just("refund"), st.sampled_from(["paid", "returned", "later", "cancelled"]), st.just(0)),
    ),
    max_size=12,
)


@settings(max_examples=6, deadline=None)
@given(STEPS)
@example([("use", "Washes", -8 * EURO - 1), ("use", "Drying", 3 * EURO), ("refund", "paid", 0), ("refund", "paid", 0)])
@example([("use", "Washes", -2 * EURO), ("use", "Drying", -EURO), ("refund", "returned", 0), ("refund", "later", 0)])
def test_never_more_goes_back_than_was_paid_too_much(steps: list[tuple[str, str, int]]) -> None:
    """`use` below zero: a bill corrected downwards, or money that came in; it does the same to the payer's account."""
    town = open_payouts()
    row = {"community": town.community, "party": town.ids["Anna"], "holder": "Anna", "valid_from_ms": T0}
    row["iban"] = "FR7630006000011234567890189"
    town.books.database.write_now(lambda conn: conn.execute(schema.party_account.insert(), row))
    used = 0
    try:
        for at, (kind, what, nano) in enumerate(steps):
            if kind == "use":
                town.earn({"Repairer": nano}, what)
                used += nano
            else:
                before = credit(town)
                refunded = _refund(town, f"run-{at}", what)
                assert (
                    refunded * CENT <= max(0, before) < refunded * CENT + 2 * CENT
                )  # below a cent stays, per contract
        gone = sum(one.cents for one in _payouts(town) if one.outcome == Outcome.PAID)
        on_its_way = sum(town.owed("Anna", each, Account.REFUND_IN_TRANSIT) for each in CONTRACTS)
        assert credit(town) + on_its_way + gone * CENT == -used
        assert town.books.audit() == []
    finally:
        town.books.database.close()


def credit(town: Payouts) -> int:
    """Of Anna over both contracts; negative when she owes."""
    return sum(town.owed("Anna", each, Account.RECEIVABLE) for each in CONTRACTS)


def _payouts(town: Payouts) -> list[service.StoredPayout]:
    runs = town.books.database.read_now(service.show_all, town.community)
    return [one for run in runs for one in run.payouts]


def _refund(town: Payouts, key: str, end: str) -> int:
    """One run of refunds to the given end; cents that it was about."""
    write, asked = town.books.database.write_now, Proposal(key, town.ids["Coop"], None, DAY)
    try:
        run = write(service.propose_refunds, town.community, asked, [town.ids["Anna"]], T0)
    except PayoutRefused as error:
        if "no credit" in str(error) or "nothing" in str(error):
            return 0
        raise
    number = run.stored.number
    if end == "cancelled":
        write(service.cancel, town.community, number, town.ids["Coop"], T0)
        return run.cents
    town.approve("Repairer", number)  # of both contracts, one of which asks for a party of its own
    town.file(number)
    town.sent(number=number)
    if end != "later":
        write(service.confirm, town.community, number, Outcome(end), T0)
    return run.cents
