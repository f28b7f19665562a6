"""Bad files from a bank: each is refused by the real command with element and reason, and nothing changes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import pytest
from support.books import T0, TOWN, dump
from support.payouts import IBANS
from tallystick_cloud.cli import main
from tallystick_cloud.clock import VARIABLE, real_utc_ms
from tallystick_cloud.db import Database
from tallystick_cloud.home import Home
from tallystick_sim.bank import SimBank

DAY = date(2026, 11, 5)
STRANGER = "FR7630006000011234567890189"


def _statements() -> tuple[bytes, bytes]:
    """Of two days that follow each other, with a payment and the bank's own fee on the second."""
    bank = SimBank(IBANS["Coop"], 500_000)
    first = bank.statement(DAY)
    bank.receive(1250, DAY + timedelta(days=1), "Anna Rossi", STRANGER, remittance="washing")
    bank.receive(-99, DAY + timedelta(days=1), "The bank", STRANGER, remittance="fee")
    return first, bank.statement(DAY + timedelta(days=1))


FIRST, GOOD = _statements()
UNKNOWN = (
    "file: is '{}'; expected camt.053.001.08 or camt.053.001.02 or pain.002.001.10 or pain.002.001.03. "
    "Ask the bank for that format"
)
NO_XML = "file: is not XML at line {}, column {}; ask the bank for camt.053 or pain.002"
STATEMENT = "Document/BkToCstmrStmt/Stmt[1]/"
REPORT = b"""<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.10">
<CstmrPmtStsRpt><GrpHdr><MsgId>r1</MsgId></GrpHdr>
<OrgnlGrpInfAndSts><OrgnlMsgId>f1</OrgnlMsgId><GrpSts>RJCT</GrpSts></OrgnlGrpInfAndSts>
</CstmrPmtStsRpt></Document>"""


def changed(old: str, new: str, count: int = -1, data: bytes = GOOD) -> bytes:
    assert old.encode() in data, old
    return data.replace(old.encode(), new.encode(), count)


def closing(amount: str) -> bytes:
    """GOOD with another amount that came in and the closing that goes with nothing."""
    return changed(">12.50<", f">{amount}<")


