"""`tallystick bank in | show | assign | dues | reference`: files from the bank, and what waits for a person.

It never guesses whose money it is; what nobody can tell stays in suspense until somebody says so.
"""

import argparse
import json
import sys
from pathlib import Path

from tallystick_cloud.bank import report, service
from tallystick_cloud.bank.due import all_dues
from tallystick_cloud.bank.errors import BankInUnread
from tallystick_cloud.bank.intake import take
from tallystick_cloud.bank.model import Standing
from tallystick_cloud.bank.reference import in_groups, reference_of
from tallystick_cloud.bank.xml import FILE_BYTES_MAX
from tallystick_cloud.commands.common import Commands, add_community, command, community_of, group, opened
from tallystick_cloud.commands.signing import party_of
from tallystick_cloud.errors import BadInput
from tallystick_cloud.parties.store import ids_by_name, names_by_id


def add(commands: Commands) -> None:
    words = group(commands, "bank", "Files from the bank: statements, status reports, and what nobody can tell yet.")
    found = command(
        words,
        "in",
        take_file,
        "Take an account statement (camt.053) or a status report (pain.002); the same again changes nothing.",
        "  tallystick bank in statement.xml --data D\n  tallystick bank in report.xml --json --data D\n",
    )
    found.add_argument("file", type=Path, metavar="FILE", help="camt.053 or pain.002, as the bank gives it")
    _common(found)
    found = command(
        words,
        "show",
        show,
        "Show each account as the bank and as the books see it, and the entries of its statements.",
        "  tallystick bank show --data D\n  tallystick bank show --suspense --json --data D\n",
    )
    found.add_argument("--suspense", action="store_true", help="only what waits for a person")
    _common(found)
    found = command(
        words,
        "assign",
        assign,
        "Say whose payment an entry in suspense is. Cannot be undone.",
        "  tallystick bank assign 4f1c02aa91b3 --party 'Ahmed Haddad' --yes --data D\n",
    )
    found.add_argument("entry", metavar="ENTRY", help="its id, as `show` prints it")
    found.add_argument("--party", required=True, metavar="NAME", help="who paid")
    found.add_argument("--yes", action="store_true", help="do not ask")
    _common(found)
    found = command(
        words,
        "dues",
        show_dues,
        "List who is to pay how much, to whom and under which reference.",
        "  tallystick bank dues --data D\n  tallystick bank dues --json --data D\n",
    )
    _common(found)
    found = command(
        words,
        "reference",
        show_reference,
        "The reference under which a user pays a collector, so that payments are told by themselves.",
        "  tallystick bank reference --payer 'Ahmed Haddad' --collector 'Casa Aurora' --data D\n",
    )
    found.add_argument("--payer", required=True, metavar="NAME", help="who is to pay")
    found.add_argument("--collector", required=True, metavar="NAME", help="whom")
    _common(found)


def _common(found: argparse.ArgumentParser) -> None:
    add_community(found)
    found.add_argument("--json", action="store_true", help="print JSON")


def take_file(parsed: argparse.Namespace) -> int:
    if parsed.file.stat().st_size > FILE_BYTES_MAX:
        raise BankInUnread(str(parsed.file), f"is larger than {FILE_BYTES_MAX} bytes; ask for one file per day")
    data = parsed.file.read_bytes()
    options = opened(parsed)
    try:
        name = community_of(options, parsed.community)
        names = options.database.read_now(names_by_id, name)
        taken = options.database.write_now(take, name, data, options.clock.utc_ms())
    finally:
        options.database.close()
    if isinstance(taken, service.Reported):
        print(json.dumps(report.reported_json(taken), indent=1) if parsed.json else report.reported_text(taken))
    elif parsed.json:
        print(json.dumps([report.taken_json(one, names) for one in taken], indent=1))
    else:
        print("\n".join(report.taken_text(one, names) for one in taken))
    return 0


def show(parsed: argparse.Namespace) -> int:
    options = opened(parsed)
    try:
        name = community_of(options, parsed.community)
        names = options.database.read_now(names_by_id, name)
        positions = options.database.read_now(service.positions, name)
        standing = Standing.SUSPENSE if parsed.suspense else None
        entries = options.database.read_now(service.entries, name, standing)
    finally:
        options.database.close()
    if parsed.json:
        print(json.dumps(report.all_json(positions, entries, names), indent=1))
        return 0
    lines = [report.position_text(one, names) for one in positions] + [report.entry_text(one) for one in entries]
    print("\n".join(lines) or "no statement was taken yet; next: tallystick bank in FILE")
    return 0


def assign(parsed: argparse.Namespace) -> int:
    options = opened(parsed)
    try:
        name = community_of(options, parsed.community)
        names = options.database.read_now(names_by_id, name)
        payer = party_of(name, options.database.read_now(ids_by_name, name), parsed.party)
        if not parsed.yes:
            _ask(f"Book entry {parsed.entry} as a payment of {parsed.party}? This cannot be undone.")
        found = options.database.write_now(service.assign, name, parsed.entry, payer, options.clock.utc_ms())
    finally:
        options.database.close()
    print(json.dumps(report.entry_json(found, names), indent=1) if parsed.json else report.entry_text(found))
    return 0


def show_dues(parsed: argparse.Namespace) -> int:
    options = opened(parsed)
    try:
        name = community_of(options, parsed.community)
        found = options.database.read_now(all_dues, name, options.clock.utc_ms())
    finally:
        options.database.close()
    if parsed.json:
        print(json.dumps([report.due_json(one) for one in found], indent=1))
        return 0
    print("\n".join(report.due_text(one) for one in found) or "nobody owes a cent or more")
    return 0


def show_reference(parsed: argparse.Namespace) -> int:
    options = opened(parsed)
    try:
        name = community_of(options, parsed.community)
        ids = options.database.read_now(ids_by_name, name)
    finally:
        options.database.close()
    found = reference_of(name, party_of(name, ids, parsed.collector), party_of(name, ids, parsed.payer))
    print(json.dumps({"reference": found}) if parsed.json else in_groups(found))
    return 0


def _ask(question: str) -> None:
    if not sys.stdin.isatty():
        raise BadInput("--yes", f"is missing; nobody is here to answer: {question}")
    if input(f"{question} [y/N] ").strip().lower() not in ("y", "yes"):
        raise BadInput("answer", "was not yes; nothing is changed")
