"""`tallystick asset list | show | add`: assets, and the ledger of one as it is now or as it was known at a day's end.

A look writes no access row: it is for whoever runs the server, who can read the database anyway.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, select

from tallystick_cloud.assets.ledger import AssetLedger, ledger_of
from tallystick_cloud.assets.model import NewAsset
from tallystick_cloud.assets.service import add_asset
from tallystick_cloud.commands.common import Commands, add_community, command, community_of, group, opened
from tallystick_cloud.commands.moment import end_of, place_of
from tallystick_cloud.commands.signing import party_of
from tallystick_cloud.counts import many
from tallystick_cloud.money import money
from tallystick_cloud.parties.store import ids_by_name
from tallystick_cloud.schema import asset
from tallystick_cloud.town.table import check_slug


def add(commands: Commands) -> None:
    words = group(commands, "asset", "Assets: what each brought, who got it, who has a claim on it.")
    found = command(words, "list", show_all, "All assets of a community.", "  tallystick asset list --data D\n")
    _common(found)
    found = command(
        words,
        "show",
        show,
        "The ledger of one asset: revenue and shares by month, claims, what is open.",
        "  tallystick asset show washer-1 --data D\n"
        "  tallystick asset show washer-1 --as-of 2026-10-31 --json --data D\n",
    )
    found.add_argument("asset", metavar="ASSET", help="its id, as `tallystick asset list` shows it")
    found.add_argument("--as-of", metavar="YYYY-MM-DD", help="as it was known at the end of that day (default: now)")
    _common(found)
    found = command(
        words,
        "add",
        new,
        "Add an asset; what measures it comes with a site file, what it costs with a contract version.",
        "  tallystick asset add washer-3 --name 'Washing machine 3' --kind washing-machine --site cellar \\\n"
        "    --owner 'Lindenhof eG' --data D\n",
    )
    found.add_argument("asset", metavar="ID", help="a-z, 0-9 and '-'; it stands in contracts, so name no person")
    found.add_argument("--name", required=True, metavar="TEXT", help="as people call it")
    found.add_argument("--kind", required=True, metavar="WORD", help="such as washing-machine, dryer, flat")
    found.add_argument("--site", metavar="ID", help="where it is")
    found.add_argument("--owner", metavar="NAME", help="whose it is")
    found.add_argument("--user", metavar="NAME", help="who uses it")
    found.add_argument("--essential", action="store_true", help="never locked for want of payment")
    _common(found)


def _common(found: argparse.ArgumentParser) -> None:
    add_community(found)
    found.add_argument("--json", action="store_true", help="print JSON; amounts in nano as strings")


def show_all(parsed: argparse.Namespace) -> int:
    options = opened(parsed)
    try:
        rows = options.database.read_now(_all, community_of(options, parsed.community))
    finally:
        options.database.close()
    if parsed.json:
        print(json.dumps([{"id": row.id, "name": row.name, "kind": row.kind, "site": row.site} for row in rows]))
        return 0
    width = max((len(row.id) for row in rows), default=0)
    print("\n".join(f"{row.id:{width}}  {row.name} ({row.kind})" for row in rows) or "there is none")
    return 0


def show(parsed: argparse.Namespace) -> int:
    options = opened(parsed)
    try:
        community = community_of(options, parsed.community)
        zone, unit = options.database.read_now(place_of, community)
        at_ms = options.clock.utc_ms() if parsed.as_of is None else end_of("--as-of", parsed.as_of, zone)
        found = options.database.read_now(ledger_of, community, parsed.asset, zone, unit, at_ms)
    finally:
        options.database.close()
    print(json.dumps(_as_json(found), indent=1, ensure_ascii=False) if parsed.json else _as_text(found))
    return 0


def new(parsed: argparse.Namespace) -> int:
    options = opened(parsed)
    try:
        community = community_of(options, parsed.community)
        ids = options.database.read_now(ids_by_name, community)
        owner, user = (
            None if name is None else party_of(community, ids, name, field)
            for field, name in (("--owner", parsed.owner), ("--user", parsed.user))
        )
        one = NewAsset(
            id=check_slug("ID", parsed.asset),
            name=parsed.name,
            kind=check_slug("--kind", parsed.kind),
            site=parsed.site,
            owner=owner,
            user=user,
            essential=parsed.essential,
            latitude_e7=None,
            longitude_e7=None,
        )
        options.database.write_now(add_asset, community, one, options.clock.utc_ms())
    finally:
        options.database.close()
    if parsed.json:
        print(json.dumps({"id": one.id, "name": one.name, "kind": one.kind, "site": one.site}))
        return 0
    print(f"{one.id} is in {community}: {one.name} ({one.kind})")
    return 0


def _all(conn: Connection, community: str) -> Sequence[Any]:
    columns = (asset.c.id, asset.c.name, asset.c.kind, asset.c.site)
    return conn.execute(select(*columns).where(asset.c.community == community).order_by(asset.c.id)).all()


def _as_json(found: AssetLedger) -> dict[str, Any]:
    claims = [{**asdict(one), "taken": str(one.taken), "cap": str(one.cap)} for one in found.claims]
    return {
        **{key: value for key, value in asdict(found).items() if key not in ("months", "claims")},
        "revenue": str(found.revenue),
        "shares": _strings(found.shares),
        "months": [
            {**asdict(one), "revenue": str(one.revenue), "shares": _strings(one.shares)} for one in found.months
        ],
        "claims": claims,
    }


def _strings(shares: dict[str, int]) -> dict[str, str]:
    return {name: str(nano) for name, nano in shares.items()}


def _as_text(found: AssetLedger) -> str:
    at = datetime.fromtimestamp(found.as_of_ms // 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
    owner = f", owner {found.owner}" if found.owner else ""
    lines = [f"{found.name} ({found.kind}{owner}), as known at {at}"]
    lines.append(f"contracts: {', '.join(found.contracts) or 'none prices it'}")
    for month in found.months:
        uses, payers = many(month.uses, "use"), many(month.payers, "payer")
        lines.append(f"{month.month}  {uses:>11}  {payers:>11}  {_money(month.revenue, found.unit)}")
        lines += [f"{'':9}{name}: {_money(nano, found.unit)}" for name, nano in month.shares.items() if nano]
    lines.append(f"in all: {_money(found.revenue, found.unit)}, all of it split")
    for claim in found.claims:
        who, taken, cap = ", ".join(claim.holders), _money(claim.taken, found.unit), _money(claim.cap, found.unit)
        lines.append(f"claim: {who}, {claim.counter} of {claim.contract}: {taken} of {cap} per {claim.per}")
    if found.shadow_uses:
        lines.append(f"in shadow: {many(found.shadow_uses, 'use')}, of which nothing is payable")
    if found.open_spans:
        lines.append(f"open: {found.open_spans}; `tallystick settlement open` lists them once their period is settled")
    return "\n".join(lines)


def _money(nano: int, unit: str) -> str:
    return f"{money(nano)} {unit}"
