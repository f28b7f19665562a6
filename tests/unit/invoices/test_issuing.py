"""From settled months to documents: once, in order, to the cent of the books; corrections as credit notes."""

from collections.abc import Callable
from datetime import date

import pytest
from support.books import DAY, HOUR, T0, follows
from support.invoices import SETUP, Office, open_late, open_odd, open_office
from support.money_world import NOW
from support.settled import AFTER_DECEMBER, AFTER_NOVEMBER
from support.shared_house import HEAD, house, open_house
from support.uploads import Randomness
from tallystick_cloud import schema
from tallystick_cloud.contracts.store import book
from tallystick_cloud.errors import CloudError
from tallystick_cloud.invoices import payees, service
from tallystick_cloud.invoices.desk import Asked
from tallystick_cloud.invoices.model import Kind
from tallystick_cloud.invoices.tax import CENT_NANO
from tallystick_cloud.payouts import service as payouts
from tallystick_cloud.payouts.model import Outcome
from tallystick_cloud.settlement.erase import erase_payer
from tallystick_cloud.settlement.service import close
from tallystick_cloud.town.service import agree
from tallystick_protocol.money.contract import Contract


@pytest.fixture
def office() -> Office:
    return open_office()


def test_two_months_make_an_invoice_per_buyer_over_what_the_books_say(office: Office) -> None:
    november, december = office.issue("2026-11"), office.issue("2026-12")
    numbers = [one.number for one in (*november.documents, *december.documents)]
    assert numbers == [f"LH-2027-000{n}" for n in (1, 2, 3, 4)]
    assert (november.fresh, december.fresh) == (2, 2)
    washes = next(one.document for one in november.documents if one.buyer == office.world.ids["Anna"])
    assert [(line.programme, line.uses, line.price, line.gross) for line in washes.lines] == [
        ("30", 3, 1_200_000_000, 360),
        ("60", 3, 1_850_000_000, 555),
    ]
    assert [(tax.treatment.rate, tax.net, tax.tax) for tax in washes.taxes] == [(1900, 769, 146)]
    assert (washes.total, washes.due_day, washes.from_day, washes.to_day) == (
        915,
        "2027-01-18",
        "2026-11-01",
        "2026-11-30",
    )
    power = next(one.document for one in november.documents if one.buyer == office.world.ids["Ben"])
    assert [(tax.treatment.rate, tax.treatment.reason) for tax in power.taxes] == [
        (0, "Power of the own roof: no tax is charged.")
    ]
    open_washes = 2 * 120 + 2 * 185  # January's, in no settlement yet
    assert office.billed("Anna") == office.due("Anna") - open_washes == 1470
    assert office.billed("Ben") == office.due("Ben") == 4000


def test_again_it_issues_nothing_and_says_the_same(office: Office) -> None:
    first = office.issue("2026-11")
    before = office.database.read_now(lambda conn: conn.execute(schema.invoice.select()).all())
    again = office.issue("2026-11")
    assert (again.fresh, again.documents) == (0, first.documents)
    assert office.database.read_now(lambda conn: conn.execute(schema.invoice.select()).all()) == before


def test_a_trial_keeps_nothing(office: Office) -> None:
    before = office.world.books.dump()
    trial = office.would_issue("2026-11")
    assert [one.number for one in trial.documents] == ["LH-2027-0001", "LH-2027-0002"]
    assert office.world.books.dump() == before
    assert office.issue("2026-11").documents == trial.documents


def test_reading_uses_for_documents_leaves_a_row(office: Office) -> None:
    office.issue("2026-11")
    rows = [row for row in office.world.books.rows(schema.access) if row["resource"] == "uses for documents of 2026-11"]
    assert {row["on_behalf"] for row in rows} == {office.world.ids["Anna"], office.world.ids["Ben"]}
    assert {row["actor"] for row in rows} == {office.world.ids["Coop"]}


