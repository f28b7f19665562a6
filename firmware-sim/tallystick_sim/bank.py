"""A bank that does not exist: it executes files of transfers and debits, takes payments in, and tells of it
in pain.002 and camt.053.
It knows nothing of the aggregator but the files; the same calls give the same bytes, and every statement closes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date
from xml.etree import ElementTree as ET

PAIN001 = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
PAIN008 = "urn:iso:std:iso:20022:tech:xsd:pain.008.001.08"
PAIN002 = "urn:iso:std:iso:20022:tech:xsd:pain.002.001.10"
CAMT053 = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"
CURRENCY = "EUR"
CENTS = 100


@dataclass(frozen=True, slots=True)
class Order:
    """One payment that a file asks for; `cents` as the account moves: negative for a transfer, positive for a debit."""

    end_to_end: str
    cents: int
    name: str
    iban: str
    side: str
    block: str


@dataclass(frozen=True, slots=True)
class Movement:
    """One entry of the next statement; `cents` negative when money leaves."""

    cents: int
    day: date
    name: str
    iban: str
    end_to_end: str | None = None
    remittance: str | None = None
    reference: str | None = None
    side: str = "Dbtr"  # what the other party is
    returned: str | None = None  # the reason code of a return, such as AC04
    block: tuple[str, int] | None = None  # booked as one: the block's id and how many payments it holds


@dataclass(slots=True)
class SimBank:
    """One account at a bank. `execute` takes a pain.001 or pain.008; `statement` closes a day."""

    iban: str
    cents: int = 0
    _numbers: int = 0
    _opening: int = 0
    _orders: dict[str, Order] = field(default_factory=dict)
    _moved: list[Movement] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._opening = self.cents

    def execute(self, data: bytes, day: date, rejected: Collection[str] = (), *, as_one: bool = False) -> bytes:
        """Execute a payment file but for the end-to-end ids in `rejected`; the answer is a pain.002.

        `as_one`: book each block as one entry, as many banks do with debits.
        """
        name, message, orders = _orders_of(data)
        done = [one for one in orders if one.end_to_end not in rejected]
        self._orders |= {one.end_to_end: one for one in done}
        for block in dict.fromkeys(one.block for one in done) if as_one else ():
            parts = [one.cents for one in done if one.block == block]
            self._move(Movement(sum(parts), day, "", "", block=(block, len(parts))))
        for one in () if as_one else done:
            self._move(Movement(one.cents, day, one.name, one.iban, one.end_to_end, side=one.side))
        self._numbers += 1
        return _status_report(f"R{self._numbers:06d}", day, name, message, orders, rejected)

    def send_back(self, end_to_end: str, day: date, reason: str = "AC04", fee_cents: int = 0) -> None:
        """The other side's bank returns a payment, for a debit with a fee on top."""
        one = self._orders[end_to_end]
        cents = -one.cents - fee_cents
        self._move(Movement(cents, day, one.name, one.iban, end_to_end, side=one.side, returned=reason))

    def receive(
        self,
        cents: int,
        day: date,
        name: str,
        iban: str,
        *,
        reference: str | None = None,
        remittance: str | None = None,
    ) -> None:
        """Somebody pays in."""
        self._move(Movement(cents, day, name, iban, None, remittance, reference))

    def _move(self, movement: Movement) -> None:
        self.cents += movement.cents
        self._moved.append(movement)

    def statement(self, day: date) -> bytes:
        """The camt.053 of all that moved since the last one."""
        self._numbers += 1
        data = _statement(f"S{self._numbers:06d}", self.iban, day, self._opening, self.cents, self._moved)
        self._opening, self._moved = self.cents, []
        return data


def _orders_of(data: bytes) -> tuple[str, str, list[Order]]:
    """Name of the message, its id, and the payments in it."""
    root = ET.fromstring(data)
    namespace = root.tag[1:].partition("}")[0]
    names = {"p": namespace}
    payment, side, amount, sign = {
        PAIN001: ("p:CdtTrfTxInf", "Cdtr", "p:Amt/p:InstdAmt", -1),
        PAIN008: ("p:DrctDbtTxInf", "Dbtr", "p:InstdAmt", 1),
    }[namespace]
    found = [
        Order(
            _text(one, "p:PmtId/p:EndToEndId", names),
            sign * _cents(_text(one, amount, names)),
            _text(one, f"p:{side}/p:Nm", names),
            _text(one, f"p:{side}Acct/p:Id/p:IBAN", names),
            side,
            _text(block, "p:PmtInfId", names),
        )
        for block in root.iterfind(".//p:PmtInf", names)
        for one in block.iterfind(payment, names)
    ]
    return namespace.rpartition(":")[2], _text(root, ".//p:GrpHdr/p:MsgId", names), found


def _text(parent: ET.Element, path: str, names: dict[str, str]) -> str:
    text = parent.findtext(path, namespaces=names)
    if not text:
        raise ValueError(f"the payment file has no {path}")
    return text


def _cents(text: str) -> int:
    whole, _, rest = text.partition(".")
    return int(whole) * CENTS + int(rest.ljust(2, "0"))


