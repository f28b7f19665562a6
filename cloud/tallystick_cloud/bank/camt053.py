"""Reads account statements: camt.053 versions 2 and 8 (ISO 20022), as European banks send them.

It never matches anything; an entry that is announced but not booked is left out, because its money has not moved.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date

from .errors import BankInUnread
from .statement import AccountStatement, Entry
from .xml import Node, read

MESSAGES = ("camt.053.001.08", "camt.053.001.02")
STATEMENTS_MAX = 1_000  # in one file: some banks put a month of days into it
ENTRIES_MAX = 200_000
OPENINGS, CLOSINGS = ("OPBD", "PRCD"), ("CLBD",)  # opening booked, or the closing of the day before
NO_ID = "NOTPROVIDED"  # what banks write when there was no end-to-end id


def statements_of(data: bytes) -> list[AccountStatement]:
    """All statements of a file, each proved to close. Raises BankInUnread."""
    _, document = read(data, MESSAGES)
    found = list(document.need("BkToCstmrStmt").all("Stmt"))
    if not 1 <= len(found) <= STATEMENTS_MAX:
        raise BankInUnread("file", f"holds {len(found)} statements; expected 1 to {STATEMENTS_MAX}")
    return [_statement(one) for one in found]


def _statement(node: Node) -> AccountStatement:
    currency = node.text("Acct", "Ccy") or _any_currency(node)
    opening, opened = _balance(node, OPENINGS, currency)
    closing, closed = _balance(node, CLOSINGS, currency)
    nodes = list(node.all("Ntry"))
    if len(nodes) > ENTRIES_MAX:
        raise BankInUnread(node.path, f"has {len(nodes)} entries; the limit is {ENTRIES_MAX}")
    entries = tuple(entry for one in nodes if _is_booked(one) for entry in _entries(one, currency))
    iban = node.need("Acct", "Id", "IBAN").content().replace(" ", "").upper()
    made = AccountStatement(node.need("Id").content(), iban, currency, opening, opened, closing, closed, entries)
    made.check_closes()
    return made


def _any_currency(node: Node) -> str:
    """Where the account names none: that of its first balance."""
    for balance in node.all("Bal"):
        told = balance.need("Amt").element.get("Ccy")
        if told:
            return told
    raise BankInUnread(f"{node.path}/Acct/Ccy", "is missing, and no balance names a currency")


def _balance(node: Node, kinds: tuple[str, ...], currency: str) -> tuple[int, date]:
    by_kind: dict[str, Node] = {}
    for balance in node.all("Bal"):
        kind = balance.text("Tp", "CdOrPrtry", "Cd")
        if kind in kinds and by_kind.setdefault(kind, balance) is not balance:
            raise BankInUnread(balance.path, f"is a second balance of kind {kind}")
    for kind in kinds:
        if kind in by_kind:
            found = by_kind[kind]
            return _signed(found, currency), found.need("Dt").day()
    raise BankInUnread(
        f"{node.path}/Bal", f"of kind {' or '.join(kinds)} is missing; without it nothing can be checked"
    )


def _signed(node: Node, currency: str) -> int:
    cents = node.need("Amt").cents(currency)
    return cents if node.need("CdtDbtInd").one_of("CRDT", "DBIT") == "CRDT" else -cents


def _is_booked(node: Node) -> bool:
    status = node.need("Sts")
    told = status.text("Cd") or status.text("Prtry") if len(status.element) else status.content()
    return told == "BOOK"


def _entries(node: Node, currency: str) -> Iterator[Entry]:
    """An entry of one payment, or each payment of a batch when the bank tells their amounts."""
    whole = Entry(node.path, _signed(node, currency), _day(node), bank_reference=node.text("AcctSvcrRef"))
    whole = replace(whole, is_return=node.text("RvslInd") == "true", remittance=node.text("AddtlNtryInf") or "")
    details = [(part, one) for part in node.all("NtryDtls") for one in part.all("TxDtls")]
    batch = [found for part in node.all("NtryDtls") if (found := part.find("Btch")) is not None]
    if len(batch) == 1:
        whole = replace(whole, block=batch[0].text("PmtInfId"), count=_count(batch[0]))
    parts = [_detailed(whole, one, currency, alone=len(details) == 1) for _, one in details]
    if not parts:
        yield whole
    elif sum(one.cents for one in parts) == whole.cents:
        yield from parts
    else:  # the bank does not tell the amounts of all of them: then only the sum is sure
        yield replace(whole, count=max(whole.count, len(parts)))


def _day(node: Node) -> date:
    found = node.find("BookgDt") or node.need("ValDt")
    return found.day()


def _count(batch: Node) -> int:
    text = batch.text("NbOfTxs") or "1"
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= ENTRIES_MAX):
        raise BankInUnread(f"{batch.path}/NbOfTxs", f"is {text!r}; expected a number of payments")
    return int(text)


def _detailed(whole: Entry, node: Node, currency: str, *, alone: bool) -> Entry:
    """What is told about one payment; what it does not say is the whole entry's."""
    side = "Dbtr" if whole.cents > 0 else "Cdtr"
    parties = node.find("RltdPties")
    end_to_end = node.text("Refs", "EndToEndId")
    returned = node.find("RtrInf")
    structured = next((ref for one in _structured(node) if (ref := one.text("CdtrRefInf", "Ref"))), None)
    words = [one.content() for one in _unstructured(node)] or ([whole.remittance] if whole.remittance else [])
    return replace(
        whole,
        where=node.path,
        cents=_amount(whole, node, currency, alone),
        end_to_end=None if end_to_end == NO_ID else end_to_end,
        block=node.text("Refs", "PmtInfId") or whole.block,
        name=None if parties is None else _name(parties, side),
        iban=None if parties is None else _iban(parties, side),
        remittance=" ".join(words),
        reference=structured,
        bank_reference=node.text("Refs", "AcctSvcrRef") or whole.bank_reference,
        is_return=whole.is_return or returned is not None,
        return_reason=None if returned is None else returned.text("Rsn", "Cd") or returned.text("Rsn", "Prtry"),
        count=1,
    )


def _amount(whole: Entry, node: Node, currency: str, alone: bool) -> int:
    """Version 8 says it in Amt, version 2 in AmtDtls; a payment that is alone in its entry may leave it out."""
    found = node.find("Amt") or node.find("AmtDtls", "TxAmt", "Amt")
    if found is None:
        return whole.cents if alone else 0
    cents = found.cents(currency)
    indicator = node.find("CdtDbtInd")
    came_in = whole.cents > 0 if indicator is None else indicator.one_of("CRDT", "DBIT") == "CRDT"
    return cents if came_in else -cents


def _structured(node: Node) -> Iterator[Node]:
    found = node.find("RmtInf")
    return iter(()) if found is None else found.all("Strd")


def _unstructured(node: Node) -> Iterator[Node]:
    found = node.find("RmtInf")
    return iter(()) if found is None else found.all("Ustrd")


def _name(parties: Node, side: str) -> str | None:
    """Version 8 puts a person below Pty."""
    return parties.text(side, "Pty", "Nm") or parties.text(side, "Nm")


def _iban(parties: Node, side: str) -> str | None:
    found = parties.text(f"{side}Acct", "Id", "IBAN")
    return None if found is None else found.replace(" ", "").upper()
