"""Writes direct debits as pain.008.001.08 (ISO 20022, EPC customer-to-bank, SDD Core), the file that a bank takes.

It never invents an id, a time or an order: the same values are the same bytes.
"""

from dataclasses import dataclass
from datetime import date
from xml.etree import ElementTree as ET

from tallystick_cloud.payouts import epc, pain
from tallystick_cloud.payouts.errors import BankFileError
from tallystick_cloud.payouts.pain import BankParty, PaymentFile

from .mandate import SequenceType, check_creditor_id

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:pain.008.001.08"
SCHEME = "CORE"


@dataclass(frozen=True, slots=True)
class Collection:
    """One debit; `end_to_end` comes back in the payer's statement and in camt.053."""

    end_to_end: str
    cents: int
    debtor: BankParty
    mandate: str
    signed_day: date
    remittance: str


@dataclass(frozen=True, slots=True)
class Block:
    """All debits of one creditor, day and sequence type: a payment information block."""

    id: str
    creditor: BankParty
    creditor_id: str
    sequence: SequenceType
    collection_day: date
    payments: tuple[Collection, ...]


class DirectDebitFile(PaymentFile[Block]):
    """Debits of one file."""

    __slots__ = ()


def write(file: DirectDebitFile) -> bytes:
    """The file's bytes. Raises BankFileError naming the debit, party and field that a bank would send back."""
    return pain.written(file, NAMESPACE, "CstmrDrctDbtInitn", _block)


def _block(message: ET.Element, at: str, block: Block) -> None:
    found, who = ET.SubElement(message, "PmtInf"), f"{at}.creditor"
    pain.text(found, "PmtInfId", epc.bank_id(f"{at}.id", block.id))
    pain.text(found, "PmtMtd", "DD")
    pain.totals(found, block.payments)
    kind = ET.SubElement(found, "PmtTpInf")
    pain.text(ET.SubElement(kind, "SvcLvl"), "Cd", "SEPA")
    pain.text(ET.SubElement(kind, "LclInstrm"), "Cd", SCHEME)
    pain.text(kind, "SeqTp", block.sequence.value)
    pain.text(found, "ReqdColltnDt", block.collection_day.isoformat())
    pain.party(found, "Cdtr", who, block.creditor)
    pain.account(found, "Cdtr", who, block.creditor)
    pain.agent(found, "Cdtr", who, block.creditor.bic)
    pain.text(found, "ChrgBr", "SLEV")
    _creditor_id(found, who, block.creditor_id)
    for index, one in enumerate(block.payments):
        _collection(found, f"{at}.debit[{index}]", one, block.collection_day)


def _creditor_id(parent: ET.Element, who: str, creditor_id: str) -> None:
    other = ET.SubElement(ET.SubElement(ET.SubElement(ET.SubElement(parent, "CdtrSchmeId"), "Id"), "PrvtId"), "Othr")
    pain.text(other, "Id", check_creditor_id(f"{who}, creditor id", creditor_id))
    pain.text(ET.SubElement(other, "SchmeNm"), "Prtry", "SEPA")


def _collection(parent: ET.Element, at: str, one: Collection, day: date) -> None:
    who = f"{at} from {one.debtor.name}"
    if one.signed_day > day:
        raise BankFileError(f"{who}, mandate", f"was signed on {one.signed_day}, after the collection on {day}")
    found = ET.SubElement(parent, "DrctDbtTxInf")
    pain.text(ET.SubElement(found, "PmtId"), "EndToEndId", epc.bank_id(f"{who}, end-to-end id", one.end_to_end))
    found.append(pain.amount(who, one.cents))
    mandate = ET.SubElement(ET.SubElement(found, "DrctDbtTx"), "MndtRltdInf")
    pain.text(mandate, "MndtId", epc.bank_id(f"{who}, mandate", one.mandate))
    pain.text(mandate, "DtOfSgntr", one.signed_day.isoformat())
    pain.agent(found, "Dbtr", who, one.debtor.bic)
    pain.party(found, "Dbtr", who, one.debtor)
    pain.account(found, "Dbtr", who, one.debtor)
    pain.remittance(found, who, one.remittance)
