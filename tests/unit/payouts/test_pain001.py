"""The bank file: valid by the XSD of others, the same bytes twice, and refused where a bank would refuse it."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import pain_xsd
from support.payouts import IBANS
from tallystick_cloud.payouts.errors import BankFileError
from tallystick_cloud.payouts.pain import BankParty
from tallystick_cloud.payouts.pain001 import Block, CreditTransferFile, Transfer, write

DEBTOR = BankParty("Lindenhof eG", IBANS["Coop"])
PAYEE = BankParty("José Müller", IBANS["Repairer"])


def transfer(number: int, cents: int = 1234, creditor: BankParty = PAYEE) -> Transfer:
    return Transfer(f"e2e-{number}", cents, creditor, f"Washes, payout {number}")


def block(number: int, *transfers: Transfer, debtor: BankParty = DEBTOR) -> Block:
    return Block(f"block-{number}", debtor, date(2026, 12, 3), transfers)


def file(*blocks: Block) -> CreditTransferFile:
    return CreditTransferFile("message-1", 1_793_491_200_123, "Lindenhof eG", blocks)


GOOD = file(block(1, transfer(1), transfer(2, 1)), block(2, transfer(3, 99), debtor=replace(DEBTOR, bic="COBADEFFXXX")))


def test_the_file_is_valid_by_the_schema_of_others() -> None:
    assert pain_xsd.wrong_in(write(GOOD)) == []


def test_the_schema_can_say_no() -> None:
    assert pain_xsd.wrong_in(write(GOOD).replace(b"<ChrgBr>SLEV</ChrgBr>", b"<ChrgBr>MINE</ChrgBr>"))


def test_totals_are_those_of_the_whole_and_of_each_block() -> None:
    data = write(GOOD)
    assert pain_xsd.texts(data, "NbOfTxs") == ["3", "2", "1"]
    assert pain_xsd.texts(data, "CtrlSum") == ["13.34", "12.35", "0.99"]
    assert pain_xsd.texts(data, "InstdAmt") == ["12.34", "0.01", "0.99"]
    assert pain_xsd.texts(data, "CreDtTm") == ["2026-11-01T00:00:00Z"]
    assert pain_xsd.texts(data, "Dt") == ["2026-12-03", "2026-12-03"]


def test_the_same_values_are_the_same_bytes() -> None:
    assert write(GOOD) == write(file(*GOOD.blocks))


def test_without_a_bic_the_debtors_bank_is_not_provided_and_the_payees_is_left_out() -> None:
    data = write(file(block(1, transfer(1))))
    assert b"<Id>NOTPROVIDED</Id>" in data
    assert b"CdtrAgt" not in data


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (file(), "nothing to pay"),
        (file(block(1)), "nothing to pay"),
        (file(block(1, transfer(1), transfer(1))), "'e2e-1' is used twice"),
        (file(block(1, transfer(1)), block(1, transfer(2))), "'block-1' is used twice"),
        (file(block(1, transfer(1, 0))), "to José Müller, amount: 0.00 EUR"),
        (file(block(1, transfer(1, 10**11))), "to José Müller, amount"),
        (file(block(1, transfer(1, creditor=BankParty("Мария", IBANS["Bank"])))), "to Мария, name"),
        (file(block(1, transfer(1, creditor=BankParty("Bo", "DE00")))), "IBAN of Bo"),
        (file(block(1, transfer(1, creditor=BankParty("Bo", IBANS["Bank"], "bad")))), "to Bo, BIC"),
        (file(block(1, replace(transfer(1), remittance="x" * 141))), "remittance: must have 1 to 140"),
        (replace(GOOD, message_id="x" * 36), "message id"),
        (file(block(1, transfer(1), debtor=BankParty("", IBANS["Coop"]))), "debtor, name"),
    ],
)
def test_what_a_bank_would_send_back_is_refused_naming_it(broken: CreditTransferFile, words: str) -> None:
    with pytest.raises(BankFileError) as caught:
        write(broken)
    assert words in str(caught.value)


LETTERS = st.text(st.sampled_from("aZ09 -+.,'()/:?äößéøłŻ&_\"’"), min_size=1, max_size=30).filter(lambda s: s.strip())


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 99_999_999_999), LETTERS), min_size=1, max_size=8))
def test_whatever_is_written_is_valid(payments: list[tuple[int, str]]) -> None:
    transfers = [
        Transfer(f"id-{at}", cents, BankParty(name, IBANS["Bank"]), f"{name} payout")
        for at, (cents, name) in enumerate(payments)
    ]
    data = write(file(block(1, *transfers)))
    assert pain_xsd.wrong_in(data) == []
    total = sum(cents for cents, _ in payments)
    assert pain_xsd.texts(data, "CtrlSum")[0] == f"{total // 100}.{total % 100:02d}"
