"""The file of debits: valid by the XSD of others, the same bytes twice, and refused where a bank would refuse it."""

from dataclasses import replace
from datetime import date

import pytest
from support import pain_xsd
from support.debits import ANNA, BEN, CREDITOR_ID
from support.payouts import IBANS
from tallystick_cloud.debits.mandate import SequenceType
from tallystick_cloud.debits.pain008 import Block, Collection, DirectDebitFile, write
from tallystick_cloud.errors import CloudError
from tallystick_cloud.payouts.pain import BankParty

CREDITOR = BankParty("Lindenhof eG", IBANS["Coop"])
JOSE = BankParty("José Müller", ANNA)
DAY = date(2026, 12, 3)


def debit(number: int, cents: int = 1234, debtor: BankParty = JOSE) -> Collection:
    return Collection(f"e2e-{number}", cents, debtor, f"M-{number}", date(2026, 10, 1), f"M-{number}, collection 1")


def block(number: int, *debits: Collection, sequence: SequenceType = SequenceType.FIRST) -> Block:
    return Block(f"block-{number}", CREDITOR, CREDITOR_ID, sequence, DAY, debits)


def file(*blocks: Block) -> DirectDebitFile:
    return DirectDebitFile("message-1", 1_793_491_200_123, "Lindenhof eG", blocks)


GOOD = file(
    block(1, debit(1), debit(2, 1)),
    block(2, debit(3, 99, BankParty("Ben", BEN, "AGRIFRPPXXX")), sequence=SequenceType.RECURRENT),
)


def test_the_file_is_valid_by_the_schema_of_others() -> None:
    assert pain_xsd.wrong_in(write(GOOD)) == []


def test_the_schema_can_say_no() -> None:
    assert pain_xsd.wrong_in(write(GOOD).replace(b"<SeqTp>FRST</SeqTp>", b"<SeqTp>NEXT</SeqTp>"))
    assert pain_xsd.wrong_in(write(GOOD).replace(b"DtOfSgntr>", b"DtOfSign>"))


def test_it_says_what_is_collected_from_whom_under_which_mandate() -> None:
    data = write(GOOD)
    assert pain_xsd.texts(data, "NbOfTxs") == ["3", "2", "1"]
    assert pain_xsd.texts(data, "CtrlSum") == ["13.34", "12.35", "0.99"]
    assert pain_xsd.texts(data, "SeqTp") == ["FRST", "RCUR"]
    assert pain_xsd.texts(data, "MndtId") == ["M-1", "M-2", "M-3"]
    assert pain_xsd.texts(data, "DtOfSgntr") == ["2026-10-01"] * 3
    assert pain_xsd.texts(data, "ReqdColltnDt") == ["2026-12-03"] * 2
    assert data.count(CREDITOR_ID.encode()) == 2
    assert write(file(*GOOD.blocks)) == data


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (file(), "nothing to pay"),
        (file(block(1)), "nothing to pay"),
        (file(block(1, debit(1), debit(1))), "'e2e-1' is used twice"),
        (file(block(1, debit(1)), block(1, debit(2))), "'block-1' is used twice"),
        (file(block(1, debit(1, 0))), "from José Müller, amount: 0.00 EUR"),
        (file(block(1, debit(1, 10**11))), "from José Müller, amount"),
        (file(block(1, debit(1, debtor=BankParty("Мария", ANNA)))), "from Мария, name"),
        (file(block(1, debit(1, debtor=BankParty("Bo", "DE00")))), "IBAN of Bo"),
        (file(block(1, replace(debit(1), mandate="/M"))), "mandate"),
        (file(block(1, replace(debit(1), mandate=""))), "mandate"),
        (file(block(1, replace(debit(1), signed_day=date(2026, 12, 4)))), "was signed on 2026-12-04, after"),
        (file(replace(block(1, debit(1)), creditor_id="DE99ZZZ09999999999")), "creditor id"),
        (replace(GOOD, message_id="x" * 36), "message id"),
    ],
)
def test_what_a_bank_would_send_back_is_refused_naming_it(broken: DirectDebitFile, words: str) -> None:
    with pytest.raises(CloudError) as caught:
        write(broken)
    assert words in str(caught.value)
