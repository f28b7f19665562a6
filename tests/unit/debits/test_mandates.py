"""Mandates: what is refused and why, when one sleeps, and which sequence type comes next."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.books import T0
from support.debits import ANNA, BEN, CREDITOR_ID, DebitTown, open_debit_town
from support.payouts import IBANS
from tallystick_cloud.debits import mandates, service
from tallystick_cloud.debits.errors import MandateRefused
from tallystick_cloud.debits.mandate import (
    History,
    Mandate,
    NewMandate,
    SequenceType,
    State,
    check_creditor_id,
    checked,
    dormant_on,
    mandate_id,
    sequence_of,
    state_of,
)
from tallystick_cloud.errors import BadInput, CloudError, NotFound
from tallystick_cloud.payouts.pain import BankParty
from tallystick_cloud.settlement.erase import erase_payer

TODAY = date(2026, 11, 1)
ABOUT = NewMandate(b"c" * 16, b"p" * 16, "M-1", CREDITOR_ID, BankParty("Anna", ANNA), date(2026, 10, 1))


@pytest.mark.parametrize(
    "good",
    [
        "DE98ZZZ09999999999",  # Bundesbank
        "de98 zzz0 9999 999999",
        "DE98ABC09999999999",  # the business code is not in the check digits
        "AT61ZZZ01234567890",
        "NL42ZZZ123456780001",
        "ES59ZZZX1234567L",
    ],
)
def test_right_creditor_identifiers_hold(good: str) -> None:
    assert check_creditor_id("creditor id", good) == "".join(good.split()).upper()


@pytest.mark.parametrize("bad", ["DE99ZZZ09999999999", "DE98ZZZ", "XX98ZZZ09999999999", "DE98ZZZ09999999998", ""])
def test_a_wrong_creditor_identifier_is_refused(bad: str) -> None:
    with pytest.raises(BadInput, match="creditor id"):
        check_creditor_id("creditor id", bad)


@given(st.integers(7, 17), st.integers(0, 9))
def test_one_wrong_digit_of_a_creditor_identifier_is_always_noticed(place: int, digit: int) -> None:
    spoilt = CREDITOR_ID[:place] + str(digit) + CREDITOR_ID[place + 1 :]
    if spoilt != CREDITOR_ID:
        with pytest.raises(BadInput, match="wrong check digits"):
            check_creditor_id("creditor id", spoilt)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"debtor": BankParty("Anna", "DE00")}, "IBAN"),
        ({"debtor": BankParty("Anna", "CH9300762011623852957")}, "address"),
        ({"debtor": BankParty("Мария", ANNA)}, "account holder"),
        ({"reference": "x" * 36}, "reference"),
        ({"reference": "a//b"}, "reference"),
        ({"signed_day": date(2026, 11, 2)}, "yet to come"),
        ({"used_day": date(2026, 9, 30)}, "last used"),
        ({"notice_days": 0}, "notice days"),
        ({"notice_days": 15}, "notice days"),
    ],
)
def test_what_a_bank_would_send_back_is_refused_naming_the_field(changed: dict[str, object], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        checked(replace(ABOUT, **changed), TODAY)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("used", "sleeps"),
    [
        (None, date(2029, 10, 1)),
        (date(2026, 11, 30), date(2029, 11, 30)),
        (date(2028, 2, 29), date(2031, 2, 28)),
        (date(2026, 1, 1), date(2029, 10, 1)),  # before the signature: the signature counts
    ],
)
def test_a_mandate_sleeps_36_months_after_its_last_use(used: date | None, sleeps: date) -> None:
    one, past = Mandate(mandate_id(b"c", "M"), ABOUT), History(used, has_stood=used is not None)
    assert dormant_on(ABOUT, past) == sleeps
    assert state_of(one, past, date.fromordinal(sleeps.toordinal() - 1)) is State.ACTIVE
    assert state_of(one, past, sleeps) is State.DORMANT
    assert state_of(replace(one, revoked_ms=1), past, TODAY) is State.REVOKED


def test_the_first_is_first_until_a_bank_took_one() -> None:
    assert sequence_of(ABOUT, History()) is SequenceType.FIRST
    assert sequence_of(ABOUT, History(TODAY, has_stood=False)) is SequenceType.FIRST
    assert sequence_of(ABOUT, History(TODAY, has_stood=True)) is SequenceType.RECURRENT
    assert sequence_of(replace(ABOUT, sequence=SequenceType.RECURRENT), History()) is SequenceType.RECURRENT


@pytest.fixture(scope="module")
def shared() -> Iterator[DebitTown]:
    made = open_debit_town()
    yield made
    made.payouts.books.database.close()


def test_one_stands_per_payer_and_collector_and_refusals_change_nothing(shared: DebitTown) -> None:
    town = shared
    first = town.sign("Anna")
    before = town.payouts.books.dump()
    assert town.sign("Anna") == first
    refusals: list[tuple[type[CloudError], str, dict[str, object]]] = [
        (MandateRefused, "has mandate M-Anna", {"reference": "M-2"}),
        (MandateRefused, "of another mandate", {"debtor": BankParty("Anna", BEN)}),
        (BadInput, "wrong check digits", {"reference": "M-2", "creditor_id": "DE97ZZZ09999999999"}),
        (BadInput, "from itself", {"payer": town.payouts.ids["Coop"]}),
    ]
    for kind, words, changed in refusals:
        with pytest.raises(kind, match=words):
            town.sign("Anna", **changed)
    assert town.payouts.books.dump() == before
    community, database = town.payouts.community, town.payouts.books.database
    with pytest.raises(NotFound):
        database.write_now(mandates.revoke, community, "M-9", T0)
    assert database.write_now(mandates.revoke, community, "M-Anna", T0).state is State.REVOKED
    assert town.sign("Anna", reference="M-2").state is State.ACTIVE
    with pytest.raises(MandateRefused, match="was revoked"):
        town.sign("Ben", reference="M-Anna")
    assert [one.state for one in database.read_now(mandates.show_all, community, T0)] == [State.ACTIVE, State.REVOKED]
    assert IBANS["Coop"] not in repr(database.read_now(mandates.show_all, community, T0))


def test_being_erased_takes_a_mandate_that_no_account_was_debited_under() -> None:
    town = open_debit_town(owed={"Anna": 500}, signed=("Anna", "Ben"))
    books = town.payouts.books
    town.written()
    for name, gone in (("Ben", (1, 0)), ("Anna", (0, 1))):
        erased = books.database.write_now(erase_payer, books.community, town.payouts.ids[name], T0)
        assert (erased.mandates, erased.mandates_kept) == gone
    (kept,) = books.database.read_now(mandates.show_all, books.community, T0)
    assert (kept.mandate.about.reference, kept.state) == ("M-Anna", State.REVOKED)


@pytest.mark.parametrize(("day", "left"), [(date(2028, 1, 14), 1), (date(2028, 1, 15), 0)])
def test_a_used_mandate_goes_when_nobody_can_claim_the_money_back(day: date, left: int) -> None:
    """It was collected under on 15 November 2026: fourteen months later."""
    town = open_debit_town(owed={"Anna": 500}, signed=("Anna",))
    books = town.payouts.books
    town.written()
    now_ms = T0 + (day - TODAY).days * 86_400_000
    erased = books.database.write_now(erase_payer, books.community, town.payouts.ids["Anna"], now_ms)
    assert (erased.mandates, erased.mandates_kept) == (1 - left, left)


def test_a_debit_of_a_cancelled_run_keeps_no_account() -> None:
    town = open_debit_town(owed={"Anna": 500}, signed=("Anna",))
    books, ids = town.payouts.books, town.payouts.ids
    town.collect()
    books.database.write_now(service.cancel, books.community, 1, ids["Coop"], T0)
    erased = books.database.write_now(erase_payer, books.community, ids["Anna"], T0)
    assert (erased.mandates, erased.mandates_kept) == (1, 0)
    assert ANNA not in repr(books.dump())
