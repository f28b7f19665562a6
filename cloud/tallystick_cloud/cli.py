"""The command line of the aggregator: `tallystick init`, `serve`, `community import`, `contract ...`, `period close`.

It parses words and prints answers; what happens is in `commands`.
"""

import argparse
import sys
from collections.abc import Sequence

from sqlalchemy.exc import DBAPIError
from tallystick_protocol.errors import ProtocolError

from tallystick_cloud.commands import (
    bank,
    broker,
    community,
    contract,
    evidence,
    payout,
    period,
    serve,
    settlement,
    site,
    summary,
    token,
    witness,
)
from tallystick_cloud.errors import CloudError
from tallystick_cloud.http.listeners import PortError

EXAMPLES = """\
examples:
  tallystick init --data /var/lib/tallystick
  tallystick community import town.toml --claims claims --server https://tally.example:8443 --data /var/lib/tallystick
  tallystick serve --data /var/lib/tallystick
  tallystick summary --json --data /var/lib/tallystick
"""


def main(words: Sequence[str] | None = None) -> int:
    """Exit code: 0 done, 1 refused (the reason is on stderr), 2 wrong words."""
    parsed = parser().parse_args(words)
    try:
        return int(parsed.run(parsed))
    except (CloudError, ProtocolError, PortError) as error:
        return _refused(str(error))
    except DBAPIError as error:
        reason = str(error.orig).strip().partition("\n")[0]
        return _refused(f"--db: {reason}; check that the database runs, its address, and who may write there")
    except OSError as error:
        return _refused(f"{error.filename or 'system'}: {error.strerror or error}; check the path and its owner")
    except KeyboardInterrupt:
        return 130


def _refused(reason: str) -> int:
    print(f"tallystick: {reason}", file=sys.stderr)
    return 1


def parser() -> argparse.ArgumentParser:
    """All commands with their examples."""
    found = argparse.ArgumentParser(
        prog="tallystick",
        description="The aggregator: verifies, prices, splits and books every use, and keeps the log.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = found.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in (
        serve,
        community,
        contract,
        site,
        period,
        settlement,
        payout,
        bank,
        evidence,
        witness,
        summary,
        broker,
        token,
    ):
        module.add(commands)
    return found
