"""`tallystick evidence` and `tallystick policy export`: what a party needs to check its money offline.

It never puts a policy into an evidence file.
"""

import argparse
import json
from pathlib import Path

from sqlalchemy import Connection
from tallystick_protocol.codes import Scope
from tallystick_protocol.ids import PartyId

from tallystick_cloud.commands.common import Commands, Options, add_community, command, community_of, group, opened
from tallystick_cloud.commands.settlement import moment_of, sign_checkpoint
from tallystick_cloud.commands.signing import party_of
from tallystick_cloud.contracts.store import book
from tallystick_cloud.errors import BadInput
from tallystick_cloud.evidence.model import Wanted
from tallystick_cloud.evidence.policy import policy_of
from tallystick_cloud.evidence.service import evidence
from tallystick_cloud.keys import write_private
from tallystick_cloud.parties.store import ids_by_name
from tallystick_cloud.settlement.access import Read, write_down

SUFFIX = ".evidence"


def add(commands: Commands) -> None:
    found = command(
        commands,
        "evidence",
        write_evidence,
        "Write a party's evidence of a period: one file that tallystick-verify checks without any network.",
        "  tallystick evidence 'Elena Rossi' 2026-10 --data D\n"
        "  tallystick evidence 'Elena Rossi' 2026-10-31 --contract 'Washes' --out elena.evidence --json --data D\n",
    )
    found.add_argument("party", metavar="PARTY", help="the party's name")
    found.add_argument("period", metavar="PERIOD", help="YYYY-MM, or any day of the period: YYYY-MM-DD")
    found.add_argument("--contract", metavar="NAME", help="of one contract only (default: all of that scope)")
    found.add_argument("--scope", choices=("own", "contract"), help="default: contract where the party takes a share")
    found.add_argument("--out", type=Path, metavar="FILE", help="default: PARTY-PERIOD.evidence in this folder")
    _common(found)
    words = group(commands, "policy", "Policy files: whom a party believes.")
    found = command(
        words,
        "export",
        write_policy,
        "Write a party's policy file. Hand it over in a way that the party trusts, once; it keeps it.",
        "  tallystick policy export 'Elena Rossi' --out elena-policy.json --data D\n",
    )
    found.add_argument("party", metavar="PARTY", help="the party's name")
    found.add_argument("--out", type=Path, required=True, metavar="FILE", help="the JSON file to write")
    _common(found)


def _common(found: argparse.ArgumentParser) -> None:
    add_community(found)
    found.add_argument("--json", action="store_true", help="print JSON")


def write_evidence(parsed: argparse.Namespace) -> int:
    """The file is 0600: it may hold a person's readings."""
    at_ms = moment_of(parsed.period)
    options = opened(parsed)
    try:
        name, party = _party(options, parsed)
        sign_checkpoint(options, name)
        chain = None if parsed.contract is None else options.database.read_now(_chain, name, parsed.contract)
        scope = None if parsed.scope is None else Scope[parsed.scope.upper()]
        made = options.database.read_now(
            evidence, options.aggregator.of(name), Wanted(PartyId(party), at_ms, chain, scope)
        )
        read = Read(None, party, "evidence", made.objects)
        options.database.write_now(write_down, name, read, options.clock.utc_ms())
    finally:
        options.database.close()
    out = parsed.out or Path(f"{file_name(parsed.party)}-{parsed.period}{SUFFIX}")
    write_private(out, made.data)
    facts = {"file": str(out), "bytes": len(made.data), "scope": made.scope.name.lower(), "contracts": made.contracts}
    if parsed.json:
        print(json.dumps({**facts, "from_ms": made.from_ms, "to_ms": made.to_ms, "objects": made.objects}, indent=1))
        return 0
    print(f"{out}: {len(made.data)} bytes, scope {facts['scope']}, {', '.join(made.contracts)}")
    print(f"next: tallystick-verify evidence {out} --policy POLICY")
    return 0


def write_policy(parsed: argparse.Namespace) -> int:
    options = opened(parsed)
    try:
        name, party = _party(options, parsed)
        found = options.database.read_now(policy_of, options.aggregator.of(name), PartyId(party))
    finally:
        options.database.close()
    write_private(parsed.out, found.to_json().encode())
    if parsed.json:
        print(json.dumps({"file": str(parsed.out), "witnesses_needed": found.witnesses_needed}))
        return 0
    print(
        f"{parsed.out}: policy of {parsed.party}, {found.witnesses_needed} of {len(found.witnesses)} witnesses needed"
    )
    return 0


def _party(options: Options, parsed: argparse.Namespace) -> tuple[str, bytes]:
    name = community_of(options, parsed.community)
    return name, party_of(name, options.database.read_now(ids_by_name, name), parsed.party)


def _chain(conn: Connection, name: str, contract: str) -> bytes:
    found = {version.chain for version in book(conn, name).versions if version.contract.name == contract}
    if len(found) != 1:
        names = sorted({version.contract.name for version in book(conn, name).versions})
        raise BadInput("--contract", f"{contract!r} is not one contract of {name}; names are: {', '.join(names)}")
    return found.pop()


def file_name(party: str) -> str:
    """A party's name as a file's."""
    text = "".join(letter.lower() if letter.isalnum() else "-" for letter in party)
    return "-".join(word for word in text.split("-") if word) or "party"
