"""Reads payment status reports: pain.002 versions 3 and 10 (ISO 20022), the bank's answer to a file of payments.

It never books; a report without a rejection only says that the file has arrived.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from .errors import BankInUnread
from .xml import Node, read

MESSAGES = ("pain.002.001.10", "pain.002.001.03")
LINES_MAX = 200_000
REJECTED = "RJCT"


@dataclass(frozen=True, slots=True)
class StatusLine:
    """What the bank said of one payment, by its end-to-end id; None: of a whole block, by the id that we gave it."""

    where: str
    end_to_end: str | None
    status: str
    reason: str
    block: str | None = None

    @property
    def is_rejected(self) -> bool:
        return self.status == REJECTED


@dataclass(frozen=True, slots=True)
class StatusReport:
    """`file_id` is the message id of our file; `block` the id of its block, where the report names it."""

    id: str
    file_id: str
    status: str | None
    lines: tuple[StatusLine, ...]

    @property
    def rejects_all(self) -> bool:
        return self.status == REJECTED


def report_of(data: bytes) -> StatusReport:
    """Raises BankInUnread."""
    _, document = read(data, MESSAGES)
    body = document.need("CstmrPmtStsRpt")
    group = body.need("OrgnlGrpInfAndSts")
    status = group.text("GrpSts")
    lines = tuple(_lines(body))
    if len(lines) > LINES_MAX:
        raise BankInUnread("file", f"has {len(lines)} lines; the limit is {LINES_MAX}")
    if status is None and not lines:
        raise BankInUnread(f"{group.path}/GrpSts", "is missing, and no payment has a status")
    return StatusReport(body.need("GrpHdr", "MsgId").content(), group.need("OrgnlMsgId").content(), status, lines)


def _lines(body: Node) -> Iterator[StatusLine]:
    for block in body.all("OrgnlPmtInfAndSts"):
        payments = list(block.all("TxInfAndSts"))
        status = block.text("PmtInfSts")
        if status == REJECTED and not payments:
            yield StatusLine(block.path, None, status, _reason(block), block.text("OrgnlPmtInfId"))
        for one in payments:
            told = one.text("TxSts") or status
            if told is None:
                raise BankInUnread(f"{one.path}/TxSts", "is missing")
            yield StatusLine(one.path, one.need("OrgnlEndToEndId").content(), told, _reason(one) or _reason(block))


def _reason(node: Node) -> str:
    """The bank's codes and words, such as "AC04 account closed"."""
    found = []
    for one in node.all("StsRsnInf"):
        code = one.text("Rsn", "Cd") or one.text("Rsn", "Prtry")
        found += [code] if code else []
        found += [text.content() for text in one.all("AddtlInf")]
    return " ".join(found)