def refused(office: Office, call: Callable[[], object]) -> str:
    before = office.world.books.dump()
    with pytest.raises(CloudError) as caught:
        call()
    assert office.world.books.dump() == before
    return str(caught.value)


def test_what_cannot_be_issued_is_refused_and_changes_nothing(office: Office) -> None:
    assert "2026-11 is settled and has no documents yet" in refused(office, lambda: office.issue("2026-12"))
    assert "2027-01 is not over" in refused(office, lambda: office.issue("2027-01"))
    assert "Repairer may not handle" in refused(office, lambda: office.issue("2026-11", by="Repairer"))
    propose_another_run(office)
    assert "is approved" in refused(office, lambda: office.self_bill(3))
    assert "does not exist" in refused(office, lambda: office.replace("LH-2027-0001"))
    office.issue("2026-11")
    assert "is empty" in refused(office, lambda: office.replace("LH-2027-0001", why=" "))
    back, instead = office.replace("LH-2027-0001")
    assert f"is taken back by {back.number} already" in refused(office, lambda: office.replace("LH-2027-0001"))
    assert "is a credit note" in refused(office, lambda: office.replace(back.number))
    assert office.replace(instead.number)


def propose_another_run(office: Office) -> None:
    """December's run came back, and a third one over the same is approved: no bank has it."""
    database, ids = office.database, office.world.ids
    database.write_now(payouts.confirm, office.community, 2, Outcome.RETURNED, NOW)
    asked = payouts.Proposal("third", ids["Coop"], None, date(2027, 1, 12))
    database.write_now(payouts.propose, office.community, asked, NOW)
    database.write_now(payouts.approve, office.community, 3, ids["Maria"], NOW)


def test_without_a_setup_nothing_is_issued_and_the_next_step_is_named() -> None:
    office = open_office(setup=None)
    assert "tallystick invoice setup" in refused(office, lambda: office.issue("2026-11"))


def test_what_became_less_after_issue_is_a_credit_note_and_the_sum_stays_that_of_the_books() -> None:
    office = open_late()
    first = office.issue("2026-11", AFTER_NOVEMBER)
    assert [one.document.total for one in first.documents] == [500, 2000]  # a cap, a minimum
    office.late_november()
    made = office.issue("2026-12").documents
    credit, invoice = made
    flat = next(one.number for one in first.documents if one.buyer == office.world.ids["Ben"])
    assert (credit.kind, credit.cites, credit.cents) == (Kind.CREDIT, flat, -336)
    assert [(line.form, line.gross, line.cites) for line in credit.document.lines] == [("minimum", 336, flat)]
    assert (invoice.kind, invoice.cents, invoice.document.cites) == (Kind.INVOICE, 2336, ())
    assert office.billed("Ben") == office.due("Ben") == 4000
    assert office.billed("Anna") == office.due("Anna") == 500
    assert office.issue("2026-12").fresh == 0


def test_a_use_that_is_corrected_twice_cites_the_invoice_that_charged_it_first() -> None:
    office = open_late()
    first = next(one for one in office.issue("2026-11", AFTER_NOVEMBER).documents if one.cents == 500)
    for late, now, month, at in (
        (T0 + DAY, T0 + 33 * DAY, "2026-12", AFTER_DECEMBER),
        (T0 + HOUR, T0 + 63 * DAY, "2027-01", T0 + 93 * DAY),
    ):
        office.world.wash(late, "60", now_ms=now)  # before the others: under the cap they cost less, it costs its price
        office.world.close(now - 2 * DAY, at)
        made = [one for one in office.issue(month, at).documents if one.buyer == office.world.ids["Anna"]]
        assert [(one.cents, one.cites) for one in made] == [(-185, first.number), (185, None)]
    assert office.billed("Anna") == office.due("Anna") == 500


