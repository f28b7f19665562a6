"""`tallystick site new | extend`: a site from a file with one [site], its claim, and channels that come later.

It never changes a channel that exists.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from sqlalchemy import Connection

from tallystick_cloud.assets import store as assets
from tallystick_cloud.assets.model import NewSite
from tallystick_cloud.assets.service import add_site
from tallystick_cloud.commands.common import (
    Commands,
    add_community,
    ask,
    command,
    community_of,
    group,
    may_decide,
    opened,
)
from tallystick_cloud.commands.gateway import KEEPERS
from tallystick_cloud.commands.moment import begin_of, place_of
from tallystick_cloud.counts import many
from tallystick_cloud.gateways import claims
from tallystick_cloud.gateways import extend as extension
from tallystick_cloud.gateways.claim_files import claim_files
from tallystick_cloud.ports import Entropy
from tallystick_cloud.town.toml import load_site


def add(commands: Commands) -> None:
    words = group(commands, "site", "Sites and their meter plans.")
    found = command(
        words,
        "new",
        new,
        "Add a site with its meter plan, or make a new claim for one that exists.",
        "  tallystick site new attic.toml --claims claims --server https://localhost:8443 --data D\n"
        "  (attic.toml: version = 1, then one [site] as in a town file)\n",
    )
    found.add_argument("file", type=Path, metavar="FILE", help="the site file (TOML)")
    add_community(found)
    found.add_argument("--claims", type=Path, metavar="DIR", required=True, help="where the claim file goes")
    found.add_argument("--server", required=True, metavar="URL", help="how gateways reach this server")
    found.add_argument("--mqtt", metavar="HOST:PORT", help="the broker that gateways may use instead")
    found = command(
        words,
        "extend",
        extend,
        "Put the channels of new meters into a site's plan: signed, logged, told to its gateway. Cannot be undone.",
        "  tallystick site extend cellar.toml --by 'Giulia Ferrari' --data D\n"
        "  tallystick site extend cellar.toml --from 2026-12-01 --by 'Giulia Ferrari' --yes --json --data D\n"
        "  (cellar.toml: the site's file, with the new [[site.channel]] below those that are there)\n",
    )
    found.add_argument("file", type=Path, metavar="FILE", help="the site file (TOML) with its new channels")
    found.add_argument("--from", dest="since", metavar="YYYY-MM-DD", help="billed from that day on (default: now)")
    found.add_argument("--by", required=True, metavar="NAME", help="the community manager or installer who decides")
    found.add_argument("--yes", action="store_true", help="do not ask")
    found.add_argument("--json", action="store_true", help="print JSON")
    add_community(found)


def new(parsed: argparse.Namespace) -> int:
    site = load_site(parsed.file)
    files = claim_files(parsed.claims, parsed.server, parsed.mqtt, [site.id])
    options = opened(parsed)
    try:
        community = community_of(options, parsed.community)
        claim = options.database.write_now(_add, community, site, options.entropy, options.clock.utc_ms())
    finally:
        options.database.close()
    files.write(site.id, claim, options.aggregator.authority.pem.decode())
    print(f"{site.id}: {len(site.plan.channels)} channels, claim in {files.path(site.id)}")
    return 0


def _add(conn: Connection, community: str, site: NewSite, entropy: Entropy, now_ms: int) -> str:
    if not assets.has_site(conn, community, site.id):
        add_site(conn, community, site, now_ms)
    return claims.issue(conn, community, site.id, entropy, now_ms)


def extend(parsed: argparse.Namespace) -> int:
    site = load_site(parsed.file)
    options = opened(parsed)
    try:
        community = community_of(options, parsed.community)
        options.database.read_now(may_decide, community, parsed.by, KEEPERS)
        now_ms = options.clock.utc_ms()
        zone, _ = options.database.read_now(place_of, community)
        since_ms = now_ms if parsed.since is None else begin_of("--from", parsed.since, zone)
        ask(parsed.yes, f"Extend the plan of {site.id}? What a channel means can never be changed afterwards.")
        context = options.aggregator.of(community)
        what = (context, options.entropy, site.id, site.plan.channels, since_ms, now_ms)
        done = options.database.write_now(extension.extend, *what)
    finally:
        options.database.close()
    if parsed.json:
        told = {"gateways": [gid.hex() for gid in done.gateways], "since_ms": since_ms}
        numbers = [channel.number for channel in done.channels]
        print(json.dumps({"site": site.id, "channels": numbers, **told, "waited": asdict(done.retried)}))
        return 0
    for channel in done.channels:
        print(f"{site.id}: channel {channel.number} measures {channel.asset} ({channel.quantity}) with {channel.meter}")
    if not done.gateways:
        print("no gateway is enrolled there yet; the first one gets the whole plan")
        return 0
    waited = done.retried
    print(f"told: {', '.join(gid.hex() for gid in done.gateways)}; `tallystick gateway commands GID` says what it says")
    print(f"of what had waited: {many(waited.taken, 'part')} taken, {many(waited.uses, 'use')} booked")
    print("next: put the meter into the gateway's edge.toml, if it is not there, and start the agent anew")
    return 0
