"""`tallystick trial start | end | list`: an installer tries a machine, and nobody pays for it.

It never takes back what began before or after the run.
"""

import argparse
import json
from collections.abc import Sequence

from tallystick_cloud.commands.common import (
    Commands,
    Options,
    add_community,
    command,
    community_of,
    group,
    may_decide,
    opened,
)
from tallystick_cloud.http.rail import INSTALLERS
from tallystick_cloud.parties.store import ids_by_name, names_by_id
from tallystick_cloud.trials import report, service, store
from tallystick_cloud.trials.model import MINUTES_MAX, MINUTES_MIN, MINUTES_USUAL, Trial


def add(commands: Commands) -> None:
    words = group(commands, "trial", "Test runs: an installer tries a machine, and nobody pays for it.")
    found = command(
        words,
        "start",
        start,
        "From now on nobody pays for a use that begins in the run: it is billed, and taken back at once.",
        "  tallystick trial start washer-1 --by 'Marco Bianchi' --why 'new inlet valve' --data D\n",
    )
    found.add_argument("asset", metavar="ASSET", help="its id, as `tallystick asset list` shows it")
    found.add_argument(
        "--minutes",
        type=int,
        default=MINUTES_USUAL,
        metavar="N",
        help=f"how long uses may begin, {MINUTES_MIN} to {MINUTES_MAX} (default: {MINUTES_USUAL})",
    )
    found.add_argument("--why", required=True, metavar="TEXT", help="who gets a share of the asset's uses reads it")
    _common(found, by=True)
    found = command(
        words,
        "end",
        end,
        "End a run early: a use that begins from now on is paid for.",
        "  tallystick trial end 3 --by 'Marco Bianchi' --data D\n",
    )
    found.add_argument("number", type=int, metavar="RUN", help="its number, as `tallystick trial list` shows it")
    _common(found, by=True)
    found = command(words, "list", show, "Test runs, the newest first.", "  tallystick trial list --data D\n")
    _common(found, by=False)


def _common(found: argparse.ArgumentParser, *, by: bool) -> None:
    if by:
        found.add_argument("--by", required=True, metavar="NAME", help="the installer or manager who tests")
    add_community(found)
    found.add_argument("--json", action="store_true", help="print JSON")


def start(parsed: argparse.Namespace) -> int:
    options = opened(parsed)
    try:
        name, by = _who(options, parsed)
        now_ms = options.clock.utc_ms()
        said = parsed.asset, parsed.minutes, parsed.why
        made = options.database.write_now(service.start, name, *said, by, now_ms)
        return _print(options, name, [made], parsed)
    finally:
        options.database.close()


def end(parsed: argparse.Namespace) -> int:
    options = opened(parsed)
    try:
        name, _ = _who(options, parsed)
        done = options.database.write_now(service.end, name, parsed.number, options.clock.utc_ms())
        return _print(options, name, [done], parsed)
    finally:
        options.database.close()


def show(parsed: argparse.Namespace) -> int:
    options = opened(parsed)
    try:
        name = community_of(options, parsed.community)
        return _print(options, name, options.database.read_now(store.listed, name), parsed)
    finally:
        options.database.close()


def _who(options: Options, parsed: argparse.Namespace) -> tuple[str, bytes]:
    """The community and the party that tests; raises BadInput for one that may not."""
    name = community_of(options, parsed.community)
    options.database.read_now(may_decide, name, parsed.by, INSTALLERS)
    return name, options.database.read_now(ids_by_name, name)[parsed.by]


def _print(options: Options, community: str, runs: Sequence[Trial], parsed: argparse.Namespace) -> int:
    names, now_ms = options.database.read_now(names_by_id, community), options.clock.utc_ms()
    if parsed.json:
        print(json.dumps([report.as_json(one, names, now_ms) for one in runs], indent=1, ensure_ascii=False))
    else:
        print("\n".join(report.as_text(one, names, now_ms) for one in runs) or "there was none")
    return 0