def test_a_correction_of_a_replaced_invoice_cites_what_stands_in_its_place() -> None:
    office = open_late()
    flat = next(one for one in office.issue("2026-11", AFTER_NOVEMBER).documents if one.cents == 2000)
    back, instead = office.replace(flat.number)
    assert (back.cents, instead.cents) == (-2000, 2000)
    office.late_november()
    credit = office.issue("2026-12").documents[0]
    assert credit.cites == instead.number
    assert office.billed("Ben") == office.due("Ben") == 4000


def test_a_replacement_says_what_the_setup_says_now_and_the_old_document_stays(office: Office) -> None:
    (old, *_) = office.issue("2026-11").documents
    office.set_up(SETUP.replace("19 %", "7 %").replace("Lindenweg 4", "Neue Gasse 2"))
    back, instead = office.replace(old.number)
    stands = next(one for one in office.documents() if one.number == old.number)
    assert stands == old
    said = instead.document
    assert (said.total, said.seller.address and said.seller.address.street) == (old.document.total, "Neue Gasse 2")
    assert back.document.taxes == old.document.taxes
    assert [tax.treatment.rate for tax in said.taxes] in ([700], [0])
    assert [one.number for one in (*back.document.cites, *said.cites)] == [old.number, old.number]
    assert back.document.note == said.note == "The address was missing."


def test_what_is_below_a_cent_is_carried_from_month_to_month() -> None:
    office = open_odd()
    office.issue("2026-11", AFTER_NOVEMBER)
    office.world.wash(T0 + 33 * DAY, "60")
    office.late_november()
    office.issue("2026-12")
    for buyer in ("Anna", "Ben"):
        owed = sum(
            int(str(row["amount"]))
            for row in office.world.books.rows(schema.balance)
            if row["account"] == "receivable" and row["party"] == office.world.ids[buyer]
        )
        (carry,) = [
            row["nano"]
            for row in office.world.books.rows(schema.invoice_carry)
            if row["buyer"] == office.world.ids[buyer]
        ]
        assert owed % CENT_NANO != 0
        assert office.billed(buyer) * CENT_NANO + int(str(carry)) == owed
        assert office.billed(buyer) == office.due(buyer)


def test_a_contract_that_changes_name_and_collector_is_billed_by_each_for_what_it_collects() -> None:
    office = open_late()
    books, ids = office.world.books, office.world.ids
    row = next(row for row in books.rows(schema.contract_version) if row["name"] == "Washes")
    old = Contract.decode(bytes(row["payload"]))  # type: ignore[call-overload]
    changes = {"name": "Washes anew", "collector": ids["Repairer"], "effective_from_ms": T0 + 30 * DAY}
    new = follows(books, bytes(row["h"]), old, **changes)  # type: ignore[call-overload]
    context = books.aggregator.of(office.community)
    office.database.write_now(agree, context, new, books.founded.hosted, Randomness("new"), T0 + 29 * DAY)
    office.issue("2026-11", AFTER_NOVEMBER)
    office.world.wash(T0 + 32 * DAY, "60")
    office.late_november()
    coop = office.issue("2026-12").documents
    assert {line.contract for one in coop for line in one.document.lines} == {"Energy"}
    office.set_up('version = 1\n[issuer]\nparty = "Repairer"\nprefix = "RE"\ncountry = "IT"\n', by="Repairer")
    asked = Asked(ids["Repairer"], ids["Repairer"])
    (made,) = office.database.write_now(service.issue, office.community, "2026-12", asked, NOW).documents
    assert (made.number, made.buyer, made.cents) == ("RE-2027-0001", ids["Anna"], 185)
    assert made.document.lines[0].contract == "Washes anew"
    again = office.database.write_now(service.issue, office.community, "2026-12", asked, NOW)
    assert (again.fresh, office.issue("2026-12", issuer="Coop").documents) == (0, coop)


