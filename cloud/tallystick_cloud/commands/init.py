"""`tallystick init`.

It never touches a folder that is an aggregator's already.
"""

import argparse

from tallystick_cloud.clock import real_utc
from tallystick_cloud.commands.common import Commands, command, home_of
from tallystick_cloud.home import create


def add(commands: Commands) -> None:
    made = command(
        commands,
        "init",
        init,
        "Make an aggregator's folder: certificate authority, keys folder, empty database.",
        "  tallystick init --data /var/lib/tallystick\n  tallystick init --data D --name tally.example\n",
    )
    made.add_argument("--name", action="append", default=[], metavar="HOST", help="also a host of its servers")


def init(parsed: argparse.Namespace) -> int:
    home = home_of(parsed)
    create(home, real_utc(), parsed.name)
    print(f"aggregator ready in {home.data}; next: tallystick community import town.toml --data {home.data}")
    return 0
