"""Writes credit transfers as pain.001.001.09 (ISO 20022, EPC customer-to-bank), the file that a bank takes.

It never invents an id, a time or an order: the same values are the same bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from xml.etree import ElementTree as ET

from . import epc
from .errors import BankFileError

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
CURRENCY = "EUR"
TRANSFERS_MAX = 100_000  # of one file: above it banks ask for several; 2,000 are a large month
SUM_CENTS_MAX = 10**17 - 1  # CtrlSum has 18 digits with 17 before the point at most; far above any file


@dataclass(frozen=True, slots=True)
class BankParty:
    """A name and an account; `bic` is not needed inside the euro area. Addresses are left out: none or structured."""

    name: str
    iban: str
    bic: str | None = None


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
    transfers: tuple[Transfer, ...]


@dataclass(frozen=True, slots=True)
class CreditTransferFile:
    """`message_id` must be new for the bank; `created_ms` ms UTC."""

    message_id: str
    created_ms: int
    initiator: str
    blocks: tuple[Block, ...]


def write(file: CreditTransferFile) -> bytes:
    """The file's bytes. Raises BankFileError naming the payment, party and field that a bank would send back."""
    _check_whole(file)
    root = ET.Element("Document", {"xmlns": NAMESPACE})
    message = ET.SubElement(root, "CstmrCdtTrfInitn")
    _header(message, file)
    for index, block in enumerate(file.blocks):
        _block(message, f"block[{index}]", block)
    ET.indent(root)
    body: bytes = ET.tostring(root, encoding="utf-8")
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + body + b"\n"


def _check_whole(file: CreditTransferFile) -> None:
    if not file.blocks or not all(block.transfers for block in file.blocks):
        raise BankFileError("file", "has nothing to pay; a bank refuses an empty one")
    transfers = [transfer for block in file.blocks for transfer in block.transfers]
    if len(transfers) > TRANSFERS_MAX:
        raise BankFileError("file", f"has {len(transfers)} payments, the limit is {TRANSFERS_MAX}")
    _check_unique("end-to-end id", [transfer.end_to_end for transfer in transfers])
    _check_unique("block id", [block.id for block in file.blocks])


def _check_unique(field: str, ids: Sequence[str]) -> None:
    seen: set[str] = set()
    for one in ids:
        if one in seen:
            raise BankFileError(field, f"{one!r} is used twice; a bank would pay one of them only")
        seen.add(one)


def _header(message: ET.Element, file: CreditTransferFile) -> None:
    header = ET.SubElement(message, "GrpHdr")
    _text(header, "MsgId", epc.bank_id("message id", file.message_id))
    created = datetime.fromtimestamp(file.created_ms // 1000, UTC)
    _text(header, "CreDtTm", created.strftime("%Y-%m-%dT%H:%M:%SZ"))
    _totals(header, [transfer for block in file.blocks for transfer in block.transfers])
    _text(ET.SubElement(header, "InitgPty"), "Nm", epc.bank_name("initiator", file.initiator))


def _totals(parent: ET.Element, transfers: Sequence[Transfer]) -> None:
    total = sum(transfer.cents for transfer in transfers)
    if total > SUM_CENTS_MAX:
        raise BankFileError("file", f"sums to {epc.decimal(total)} {CURRENCY}, more than a bank file can say")
    _text(parent, "NbOfTxs", str(len(transfers)))
    _text(parent, "CtrlSum", epc.decimal(total))


def _block(message: ET.Element, at: str, block: Block) -> None:
    found = ET.SubElement(message, "PmtInf")
    _text(found, "PmtInfId", epc.bank_id(f"{at}.id", block.id))
    _text(found, "PmtMtd", "TRF")
    _totals(found, block.transfers)
    _text(ET.SubElement(ET.SubElement(found, "PmtTpInf"), "SvcLvl"), "Cd", "SEPA")
    _text(ET.SubElement(found, "ReqdExctnDt"), "Dt", block.execution_day.isoformat())
    _party(found, "Dbtr", f"{at}.debtor", block.debtor)
    _agent_of_debtor(found, f"{at}.debtor", block.debtor)
    _text(found, "ChrgBr", "SLEV")
    for index, transfer in enumerate(block.transfers):
        _transfer(found, f"{at}.payment[{index}]", transfer)


def _transfer(parent: ET.Element, at: str, transfer: Transfer) -> None:
    who = f"{at} to {transfer.creditor.name}"
    found = ET.SubElement(parent, "CdtTrfTxInf")
    _text(ET.SubElement(found, "PmtId"), "EndToEndId", epc.bank_id(f"{who}, end-to-end id", transfer.end_to_end))
    amount = ET.SubElement(ET.SubElement(found, "Amt"), "InstdAmt", {"Ccy": CURRENCY})
    amount.text = epc.bank_amount(f"{who}, amount", transfer.cents)
    if transfer.creditor.bic is not None:
        _bic(ET.SubElement(found, "CdtrAgt"), who, transfer.creditor.bic)
    _party(found, "Cdtr", who, transfer.creditor)
    text = epc.bank_text(f"{who}, remittance", transfer.remittance)
    if not 1 <= len(text) <= epc.REMITTANCE_CHARS_MAX:
        raise BankFileError(f"{who}, remittance", f"must have 1 to {epc.REMITTANCE_CHARS_MAX} characters")
    _text(ET.SubElement(found, "RmtInf"), "Ustrd", text)


def _party(parent: ET.Element, tag: str, who: str, party: BankParty) -> None:
    """Name, then account: `Dbtr` and `DbtrAcct`, or `Cdtr` and `CdtrAcct`."""
    _text(ET.SubElement(parent, tag), "Nm", epc.bank_name(f"{who}, name", party.name))
    account = ET.SubElement(ET.SubElement(parent, f"{tag}Acct"), "Id")
    _text(account, "IBAN", epc.bank_iban(f"{who}, IBAN of {party.name}", party.iban))


def _agent_of_debtor(parent: ET.Element, who: str, debtor: BankParty) -> None:
    """The XSD wants the debtor's bank; without a BIC the EPC's word for that is NOTPROVIDED."""
    agent = ET.SubElement(parent, "DbtrAgt")
    if debtor.bic is not None:
        _bic(agent, who, debtor.bic)
        return
    _text(ET.SubElement(ET.SubElement(agent, "FinInstnId"), "Othr"), "Id", "NOTPROVIDED")


def _bic(agent: ET.Element, who: str, bic: str) -> None:
    _text(ET.SubElement(agent, "FinInstnId"), "BICFI", epc.bank_bic(f"{who}, BIC", bic))


def _text(parent: ET.Element, tag: str, text: str) -> None:
    ET.SubElement(parent, tag).text = text
