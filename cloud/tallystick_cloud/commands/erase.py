"""`tallystick erase PARTY`: what is about one person goes, here and on the gateways; hashes and money stay.

It says what would go before anything goes, and it never erases without a yes.
"""

import argparse
import json
from dataclasses import dataclass

from sqlalchemy import Connection

from tallystick_cloud.commands.common import (
    Commands,
    Options,
    add_community,
    ask,
    command,
    community_of,
    may_decide,
    opened,
)
from tallystick_cloud.commands.signing import party_of
from tallystick_cloud.debits.mandate import KEPT_MONTHS
from tallystick_cloud.gateways import commands as to_gateways
from tallystick_cloud.http.authz import Role
from tallystick_cloud.parties.store import ids_by_name
from tallystick_cloud.settlement.erase import Erased, erase_payer, would_erase

DECIDERS = frozenset({Role.COMMUNITY_MANAGER})


@dataclass(frozen=True, slots=True)
class Told:
    """What went, and how many commands the gateways get."""

    erased: Erased
    gateways: int
    commands: int


def add(commands: Commands) -> None:
    found = command(
        commands,
        "erase",
        erase,
        "Erase what is about a person: readings, statements, pseudonyms, openings. Cannot be undone.",
        "  tallystick erase 'Anna Berg' --dry-run --data D\n"
        "  tallystick erase 'Anna Berg' --by 'Giulia Ferrari' --data D\n"
        "  tallystick erase 'Anna Berg' --by 'Giulia Ferrari' --yes --json --data D\n",
    )
    found.add_argument("party", metavar="PARTY", help="whose data")
    found.add_argument("--by", metavar="NAME", help="the community manager who carries the wish out")
    found.add_argument("--dry-run", action="store_true", help="only say what would go")
    found.add_argument("--yes", action="store_true", help="do not ask")
    add_community(found)
    found.add_argument("--json", action="store_true", help="print JSON")


def erase(parsed: argparse.Namespace) -> int:
    options = opened(parsed)
    try:
        name = community_of(options, parsed.community)
        party = party_of(name, options.database.read_now(ids_by_name, name), parsed.party)
        would = options.database.write_now(would_erase, name, party, options.clock.utc_ms())
        if parsed.dry_run:
            _say(parsed, would, None)
            return 0
        options.database.read_now(may_decide, name, parsed.by, DECIDERS)
        if not parsed.json:
            _say(parsed, would, None)
        ask(
            parsed.yes,
            f"Erase this of {parsed.party}? Settled amounts and hashes stay; the rest cannot be brought back.",
        )
        done = options.database.write_now(_erase, options, name, party)
    finally:
        options.database.close()
    _say(parsed, done.erased, done)
    return 0


def _erase(conn: Connection, options: Options, community: str, party: bytes) -> Told:
    """One transaction: either all is gone and the gateways are told, or nothing is."""
    context, now_ms = options.aggregator.of(community), options.clock.utc_ms()
    gone = erase_payer(conn, community, party, now_ms)
    by_gateway: dict[bytes, list[tuple[int, int, int]]] = {}
    for place in gone.places:
        by_gateway.setdefault(place.gid, []).append((place.epoch, place.seq, place.part))
    told = sum(
        to_gateways.erase(conn, context, options.entropy, gid, places, now_ms)
        for gid, places in sorted(by_gateway.items())
    )
    return Told(gone, len(by_gateway), told)


def _say(parsed: argparse.Namespace, erased: Erased, told: Told | None) -> None:
    counts = {
        "parts": erased.parts,
        "slices": erased.slices,
        "statements": erased.statements,
        "openings": erased.openings,
        "pool_intervals": erased.intervals,
        "grid_rows": erased.grid_rows,
        "disputes": erased.disputes,
        "disputes_open": erased.disputes_open,
        "mandates": erased.mandates,
        "mandates_kept": erased.mandates_kept,
        "unclaimed": erased.unclaimed,
        "gateways": len({place.gid for place in erased.places}),
    }
    if parsed.json:
        commands = {} if told is None else {"commands": told.commands}
        print(json.dumps({"party": parsed.party, "erased": told is not None, **counts, **commands}))
        return
    verb = "is erased" if told is not None else "would be erased"
    what = f"{erased.parts} parts of readings, {erased.slices} curve slices, {erased.statements} statements"
    print(f"of {parsed.party} {verb}: {what}, {erased.openings} openings in contracts, all pseudonyms and payer tags")
    if erased.intervals or erased.grid_rows:
        print(f"of pools: the numbers in {erased.intervals} intervals, {erased.grid_rows} rows of the grid's files")
    if erased.disputes or erased.disputes_open:
        print(f"disputes: what was said and shown in {erased.disputes}; {erased.disputes_open} are open and keep their")
        print("words until somebody has decided them; erase once more then")
    if erased.mandates or erased.mandates_kept:
        print(
            f"mandates: {erased.mandates}; {erased.mandates_kept} end and are kept for {KEPT_MONTHS} months after the"
        )
        print("last collection, in which the bank may ask for them; erase once more then")
    if erased.unclaimed:
        print(f"unclaimed money: what was said about {erased.unclaimed} sums; the sums stay owed")
    print("what stays: hashes, settled uses without a name, amounts; every other person's proof is valid as before")
    if told is not None and told.commands:
        print(f"{told.gateways} gateways are told in {told.commands} commands; each answers with a signed event")
