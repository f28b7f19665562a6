"""What commands share: where the data is, how a subcommand with examples is added.

It never runs one.
"""

import argparse
import os
import sys
from collections.abc import Callable, Set
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, select

from tallystick_cloud.clock import SystemClock, SystemEntropy, clock_of
from tallystick_cloud.context import Aggregator
from tallystick_cloud.db import Database
from tallystick_cloud.errors import BadInput
from tallystick_cloud.home import Home
from tallystick_cloud.http.authz import Role
from tallystick_cloud.parties.store import ids_by_name
from tallystick_cloud.schema import role_grant

PORT_MAX = 65_535

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]
else:
    Commands = argparse._SubParsersAction


@dataclass(frozen=True, slots=True)
class Options:
    """An opened server folder."""

    home: Home
    database: Database
    aggregator: Aggregator
    clock: SystemClock
    entropy: SystemEntropy


def command(
    commands: Commands,
    name: str,
    run: Callable[[argparse.Namespace], int],
    help_text: str,
    examples: str,
    *,
    needs_data: bool = True,
) -> argparse.ArgumentParser:
    """A subcommand with --data, --db and examples in its help."""
    found = commands.add_parser(
        name,
        help=help_text,
        description=help_text,
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    found.add_argument("--data", type=Path, required=needs_data, metavar="DIR", help="the aggregator's folder")
    found.add_argument("--db", metavar="URL", help="another database: postgresql://... (default: SQLite in DIR)")
    found.set_defaults(run=run)
    return found


def add_community(found: argparse.ArgumentParser) -> None:
    """`--community`, for servers that have several."""
    found.add_argument("--community", metavar="ID", help="its short name; needed where this server has several")


def group(commands: Commands, name: str, help_text: str) -> Commands:
    """A word before subcommands: `contract check`."""
    step = f"examples of each:\n  tallystick {name} COMMAND --help\n"
    found = commands.add_parser(
        name, help=help_text, description=help_text, epilog=step, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    return found.add_subparsers(dest=f"{name}_command", required=True, metavar="COMMAND")


def port(text: str) -> int:
    """A TCP port from the command line; 0 means any."""
    if not (text.isascii() and text.isdigit() and int(text) <= PORT_MAX):
        raise argparse.ArgumentTypeError(f"{text!r} is no port; give 0 (any) to {PORT_MAX}")
    return int(text)


def home_of(parsed: argparse.Namespace) -> Home:
    return Home(parsed.data, parsed.db)


def opened(parsed: argparse.Namespace) -> Options:
    """Raises CloudError when the folder is not an aggregator's; the caller closes the database."""
    home = home_of(parsed)
    database = home.database()
    entropy = SystemEntropy()
    return Options(home, database, home.aggregator(database, entropy), clock_of(os.environ), entropy)


def community_of(options: Options, wanted: str | None) -> str:
    """The community that is meant; the only one when none is named. Raises BadInput."""
    names = sorted(options.aggregator.contexts)
    if wanted is None and len(names) == 1:
        return names[0]
    if wanted in names:
        return str(wanted)
    raise BadInput("--community", f"name one of: {', '.join(names) or 'none is imported yet'}")


def ask(is_yes: bool, question: str) -> None:
    """Ask a person before what cannot be undone; without one there must be --yes. Raises BadInput."""
    if is_yes:
        return
    if not sys.stdin.isatty():
        raise BadInput("--yes", f"is missing; nobody is here to answer: {question}")
    if input(f"{question} [y/N] ").strip().lower() not in ("y", "yes"):
        raise BadInput("answer", "was not yes; nothing is changed")


def may_decide(conn: Connection, community: str, name: str | None, roles: Set[Role]) -> None:
    """The same rule as for routes: who decides has one of the roles. Raises BadInput naming them."""
    who = f"a party with one of the roles: {', '.join(sorted(role.value for role in roles))}"
    if name is None:
        raise BadInput("--by", f"is missing; name {who}")
    party = ids_by_name(conn, community).get(name)
    grant = role_grant.c
    mine = conn.execute(
        select(grant.role).where(grant.community == community, grant.party == party, grant.revoked_ms.is_(None))
    ).scalars()
    if party is None or not {role.value for role in roles} & set(mine):
        raise BadInput("--by", f"{name!r} may not do this in {community}; name {who}")
