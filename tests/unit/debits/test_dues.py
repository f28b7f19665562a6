"""Who has a mandate is told what is collected when, and is not asked to pay by transfer."""

from datetime import UTC

from support.books import T0
from support.debits import CENT, DebitTown, open_debit_town
from tallystick_cloud.bank.due import dues
from tallystick_cloud.bank.due_view import DueView, due_view
from tallystick_cloud.debits import mandates
from tallystick_cloud.http.locale import Wording

YEARS_3 = 3 * 366 * 86_400_000


def shown(town: DebitTown, name: str, now_ms: int = T0) -> DueView:
    (due,) = town.payouts.books.database.read_now(dues, town.payouts.community, town.payouts.ids[name], now_ms)
    return due_view(due, Wording("en", UTC))


def test_a_payer_with_a_mandate_is_not_asked_to_pay() -> None:
    town = open_debit_town(owed={"Anna": 1234, "Ben": 999}, signed=("Anna",))
    assert shown(town, "Ben").qr
    assert shown(town, "Ben").debit == ()
    before = shown(town, "Anna")
    assert (before.qr, before.reference) == ("", "")
    assert "You do not need to do anything: Coop collects this by direct debit" in before.debit[0]
    assert "ending in 5678" in before.debit[0]
    assert "told here before" in before.debit[1]
    assert "Mandate M-Anna, creditor identifier DE98ZZZ09999999999" in before.debit[2]
    town.collect()
    assert shown(town, "Anna") == before  # a proposal is no notice
    town.approve()
    town.owe("Anna", 100 * CENT)
    assert "EUR 12.34 will be collected on Sun 15 Nov" in shown(town, "Anna").debit[1]
    assert shown(town, "Anna").amount.main == "13.34"
    assert shown(town, "Anna", T0 + YEARS_3).qr, "a dormant mandate collects nothing"
    books = town.payouts.books
    books.database.write_now(mandates.revoke, books.community, "M-Anna", T0)
    assert shown(town, "Anna").qr
    books.database.close()
