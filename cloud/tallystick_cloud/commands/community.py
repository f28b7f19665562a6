"""`tallystick community import`: founds a community and writes a claim file per site.

It never prints a claim; the files are 0600.
"""

import argparse
from pathlib import Path

from sqlalchemy import Connection

from tallystick_cloud.commands.common import Commands, Options, command, group, opened
from tallystick_cloud.context import Context
from tallystick_cloud.gateways.claim_files import ClaimFiles, claim_files
from tallystick_cloud.home import create_community_keys
from tallystick_cloud.town.model import Town
from tallystick_cloud.town.service import Founded, found
from tallystick_cloud.town.toml import load_town

TOWN_EXAMPLE = """\
  tallystick community import town.toml --claims claims --server https://localhost:8443 --data D

a town file:
  version = 1

  [community]
  id = "lindenhof"
  name = "Lindenhof eG"
  zone = "Europe/Berlin"
  unit = "EUR"
  log = "tally.example/lindenhof"      # a name that the community owns
  latitude = 52.52
  longitude = 13.405

  [[party]]
  name = "Lindenhof eG"
  form = "organisation"                # person | organisation | fund
  roles = ["community_manager", "owner"]
  iban = "DE89 3704 0044 0532 0130 00"
  key = "hosted"                       # or the path of a public key in PEM, or leave it out

  [[asset]]
  id = "washer-1"
  name = "Washing machine 1"
  kind = "washing-machine"
  site = "cellar"
  owner = "Lindenhof eG"
  user = "Lindenhof eG"

  [[site]]
  id = "cellar"
  name = "Wash cellar"

  [[site.channel]]
  number = 1
  meter = "washer-1"
  asset = "washer-1"
  quantity = "1-0:1.8.0"               # OBIS, or a word such as "cycles"
  unit = "Wh"
  exponent = 0
  form = "interval"                    # interval | event
  profile = "eastron-sdm120"
  serial = "20261101"

  [[contract]]
  file = "washes.toml"                 # beside this file
  state = "live"                       # live | shadow

  [[contract]]
  file = "washes-2.toml"               # a later version of it
  after = "washes.toml"
  state = "live"
"""


def add(commands: Commands) -> None:
    words = group(commands, "community", "Communities of this server.")
    found_command = command(
        words, "import", import_town, "Found a community from a town file, with a claim per site.", TOWN_EXAMPLE
    )
    found_command.add_argument("file", type=Path, metavar="FILE", help="the town file (TOML)")
    found_command.add_argument("--claims", type=Path, metavar="DIR", required=True, help="where claim files go")
    found_command.add_argument("--server", required=True, metavar="URL", help="how gateways reach this server")
    found_command.add_argument("--mqtt", metavar="HOST:PORT", help="the broker that gateways may use instead")


def import_town(parsed: argparse.Namespace) -> int:
    town = load_town(parsed.file)
    files = claim_files(parsed.claims, parsed.server, parsed.mqtt, [site.id for site in town.sites])
    options = opened(parsed)
    try:
        made = import_into(options, town, files)
    finally:
        options.database.close()
    print(f"{town.id}: {len(town.parties)} parties, {len(town.assets)} assets, {len(made.claims)} claims")
    return 0


def import_into(options: Options, town: Town, files: ClaimFiles) -> Founded:
    """Found it in one transaction, then write its claims."""
    context = options.home.context(town.id, town.log_origin, create_community_keys(options.home, town.id))
    made = options.database.write_now(_found, options, context, town)
    for site, claim in made.claims.items():
        files.write(site, claim, options.aggregator.authority.pem.decode())
    return made


def _found(conn: Connection, options: Options, context: Context, town: Town) -> Founded:
    """Hosted keys are on disk before anything is committed that only they can sign."""
    made = found(conn, context, town, options.entropy, options.clock.utc_ms())
    options.home.store_party_keys(town.id, made.hosted)
    return made