def _euro(cents: int) -> str:
    return f"{abs(cents) // CENTS}.{abs(cents) % CENTS:02d}"


def _add(parent: ET.Element, path: str, text: str | None = None, **attributes: str) -> ET.Element:
    """Append a chain of elements; the last gets text and attributes."""
    for tag in path.split("/"):
        parent = ET.SubElement(parent, tag)
    parent.text = text
    parent.attrib.update(attributes)
    return parent


def _document(namespace: str, message: str) -> tuple[ET.Element, ET.Element]:
    root = ET.Element("Document", {"xmlns": namespace})
    return root, ET.SubElement(root, message)


def _bytes(root: ET.Element) -> bytes:
    ET.indent(root)
    body: bytes = ET.tostring(root, encoding="utf-8")
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + body + b"\n"


def _status_report(
    number: str, day: date, name: str, message: str, orders: Sequence[Order], rejected: Collection[str]
) -> bytes:
    root, body = _document(PAIN002, "CstmrPmtStsRpt")
    header = _add(body, "GrpHdr")
    _add(header, "MsgId", number)
    _add(header, "CreDtTm", f"{day}T08:00:00Z")
    group = _add(body, "OrgnlGrpInfAndSts")
    _add(group, "OrgnlMsgId", message)
    _add(group, "OrgnlMsgNmId", name)
    _add(group, "GrpSts", "PART" if rejected else "ACSC")
    block = _add(body, "OrgnlPmtInfAndSts")
    _add(block, "OrgnlPmtInfId", "NOTPROVIDED")
    for one in orders:
        if one.end_to_end in rejected:
            told = _add(block, "TxInfAndSts")
            _add(told, "OrgnlEndToEndId", one.end_to_end)
            _add(told, "TxSts", "RJCT")
            reason = _add(told, "StsRsnInf")
            _add(reason, "Rsn/Cd", "AC01")
            _add(reason, "AddtlInf", "Account does not exist")
    return _bytes(root)


def _statement(number: str, iban: str, day: date, opening: int, closing: int, moved: Sequence[Movement]) -> bytes:
    root, body = _document(CAMT053, "BkToCstmrStmt")
    header = _add(body, "GrpHdr")
    _add(header, "MsgId", f"M{number}")
    _add(header, "CreDtTm", f"{day}T20:00:00Z")
    statement = _add(body, "Stmt")
    _add(statement, "Id", number)
    _add(statement, "CreDtTm", f"{day}T20:00:00Z")
    account = _add(statement, "Acct")
    _add(account, "Id/IBAN", iban)
    _add(account, "Ccy", CURRENCY)
    _balance(statement, "OPBD", opening, day)
    _balance(statement, "CLBD", closing, day)
    for at, one in enumerate(moved):
        _entry(statement, f"{number}-{at + 1}", one)
    return _bytes(root)


def _balance(statement: ET.Element, kind: str, cents: int, day: date) -> None:
    balance = _add(statement, "Bal")
    _add(balance, "Tp/CdOrPrtry/Cd", kind)
    _money(balance, cents)
    _add(balance, "Dt/Dt", day.isoformat())


def _money(parent: ET.Element, cents: int) -> None:
    _add(parent, "Amt", _euro(cents), Ccy=CURRENCY)
    _add(parent, "CdtDbtInd", "DBIT" if cents < 0 else "CRDT")


def _entry(statement: ET.Element, number: str, one: Movement) -> None:
    entry = _add(statement, "Ntry")
    _money(entry, one.cents)
    _add(entry, "Sts/Cd", "BOOK")
    _add(entry, "BookgDt/Dt", one.day.isoformat())
    _add(entry, "ValDt/Dt", one.day.isoformat())
    _add(entry, "AcctSvcrRef", number)
    code = _add(entry, "BkTxCd/Domn")
    _add(code, "Cd", "PMNT")
    family = _add(code, "Fmly")
    _add(family, "Cd", "ICDT" if one.cents < 0 else "RCDT")
    _add(family, "SubFmlyCd", "RRTN" if one.returned else "ESCT")
    if one.block is not None:
        batch = _add(entry, "NtryDtls/Btch")
        _add(batch, "PmtInfId", one.block[0])
        _add(batch, "NbOfTxs", str(one.block[1]))
        return
    details = _add(entry, "NtryDtls/TxDtls")
    references = _add(details, "Refs")
    _add(references, "EndToEndId", one.end_to_end or "NOTPROVIDED")
    _money(details, one.cents)
    parties = _add(details, "RltdPties")
    _add(parties, f"{one.side}/Pty/Nm", one.name)
    _add(parties, f"{one.side}Acct/Id/IBAN", one.iban)
    if one.reference or one.remittance:
        remittance = _add(details, "RmtInf")
        if one.remittance:
            _add(remittance, "Ustrd", one.remittance)
        if one.reference:
            _add(remittance, "Strd/CdtrRefInf/Ref", one.reference)
    if one.returned:
        _add(details, "RtrInf/Rsn/Cd", one.returned)
