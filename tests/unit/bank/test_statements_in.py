"""What an account statement does to the books: each entry is booked once, matched or in suspense, never dropped."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection
from support.bank import BankTown, open_bank_town
from support.books import T0
from support.payouts import CENT, DAY, EURO, IBANS
from tallystick_cloud import schema
from tallystick_cloud.bank.due import dues
from tallystick_cloud.bank.due_view import due_view
from tallystick_cloud.bank.errors import BankInRefused
from tallystick_cloud.bank.service import Reported
from tallystick_cloud.http.locale import Wording
from tallystick_cloud.ledger.model import Account
from tallystick_cloud.payouts import service as payout_service
from tallystick_cloud.payouts import store as payout_store
from tallystick_cloud.payouts.model import Outcome
from tallystick_cloud.payouts.store import StoredPayout, StoredRun
from tallystick_cloud.runs.model import RunState
from tallystick_sim.bank import SimBank

OWED = (("Repairer", 12 * EURO + 3 * CENT + 7), ("Bank", 40 * EURO), ("Fund", 2 * EURO))
STRANGER_IBAN = "FR7630006000011234567890189"


@pytest.fixture
def town() -> Iterator[BankTown]:
    made = open_bank_town(owed=OWED)
    yield made
    made.payouts.books.database.close()


def test_a_run_that_the_bank_executed_is_paid_and_settled(town: BankTown) -> None:
    town.bank.execute(town.released(), DAY)
    (taken,) = town.statement()
    assert dict(taken.standings) == {"payout": 3}
    assert town.run().stored.state is RunState.SETTLED
    assert town.balance("payout-in-transit") == 0
    assert town.balance("bank") == -(1203 + 4000 + 200) * CENT
    town.check_closes()


def test_the_same_statement_again_changes_nothing(town: BankTown) -> None:
    town.bank.execute(town.released(), DAY)
    data = town.bank.statement(DAY)
    town.take(data)
    before = town.payouts.books.dump()
    (again,) = town.take(data)  # type: ignore[misc]
    assert again.again
    assert town.payouts.books.dump() == before


def test_the_same_id_with_other_content_is_refused(town: BankTown) -> None:
    data = town.bank.statement(DAY)
    town.take(data)
    before = town.payouts.books.dump()
    with pytest.raises(BankInRefused, match="taken before with other content"):
        town.take(data.replace(b"5000.00", b"5000.01"))
    assert town.payouts.books.dump() == before


def test_a_missing_statement_is_noticed_and_nothing_is_taken(town: BankTown) -> None:
    town.statement()
    town.bank.receive(100, DAY, "Somebody", STRANGER_IBAN)
    missing = town.bank.statement(DAY)
    town.bank.receive(250, DAY, "Somebody", STRANGER_IBAN)
    later = town.bank.statement(DAY + timedelta(days=1))
    with pytest.raises(BankInRefused, match=r"opens with 5001.00 EUR.*closed with 5000.00 EUR.*between them first"):
        town.take(later)
    town.take(missing)
    town.take(later)
    town.check_closes()


def test_a_payout_that_comes_back_is_owed_again(town: BankTown) -> None:
    town.bank.execute(town.released(), DAY)
    town.bank.send_back(town.ends()[0], DAY + timedelta(days=1))
    town.statement(DAY + timedelta(days=1))
    assert sorted(standing for _, standing in town.standings()) == ["payout", "payout", "payout", "return"]
    owed = {name: town.payouts.owed(name) for name in ("Repairer", "Bank", "Fund")}
    returned = next(cents for cents, standing in town.standings() if standing == "return")
    assert sum(owed.values()) == returned * CENT + 7
    town.check_closes()


def test_a_payout_that_comes_back_in_a_later_statement_names_its_reason(town: BankTown) -> None:
    town.bank.execute(town.released(), DAY)
    town.statement()
    town.bank.send_back(town.ends()[1], DAY + timedelta(days=3), "MD07")
    town.statement(DAY + timedelta(days=3))
    assert "came back (MD07)" in town.entries()[0].about
    town.check_closes()


def test_a_statement_reads_what_is_on_its_way_and_what_it_names_and_no_other_run(
    town: BankTown, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    honest = payout_store.payouts_of

    def payouts_of(conn: Connection, run: StoredRun) -> list[StoredPayout]:
        read.append(run.number)
        return honest(conn, run)

    town.bank.execute(town.released(), DAY)
    town.statement()
    town.payouts.earn({"Bank": 30 * EURO})
    town.bank.execute(town.released(2, "two"), DAY)
    town.payouts.sent(number=2)
    monkeypatch.setattr(payout_store, "payouts_of", payouts_of)
    town.statement(DAY + timedelta(days=1))
    assert 1 not in read
    assert town.run(2).stored.state is RunState.SETTLED
    town.bank.send_back(town.ends(1)[0], DAY + timedelta(days=2))
    town.payouts.earn({"Bank": 20 * EURO})
    read.clear()
    town.statement(DAY + timedelta(days=2))
    assert 2 not in read
    assert town.standings()[-1][1] == "return"
    town.check_closes()


def test_a_second_return_of_one_payout_is_suspense(town: BankTown) -> None:
    town.bank.execute(town.released(), DAY)
    town.bank.send_back(town.ends()[0], DAY)
    town.bank.send_back(town.ends()[0], DAY)
    town.statement()
    assert [standing for _, standing in town.standings()][-2:] == ["return", "suspense"]
    town.check_closes()


def test_a_payout_paid_twice_is_suspense_the_second_time(town: BankTown) -> None:
    file = town.released()
    town.bank.execute(file, DAY)
    town.statement()
    town.bank.execute(file, DAY + timedelta(days=1))
    town.statement(DAY + timedelta(days=1))
    assert all("a second time" in about for about in town.suspense())
    assert len(town.suspense()) == 3
    town.check_closes()


def test_what_a_person_called_paid_is_told_by_its_entry_and_not_booked_again(town: BankTown) -> None:
    town.bank.execute(town.released(), DAY)
    town.payouts.sent()
    books = town.payouts.books
    books.database.write_now(payout_service.confirm, books.community, 1, Outcome.PAID, T0)
    bank = town.balance("bank")
    town.statement()
    assert town.balance("bank") == bank
    assert dict.fromkeys(standing for _, standing in town.standings()) == {"payout": None}
    town.check_closes()


def test_a_cancelled_run_that_the_bank_paid_all_the_same_is_suspense(town: BankTown) -> None:
    file = town.released()
    books = town.payouts.books
    books.database.write_now(payout_service.cancel, books.community, 1, town.payouts.ids["Coop"], T0)
    town.bank.execute(file, DAY)
    town.statement()
    assert [about.rpartition("which is ")[2] for about in town.suspense()] == ["cancelled"] * 3
    town.check_closes()


def test_another_amount_than_was_asked_for_is_suspense(town: BankTown) -> None:
    town.bank.execute(town.released().replace(b">12.03<", b">12.04<"), DAY)
    town.statement()
    assert any("another amount" in about for about in town.suspense())
    town.check_closes()


def test_a_user_pays_by_reference_in_structure_or_in_words(town: BankTown) -> None:
    due = sum(nano for _, nano in OWED)
    town.bank.receive(3000, DAY, "A. Nonymous", STRANGER_IBAN, reference=town.reference("Anna"))
    typed = f"washing november {town.reference('Anna')[:4]} {town.reference('Anna')[4:]} thanks"
    town.bank.receive(500, DAY, "A. Nonymous", STRANGER_IBAN, remittance=typed)
    town.statement()
    assert town.standings() == [(3000, "payment"), (500, "payment")]
    assert -town.payouts.owed("Anna", account=Account.RECEIVABLE) == due - 3500 * CENT
    assert sum(row["nano"] for row in town.payouts.books.rows(schema.bank_payment)) == 3500 * CENT  # type: ignore[misc]
    town.check_closes()


def test_what_a_user_is_asked_for_is_what_brings_the_account_to_less_than_a_cent(town: BankTown) -> None:
    books = town.payouts.books
    (due,) = books.database.read_now(dues, books.community, town.payouts.ids["Anna"], T0)
    assert (due.holder, due.iban, due.cents) == ("Coop", IBANS["Coop"], 5403)
    assert due_view(due, Wording("en", ZoneInfo("UTC"))).qr.startswith("<svg")
    town.bank.receive(due.cents, DAY, "whoever pays", STRANGER_IBAN, reference=due.reference)
    town.statement()
    assert books.database.read_now(dues, books.community, town.payouts.ids["Anna"], T0) == ()
    assert 0 <= -town.payouts.owed("Anna", account=Account.RECEIVABLE) < CENT
    assert books.database.read_now(dues, books.community, town.payouts.ids["Repairer"], T0) == ()


def test_what_is_paid_above_what_is_owed_is_a_credit_of_the_payer(town: BankTown) -> None:
    town.bank.receive(100_000, DAY, "Anna", STRANGER_IBAN, reference=town.reference("Anna"))
    town.statement()
    assert town.payouts.owed("Anna", account=Account.RECEIVABLE) > 0
    town.check_closes()


def test_money_of_nobody_known_waits_in_suspense_until_a_person_says_whose_it_is(town: BankTown) -> None:
    town.bank.receive(1234, DAY, "Anna Rossi", STRANGER_IBAN, remittance="for the washing")
    town.statement()
    assert town.balance("suspense") == -1234 * CENT
    (entry,) = town.entries()
    moved = town.assign(entry.id.hex()[:12], "Anna")
    assert (moved.standing, moved.about) == ("assigned", "assigned by hand: Anna")
    assert town.balance("suspense") == 0
    town.check_closes()
    before = town.payouts.books.dump()
    with pytest.raises(BankInRefused, match="is assigned, not in suspense"):
        town.assign(entry.id.hex(), "Anna")
    assert town.payouts.books.dump() == before


def test_a_payment_of_somebody_who_owes_nothing_is_suspense(town: BankTown) -> None:
    town.bank.receive(700, DAY, "Repairer", IBANS["Repairer"])
    town.statement()
    assert town.suspense() == ["is from somebody who owes nothing under any contract"]
    town.check_closes()


def test_fees_of_the_bank_are_suspense_never_lost(town: BankTown) -> None:
    town.bank.receive(-250, DAY, "The bank", STRANGER_IBAN, remittance="account fee")
    town.statement()
    assert town.suspense() == ["money left the account, and no payout fits it"]
    town.check_closes()


def test_a_fee_of_the_bank_is_the_holders_own_cost_when_a_person_says_so(town: BankTown) -> None:
    town.bank.receive(-250, DAY, "The bank", STRANGER_IBAN, remittance="account fee")
    town.statement()
    (entry,) = town.entries()
    with pytest.raises(BankInRefused, match="it can only be Coop's own cost"):
        town.assign(entry.id.hex(), "Anna")
    assert town.assign(entry.id.hex(), "Coop").about == "assigned by hand: Coop's own"
    assert (town.balance("suspense"), town.balance("own")) == (0, 250 * CENT)
    town.check_closes()


def test_an_account_of_nobody_is_refused(town: BankTown) -> None:
    before = town.payouts.books.dump()
    with pytest.raises(BankInRefused, match=f"{STRANGER_IBAN} is no party's here"):
        town.take(SimBank(STRANGER_IBAN, 1).statement(DAY))
    assert town.payouts.books.dump() == before


def test_a_rejected_payout_is_owed_again_and_the_rest_is_paid(town: BankTown) -> None:
    file = town.released()
    rejected = town.ends()[1]
    report = town.bank.execute(file, DAY, {rejected})
    told = town.take(report)
    assert isinstance(told, Reported)
    assert (told.run, told.rejected, told.again) == (1, 1, False)
    town.statement()
    assert [standing for _, standing in town.standings()] == ["payout", "payout"]
    again = town.take(report)
    assert isinstance(again, Reported)
    assert again.again
    town.check_closes()
    run = town.payouts.propose(key="two")
    assert [one.end_to_end for one in run.payouts] != [rejected]
    assert len(run.payouts) == 1


def test_a_report_about_a_strange_file_is_refused(town: BankTown) -> None:
    report = town.bank.execute(town.released(), DAY)
    stranger = report.replace(report.split(b"<OrgnlMsgId>")[1][:8], b"deadbeef")
    before = town.payouts.books.dump()
    with pytest.raises(BankInRefused, match="which is none of ours"):
        town.take(stranger)
    assert town.payouts.books.dump() == before


def test_a_batch_booking_is_a_whole_run(town: BankTown) -> None:
    town.released()
    town.payouts.sent()
    total, block = town.run().cents, town.run().stored.id[16:].hex()
    town.bank.receive(-total, DAY, "x", STRANGER_IBAN)
    data = town.bank.statement(DAY)
    start, end = data.index(b"<TxDtls>"), data.index(b"</TxDtls>") + len(b"</TxDtls>")
    batch = b"<Btch><PmtInfId>" + block.encode() + b"</PmtInfId><NbOfTxs>3</NbOfTxs></Btch>"
    town.take(data[:start] + batch + data[end:])
    assert town.standings() == [(-total, "batch")]
    town.check_closes()


def test_a_batch_without_any_id_is_told_by_amount_and_day(town: BankTown) -> None:
    town.released()
    town.payouts.sent()
    town.bank.receive(-town.run().cents, DAY, "x", STRANGER_IBAN)
    data = town.bank.statement(DAY)
    start, end = data.index(b"<NtryDtls>"), data.index(b"</NtryDtls>") + len(b"</NtryDtls>")
    town.take(data[:start] + data[end:])
    assert "by amount and day" in town.entries()[0].about
    town.check_closes()


def test_the_first_statement_needs_no_history_and_the_next_ones_close(town: BankTown) -> None:
    town.statement()
    town.bank.receive(100, DAY, "Anna", STRANGER_IBAN, reference=town.reference("Anna"))
    town.statement(DAY + timedelta(days=1))
    town.check_closes()
    first = town.payouts.books.rows(schema.bank_statement)[0]
    assert first["base"] == 500_000 * CENT