BAD: dict[str, tuple[bytes, str]] = {
    "nothing at all": (b"", NO_XML.format(1, 1)),
    "a web page": (b"<html><body>Your session has expired.</body></html>", UNKNOWN.format("html")),
    "a table": (b"date;amount\n2026-11-30;12,50\n", NO_XML.format(1, 5)),
    "JSON": (b'{"amount": 12.5}', NO_XML.format(1, 1)),
    "a PDF": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "file: is not UTF-8 at byte 10; ask the bank for UTF-8"),
    "a zip archive": (b"PK\x03\x04\x14\x00\x00\x00", NO_XML.format(1, 3)),
    "cut short": (GOOD[:-40], NO_XML.format(135, 4)),
    "UTF-16": (GOOD.decode().encode("utf-16"), "file: is not UTF-8 at byte 0; ask the bank for UTF-8"),
    "Latin-1": (
        changed("Anna Rossi", "Ännä").decode().encode("latin-1"),
        "file: is not UTF-8 at byte 1748; ask the bank for UTF-8",
    ),
    "a NUL": (changed("Anna", "An\0na"), NO_XML.format(73, 25)),
    "an unknown entity": (changed("Anna", "&anna;"), NO_XML.format(73, 23)),
    "entities that grow": (
        b'<!DOCTYPE a [<!ENTITY b "bbbb">]><a>&b;</a>',
        "file: declares a document type or entities; no bank needs that",
    ),
    "nested too deeply": (b"<a>" * 50_000 + b"</a>" * 50_000, UNKNOWN.format("a")),
    "another message": (changed("camt.053.001.08", "camt.052.001.08"), UNKNOWN.format("camt.052.001.08")),
    "a version of tomorrow": (changed("camt.053.001.08", "camt.053.001.13"), UNKNOWN.format("camt.053.001.13")),
    "no statement": (
        re.sub(rb"<Stmt>.*</Stmt>", b"", GOOD, flags=re.DOTALL),
        "file: holds 0 statements; expected 1 to 1000",
    ),
    "no account": (changed("IBAN", "BBAN"), STATEMENT + "Acct/Id/IBAN: is missing; ask the bank for a complete file"),
    "an account of nobody": (
        changed(IBANS["Coop"], STRANGER),
        "statement S000002, account: FR7630006000011234567890189 is no party's here; add it to the one it belongs to",
    ),
    "another currency": (
        changed('Ccy="EUR"', 'Ccy="USD"').replace(b"<Ccy>EUR", b"<Ccy>USD"),
        "statement S000002, account: is in USD; the books of payouts are in EUR",
    ),
    "two currencies": (
        changed('Ccy="EUR">12.50', 'Ccy="USD">12.50'),
        STATEMENT + "Ntry[1]/Amt: is in USD; this account is in EUR",
    ),
    "no closing balance": (
        changed("CLBD", "CLAV"),
        STATEMENT + "Bal: of kind CLBD is missing; without it nothing can be checked",
    ),
    "two opening balances": (changed("CLBD", "OPBD"), STATEMENT + "Bal[2]: is a second balance of kind OPBD"),
    "sums that do not close": (
        closing("12.60"),
        "statement S000002: does not close: opening and 2 entries are -10 cents off the closing; "
        "ask the bank for it again",
    ),
    "no amount": (
        changed('<Amt Ccy="EUR">0.99</Amt>', "", 1),
        STATEMENT + "Ntry[2]/Amt: is missing; ask the bank for a complete file",
    ),
    "a decimal comma": (closing("12,50"), STATEMENT + "Ntry[1]/Amt: is '12,50'; expected an amount such as 12.50"),
    "thousands with points": (
        closing("1.012.50"),
        STATEMENT + "Ntry[1]/Amt: is '1.012.50'; expected an amount such as 12.50",
    ),
    "a tenth of a cent": (closing("12.505"), STATEMENT + "Ntry[1]/Amt: is 12.505; banks move whole cents"),
    "a negative amount": (closing("-12.50"), STATEMENT + "Ntry[1]/Amt: is '-12.50'; expected an amount such as 12.50"),
    "an exponent": (closing("1e3"), STATEMENT + "Ntry[1]/Amt: is '1e3'; expected an amount such as 12.50"),
    "not a number": (closing("NaN"), STATEMENT + "Ntry[1]/Amt: is 'NaN'; expected an amount such as 12.50"),
    "digits of another script": (
        closing("١٢.٥٠"),
        STATEMENT + "Ntry[1]/Amt: is '١٢.٥٠'; expected an amount such as 12.50",
    ),
    "more than the books can hold": (
        closing("9223372036.86"),
        STATEMENT + "Ntry[1]/Amt: is 9223372036.86; the books hold amounts up to 9223372036.85",
    ),
    "fourteen digits": (
        closing("99999999999999.00"),
        STATEMENT + "Ntry[1]/Amt: is '99999999999999.00'; expected an amount such as 12.50",
    ),
    "no side": (changed("DBIT", "DEBT"), STATEMENT + "Ntry[2]/CdtDbtInd: is 'DEBT'; expected CRDT or DBIT"),
    "a day that is none": (
        changed("2026-11-06", "2026-02-30"),
        STATEMENT + "Bal[1]/Dt/Dt: is '2026-02-30'; expected a day such as 2026-11-30",
    ),
    "a day written as people do": (
        changed("2026-11-06", "06.11.2026"),
        STATEMENT + "Bal[1]/Dt/Dt: is '06.11.2026'; expected a day such as 2026-11-30",
    ),
    "a day of another millennium": (
        changed("2026-11-06", "9999-12-31"),
        STATEMENT + "Bal[1]/Dt/Dt: is '9999-12-31'; expected a day such as 2026-11-30",
    ),
    "closed before it opened": (
        changed("2026-11-06</Dt>", "2026-11-07</Dt>", 1),
        "statement S000002: closes on 2026-11-06 and opened on 2026-11-07; ask the bank for it again",
    ),
    "an empty id": (changed("<Id>S000002</Id>", "<Id> </Id>"), STATEMENT + "Id: is empty"),
    "an id without end": (
        changed("<Id>S000002</Id>", f"<Id>{'x' * 600}</Id>"),
        STATEMENT + "Id: has 600 characters; the limit is 500",
    ),
    "a day missing between": (
        changed("5000.00", "5001.00").replace(b"5011.51", b"5012.51"),
        "statement S000002: opens with 5001.00 EUR, the last one taken (S000001, 2026-11-05) closed with 5000.00 EUR; "
        "take the statements between them first",
    ),
    "known, with other content": (
        changed("2026-11-05", "2026-11-04", data=FIRST),
        "statement S000001: was taken before with other content; ask the bank which one holds",
    ),
    "a report on a file that is not ours": (REPORT, "report r1: answers the file f1, which is none of ours"),
    "a report on nothing": (
        changed("OrgnlMsgId>", "X>", data=REPORT),
        "Document/CstmrPmtStsRpt/OrgnlGrpInfAndSts/OrgnlMsgId: is missing; ask the bank for a complete file",
    ),
    "a report without a verdict": (
        changed("<GrpSts>RJCT</GrpSts>", "", data=REPORT),
        "Document/CstmrPmtStsRpt/OrgnlGrpInfAndSts/GrpSts: is missing, and no payment has a status",
    ),
    "the file that we sent": (
        changed("pain.002.001.10", "pain.001.001.09", data=REPORT),
        UNKNOWN.format("pain.001.001.09"),
    ),
}


