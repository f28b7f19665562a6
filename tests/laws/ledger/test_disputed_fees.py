"""The fee of a disputed use is neither asked for nor collected while the dispute is open; documents say so."""

from __future__ import annotations

from datetime import UTC, date
from io import BytesIO
from typing import cast

import pytest
from pypdf import PdfReader
from support.books import DAY, HOUR, T0
from support.debits import CREDITOR_ID
from support.disputes import NOW, begun, ended, open_disputed, washes
from support.invoices import Office
from support.settled import AFTER_DECEMBER, DECEMBER, World
from tallystick_cloud.bank.due import Due, dues
from tallystick_cloud.bank.due_view import due_view
from tallystick_cloud.bank.report import due_json, due_text
from tallystick_cloud.debits import mandates, service
from tallystick_cloud.debits.errors import DebitRefused
from tallystick_cloud.debits.mandate import NewMandate
from tallystick_cloud.debits.model import Reason
from tallystick_cloud.debits.service import Run
from tallystick_cloud.http.locale import Wording
from tallystick_cloud.invoices import content, words
from tallystick_cloud.invoices.model import Document, Kind
from tallystick_cloud.invoices.pdf import draw
from tallystick_cloud.payouts.pain import BankParty
from tallystick_cloud.runs.model import Proposal
from tallystick_cloud.settlement.payable import unsettled_fees

WASH = 185  # cents
ENGLISH = Wording("en", UTC)
COLLECTION = date(2026, 12, 17)


def due(world: World) -> Due:
    (found,) = world.books.database.read_now(dues, world.community, world.ids["Anna"], NOW)
    return found


def signed(world: World) -> None:
    debtor = BankParty("Anna", "DE68210501700012345678")
    about = NewMandate(world.ids["Coop"], world.ids["Anna"], "M-Anna", CREDITOR_ID, debtor, date(2026, 10, 1))
    world.books.run(mandates.add, world.community, about, NOW)


def proposed(world: World, key: str) -> Run:
    asked = Proposal(key, world.ids["Coop"], None, COLLECTION)
    return cast(
        Run,
        world.books.run(
            lambda conn: service.propose(conn, world.community, asked, NOW, unsettled_fees(conn, world.community))
        ),
    )


def sent(world: World, number: int) -> None:
    world.books.run(service.approve, world.community, number, world.ids["Maria"], NOW)
    world.books.run(service.bank_file, world.community, number, NOW)
    world.books.run(service.mark_sent, world.community, number, world.ids["Coop"], NOW)


def cents(run: Run) -> list[int]:
    return [one.cents for one in run.debits]


def test_a_disputed_fee_is_in_no_run_until_it_is_rejected(either_url: str) -> None:
    world = open_disputed(either_url)
    signed(world)
    begun(world, washes(world)[0])
    first = proposed(world, "one")
    assert cents(first) == [2 * WASH]
    kept = [(one.nano, one.reason) for one in first.held if one.payer == "Anna"]
    assert kept == [(WASH * 10**7, Reason.DISPUTED)]
    sent(world, 1)
    with pytest.raises(DebitRefused, match="nothing to collect"):
        proposed(world, "two")
    ended(world, washes(world)[0], is_right=False)
    assert cents(proposed(world, "three")) == [WASH]
    world.books.database.close()


def test_a_run_from_before_the_dispute_is_not_released_and_one_that_is_released_is_not_written() -> None:
    world = open_disputed()
    signed(world)
    world.wash(T0 + 30 * DAY - 2 * HOUR, now_ms=NOW)  # in no settlement: owed, and in no run
    assert cents(proposed(world, "one")) == [3 * WASH]
    begun(world, washes(world)[3])  # the one that is in no settlement keeps nothing from being collected
    world.books.run(service.approve, world.community, 1, world.ids["Maria"], NOW)
    begun(world, washes(world)[0])
    with pytest.raises(DebitRefused, match="disputes a use since run 1 was proposed"):
        world.books.run(service.bank_file, world.community, 1, NOW)
    world.books.run(service.cancel, world.community, 1, world.ids["Coop"], NOW)
    assert cents(proposed(world, "two")) == [2 * WASH]
    begun(world, washes(world)[1])
    with pytest.raises(DebitRefused, match="disputes a use since run 2 was proposed"):
        world.books.run(service.approve, world.community, 2, world.ids["Maria"], NOW)
    world.books.database.close()


def test_when_all_is_disputed_the_run_says_so() -> None:
    world = open_disputed()
    signed(world)
    for use in washes(world):
        begun(world, use)
    with pytest.raises(DebitRefused, match="Anna: disputed \\(decide the dispute"):
        proposed(world, "one")
    world.books.database.close()


def test_who_pays_by_transfer_is_not_asked_for_it() -> None:
    world = open_disputed()
    assert (due(world).cents, due(world).disputed) == (3 * WASH, 0)
    begun(world, washes(world)[0])
    assert (due(world).cents, due(world).disputed) == (2 * WASH, WASH)
    shown = due_view(due(world), ENGLISH)
    assert shown.qr
    assert shown.disputed == "EUR 1.85 more is disputed: it need not be paid until that is decided."
    assert due_json(due(world))["disputed_cents"] == "185"
    assert "1.85 more is disputed" in due_text(due(world))
    for use in washes(world)[1:]:
        begun(world, use)
    assert (due(world).cents, due_view(due(world), ENGLISH).qr) == (0, "")
    ended(world, washes(world)[0], is_right=False)
    ended(world, washes(world)[1], is_right=True)
    assert (due(world).cents, due(world).disputed) == (WASH, WASH)
    world.books.database.close()


def document(office: Office, number: int) -> Document:
    return office.documents()[number].document


def test_an_invoice_says_what_is_disputed_and_a_credit_note_follows() -> None:
    office = Office(open_disputed())
    world = office.world
    begun(world, washes(world)[0])
    office.issue("2026-11", NOW)
    made = document(office, 0)
    assert (made.kind, made.total, made.disputed, made.payable) == (Kind.INVOICE, 3 * WASH, WASH, 2 * WASH)
    assert "EUR 1.85 of it is disputed: it need not be paid until that is decided." in words.notes(made, ENGLISH)
    assert content.decode(content.encode(made)) == made
    paper = "\n".join(page.extract_text() for page in PdfReader(BytesIO(draw(made, ENGLISH))).pages)
    assert "EUR 5.55" in paper  # the total
    assert "EUR 3.70" in paper  # to be paid now
    ended(world, washes(world)[0], is_right=True)
    world.close(DECEMBER, AFTER_DECEMBER)
    office.issue("2026-12", AFTER_DECEMBER)
    credit = next(one.document for one in office.documents() if one.document.kind is Kind.CREDIT)
    assert (credit.total, credit.disputed, credit.cites[0].number) == (WASH, 0, made.number)
    assert office.billed("Anna") == office.due("Anna") == 2 * WASH
    world.books.database.close()


def test_a_replacement_says_what_is_disputed_now() -> None:
    office = Office(open_disputed())
    begun(office.world, washes(office.world)[0])
    office.issue("2026-11", NOW)
    back, instead = office.replace(document(office, 0).number)
    assert (back.document.disputed, instead.document.disputed) == (0, WASH)
    ended(office.world, washes(office.world)[0], is_right=False)
    assert office.replace(instead.number)[1].document.disputed == 0
    office.database.close()
