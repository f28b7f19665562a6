"""What all payment files for a bank share (pain.001 and pain.008): header, totals, parties, accounts, remittance.

It never invents an id, a time or an order: the same values are the same bytes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, Protocol, TypeVar
from xml.etree import ElementTree as ET

from tallystick_cloud.money import decimal

from . import epc
from .errors import BankFileError

CURRENCY = "EUR"
PAYMENTS_MAX = 100_000  # of one file: above it banks ask for several; 2,000 are a large month
SUM_CENTS_MAX = 10**17 - 1  # CtrlSum has 18 digits with 17 before the point at most; far above any file


@dataclass(frozen=True, slots=True)
class BankParty:
    """A name and an account; `bic` is not needed inside the euro area. Addresses are left out: none or structured."""

    name: str
    iban: str
    bic: str | None = None


class Payment(Protocol):
    """What every payment of a file has, whichever way the money goes."""

    @property
    def end_to_end(self) -> str: ...
    @property
    def cents(self) -> int: ...


class Block(Protocol):
    """A payment information block."""

    @property
    def id(self) -> str: ...
    @property
    def payments(self) -> Sequence[Payment]: ...


B = TypeVar("B", bound=Block)


@dataclass(frozen=True, slots=True)
class PaymentFile(Generic[B]):
    """`message_id` must be new for the bank; `created_ms` ms UTC."""

    message_id: str
    created_ms: int
    initiator: str
    blocks: tuple[B, ...]


def written(file: PaymentFile[B], namespace: str, message: str, block: Callable[[ET.Element, str, B], None]) -> bytes:
    """The bytes of a file of one kind: `block` writes each of its blocks, named by its place.

    Raises BankFileError naming the payment, party and field that a bank would send back.
    """
    payments = check_whole(file.blocks)
    root = ET.Element("Document", {"xmlns": namespace})
    found = ET.SubElement(root, message)
    header(found, file.message_id, file.created_ms, file.initiator, payments)
    for index, one in enumerate(file.blocks):
        block(found, f"block[{index}]", one)
    ET.indent(root)
    body: bytes = ET.tostring(root, encoding="utf-8")
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + body + b"\n"


def check_whole(blocks: Sequence[Block]) -> list[Payment]:
    """All payments of a file; raises BankFileError for an empty one, too many, or an id that is used twice."""
    if not blocks or not all(block.payments for block in blocks):
        raise BankFileError("file", "has nothing to pay; a bank refuses an empty one")
    payments = [payment for block in blocks for payment in block.payments]
    if len(payments) > PAYMENTS_MAX:
        raise BankFileError("file", f"has {len(payments)} payments, the limit is {PAYMENTS_MAX}")
    _check_unique("end-to-end id", [payment.end_to_end for payment in payments])
    _check_unique("block id", [block.id for block in blocks])
    return payments


def _check_unique(field: str, ids: Sequence[str]) -> None:
    seen: set[str] = set()
    for one in ids:
        if one in seen:
            raise BankFileError(field, f"{one!r} is used twice; a bank would pay one of them only")
        seen.add(one)


def header(message: ET.Element, message_id: str, created_ms: int, initiator: str, payments: Sequence[Payment]) -> None:
    found = ET.SubElement(message, "GrpHdr")
    text(found, "MsgId", epc.bank_id("message id", message_id))
    text(found, "CreDtTm", datetime.fromtimestamp(created_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    totals(found, payments)
    text(ET.SubElement(found, "InitgPty"), "Nm", epc.bank_name("initiator", initiator))


def totals(parent: ET.Element, payments: Sequence[Payment]) -> None:
    total = sum(payment.cents for payment in payments)
    if total > SUM_CENTS_MAX:
        raise BankFileError("file", f"sums to {decimal(total)} {CURRENCY}, more than a bank file can say")
    text(parent, "NbOfTxs", str(len(payments)))
    text(parent, "CtrlSum", decimal(total))


def party(parent: ET.Element, tag: str, who: str, one: BankParty) -> None:
    """`Dbtr` or `Cdtr` with the name."""
    text(ET.SubElement(parent, tag), "Nm", epc.bank_name(f"{who}, name", one.name))


def account(parent: ET.Element, tag: str, who: str, one: BankParty) -> None:
    """`DbtrAcct` or `CdtrAcct` with the IBAN."""
    found = ET.SubElement(ET.SubElement(parent, f"{tag}Acct"), "Id")
    text(found, "IBAN", epc.bank_iban(f"{who}, IBAN of {one.name}", one.iban))


def agent(parent: ET.Element, tag: str, who: str, bic: str | None) -> None:
    """The party's bank, which the XSD wants; without a BIC the EPC's word for that is NOTPROVIDED."""
    found = ET.SubElement(ET.SubElement(parent, f"{tag}Agt"), "FinInstnId")
    if bic is None:
        text(ET.SubElement(found, "Othr"), "Id", "NOTPROVIDED")
    else:
        text(found, "BICFI", epc.bank_bic(f"{who}, BIC", bic))


def amount(who: str, cents: int) -> ET.Element:
    """`InstdAmt` in euro."""
    found = ET.Element("InstdAmt", {"Ccy": CURRENCY})
    found.text = epc.bank_amount(f"{who}, amount", cents)
    return found


def remittance(parent: ET.Element, who: str, words: str) -> None:
    """What the other side reads in its statement."""
    carried = epc.bank_text(f"{who}, remittance", words)
    if not 1 <= len(carried) <= epc.REMITTANCE_CHARS_MAX:
        raise BankFileError(f"{who}, remittance", f"must have 1 to {epc.REMITTANCE_CHARS_MAX} characters")
    text(ET.SubElement(parent, "RmtInf"), "Ustrd", carried)


def text(parent: ET.Element, tag: str, words: str) -> None:
    ET.SubElement(parent, tag).text = words
