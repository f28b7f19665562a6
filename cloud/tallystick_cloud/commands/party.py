"""`tallystick party list | add | account | role`: who belongs to a community, where money goes, who holds which office.

It never changes a name: contracts and statements are signed with it.
"""

import argparse
import json
from pathlib import Path

from sqlalchemy import Connection
from tallystick_protocol.ids import PartyId

from tallystick_cloud.commands.common import Commands, Options, add_community, ask, command, community_of, group, opened
from tallystick_cloud.commands.signing import party_of
from tallystick_cloud.parties import model, service
from tallystick_cloud.parties.store import ids_by_name
from tallystick_cloud.town.service import read_public_key


def add(commands: Commands) -> None:
    words = group(commands, "party", "People and organisations of a community: who they are, where money goes, roles.")
    found = command(words, "list", show, "Everybody with roles and bank account.", "  tallystick party list --data D\n")
    _common(found)
    found.add_argument("--whole", action="store_true", help="show IBANs whole")
    found = command(
        words,
        "add",
        new,
        "Add somebody: a member, a repairer, a lender. A contract version then says what they pay or get.",
        "  tallystick party add 'Lena Koch' --role user --data D\n"
        "  tallystick party add 'Berger & Co' --form organisation --role servicer --iban 'DE89 3704 0044 0532 0130 00' "
        "--key berger.pem --data D\n",
    )
    found.add_argument("name", metavar="NAME", help="as bank and documents are to write it; it stays")
    forms = [str(form) for form in model.Form]
    found.add_argument("--form", choices=forms, default=model.Form.PERSON.value, help="what they are (person)")
    found.add_argument("--role", action="append", default=[], metavar="ROLE", help=f"repeatable: {_roles()}")
    found.add_argument("--iban", metavar="IBAN", help="where money for them goes (default: nowhere yet)")
    found.add_argument("--email", metavar="ADDRESS", help="how to reach them")
    found.add_argument(
        "--key", type=Path, metavar="FILE", help="own public key in PEM (default: this server keeps a key and signs)"
    )
    _common(found)
    found = command(
        words,
        "account",
        account,
        "Say where money for somebody goes from now on, or --none; asks first. The one before is kept with its days.",
        "  tallystick party account 'House fund' --iban 'IT60 X054 2811 1010 0000 0123 456' --data D\n"
        "  tallystick party account 'Lena Koch' --iban 'DE89 3704 0044 0532 0130 00' --holder 'Koch GbR' --data D\n"
        "  tallystick party account 'Lena Koch' --none --data D\n",
    )
    found.add_argument("name", metavar="NAME", help="whose account")
    where = found.add_mutually_exclusive_group(required=True)
    where.add_argument("--iban", metavar="IBAN", help="the account from now on")
    where.add_argument("--none", action="store_true", help="nowhere: what is owed waits")
    found.add_argument("--holder", metavar="NAME", help="name on that account (default: the party's)")
    found.add_argument("--yes", action="store_true", help="do not ask")
    _common(found)
    found = command(
        words,
        "role",
        role,
        "Give somebody a role, or --end it; what was done under it stands.",
        "  tallystick party role 'Jon Berg' auditor --data D\n"
        "  tallystick party role 'Jon Berg' community_manager --end --data D\n",
    )
    found.add_argument("name", metavar="NAME", help="whose role")
    found.add_argument("role", metavar="ROLE", help=_roles())
    found.add_argument("--end", action="store_true", help="the role is over")
    _common(found)


def _common(found: argparse.ArgumentParser) -> None:
    add_community(found)
    found.add_argument("--json", action="store_true", help="print JSON")


def _roles() -> str:
    return ", ".join(sorted(model.ROLES))


