"""The command line of the aggregator: `tallystick init`, `serve`, `community import`, `contract ...`, `period close`.

It parses words and prints answers; what happens is in `commands`.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from sqlalchemy.exc import DBAPIError
from tallystick_protocol.errors import ProtocolError

from tallystick_cloud.errors import CloudError, PortError

COMMANDS = {
    "init": "init",
    "serve": "serve",
    "community": "community",
    "party": "party",
    "contract": "contract",
    "site": "site",
    "asset": "asset",
    "balance": "balance",
    "public": "public",
    "period": "period",
    "settlement": "settlement",
    "statement": "settlement",
    "payout": "payout",
    "split": "split",
    "unclaimed": "unclaimed",
    "cost": "cost",
    "dispute": "dispute",
    "trial": "trial",
    "mandate": "mandate",
    "debit": "debit",
    "bank": "bank",
    "invoice": "invoice",
    "pool": "pool",
    "evidence": "evidence",
    "policy": "evidence",
    "witness": "witness",
    "log": "witness",
    "gateway": "gateway",
    "quarantine": "quarantine",
    "erase": "erase",
    "summary": "summary",
    "backup": "backup",
    "restore": "backup",
    "broker-config": "broker",
    "token": "token",
    "ocmf": "ocmf",
}
"""First word and the module of `commands` that adds it, in the order of the help; only what is meant is loaded."""

EXAMPLES = """\
examples:
  tallystick init --data /var/lib/tallystick
  tallystick community import town.toml --claims claims --server https://tally.example:8443 --data /var/lib/tallystick
  tallystick serve --data /var/lib/tallystick
  tallystick summary --json --data /var/lib/tallystick
"""


def main(words: Sequence[str] | None = None) -> int:
    """Exit code: 0 done, 1 refused (the reason is on stderr), 2 wrong words."""
    given = sys.argv[1:] if words is None else words
    parsed = parser(given[0] if given else None).parse_args(given)
    try:
        return int(parsed.run(parsed))
    except (CloudError, ProtocolError, PortError) as error:
        return _refused(str(error))
    except DBAPIError as error:
        reason = str(error.orig).strip().partition("\n")[0]
        return _refused(f"--db: {reason}; check that the database runs, its address, and who may write there")
    except BrokenPipeError:  # whoever read us has seen enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return _refused(f"{error.filename or 'system'}: {error.strerror or error}; check the path and its owner")
    except KeyboardInterrupt:
        return 130


def _refused(reason: str) -> int:
    print(f"tallystick: {reason}", file=sys.stderr)
    return 1


def parser(word: str | None = None) -> argparse.ArgumentParser:
    """All commands with their examples; with a command's name that one alone."""
    found = argparse.ArgumentParser(
        prog="tallystick",
        description="The aggregator: verifies, prices, splits and books every use, and keeps the log.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = found.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in [COMMANDS[word]] if word in COMMANDS else dict.fromkeys(COMMANDS.values()):
        import_module(f"tallystick_cloud.commands.{name}").add(commands)
    return found
