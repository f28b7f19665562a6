"""`tallystick invoice setup | issue | self-bill | list | show | pdf | xml | credit`.

It never changes a document that was issued.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

from tallystick_cloud.commands.common import Commands, Options, add_community, ask, command, community_of, group, opened
from tallystick_cloud.commands.signing import party_of
from tallystick_cloud.errors import BadInput
from tallystick_cloud.http.locale import DEFAULT, Wording
from tallystick_cloud.invoices import payees, provided, replacement, report, service, store, ubl
from tallystick_cloud.invoices.desk import Asked, show
from tallystick_cloud.invoices.service import Issued
from tallystick_cloud.invoices.setup import EXAMPLE
from tallystick_cloud.invoices.store import Stored
from tallystick_cloud.keys import write_private
from tallystick_cloud.money import decimal
from tallystick_cloud.parties.store import ids_by_name
from tallystick_cloud.town.table import FILE_BYTES_MAX

SETUP_HELP = "\na setup file:\n" + "".join(f"  {line}\n" for line in EXAMPLE.splitlines())


def add(commands: Commands) -> None:
    words = group(commands, "invoice", "Invoices, credit notes and self-billed documents, as PDF and as EN 16931 XML.")
    set_up = command(
        words,
        "setup",
        setup,
        "Say who issues, under which prefix, with which tax; what is issued later says it.",
        "  tallystick invoice setup invoices.toml --party 'Casa Aurora' --data D\n" + SETUP_HELP,
    )
    set_up.add_argument("file", type=Path, metavar="FILE", help="the setup in TOML, as below")
    _party(set_up)
    _common(set_up)
    _add_issue(words)
    listed = command(
        words,
        "list",
        list_all,
        "All documents, the newest first.",
        "  tallystick invoice list --data D\n  tallystick invoice list --json --data D\n",
    )
    _common(listed)
    _numbered(words, "show", show_one, "One document with its lines and taxes.", "--json --data D")
    for name, act, what in (("pdf", write_pdf, "a PDF sheet"), ("xml", write_xml, "EN 16931 XML (UBL 2.1)")):
        found = _numbered(words, name, act, f"Write a document as {what}; again gives the same bytes.",
                          f"--out CA-2026-0001.{name} --data D")  # fmt: skip
        found.add_argument("-o", "--out", type=Path, required=True, metavar="FILE", help="the file to write")
    credit = _numbered(
        words,
        "credit",
        take_back,
        "Take a whole invoice back by a credit note, and issue it anew with the setup of now. For a wrong name, address"
        " or tax; a wrong amount is corrected in the books, and the next issue writes the credit note by itself.",
        "--why 'The VAT id was missing.' --party 'Casa Aurora' --data D",
    )
    credit.add_argument("--why", required=True, metavar="TEXT", help="what was wrong; it stands on both documents")
    _party(credit)
    credit.add_argument("--yes", action="store_true", help="do not ask")


def _add_issue(words: Commands) -> None:
    found = command(
        words,
        "issue",
        issue,
        "Issue what a settled month charges: an invoice per buyer, a credit note per invoice that became less.",
        "  tallystick invoice issue 2026-11 --party 'Casa Aurora' --dry-run --data D\n"
        "  tallystick invoice issue 2026-11 --party 'Casa Aurora' --data D\n",
    )
    found.add_argument("period", metavar="PERIOD", help="a month, YYYY-MM")
    found.add_argument("--dry-run", action="store_true", help="show what would be issued; keep nothing")
    found.add_argument("--issuer", metavar="NAME", help="who issues (default: the only one with a setup)")
    _party(found)
    _common(found)
    billed = command(
        words,
        "self-bill",
        self_bill,
        "Write a document in the name of each payee of a payout run that the bank has, over what it was paid.",
        "  tallystick invoice self-bill 1 --party 'Casa Aurora' --data D\n"
        "  tallystick invoice self-bill 1 --split --party 'Casa Aurora' --data D\n",
    )
    billed.add_argument("number", type=int, metavar="RUN", help="number of the payout run")
    billed.add_argument("--split", action="store_true", help="of a split run: what a payment provider passed on")
    _party(billed)
    _common(billed)


def _numbered(
    words: Commands, name: str, act: Callable[[argparse.Namespace], int], about: str, example: str
) -> argparse.ArgumentParser:
    found = command(words, name, act, about, f"  tallystick invoice {name} CA-2026-0001 {example}\n")
    found.add_argument("number", metavar="NUMBER", help="of the document, as `tallystick invoice list` shows it")
    _common(found)
    return found


def _party(found: argparse.ArgumentParser) -> None:
    found.add_argument("--party", required=True, metavar="NAME", help="who does it: the issuer or a community manager")


def _common(found: argparse.ArgumentParser) -> None:
    add_community(found)
    found.add_argument("--json", action="store_true", help="print it as JSON")


def setup(parsed: argparse.Namespace) -> int:
    text = _text(parsed.file)
    options = opened(parsed)
    try:
        name = community_of(options, parsed.community)
        party = party_of(name, options.database.read_now(ids_by_name, name), parsed.party)
        where = str(parsed.file)
        said = options.database.write_now(service.set_up, name, text, where, party, options.clock.utc_ms())
    finally:
        options.database.close()
    answer = {"issuer": said.issuer, "prefix": said.prefix, "tax": said.tax.reason or f"{decimal(said.tax.rate)} %"}
    print(json.dumps(answer) if parsed.json else f"{said.issuer} issues {said.prefix}-...; {answer['tax']}")
    return 0


def issue(parsed: argparse.Namespace) -> int:
    act = service.would_issue if parsed.dry_run else service.issue

    def run(options: Options, name: str, ids: dict[str, bytes]) -> Issued:
        issuer = None if parsed.issuer is None else party_of(name, ids, parsed.issuer)
        asked = Asked(party_of(name, ids, parsed.party), issuer)
        return options.database.write_now(act, name, _month(parsed.period), asked, options.clock.utc_ms())

    return _issued(parsed, run, is_trial=parsed.dry_run)


def self_bill(parsed: argparse.Namespace) -> int:
    def run(options: Options, name: str, ids: dict[str, bytes]) -> Issued:
        party = party_of(name, ids, parsed.party)
        act = provided.self_bill if parsed.split else payees.self_bill
        return options.database.write_now(act, name, parsed.number, party, options.clock.utc_ms())

    return _issued(parsed, run, is_trial=False)


def list_all(parsed: argparse.Namespace) -> int:
    return _shown(parsed, lambda options, name: options.database.read_now(store.documents, name))


def show_one(parsed: argparse.Namespace) -> int:
    return _shown(parsed, lambda options, name: [options.database.read_now(show, name, parsed.number)])


def write_pdf(parsed: argparse.Namespace) -> int:
    from tallystick_cloud.invoices.pdf import draw  # the typeface tools take half a second that other words do not need

    return _written(parsed, lambda one: draw(one.document, Wording(DEFAULT, ZoneInfo("UTC"))))


def write_xml(parsed: argparse.Namespace) -> int:
    return _written(parsed, lambda one: ubl.write(one.document))


def take_back(parsed: argparse.Namespace) -> int:
    def read(options: Options, name: str) -> list[Stored]:
        party = party_of(name, options.database.read_now(ids_by_name, name), parsed.party)
        ask(parsed.yes, f"Take back {parsed.number} and issue it anew? This cannot be undone.")
        now_ms = options.clock.utc_ms()
        return list(
            options.database.write_now(replacement.replace_document, name, parsed.number, parsed.why, party, now_ms)
        )

    return _shown(parsed, read)


def _issued(
    parsed: argparse.Namespace, run: Callable[[Options, str, dict[str, bytes]], Issued], *, is_trial: bool
) -> int:
    options = opened(parsed)
    try:
        name = community_of(options, parsed.community)
        ids = options.database.read_now(ids_by_name, name)
        found = run(options, name, ids)
    finally:
        options.database.close()
    names = {party: label for label, party in ids.items()}
    answer = report.issued_json(found, names)
    print(json.dumps(answer, indent=1) if parsed.json else report.issued_text(found, names, is_trial=is_trial))
    return 0


def _shown(parsed: argparse.Namespace, read: Callable[[Options, str], list[Stored]]) -> int:
    options = opened(parsed)
    try:
        name = community_of(options, parsed.community)
        found = read(options, name)
        names = {party: label for label, party in options.database.read_now(ids_by_name, name).items()}
    finally:
        options.database.close()
    is_list = parsed.invoice_command in ("list", "credit")
    if parsed.json:
        rows = [report.as_json(one, names) for one in found]
        print(json.dumps(rows if is_list else rows[0], indent=1))
        return 0
    text = report.line_of if parsed.invoice_command == "list" else report.as_text
    print("\n".join(text(one, names) for one in found) or "no document yet; next: tallystick invoice issue PERIOD")
    return 0


def _written(parsed: argparse.Namespace, draw: Callable[[Stored], bytes]) -> int:
    """The file is 0600: it says what a person used."""
    options = opened(parsed)
    try:
        name = community_of(options, parsed.community)
        one = options.database.read_now(show, name, parsed.number)
    finally:
        options.database.close()
    data = draw(one)
    if parsed.out.exists():
        if parsed.out.read_bytes() != data:
            raise BadInput("--out", f"{parsed.out} is there with other content; name another file")
    else:
        write_private(parsed.out, data)
    answer = {"number": one.number, "file": str(parsed.out), "bytes": len(data)}
    print(json.dumps(answer) if parsed.json else f"{one.number} in {parsed.out}, {len(data)} bytes")
    return 0


def _month(text: str) -> str:
    year, dash, month = text.partition("-")
    if not (dash and len(year) == 4 and len(month) == 2 and (year + month).isdigit() and 1 <= int(month) <= 12):
        raise BadInput("PERIOD", f"is {text!r}; write a month as YYYY-MM")
    return text


def _text(path: Path) -> str:
    data = path.read_bytes()
    if len(data) > FILE_BYTES_MAX:
        raise BadInput(str(path), f"is {len(data)} bytes, the limit is {FILE_BYTES_MAX}")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise BadInput(str(path), "is not UTF-8 text") from None
