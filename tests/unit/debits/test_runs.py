"""A debit run step by step: who may, what is held back, what the bank says, what a refusal leaves unchanged."""

from collections.abc import Callable, Iterator
from datetime import date, timedelta

import pytest
from support import pain_xsd
from support.books import DAY as DAY_MS
from support.books import T0
from support.debits import BEN, DAY, TODAY, DebitTown, open_debit_town
from support.payouts import CENT
from tallystick_cloud.bank.service import Reported, RunKind
from tallystick_cloud.debits import mandates, service
from tallystick_cloud.debits.errors import DebitRefused
from tallystick_cloud.debits.mandate import SequenceType
from tallystick_cloud.debits.model import Outcome, Reason
from tallystick_cloud.errors import BadInput, CloudError, NotFound
from tallystick_cloud.runs.errors import NotSecondPerson
from tallystick_cloud.runs.model import RunState

STRANGER_IBAN = "AT483200000012345864"


@pytest.fixture
def town() -> Iterator[DebitTown]:
    """Anna and Ben owe, both have mandates; the Stranger owes and has none."""
    made = open_debit_town(owed={"Anna": 1234, "Ben": 999, "Stranger": 50}, signed=("Anna", "Ben"))
    yield made
    made.payouts.books.database.close()


def refused(town: DebitTown, kind: type[CloudError], words: str, act: Callable[[], object]) -> None:
    before = town.payouts.books.dump()
    with pytest.raises(kind, match=words):
        act()
    assert town.payouts.books.dump() == before


def test_a_run_collects_whole_cents_and_says_what_it_holds_back(town: DebitTown) -> None:
    town.owe("Anna", CENT - 1)
    run = town.collect()
    assert sorted((one.debtor.name, one.cents, one.sequence) for one in run.debits) == [
        ("Anna", 1234, SequenceType.FIRST),
        ("Ben", 999, SequenceType.FIRST),
    ]
    assert [(one.payer, one.reason) for one in run.held] == [("Stranger", Reason.NO_MANDATE)]
    assert run.missing == ("a second person must approve it",)
    assert town.collect().stored == run.stored
    refused(town, DebitRefused, "other content", lambda: town.collect(day=DAY + timedelta(days=1)))
    refused(town, DebitRefused, "1 of Coop is proposed", lambda: town.collect("two"))


def test_a_second_person_releases_it_and_the_file_is_the_same_twice(town: DebitTown) -> None:
    refused(town, NotSecondPerson, "Anna may not handle", lambda: town.collect(by="Anna"))
    town.collect()
    refused(town, DebitRefused, "is not released", town.debit_file)
    refused(town, NotSecondPerson, "somebody else", lambda: town.approve("Coop"))
    refused(town, NotSecondPerson, "may not release", lambda: town.approve("Ben"))
    town.approve()
    data = town.debit_file()
    assert pain_xsd.wrong_in(data) == []
    assert pain_xsd.texts(data, "InstdAmt") == [f"{one.cents / 100:.2f}" for one in town.debits().debits]
    assert town.debit_file(now_ms=T0 + DAY_MS) == data
    assert town.debits().stored.state is RunState.WRITTEN


def test_notice_dormancy_and_settlement_hold_back(town: DebitTown) -> None:
    early = TODAY + timedelta(days=13)
    refused(town, DebitRefused, "told too late", lambda: town.collect(day=early))
    refused(town, BadInput, "execution day", lambda: town.collect(day=TODAY - timedelta(days=1)))
    chain, ids = town.payouts.chains["Washes"], town.payouts.ids
    run = town.collect(unsettled={(chain, ids["Anna"]): 1234 * CENT, (chain, ids["Ben"]): 1})
    assert [(one.debtor.name, one.cents) for one in run.debits] == [("Ben", 998)]
    assert {one.payer: one.reason for one in run.held}["Anna"] is Reason.NOT_SETTLED
    books = town.payouts.books
    books.database.write_now(service.cancel, books.community, 1, ids["Coop"], T0)
    later = 1130 * DAY_MS + T0
    refused(town, DebitRefused, "dormant", lambda: town.collect("two", date(2030, 1, 1), now_ms=later))