@contextmanager
def founded(folder: Path) -> Iterator[Path]:
    """An aggregator's folder in November 2026, with the first day's statement taken."""
    town = TOWN.partition("[[contract]]")[0].replace('name = "Coop"\n', f'name = "Coop"\niban = "{IBANS["Coop"]}"\n', 1)
    (folder / "town.toml").write_text(town)
    (folder / "first.xml").write_bytes(FIRST)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, f"1,{real_utc_ms()},{T0}")
        assert main(["init", "--data", str(folder / "data")]) == 0
        words = ["community", "import", str(folder / "town.toml"), "--claims", str(folder / "claims")]
        assert main([*words, "--server", "https://localhost:1", "--data", str(folder / "data")]) == 0
        assert main(["bank", "in", str(folder / "first.xml"), "--data", str(folder / "data")]) == 0
        yield folder / "data"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with founded(tmp_path_factory.mktemp("bank")) as found:
        yield found


@pytest.fixture(scope="module")
def database(data: Path) -> Iterator[Database]:
    found = Home(data).database()
    yield found
    found.close()


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_word_for_word_and_nothing_changes(
    name: str, data: Path, database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content, refused = BAD[name]
    (tmp_path / "file.xml").write_bytes(content)
    before = database.read_now(dump)
    assert main(["bank", "in", str(tmp_path / "file.xml"), "--data", str(data)]) == 1
    assert capsys.readouterr().err == f"tallystick: {refused}\n"
    assert database.read_now(dump) == before


def test_the_catalogue_is_large_and_what_it_bends_is_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Even with as much remittance as a bank sends, in letters that are put together from parts."""
    assert len(BAD) >= 25
    (tmp_path / "good.xml").write_bytes(changed("washing", "wa\u0308schen " * 14))
    with founded(tmp_path) as data:
        database = Home(data).database()
        before = database.read_now(dump)
        assert main(["bank", "in", str(tmp_path / "good.xml"), "--data", str(data)]) == 0
        taken = database.read_now(dump)
        assert taken != before
        assert main(["bank", "in", str(tmp_path / "good.xml"), "--data", str(data)]) == 0
        assert database.read_now(dump) == taken
        database.close()
    capsys.readouterr()
