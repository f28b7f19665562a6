"""`tallystick summary`: the figures of a community, for people or as JSON.

It only reads.
"""

import argparse
import json
from dataclasses import asdict

from tallystick_cloud.commands.common import Commands, add_community, command, community_of, opened
from tallystick_cloud.counts import many
from tallystick_cloud.ledger.audit import audit
from tallystick_cloud.ledger.summary import summary

NANO = 10**9


def add(commands: Commands) -> None:
    found = command(
        commands,
        "summary",
        show,
        "Counts of readings, batches, uses and money, and whether the books keep their laws.",
        "  tallystick summary --data D\n  tallystick summary --json --data D\n",
    )
    found.add_argument("--json", action="store_true", help="print JSON")
    add_community(found)


def show(parsed: argparse.Namespace) -> int:
    """Exit code 1 when a law does not hold."""
    options = opened(parsed)
    try:
        found = options.database.read_now(summary, community_of(options, parsed.community))
        wrong = options.database.read_now(audit)
    finally:
        options.database.close()
    if parsed.json:
        print(json.dumps({**asdict(found), "audit": wrong}, indent=1))
        return 1 if wrong else 0
    batches = many(found.batches, "batch", "batches")
    print(f"{found.community}: {many(found.readings, 'reading')}, {batches}, {many(found.uses, 'use')}")
    print(f"fees {_money(found.fees_nano)}, imbalance {found.imbalance_nano} nano, log {found.log.size} leaves")
    for name, amount in found.splits_nano.items():
        print(f"  {name}: {_money(amount)}")
    if int(found.unclaimed_nano):
        print(f"unclaimed {_money(found.unclaimed_nano)}, see `tallystick unclaimed list`")
    for line in wrong:
        print(f"WRONG: {line}")
    return 1 if wrong else 0


def _money(nano: str) -> str:
    whole, rest = divmod(int(nano), NANO)
    return f"{whole}.{rest:09d}"