def test_what_changes_after_the_proposal_stops_it(town: DebitTown) -> None:
    books, ids = town.payouts.books, town.payouts.ids
    town.collect()
    refused(town, DebitRefused, "was to be collected on", lambda: town.approve(now_ms=T0 + 20 * DAY_MS))
    refused(town, DebitRefused, "14 days of notice are agreed", lambda: town.approve(now_ms=T0 + DAY_MS))
    town.approve()
    refused(town, DebitRefused, "was to be collected on", lambda: town.debit_file(now_ms=T0 + 14 * DAY_MS))
    books.database.write_now(mandates.revoke, books.community, "M-Ben", T0)
    refused(town, DebitRefused, "M-Ben was revoked", town.debit_file)
    books.database.write_now(service.cancel, books.community, 1, ids["Coop"], T0)
    town.collect("two")
    town.owe("Anna", -5 * CENT)
    refused(town, DebitRefused, "owes less now", lambda: town.approve(number=2))


def test_collected_taken_back_with_a_fee_and_collected_again(town: DebitTown) -> None:
    file = town.written()
    assert town.due("Anna") == 1234 * CENT  # nothing moves before the bank says so
    town.bank.execute(file, DAY)
    town.statement(DAY)
    assert sorted(town.standings()) == [(999, "debit"), (1234, "debit")]
    assert (town.due("Anna"), town.due("Ben")) == (0, 0)
    assert town.debits().stored.state is RunState.SETTLED
    end = {one.debtor.name: one.end_to_end for one in town.debits().debits}
    town.bank.send_back(end["Anna"], DAY + timedelta(days=3), "AM04", fee_cents=300)
    again = town.bank.statement(DAY + timedelta(days=3))
    town.take(again)
    before = town.payouts.books.dump()
    town.take(again)
    assert town.payouts.books.dump() == before
    assert (town.due("Anna"), town.due("Ben")) == (1234 * CENT, 0)
    assert town.balance("own") == 300 * CENT
    assert "came back (AM04) and a fee of 3.00" in town.entries()[0].about
    town.bank.send_back(end["Anna"], DAY + timedelta(days=4), "AM04")
    town.statement(DAY + timedelta(days=4))
    assert town.suspense() == ["takes back Anna of debit run 1, which is not collected, or came back before"]
    assert town.due("Anna") == 1234 * CENT
    town.check_closes()
    run = town.collect("two", DAY + timedelta(days=30), now_ms=T0 + 15 * DAY_MS)
    assert [(one.debtor.name, one.cents, one.sequence) for one in run.debits] == [
        ("Anna", 1234, SequenceType.RECURRENT)  # it came back, but the bank had taken it
    ]


def test_a_rejected_first_is_due_again_and_first_again(town: DebitTown) -> None:
    file = town.written()
    ends = {one.debtor.name: one.end_to_end for one in town.debits().debits}
    report = town.bank.execute(file, DAY, {ends["Ben"]})
    told = town.take(report)
    assert isinstance(told, Reported)
    assert (told.what, told.run, told.rejected) == (RunKind.DEBIT, 1, 1)
    assert town.take(report).again  # type: ignore[union-attr]
    town.statement(DAY)
    outcomes = {one.debtor.name: (one.outcome, one.reason) for one in town.debits().debits}
    assert outcomes["Ben"] == (Outcome.REJECTED, "AC01 Account does not exist")
    assert outcomes["Anna"] == (Outcome.COLLECTED, None)
    assert town.due("Ben") == 999 * CENT
    run = town.collect("two")
    assert [(one.debtor.name, one.sequence) for one in run.debits] == [("Ben", SequenceType.FIRST)]
    town.check_closes()


