"""`tallystick unclaimed rule | due | move | list | claim`: money that is owed for long and cannot be paid.

It never ends a debt, and it never moves anything before the community has a rule.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from tallystick_cloud.commands.common import (
    Commands,
    Options,
    add_community,
    ask,
    command,
    community_of,
    group,
    may_decide,
    opened,
)
from tallystick_cloud.commands.signing import party_of
from tallystick_cloud.errors import BadInput
from tallystick_cloud.http.authz import Role
from tallystick_cloud.money import money
from tallystick_cloud.parties.store import ids_by_name, names_by_id
from tallystick_cloud.payouts.store import accounts
from tallystick_cloud.unclaimed import report, service, store

DECIDERS = frozenset({Role.COMMUNITY_MANAGER})


def add(commands: Commands) -> None:
    words = group(commands, "unclaimed", "Money that is owed for long to somebody who cannot be paid.")
    _rule(words)
    found = command(
        words,
        "due",
        due,
        "What has waited longer than the rule says, and why it could not be paid. Changes nothing.",
        "  tallystick unclaimed due --data D\n  tallystick unclaimed due --json --data D\n",
    )
    _common(found)
    found = command(
        words,
        "move",
        move,
        "Move what is due to the unclaimed account, by one journal each; it stays owed.",
        "  tallystick unclaimed move --by 'Giulia Ferrari' --why 'three letters came back' --data D\n"
        "  tallystick unclaimed move 'Anna Rossi' --erased --by 'Giulia Ferrari' --why 'her wish' --data D\n",
    )
    found.add_argument("party", nargs="?", metavar="PARTY", help="what is owed to it alone (default: to everybody)")
    found.add_argument(
        "--erased", action="store_true", help="the party was erased: its bank account counts for nothing"
    )
    _by(found, "--why", "the auditor and the party read it")
    found = command(
        words,
        "list",
        show,
        "What was moved, why, and what was claimed back.",
        "  tallystick unclaimed list --data D\n  tallystick unclaimed list --csv --data D > unclaimed.csv\n",
    )
    _common(found)
    found.add_argument("--csv", action="store_true", help="print CSV; amounts as decimals")
    found = command(
        words,
        "claim",
        claim,
        "Give it back to the party who has shown who it is: it is payable again, and the next payout run pays it.",
        "  tallystick unclaimed claim 3fa901bc --by 'Giulia Ferrari' --identity 'passport seen on 5 November' \\\n"
        "    --iban IT60X0542811101000000123456 --account-holder 'Anna Rossi' --data D\n",
    )
    found.add_argument("id", metavar="ID", help="as `tallystick unclaimed list` shows it")
    found.add_argument("--iban", help="where to pay it, when the community does not know")
    found.add_argument("--account-holder", metavar="NAME", help="whose account that is (default: the party's name)")
    _by(found, "--identity", "how the party showed who it is")


def _rule(words: Commands) -> None:
    found = command(
        words,
        "rule",
        rule,
        "After how many days money that cannot be paid is unclaimed; without a rule nothing is ever moved.",
        "  tallystick unclaimed rule --data D\n"
        "  tallystick unclaimed rule --days 1095 --decision 'statute, article 12' --by 'Giulia Ferrari' --data D\n",
    )
    found.add_argument("--days", type=int, metavar="N", help="set it (without: show it)")
    found.add_argument("--decision", metavar="TEXT", help="what fixed it: a statute, an assembly's minutes")
    found.add_argument("--by", metavar="NAME", help="the community manager who enters it")
    _common(found)


def _by(found: argparse.ArgumentParser, what: str, meaning: str) -> None:
    found.add_argument("--by", required=True, metavar="NAME", help="the community manager who decides")
    found.add_argument(what, required=True, metavar="TEXT", help=meaning)
    found.add_argument("--yes", action="store_true", help="do not ask")
    _common(found)


def _common(found: argparse.ArgumentParser) -> None:
    add_community(found)
    found.add_argument("--json", action="store_true", help="print JSON; amounts in nano as strings")


def rule(parsed: argparse.Namespace) -> int:
    options = opened(parsed)
    try:
        name = community_of(options, parsed.community)
        if parsed.days is not None:
            by = _decider(options, name, parsed.by)
            said = parsed.decision or ""
            options.database.write_now(service.decide_rule, name, parsed.days, said, by, options.clock.utc_ms())
        row = options.database.read_now(store.rule, name)
    finally:
        options.database.close()
    if parsed.json:
        print(json.dumps(None if row is None else {"days": row.days, "decision": row.decision}))
    elif row is None:
        print(
            f"{name} has no rule: nothing is moved to the unclaimed account; --days N --decision TEXT --by NAME sets it"
        )
    else:
        print(f"{name}: after {row.days} days ({row.decision})")
    return 0


def due(parsed: argparse.Namespace) -> int:
    options = opened(parsed)
    try:
        name = community_of(options, parsed.community)
        found = options.database.read_now(service.due, name, options.clock.utc_ms())
        names = options.database.read_now(names_by_id, name)
    finally:
        options.database.close()
    if parsed.json:
        print(json.dumps([report.due_json(one, names) for one in found], indent=1, ensure_ascii=False))
    else:
        print("\n".join(report.due_text(one, names) for one in found) or "nothing has waited long enough")
    return 0


def move(parsed: argparse.Namespace) -> int:
    if parsed.erased and parsed.party is None:
        raise BadInput("--erased", "says it of one party; name it")
    options = opened(parsed)
    try:
        name = community_of(options, parsed.community)
        by = _decider(options, name, parsed.by)
        party = None
        if parsed.party is not None:
            party = party_of(name, options.database.read_now(ids_by_name, name), parsed.party)
        now_ms = options.clock.utc_ms()
        erased = party if parsed.erased else None
        waiting = options.database.read_now(service.due, name, now_ms, erased)
        mine = [one for one in waiting if party in (None, one.owed.party)]
        names = options.database.read_now(names_by_id, name)
        if mine and not parsed.yes:
            print("\n".join(report.due_text(one, names) for one in mine), file=sys.stderr)
        ask(parsed.yes or not mine, "move this to the unclaimed account?")
        rows = options.database.write_now(
            lambda conn: service.move(conn, name, by, parsed.why, now_ms, party, is_erased=parsed.erased)
        )
        return _print(options, name, rows, parsed)
    finally:
        options.database.close()


def show(parsed: argparse.Namespace) -> int:
    options = opened(parsed)
    try:
        name = community_of(options, parsed.community)
        return _print(options, name, options.database.read_now(store.listed, name), parsed)
    finally:
        options.database.close()


def claim(parsed: argparse.Namespace) -> int:
    try:
        number = bytes.fromhex(parsed.id)
    except ValueError:
        raise BadInput("id", f"{parsed.id!r} is not hex; `tallystick unclaimed list` shows it") from None
    options = opened(parsed)
    try:
        name = community_of(options, parsed.community)
        by = _decider(options, name, parsed.by)
        names = options.database.read_now(names_by_id, name)
        row = options.database.read_now(service.find, name, number)
        payee, bank = names[bytes(row.party)], None
        if parsed.iban is not None:
            bank = service.BankDetails(parsed.iban, parsed.account_holder or payee)
        elif parsed.account_holder is not None:
            raise BadInput("--account-holder", "is of an account; give its --iban too")
        ask(parsed.yes, f"make {money(row.nano)} {row.unit} payable to {payee} again?")
        at_ms = options.clock.utc_ms()
        done = options.database.write_now(service.claim, name, bytes(row.id), by, parsed.identity, at_ms, bank)
        if bytes(row.party) not in options.database.read_now(accounts, name, at_ms):
            print(f"no bank account of {payee} is known: the next payout run holds it back", file=sys.stderr)
        return _print(options, name, [done], parsed)
    finally:
        options.database.close()


def _decider(options: Options, community: str, by: str | None) -> bytes:
    options.database.read_now(may_decide, community, by, DECIDERS)
    return options.database.read_now(ids_by_name, community)[str(by)]


def _print(options: Options, community: str, rows: Sequence[Any], parsed: argparse.Namespace) -> int:
    names = options.database.read_now(names_by_id, community)
    if parsed.json:
        print(json.dumps([report.as_json(row, names) for row in rows], indent=1, ensure_ascii=False))
    elif getattr(parsed, "csv", False):
        sys.stdout.write(report.csv_text(rows, names))
    else:
        print("\n".join(report.as_text(row, names) for row in rows) or "nothing was moved")
    return 0