def test_what_is_settled_late_is_issued_by_the_next_run_of_the_same_month() -> None:
    office = open_late()
    office.late_november()
    office.world.wash(T0 + 62 * DAY, "30", now_ms=T0 + 62 * DAY + HOUR)
    chains = {one.contract.name: one.chain for one in office.database.read_now(book, office.community).versions}
    january = (office.world.office, T0 + 70 * DAY, T0 + 93 * DAY)
    for month in ("2026-11", "2026-12"):
        office.issue(month)
    office.database.write_now(close, *january, [chains["Energy"]])
    first = office.issue("2027-01", T0 + 93 * DAY)
    office.database.write_now(close, *january, [chains["Washes"]])
    again = office.issue("2027-01", T0 + 93 * DAY)
    assert (first.fresh, again.fresh) == (1, 1)
    assert [one.document.lines[0].contract for one in again.documents] == ["Energy", "Washes"]
    assert office.billed("Anna") == office.due("Anna")


def test_an_erased_statement_makes_no_document_and_the_run_says_so(office: Office) -> None:
    office.database.write_now(erase_payer, office.community, office.world.ids["Anna"], T0)
    found = office.issue("2026-11")
    assert {one.buyer for one in found.documents} == {office.world.ids["Ben"]}
    assert [(one.party, one.reason) for one in found.left] == [(office.world.ids["Anna"], "the statement was erased")]
    assert office.issue("2026-12").fresh == 1


def test_a_payee_gets_a_document_per_payout_over_what_was_paid(office: Office) -> None:
    run = office.database.read_now(payouts.show, office.community, 1)
    made = office.self_bill(1).documents
    assert sorted(one.document.total for one in made) == sorted(one.cents for one in run.payouts)
    assert {one.kind for one in made} == {Kind.SELF_BILLED}
    bank = [one for one in made if one.seller == office.world.ids["Bank"]]
    assert {one.number.rsplit("-", 2)[0] for one in bank} == {bank[0].number.rsplit("-", 2)[0]}  # a series of its own
    assert [one.number[-4:] for one in bank] == ["0001", "0002"]
    assert all(one.document.taxes[0].treatment.rate == 2200 for one in bank)
    assert all(one.document.seller.name == "Bank" and one.document.buyer.name == "Coop" for one in bank)
    assert office.self_bill(1).fresh == 0


def test_a_payout_that_came_back_is_taken_back(office: Office) -> None:
    made = office.self_bill(2).documents
    office.database.write_now(payouts.confirm, office.community, 2, Outcome.RETURNED, NOW)
    after = office.self_bill(2)
    assert after.fresh == len(made)
    credits = [one for one in after.documents if one.kind is Kind.SELF_CREDIT]
    assert sorted(one.cites or "" for one in credits) == sorted(one.number for one in made)
    assert sum(one.cents for one in after.documents) == 0
    assert office.self_bill(2).fresh == 0


def test_a_supplier_that_is_paid_gets_no_document_in_its_name() -> None:
    home = open_house()
    home.post(house(HEAD.replace('collector = "Coop"', 'collector = "Coop"\nsupplier = "Repairer"')))
    database, community, coop = home.books.database, home.books.community, home.ids["Coop"]
    asked = payouts.Proposal("k", coop, None, date(2026, 11, 20))
    database.write_now(payouts.propose, community, asked, T0)
    database.write_now(payouts.approve, community, 1, home.ids["Maria"], T0)
    database.write_now(payouts.bank_file, community, 1, T0)
    database.write_now(payouts.mark_sent, community, 1, coop, T0)
    bare = SETUP.replace('[[contract]]\nname = "Energy"\nnone = "Power of the own roof: no tax is charged."\n', "")
    database.write_now(service.set_up, community, bare, "f", coop, T0)
    found = database.write_now(payees.self_bill, community, 1, coop, T0)
    assert found.documents == ()
    assert [(one.party, one.reason) for one in found.left] == [(home.ids["Repairer"], "a supplier has billed it")]
