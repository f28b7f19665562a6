"""`tallystick public set | off | show`: what of an asset's ledger everybody may see; nothing until somebody decides.

It never publishes a name, a running month, or a month of few people.
"""

import argparse
import json
from dataclasses import asdict

from sqlalchemy import Connection

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
from tallystick_cloud.errors import NotFound
from tallystick_cloud.http.authz import Role
from tallystick_cloud.money import money
from tallystick_cloud.parties.store import ids_by_name
from tallystick_cloud.public import service, store
from tallystick_cloud.public.model import PAYERS_MIN, PublicMonth, PublicSlice, Rule, Shows

DECIDERS = frozenset({Role.COMMUNITY_MANAGER})
PAYERS_MIN_DEFAULT = 5


def add(commands: Commands) -> None:
    words = group(commands, "public", "What everybody may see of the ledgers of assets; nothing until you decide.")
    found = command(
        words,
        "set",
        decide,
        "Publish part of an asset's ledger: whole months, money by role, no names. Who has read it has read it.",
        "  tallystick public set washer-1 --shows uses,revenue --decision 'assembly of 3 May' \\\n"
        "    --by 'Giulia Ferrari' --data D\n"
        "  tallystick public set washer-1 --shows uses,revenue,shares,claims --payers-min 10 \\\n"
        "    --decision 'statute, 9' --by 'Giulia Ferrari' --yes --data D\n",
    )
    found.add_argument("asset", metavar="ASSET", help="its id, as `tallystick asset list` shows it")
    found.add_argument("--shows", required=True, metavar="WORDS", help=f"some of {','.join(Shows)}, with commas")
    least = f"hide months in which fewer people paid (default {PAYERS_MIN_DEFAULT}, at least {PAYERS_MIN})"
    found.add_argument("--payers-min", type=int, default=PAYERS_MIN_DEFAULT, metavar="N", help=least)
    found.add_argument("--decision", required=True, metavar="TEXT", help="what fixed it: a statute, minutes")
    _common(found, decides=True)
    found = command(
        words,
        "off",
        withdraw,
        "Publish nothing of an asset any more.",
        "  tallystick public off washer-1 --by 'Giulia Ferrari' --data D\n",
    )
    found.add_argument("asset", metavar="ASSET", help="its id, as `tallystick asset list` shows it")
    _common(found, decides=True)
    found = command(
        words,
        "show",
        show,
        "The rules, and what everybody sees now at /public/COMMUNITY and /v1/communities/COMMUNITY/public.",
        "  tallystick public show --data D\n  tallystick public show --json --data D\n",
    )
    _common(found, decides=False)


def _common(found: argparse.ArgumentParser, *, decides: bool) -> None:
    if decides:
        found.add_argument("--by", required=True, metavar="NAME", help="the community manager who decides")
        found.add_argument("--yes", action="store_true", help="do not ask")
    add_community(found)
    found.add_argument("--json", action="store_true", help="print JSON; amounts in nano as strings")


def decide(parsed: argparse.Namespace) -> int:
    options = opened(parsed)
    try:
        name = community_of(options, parsed.community)
        options.database.read_now(may_decide, name, parsed.by, DECIDERS)
        by = options.database.read_now(ids_by_name, name)[parsed.by]
        shows = [one.strip() for one in parsed.shows.split(",") if one.strip()]
        ask(parsed.yes, f"let everybody see {', '.join(shows)} of {parsed.asset}?")
        now_ms = options.clock.utc_ms()
        options.database.write_now(
            service.decide, name, parsed.asset, shows, parsed.payers_min, parsed.decision, by, now_ms
        )
        return _print(options, name, as_json=parsed.json)
    finally:
        options.database.close()


def withdraw(parsed: argparse.Namespace) -> int:
    options = opened(parsed)
    try:
        name = community_of(options, parsed.community)
        options.database.read_now(may_decide, name, parsed.by, DECIDERS)
        ask(parsed.yes, f"publish nothing of {parsed.asset} any more?")
        options.database.write_now(service.withdraw, name, parsed.asset)
        return _print(options, name, as_json=parsed.json)
    finally:
        options.database.close()


def show(parsed: argparse.Namespace) -> int:
    options = opened(parsed)
    try:
        return _print(options, community_of(options, parsed.community), as_json=parsed.json)
    finally:
        options.database.close()


def _print(options: Options, community: str, *, as_json: bool) -> int:
    rules = options.database.read_now(store.rules, community)
    found = options.database.read_now(_seen, community, options.clock.utc_ms())
    if as_json:
        kept = [{**asdict(one), "shows": sorted(one.shows)} for one in rules]
        seen = None if found is None else asdict(found)
        print(json.dumps({"rules": kept, "public": seen}, indent=1, ensure_ascii=False))
        return 0
    print("\n".join(map(_rule_line, rules)) or f"{community} publishes nothing")
    if found is not None:
        print("\n".join(_lines(found)))
    return 0


def _seen(conn: Connection, community: str, now_ms: int) -> PublicSlice | None:
    try:
        return service.publish(conn, service.edition(conn, community, now_ms), now_ms)
    except NotFound:
        return None


def _rule_line(one: Rule) -> str:
    shows = ", ".join(sorted(one.shows))
    return f"{one.asset}: {shows}; months with {one.payers_min} people or more ({one.decision})"


def _lines(found: PublicSlice) -> list[str]:
    lines = []
    for asset in found.assets:
        lines += [f"{asset.id}  {asset.name}", *(f"  {_month(one, found.unit)}" for one in asset.months)]
        lines += [f"  claim of {one.role}: {one.percent} % taken per {one.per}" for one in asset.claims or ()]
    return lines


def _month(one: PublicMonth, unit: str) -> str:
    if one.is_hidden:
        return f"{one.month}  not shown: few people"
    parts = [] if one.uses is None else [f"{one.uses} uses"]
    if one.revenue_nano is not None:
        parts.append(f"{money(int(one.revenue_nano))} {unit}")
    parts += [f"{role} {money(int(nano))}" for role, nano in (one.shares_nano or {}).items()]
    return "  ".join([one.month, *parts])
