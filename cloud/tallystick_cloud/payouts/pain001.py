"""Writes credit transfers as pain.001.001.09 (ISO 20022, EPC customer-to-bank), the file that a bank takes.

It never invents an id, a time or an order: the same values are the same bytes.
"""

from dataclasses import dataclass
from datetime import date
from xml.etree import ElementTree as ET

from . import epc, pain
from .pain import BankParty, PaymentFile

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"


@dataclass(frozen=True, slots=True)
class Transfer:
    """One payment; `end_to_end` comes back in the payee's statement and in camt.053."""

    end_to_end: str
    cents: int
    creditor: BankParty
    remittance: str


@dataclass(frozen=True, slots=True)
class Block:
    """All payments of one debtor on one day: a payment information block."""

    id: str
    debtor: BankParty
    execution_day: date
    payments: tuple[Transfer, ...]


class CreditTransferFile(PaymentFile[Block]):
    """Transfers of one file."""

    __slots__ = ()


def write(file: CreditTransferFile) -> bytes:
    """The file's bytes. Raises BankFileError naming the payment, party and field that a bank would send back."""
    return pain.written(file, NAMESPACE, "CstmrCdtTrfInitn", _block)


def _block(message: ET.Element, at: str, block: Block) -> None:
    found, who = ET.SubElement(message, "PmtInf"), f"{at}.debtor"
    pain.text(found, "PmtInfId", epc.bank_id(f"{at}.id", block.id))
    pain.text(found, "PmtMtd", "TRF")
    pain.totals(found, block.payments)
    pain.text(ET.SubElement(ET.SubElement(found, "PmtTpInf"), "SvcLvl"), "Cd", "SEPA")
    pain.text(ET.SubElement(found, "ReqdExctnDt"), "Dt", block.execution_day.isoformat())
    pain.party(found, "Dbtr", who, block.debtor)
    pain.account(found, "Dbtr", who, block.debtor)
    pain.agent(found, "Dbtr", who, block.debtor.bic)
    pain.text(found, "ChrgBr", "SLEV")
    for index, transfer in enumerate(block.payments):
        _transfer(found, f"{at}.payment[{index}]", transfer)


def _transfer(parent: ET.Element, at: str, transfer: Transfer) -> None:
    who = f"{at} to {transfer.creditor.name}"
    found = ET.SubElement(parent, "CdtTrfTxInf")
    pain.text(ET.SubElement(found, "PmtId"), "EndToEndId", epc.bank_id(f"{who}, end-to-end id", transfer.end_to_end))
    ET.SubElement(found, "Amt").append(pain.amount(who, transfer.cents))
    if transfer.creditor.bic is not None:
        pain.agent(found, "Cdtr", who, transfer.creditor.bic)
    pain.party(found, "Cdtr", who, transfer.creditor)
    pain.account(found, "Cdtr", who, transfer.creditor)
    pain.remittance(found, who, transfer.remittance)
