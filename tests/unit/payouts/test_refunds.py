"""What a payer paid too much: how much of it is free, who gets it back, and that it is moved like any payout."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from support import pain_xsd, postgres
from support.bank import BankTown
from support.books import T0, open_books
from support.invoices import SETUP
from support.payouts import CENT, DAY, DRYING, EURO, IBANS, TOWN, WASHING, Payouts, open_payouts
from support.splits import PSP
from tallystick_cloud import schema
from tallystick_cloud.bank.service import Reported
from tallystick_cloud.http.locale import Wording
from tallystick_cloud.invoices import payees
from tallystick_cloud.invoices import service as invoices
from tallystick_cloud.ledger import journals
from tallystick_cloud.ledger.model import Account, Line
from tallystick_cloud.payouts import service
from tallystick_cloud.payouts.checks import Run
from tallystick_cloud.payouts.credit import Credit, OnItsWay, all_credits, on_its_way
from tallystick_cloud.payouts.errors import PayoutRefused
from tallystick_cloud.payouts.model import Outcome, Reason
from tallystick_cloud.payouts.refunds import own_credits
from tallystick_cloud.runs.errors import NotSecondPerson
from tallystick_cloud.runs.model import Proposal, RunState
from tallystick_sim.bank import SimBank

ANNAS = "FR7630006000011234567890189"


@pytest.fixture
def town() -> Iterator[BankTown]:
    """Anna owed EUR 12.00 and paid EUR 20.005."""
    made = paid_too_much(open_payouts())
    yield made
    made.payouts.books.database.close()


def paid_too_much(payouts: Payouts) -> BankTown:
    payouts.earn({"Repairer": 12 * EURO - CENT // 2})
    town = BankTown(payouts, SimBank(IBANS["Coop"], 0))
    town.bank.receive(2000, DAY, "Anna", ANNAS, reference=town.reference("Anna"))
    town.statement()
    return town


def account(town: BankTown, name: str = "Anna", iban: str = ANNAS) -> None:
    row = {"party": town.payouts.ids[name], "iban": iban, "holder": name, "valid_from_ms": T0}
    row["community"] = town.payouts.community

    town.payouts.books.database.write_now(lambda conn: conn.execute(schema.party_account.insert(), row))


def refund(town: BankTown, *payers: str, key: str = "back", by: str = "Coop") -> Run:
    payouts = town.payouts
    asked = Proposal(key, payouts.ids[by], None, DAY)
    ids = [payouts.ids[name] for name in payers or ("Anna",)]
    return payouts.books.database.write_now(service.propose_refunds, payouts.community, asked, ids, T0)


def charge(town: BankTown, nano: int, contract: str = "Washes", payer: str = "Anna", account: str = "Repairer") -> None:
    """A use of the payer, or (negative) a bill corrected downwards."""
    payouts = town.payouts
    coop, chain = payouts.ids["Coop"], payouts.chains[contract]
    lines = {
        Line(coop, Account.RECEIVABLE, payouts.ids[payer], chain, "EUR"): nano,
        Line(coop, Account.PAYABLE, payouts.ids[account], chain, "EUR"): -nano,
    }
    key = f"charge:{len(payouts.books.rows(schema.journal))}"
    entry = journals.Entry(key, "test", bytes(32), lines)
    payouts.books.database.write_now(journals.post, payouts.community, [entry], T0)


def credit(town: BankTown, name: str = "Anna", contract: str = "Washes") -> int:
    return town.payouts.owed(name, contract, Account.RECEIVABLE)


def credits_of(town: BankTown) -> list[Credit]:
    return town.payouts.books.database.read_now(all_credits, town.payouts.community, T0)


def test_a_credit_goes_back_to_the_payer_through_the_bank(town: BankTown) -> None:
    account(town)
    (one,) = credits_of(town)
    assert (one.payer, one.collector, one.contract, one.nano, one.cents) == (
        "Anna", "Coop", "Washes", 8 * EURO + CENT // 2, 800,
    )  # fmt: skip
    run = refund(town)
    assert [(paid.owed.party, paid.cents, paid.creditor.iban) for paid in run.payouts] == [
        (town.payouts.ids["Anna"], 800, ANNAS)
    ]
    with pytest.raises(NotSecondPerson, match="Coop proposed run 1"):
        town.payouts.approve("Coop")
    town.payouts.approve("Maria")
    file = town.payouts.file()
    assert pain_xsd.wrong_in(file) == []
    assert b"Washes, refund 1" in file
    assert town.payouts.file() == file
    town.payouts.sent()
    assert (credit(town), town.balance("refund-in-transit")) == (CENT // 2, -8 * EURO)
    assert town.balance("payout-in-transit") == 0
    town.bank.execute(file, DAY)
    town.statement()
    assert town.run().stored.state is RunState.SETTLED
    assert (credit(town), town.balance("refund-in-transit"), town.bank.cents) == (CENT // 2, 0, 1200)
    town.check_closes()
    assert credits_of(town) == []


def test_a_payout_run_pays_no_credit_and_a_refund_run_pays_nothing_else(town: BankTown) -> None:
    account(town)
    run = town.payouts.propose()
    assert [one.owed.account for one in run.payouts] == [Account.PAYABLE]
    with pytest.raises(PayoutRefused, match="1 of Coop is proposed; send it or cancel it first"):
        refund(town)
    with pytest.raises(PayoutRefused, match="other content"):
        refund(town, key="one")


def test_the_same_key_is_the_same_refund_and_other_content_is_refused(town: BankTown) -> None:
    account(town)
    run = refund(town)
    before = town.payouts.books.dump()
    assert refund(town).stored.id == run.stored.id
    with pytest.raises(PayoutRefused, match="other content"):
        refund(town, "Anna", "Ben")
    with pytest.raises(PayoutRefused, match="other content"):
        town.payouts.propose(key="back")
    assert town.payouts.books.dump() == before


def test_a_refund_that_comes_back_is_a_credit_again(town: BankTown) -> None:
    account(town)
    refund(town)
    town.payouts.approve("Maria")
    town.bank.execute(town.payouts.file(), DAY)
    town.bank.send_back(town.ends()[0], DAY + timedelta(days=1))
    town.statement(DAY + timedelta(days=1))
    assert (credit(town), town.balance("refund-in-transit")) == (8 * EURO + CENT // 2, 0)
    assert town.run().payouts[0].outcome == Outcome.RETURNED.value
    town.check_closes()
    assert refund(town, key="again").cents == 800


def test_a_refund_that_the_bank_rejects_is_a_credit_again(town: BankTown) -> None:
    account(town)
    refund(town)
    town.payouts.approve("Maria")
    told = town.take(town.bank.execute(town.payouts.file(), DAY, set(town.ends())))
    assert isinstance(told, Reported)
    assert told.rejected == 1
    assert (credit(town), town.balance("refund-in-transit")) == (8 * EURO + CENT // 2, 0)
    town.statement()
    town.check_closes()


def test_what_is_due_under_another_contract_is_set_off_first(town: BankTown) -> None:
    account(town)
    charge(town, 3 * EURO + 1, "Drying", account="Bank")
    (one,) = credits_of(town)
    assert one.cents == 500
    assert refund(town).cents == 500
    town.payouts.books.database.write_now(service.cancel, town.payouts.community, 1, town.payouts.ids["Coop"], T0)
    charge(town, 5 * EURO, "Drying", account="Bank")
    (one,) = credits_of(town)
    assert (one.reason, one.cents) == (Reason.SET_OFF, 0)
    before = town.payouts.books.dump()
    with pytest.raises(PayoutRefused, match=r"Anna: has no credit.*Anna \(Washes\): set off against what is due"):
        refund(town, key="two")
    assert town.payouts.books.dump() == before


def test_credits_under_two_contracts_go_back_together_and_never_more_than_both(town: BankTown) -> None:
    account(town)
    charge(town, -2 * EURO, "Drying", account="Bank")
    run = refund(town)
    assert sorted(one.cents for one in run.payouts) == [200, 800]
    assert {one.contract for one in run.payouts} == {"Washes", "Drying"}
    assert run.missing == (
        "a second person must approve it",
        "a party of 'Drying' other than the collector must approve it",
    )


@pytest.mark.parametrize("step", ["approve", "file"])
def test_a_use_in_between_refuses_the_refund(town: BankTown, step: str) -> None:
    account(town)
    refund(town)
    if step == "file":
        town.payouts.approve("Maria")
    charge(town, EURO, "Drying", account="Bank")
    before = town.payouts.books.dump()
    with pytest.raises(PayoutRefused, match="less is owed to Anna now than run 1 pays"):
        town.payouts.approve("Maria") if step == "approve" else town.payouts.file()
    assert town.payouts.books.dump() == before


def test_another_account_in_between_refuses_the_refund(town: BankTown) -> None:
    account(town)
    refund(town)
    later = {"valid_from_ms": T0 + 1, "iban": IBANS["Bank"]}

    town.payouts.books.database.write_now(lambda conn: conn.execute(schema.party_account.update().where(
        schema.party_account.c.party == town.payouts.ids["Anna"]).values(**later)))  # fmt: skip
    with pytest.raises(PayoutRefused, match="the account of Anna has changed"):
        town.payouts.approve("Maria", now_ms=T0 + 2)


@pytest.mark.parametrize(
    ("payers", "says"),
    [
        (("Anna",), r"Anna: has no credit that can be paid back; held back: Anna \(Washes\): no account"),
        (("Ben",), "payout run: has nothing to pay: nothing is owed"),
        (("Repairer",), "payout run: has nothing to pay: nothing is owed"),
        (("Anna", "Ben"), "has no credit that can be paid back"),
    ],
)
def test_who_cannot_be_paid_back_is_refused_with_the_reason(town: BankTown, payers: tuple[str, ...], says: str) -> None:
    before = town.payouts.books.dump()
    with pytest.raises(PayoutRefused, match=says):
        refund(town, *payers)
    assert town.payouts.books.dump() == before


def test_only_a_manager_or_the_collector_proposes(town: BankTown) -> None:
    account(town)
    with pytest.raises(NotSecondPerson, match="Anna may not handle payouts"):
        refund(town, by="Anna")


def test_what_a_payment_provider_collects_is_set_off_there() -> None:
    made = Payouts(open_books(town=TOWN, contracts={"washes.toml": PSP, "drying.toml": DRYING}))
    town = BankTown(made, SimBank(IBANS["Coop"], 0))
    account(town)
    charge(town, -5 * EURO)
    charge(town, -2 * EURO, "Drying", account="Bank")
    assert [(one.contract, one.cents, one.reason) for one in credits_of(town)] == [
        ("Drying", 200, None),
        ("Washes", 0, Reason.OTHER_WAY),
    ]
    assert [one.contract for one in refund(town).payouts] == ["Drying"]
    made.books.database.close()


def test_where_everybody_is_paid_directly_each_pays_back_from_an_account_of_its_own() -> None:
    direct = WASHING.replace('collector = "Coop"', 'collector = "Coop"\nmode = "direct"')
    made = Payouts(open_books(town=TOWN, contracts={"washes.toml": direct, "drying.toml": DRYING}))
    town = BankTown(made, SimBank(IBANS["Repairer"], 1000))
    account(town)
    repairer, anna, chain = made.ids["Repairer"], made.ids["Anna"], made.chains["Washes"]
    lines = {
        Line(repairer, Account.RECEIVABLE, anna, chain, "EUR"): -4 * EURO,
        Line(repairer, Account.PAYABLE, repairer, chain, "EUR"): 4 * EURO,
    }
    made.books.database.write_now(
        journals.post, made.community, [journals.Entry("corrected", "test", bytes(32), lines)], T0
    )
    run = refund(town, by="Repairer")
    assert (run.stored.collector, run.stored.debtor.iban, run.cents) == (repairer, IBANS["Repairer"], 400)
    made.approve("Maria")
    town.bank.execute(made.file(), DAY)
    town.statement()
    assert (town.balance("receivable"), town.balance("refund-in-transit"), town.bank.cents) == (0, 0, 600)
    town.check_closes()
    made.books.database.close()


def test_a_payer_sees_what_is_on_its_way_from_the_release_to_the_outcome(town: BankTown) -> None:
    account(town)
    read, anna = town.payouts.books.database.read_now, town.payouts.ids["Anna"]
    refund(town)
    assert read(on_its_way, town.payouts.community, anna) == []
    town.payouts.approve("Maria")
    (way,) = read(on_its_way, town.payouts.community, anna)
    assert (way.cents, way.iban, way.day, way.is_sent) == (800, ANNAS, DAY.isoformat(), False)
    file = town.payouts.file()
    town.payouts.sent()
    (way,) = read(on_its_way, town.payouts.community, anna)
    assert way.is_sent
    town.bank.execute(file, DAY)
    town.statement()
    assert read(on_its_way, town.payouts.community, anna) == []


def test_a_payer_reads_what_becomes_of_a_credit() -> None:
    w = Wording("en", ZoneInfo("UTC"))

    def words(reason: Reason | None, *way: OnItsWay) -> tuple[str, ...]:
        one = Credit(bytes(16), "Anna", "Coop", "Washes", "EUR", 8 * EURO, 0, None, reason)
        (found,) = own_credits([one], way, w)
        assert str(found.amount) == ("8.00" if not way else "None")
        return found.words

    assert words(None)[1] == "To have it paid back instead, ask Coop."
    assert words(Reason.NO_ACCOUNT)[1] == "To have it paid back instead, give Coop your IBAN."
    assert words(Reason.SET_OFF)[1] == "As much or more is due to Coop under another contract or bill."
    assert words(Reason.OTHER_WAY) == ("It is set off against what you use next.",)
    released = OnItsWay("Coop", 800, DAY.isoformat(), ANNAS, is_sent=False)
    assert words(None, released) == ("EUR 8.00 goes back to your account ending in 0189 on Thu 5 Nov.",)


def test_no_document_is_written_in_a_payers_name_over_what_went_back(town: BankTown) -> None:
    account(town)
    refund(town)
    town.payouts.approve("Maria")
    town.payouts.file()
    town.payouts.sent()
    books, ids = town.payouts.books, town.payouts.ids
    books.database.write_now(
        invoices.set_up, books.community, SETUP.replace('"Energy"', '"Drying"'), "setup.toml", ids["Coop"], T0
    )
    made = books.database.write_now(payees.self_bill, books.community, 1, ids["Coop"], T0)
    assert (made.documents, made.fresh) == ((), 0)
    assert [(one.party, one.contract, one.reason) for one in made.left] == [
        (ids["Anna"], "Washes", "it was paid too much, and went back")
    ]


def test_on_postgresql_too(postgres_server: str) -> None:
    with postgres.database(postgres_server) as url:
        town = paid_too_much(open_payouts(url))
        account(town)
        refund(town)
        town.payouts.approve("Maria")
        town.bank.execute(town.payouts.file(), DAY)
        town.statement()
        assert (credit(town), town.balance("refund-in-transit")) == (CENT // 2, 0)
        town.check_closes()
        town.payouts.books.database.close()
