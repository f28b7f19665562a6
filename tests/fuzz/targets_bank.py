"""Fuzz targets of what banks and payment providers send: account statements (camt.053), payment status reports
(pain.002), outcomes of payments (CSV)."""

from __future__ import annotations

from datetime import date

from fuzz.target import Target
from tallystick_cloud.bank import camt053, pain002
from tallystick_cloud.bank.errors import BankInUnread
from tallystick_cloud.errors import BadInput
from tallystick_cloud.splits import answer
from tallystick_sim.bank import SimBank

_IBAN, _OTHER = "DE89370400440532013000", "FR7630006000011234567890189"
_DAY = date(2026, 11, 30)
_REPORT = b"""<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.10">
<CstmrPmtStsRpt><GrpHdr><MsgId>r</MsgId></GrpHdr>
<OrgnlGrpInfAndSts><OrgnlMsgId>m-1</OrgnlMsgId><GrpSts>PART</GrpSts></OrgnlGrpInfAndSts>
<OrgnlPmtInfAndSts><OrgnlPmtInfId>p-1</OrgnlPmtInfId><TxInfAndSts>
<OrgnlEndToEndId>e-1</OrgnlEndToEndId><TxSts>RJCT</TxSts>
<StsRsnInf><Rsn><Cd>AC04</Cd></Rsn><AddtlInf>closed</AddtlInf></StsRsnInf></TxInfAndSts></OrgnlPmtInfAndSts>
</CstmrPmtStsRpt></Document>"""

_OUTCOMES = [
    b"payment,outcome\n" + b"0123456789abcdef" * 2 + b",paid\n" + b"fedcba9876543210" * 2 + b",refused\n",
    b'\xef\xbb\xbfid,"Outcome",payment\r\n\r\n7,returned,' + b"0123456789abcdef" * 2 + b"\r\n",
]


def _statement() -> list[bytes]:
    bank = SimBank(_IBAN, 10_000)
    bank.receive(1250, _DAY, "Anna Rossi", _OTHER, reference="RF18539007547034", remittance="november")
    bank.receive(-99, _DAY, "The bank", _OTHER)
    return [bank.statement(_DAY)]


BANK = (
    Target("bank-statement", camt053.statements_of, (BankInUnread,), _statement, bytes_max=8192, ci=4_000),
    Target("bank-report", pain002.report_of, (BankInUnread,), lambda: [_REPORT], bytes_max=8192),
    Target("provider-outcomes", answer.read, (BadInput,), lambda: _OUTCOMES),
)
