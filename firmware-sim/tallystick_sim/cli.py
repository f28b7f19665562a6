"""The command line of the simulator: `tallystick-sim laundry` and `tallystick-sim demo`.
It reads arguments and starts one thing; it decides nothing itself."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from tallystick_sim.clock import ClockSettingError, clock_of_environment

UNIX_PATH_BYTES_MAX = 90  # Linux allows 107 for a socket's path; the names below it need some
SECONDS_MAX = 3_600


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit codes: 0 all is well, 1 something is amiss, 2 wrong arguments."""
    given = _parser().parse_args(arguments)
    try:
        code: int = given.run(given)
    except ClockSettingError as error:
        print(f"tallystick-sim: {error}", file=sys.stderr)
        return 2
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tallystick-sim", description="Meters, sensors and towns that do not exist.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    laundry = commands.add_parser("laundry", help="a laundry's meters on real ports, with a control line")
    laundry.add_argument("--folder", type=_short_folder, required=True, help="where sockets and serial lines appear")
    laundry.add_argument("--seed", default="first light", help="the same seed gives the same washes")
    laundry.set_defaults(run=_laundry)
    return parser


def _short_folder(text: str) -> Path:
    path = Path(text)
    if len(str(path).encode()) > UNIX_PATH_BYTES_MAX:
        raise argparse.ArgumentTypeError(f"longer than {UNIX_PATH_BYTES_MAX} bytes, too long for a unix socket")
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"no folder {text}")
    return path


def _laundry(given: argparse.Namespace) -> int:
    from tallystick_sim.laundry_process import LaundryProcess

    process = LaundryProcess(clock_of_environment(), given.seed, given.folder)
    asyncio.run(process.run(given.folder / "control"))
    return 0