def show(parsed: argparse.Namespace) -> int:
    options = opened(parsed)
    try:
        rows = options.database.read_now(service.listed, community_of(options, parsed.community))
    finally:
        options.database.close()
    shown = (lambda iban: iban) if parsed.whole else model.masked
    accounts = [None if one.account is None else shown(one.account[0]) for one in rows]
    if parsed.json:
        said = [
            {"name": one.name, "form": one.form, "roles": list(one.roles), "iban": iban, "signs": one.has_key,
             "holder": None if one.account is None else one.account[1]}
            for one, iban in zip(rows, accounts, strict=True)
        ]  # fmt: skip
        print(json.dumps(said, indent=1, ensure_ascii=False))
        return 0
    for one, iban in zip(rows, accounts, strict=True):
        signs = "" if one.has_key else "; has no key, so cannot sign"
        print(f"{one.name} ({one.form}): {', '.join(one.roles) or 'no role'}; {iban or 'no bank account'}{signs}")
    return 0


def new(parsed: argparse.Namespace) -> int:
    name = model.check_new_name("NAME", parsed.name)
    roles = tuple(dict.fromkeys(model.check_role("--role", one) for one in parsed.role))
    iban = None if parsed.iban is None else model.check_iban("--iban", parsed.iban)
    who = model.NewParty(name, model.Form(parsed.form), roles, iban, parsed.email)
    key = service.Key.fresh() if parsed.key is None else service.Key(read_public_key(parsed.key))
    options = opened(parsed)
    try:
        community = community_of(options, parsed.community)
        options.database.write_now(_add, options, community, who, key)
    finally:
        options.database.close()
    if parsed.json:
        print(
            json.dumps({"name": name, "form": who.form.value, "roles": list(roles), "hosted": key.hosted is not None})
        )
        return 0
    signs = "this server keeps the signing key" if key.hosted is not None else "signs with the key in that file"
    print(f"{name} is in {community}: {', '.join(roles) or 'no role'}; {signs}")
    if iban is None:
        print(f"no bank account yet; when something is owed: tallystick party account '{name}' --iban IBAN")
    return 0


def _add(conn: Connection, options: Options, community: str, who: model.NewParty, key: service.Key) -> PartyId:
    context, now_ms = options.aggregator.of(community), options.clock.utc_ms()
    return service.admit(conn, context, options.home, who, key, options.entropy, now_ms)


def account(parsed: argparse.Namespace) -> int:
    iban = None if parsed.none else model.check_iban("--iban", parsed.iban)
    options = opened(parsed)
    try:
        community = community_of(options, parsed.community)
        party = party_of(community, options.database.read_now(ids_by_name, community), parsed.name, "NAME")
        to = "nowhere" if iban is None else f"{iban} of {parsed.holder or parsed.name}"
        ask(parsed.yes, f"Pay what is owed to {parsed.name} to {to} from now on?")
        args = (community, party, iban, parsed.holder, options.clock.utc_ms())
        changed = options.database.write_now(service.set_account, *args)
    finally:
        options.database.close()
    if parsed.json:
        print(json.dumps({"name": parsed.name, "iban": iban, "changed": changed}))
        return 0
    print(f"{parsed.name}: {to}" + ("" if changed else "; nothing is changed"))
    return 0


def role(parsed: argparse.Namespace) -> int:
    wanted = model.check_role("ROLE", parsed.role)
    options = opened(parsed)
    try:
        community = community_of(options, parsed.community)
        party = party_of(community, options.database.read_now(ids_by_name, community), parsed.name, "NAME")
        now_ms = options.clock.utc_ms()
        changed = options.database.write_now(
            lambda conn: service.set_role(conn, community, party, wanted, now_ms, ends=parsed.end)
        )
    finally:
        options.database.close()
    if parsed.json:
        print(json.dumps({"name": parsed.name, "role": wanted, "ended": parsed.end, "changed": changed}))
        return 0
    what = f"is no {wanted} any more" if parsed.end else f"is {wanted}"
    print(f"{parsed.name} {what}" + ("" if changed else "; nothing is changed"))
    return 0
