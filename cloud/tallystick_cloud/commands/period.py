"""`tallystick period close`: posts what a rating period costs at least, once.

It never closes a period that is not over.
"""

import argparse
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from tallystick_cloud.commands.common import Commands, add_community, command, community_of, group, opened
from tallystick_cloud.commands.moment import place_of
from tallystick_cloud.counts import many
from tallystick_cloud.errors import BadInput
from tallystick_cloud.ledger.period import close


def add(commands: Commands) -> None:
    words = group(commands, "period", "Rating periods.")
    found = command(
        words,
        "close",
        close_period,
        "Close the rating period that holds a day and those before it, for every contract; again it changes nothing.",
        "  tallystick period close --day 2026-10-31 --data D\n",
    )
    found.add_argument("--day", required=True, metavar="YYYY-MM-DD", help="any day of the period (UTC noon)")
    add_community(found)


def close_period(parsed: argparse.Namespace) -> int:
    try:
        day = datetime.strptime(parsed.day, "%Y-%m-%d").replace(hour=12, tzinfo=UTC)
    except ValueError:
        raise BadInput("--day", f"is {parsed.day!r}; write YYYY-MM-DD") from None
    options = opened(parsed)
    try:
        name = community_of(options, parsed.community)
        at_ms = int(day.timestamp()) * 1000
        closed = options.database.write_now(close, name, at_ms, options.clock.utc_ms())
        zone = ZoneInfo(options.database.read_now(place_of, name)[0])
    finally:
        options.database.close()
    if not closed:
        print(f"{name}: no contract was in force on {parsed.day}; nothing to close")
    for one in closed:
        what = "was closed before" if one.again else f"closed, {many(one.minimums, 'minimum')}"
        if one.standing:
            what += f", {many(one.standing, 'standing charge')}"
        if one.rebates:
            what += f", {many(one.rebates, 'rebate')}"
        last = datetime.fromtimestamp((one.period.to_ms - 1) / 1000, zone).date()
        print(f"contract {one.chain.hex()[:16]} until {last}: {what}")
    return 0
