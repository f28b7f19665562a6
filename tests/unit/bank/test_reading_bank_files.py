"""What is read of camt.053 and pain.002; a bad file is refused by element and reason, whatever its bytes are."""

from __future__ import annotations

import contextlib
from datetime import date
from random import Random

import pytest
from tallystick_cloud.bank import camt053, pain002, xml
from tallystick_cloud.bank.errors import BankInUnread
from tallystick_sim.bank import SimBank

IBAN, OTHER = "DE89370400440532013000", "FR7630006000011234567890189"
DAY = date(2026, 11, 30)


def statement() -> bytes:
    bank = SimBank(IBAN, 10_000)
    bank.receive(1250, DAY, "Anna Rossi", OTHER, reference="RF18539007547034", remittance="november")
    bank.receive(-99, DAY, "The bank", OTHER)
    return bank.statement(DAY)


def test_a_statement_is_read_to_the_cent() -> None:
    (found,) = camt053.statements_of(statement())
    assert (found.iban, found.opening_cents, found.closing_cents, found.closing_day) == (IBAN, 10_000, 11_151, DAY)
    first, second = found.entries
    assert (first.cents, first.name, first.iban, first.reference) == (1250, "Anna Rossi", OTHER, "RF18539007547034")
    assert (first.remittance, first.end_to_end) == ("november", None)
    assert (second.cents, second.bank_reference) == (-99, "S000001-2")


VERSION_2 = b"""<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.02"><BkToCstmrStmt><GrpHdr><MsgId>m</MsgId></GrpHdr><Stmt>
<Id>7</Id><Acct><Id><IBAN>DE89 3704 0044 0532 0130 00</IBAN></Id></Acct>
<Bal>
<Tp><CdOrPrtry><Cd>PRCD</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">0.00</Amt>
<CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-11-29</Dt></Dt></Bal>
<Bal>
<Tp><CdOrPrtry><Cd>CLBD</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">3.0</Amt>
<CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-11-30</Dt></Dt></Bal>
<Ntry><Amt Ccy="EUR">3</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>BOOK</Sts><BookgDt><Dt>2026-11-30</Dt></BookgDt>
<NtryDtls><TxDtls><AmtDtls><TxAmt><Amt Ccy="EUR">1.00</Amt></TxAmt></AmtDtls>
<RltdPties><Dbtr><Nm>A</Nm></Dbtr></RltdPties></TxDtls>
<TxDtls><AmtDtls><TxAmt><Amt Ccy="EUR">2.00</Amt></TxAmt></AmtDtls>
<RltdPties><Dbtr><Nm>B</Nm></Dbtr></RltdPties></TxDtls>
</NtryDtls></Ntry>
<Ntry><Amt Ccy="EUR">9</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>PDNG</Sts><BookgDt><Dt>2026-11-30</Dt></BookgDt></Ntry>
</Stmt></BkToCstmrStmt></Document>"""


def test_the_old_version_is_read_too_a_batch_payment_by_payment_and_nothing_that_is_only_announced() -> None:
    (found,) = camt053.statements_of(VERSION_2)
    assert [(one.cents, one.name) for one in found.entries] == [(100, "A"), (200, "B")]


def test_a_batch_whose_parts_do_not_make_its_sum_stays_one_entry() -> None:
    (found,) = camt053.statements_of(VERSION_2.replace(b'"EUR">2.00', b'"EUR">1.99'))
    assert [(one.cents, one.count) for one in found.entries] == [(300, 2)]