def test_a_rejected_block_leaves_the_other_one(town: DebitTown) -> None:
    town.sign_again("Ben", SequenceType.RECURRENT)
    file = town.written()
    first, recurring = pain_xsd.texts(file, "PmtInfId")
    report = town.bank.execute(file, DAY, {one.end_to_end for one in town.debits().debits if one.debtor.name == "Ben"})
    head, tail = report.split(b"<OrgnlPmtInfAndSts>")
    block = f"<OrgnlPmtInfId>{recurring}</OrgnlPmtInfId><PmtInfSts>RJCT</PmtInfSts></OrgnlPmtInfAndSts>"
    told = town.take(head + b"<OrgnlPmtInfAndSts>" + block.encode() + tail.split(b"</OrgnlPmtInfAndSts>")[1])
    assert isinstance(told, Reported)
    assert told.rejected == 1
    assert first != recurring
    town.statement(DAY)
    assert {one.debtor.name: one.outcome for one in town.debits().debits} == {
        "Anna": Outcome.COLLECTED,
        "Ben": Outcome.REJECTED,
    }
    town.check_closes()


def test_blocks_booked_as_one_and_by_amount_alone(town: DebitTown) -> None:
    town.sign_again("Ben", SequenceType.RECURRENT)
    file = town.written()
    assert pain_xsd.texts(file, "SeqTp") == ["FRST", "RCUR"]
    town.bank.execute(file, DAY, as_one=True)
    town.statement(DAY)
    assert town.standings() == [(1234, "debits"), (999, "debits")]
    town.check_closes()
    town.owe("Ben", 700 * CENT)
    town.written("two", 2)
    town.sent(2)
    town.bank.receive(700, DAY, "Ben", BEN)  # a bank that tells no end-to-end id
    town.statement(DAY)
    assert town.standings()[-1] == (700, "debit")
    assert "by amount, account and day" in town.entries()[0].about
    town.check_closes()


def test_what_does_not_fit_is_suspense(town: DebitTown) -> None:
    file = town.written()
    town.bank.execute(file.replace(b">12.34<", b">12.35<"), DAY)
    town.bank.execute(file.replace(b">12.34<", b">12.34<"), DAY)
    town.bank.execute(file, DAY)
    town.statement(DAY)
    assert sorted(standing for _, standing in town.standings()) == ["debit", "debit"] + ["suspense"] * 4
    assert any("another amount" in about for about in town.suspense())
    assert any("a second time" in about for about in town.suspense())
    assert (town.due("Anna"), town.due("Ben")) == (0, 0)
    town.check_closes()


def test_what_is_under_way_is_not_collected_twice(town: DebitTown) -> None:
    town.written()
    town.sent(1)
    refused(town, DebitRefused, "under way already", lambda: town.collect("two"))
    town.owe("Anna", 100 * CENT)
    run = town.collect("two")
    assert [(one.debtor.name, one.cents) for one in run.debits] == [("Anna", 100)]
    town.owe("Anna", -150 * CENT)  # 11.84 are left: less than both runs together, more than each
    refused(town, DebitRefused, "owes less now than is under way", lambda: town.approve(number=2))
    books, ids = town.payouts.books, town.payouts.ids
    with pytest.raises(NotFound):
        books.database.write_now(service.reject, books.community, 1, ids["Coop"], T0, "ffff")
    books.database.write_now(service.reject, books.community, 1, ids["Coop"], T0)
    assert town.debits().stored.state is RunState.SETTLED
    assert {one.outcome for one in town.debits().debits} == {Outcome.REJECTED}


def test_two_debits_of_one_payer_in_one_statement_pay_each_contract_once(town: DebitTown) -> None:
    first = town.written()
    town.sent(1)
    town.owe("Anna", 100 * CENT, "Drying")
    second = town.written("two", 2)
    town.bank.execute(first, DAY)
    town.bank.execute(second, DAY)
    town.statement(DAY)
    assert [town.due("Anna", contract) for contract in ("Washes", "Drying")] == [0, 0]
    town.check_closes()