BAD = {
    "not XML": (b"hello", "is not XML at line 1"),
    "cut short": (statement()[:-40], "is not XML at line"),
    "other message": (statement().replace(b"camt.053.001.08", b"camt.052.001.08"), "expected camt.053.001.08"),
    "entities": (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "declares a document type"),
    "not UTF-8": (statement().replace(b"Anna", b"\xff\xfe"), "is not UTF-8 at byte"),
    "no closing": (statement().replace(b"CLBD", b"CLAV"), "Bal: of kind CLBD is missing"),
    "two openings": (statement().replace(b"CLBD", b"OPBD"), "is a second balance of kind OPBD"),
    "does not close": (statement().replace(b">12.50<", b">12.60<"), r"does not close: .* -10 cents off"),
    "no amount": (statement().replace(b'<Amt Ccy="EUR">0.99</Amt>', b""), r"Ntry\[2\]/Amt: is missing"),
    "a comma": (statement().replace(b"12.50", b"12,50"), "is '12,50'; expected an amount such as 12.50"),
    "three decimals": (statement().replace(b"12.50", b"12.505"), "banks move whole cents"),
    "a huge amount": (statement().replace(b"12.50", b"99999999999999.50"), "expected an amount"),
    "a minus": (statement().replace(b"12.50", b"-12.50"), "expected an amount"),
    "other currency": (
        statement().replace(b'Ccy="EUR">12.50', b'Ccy="USD">12.50'),
        "is in USD; this account is in EUR",
    ),
    "no side": (statement().replace(b"DBIT", b"DEBT"), "is 'DEBT'; expected CRDT or DBIT"),
    "a day that is none": (statement().replace(b"2026-11-30</Dt>", b"2026-02-30</Dt>"), "expected a day such as"),
    "no account": (statement().replace(b"IBAN", b"BBAN"), "Acct/Id/IBAN: is missing"),
    "an empty id": (statement().replace(b"<Id>S000001</Id>", b"<Id> </Id>"), "Id: is empty"),
    "two ids": (statement().replace(b"<Id>S000001</Id>", b"<Id>a</Id><Id>b</Id>"), "Id: stands 2 times"),
    "no statement": (statement().replace(b"Stmt>", b"Rpt>"), "is missing|holds 0 statements"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_statement_is_refused_with_element_and_reason(name: str) -> None:
    data, words = BAD[name]
    with pytest.raises(BankInUnread, match=words):
        camt053.statements_of(data)


def test_a_file_that_is_too_large_is_refused_before_it_is_read() -> None:
    with pytest.raises(BankInUnread, match="the limit is"):
        camt053.statements_of(b" " * (xml.FILE_BYTES_MAX + 1))


REPORT = b"""<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.03">
<CstmrPmtStsRpt><GrpHdr><MsgId>r1</MsgId></GrpHdr>
<OrgnlGrpInfAndSts><OrgnlMsgId>f1</OrgnlMsgId><GrpSts>PART</GrpSts></OrgnlGrpInfAndSts>
<OrgnlPmtInfAndSts><OrgnlPmtInfId>b</OrgnlPmtInfId><TxInfAndSts><OrgnlEndToEndId>e1</OrgnlEndToEndId><TxSts>RJCT</TxSts>
<StsRsnInf><Rsn><Cd>AC04</Cd></Rsn><AddtlInf>account closed</AddtlInf></StsRsnInf></TxInfAndSts></OrgnlPmtInfAndSts>
</CstmrPmtStsRpt></Document>"""


def test_a_status_report_says_what_is_rejected_and_why() -> None:
    found = pain002.report_of(REPORT)
    assert (found.id, found.file_id, found.rejects_all) == ("r1", "f1", False)
    assert [(one.end_to_end, one.is_rejected, one.reason) for one in found.lines] == [
        ("e1", True, "AC04 account closed")
    ]


def test_a_whole_block_can_be_rejected() -> None:
    start, end = REPORT.index(b"<TxInfAndSts>"), REPORT.index(b"</TxInfAndSts>") + len(b"</TxInfAndSts>")
    (line,) = pain002.report_of(REPORT[:start] + b"<PmtInfSts>RJCT</PmtInfSts>" + REPORT[end:]).lines
    assert (line.end_to_end, line.is_rejected) == (None, True)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (REPORT.replace(b"OrgnlMsgId>", b"X>"), "OrgnlMsgId: is missing"),
        (REPORT.replace(b"<OrgnlEndToEndId>e1</OrgnlEndToEndId>", b""), "OrgnlEndToEndId: is missing"),
        (REPORT.replace(b"<TxSts>RJCT</TxSts>", b""), "TxSts: is missing"),
        (REPORT.replace(b"pain.002.001.03", b"pain.001.001.03"), "expected pain.002.001.10"),
    ],
)
def test_a_bad_report_is_refused_with_element_and_reason(data: bytes, words: str) -> None:
    with pytest.raises(BankInUnread, match=words):
        pain002.report_of(data)


@pytest.mark.parametrize("whole", [statement(), VERSION_2, REPORT], ids=["camt 8", "camt 2", "pain.002"])
def test_spoilt_bytes_are_refused_or_read_and_nothing_else_escapes(whole: bytes) -> None:
    random = Random(20261129)
    for _ in range(500):
        data = bytearray(whole)
        for _ in range(random.randint(1, 3)):
            at = random.randrange(len(data))
            data[at : at + random.choice((0, 1, 8))] = random.choice(
                (b"", b"<", b"\0", b"&", bytes([random.randrange(256)]))
            )
        for read in (camt053.statements_of, pain002.report_of):
            with contextlib.suppress(BankInUnread):
                read(bytes(data))
