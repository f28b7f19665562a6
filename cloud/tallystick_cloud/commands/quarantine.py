"""`tallystick quarantine list | retry | skip`: parts that were set aside, another try, and the end of a hopeless one.

It never throws a part's bytes away; what still cannot be read stays as it is.
"""

import argparse
import json
import logging
from dataclasses import asdict
from datetime import UTC, datetime

from tallystick_cloud.commands.common import (
    Commands,
    Options,
    add_community,
    ask,
    command,
    community_of,
    group,
    may_decide,
    opened,
)
from tallystick_cloud.commands.gateway import DECIDERS, gid_of
from tallystick_cloud.counts import many
from tallystick_cloud.errors import BadInput
from tallystick_cloud.ingest.quarantine import Waiting, listed
from tallystick_cloud.ingest.retry import Retried, retry_all
from tallystick_cloud.ingest.skip import Address, skip

LIST_MAX = 500  # lines that somebody reads; the oldest come first
_log = logging.getLogger(__name__)


def add(commands: Commands) -> None:
    words = group(commands, "quarantine", "Parts of batches that were set aside.")
    found = command(
        words,
        "list",
        show,
        "List what waits in quarantine, oldest first, with the reason.",
        "  tallystick quarantine list --data D\n  tallystick quarantine list --json --data D\n",
    )
    _common(found)
    found = command(
        words,
        "retry",
        again,
        "Try again what this program may read now; what was missed is billed once. `serve` does it at start.",
        "  tallystick quarantine retry --data D\n",
    )
    _common(found)
    found = command(
        words,
        "skip",
        give_up,
        "Give up a part that no program will read, so that its channel goes on; later readings carry its counts.",
        "  tallystick quarantine skip 0a1b... 1/17 2 --why 'the meter sent rubbish' --by 'Giulia Ferrari' --data D\n"
        "  (gateway, epoch/number of the batch and part as `tallystick quarantine list` shows them)\n",
    )
    found.add_argument("gid", metavar="GID", help="as `tallystick gateway list` shows it")
    found.add_argument("batch", metavar="EPOCH/SEQ", help="of the batch, as `list` shows it")
    found.add_argument("part", metavar="PART", type=int, help="number of the part in it")
    found.add_argument("--why", required=True, metavar="TEXT", help="stands in the alarm that tells of it")
    found.add_argument("--by", required=True, metavar="NAME", help="the community manager or city operator who decides")
    found.add_argument("--yes", action="store_true", help="do not ask")
    _common(found)


def _common(found: argparse.ArgumentParser) -> None:
    add_community(found)
    found.add_argument("--json", action="store_true", help="print JSON")


def show(parsed: argparse.Namespace) -> int:
    options = opened(parsed)
    try:
        waiting = options.database.read_now(listed, community_of(options, parsed.community), LIST_MAX)
    finally:
        options.database.close()
    if parsed.json:
        print(json.dumps([asdict(one) for one in waiting], indent=1))
        return 0
    print("\n".join(_line(one) for one in waiting) or "nothing waits")
    return 0


def again(parsed: argparse.Namespace) -> int:
    options = opened(parsed)
    try:
        community = community_of(options, parsed.community)
        done = options.database.write_now(retry_all, community, options.clock.utc_ms())
    finally:
        options.database.close()
    return _say(parsed, done)


def give_up(parsed: argparse.Namespace) -> int:
    where = Address(gid_of(parsed.gid), *_number_of(parsed.batch), parsed.part)
    if not parsed.why.strip():
        raise BadInput("--why", "is empty; say why, others read it in the situation room")
    options = opened(parsed)
    try:
        community = community_of(options, parsed.community)
        options.database.read_now(may_decide, community, parsed.by, DECIDERS)
        ask(parsed.yes, f"Give up part {where}? Uses that only it tells of stay open; this cannot be undone.")
        now_ms = options.clock.utc_ms()
        done = options.database.write_now(skip, community, where, parsed.by, parsed.why.strip(), now_ms)
    finally:
        options.database.close()
    return _say(parsed, done)


def _number_of(text: str) -> tuple[int, int]:
    epoch, _, seq = text.partition("/")
    if not (epoch.isdecimal() and seq.isdecimal()):
        raise BadInput(
            "EPOCH/SEQ", f"is {text!r}; two numbers such as 1/17, as `tallystick quarantine list` shows them"
        )
    return int(epoch), int(seq)


def _say(parsed: argparse.Namespace, done: Retried) -> int:
    if parsed.json:
        print(json.dumps(asdict(done)))
        return 0
    print(f"{many(done.taken, 'part')} taken, {many(done.uses, 'use')} booked, {many(done.left, 'part')} left waiting")
    return 0


def retry_at_start(options: Options) -> None:
    """A program that starts may be newer than the one that set the parts aside."""
    for community in sorted(options.aggregator.contexts):
        try:
            done = options.database.write_now(retry_all, community, options.clock.utc_ms())
        except Exception:  # a task border: what waits can wait on, everybody else is to be served
            _log.exception("quarantine of %s could not be tried again", community)
            continue
        if done != Retried():
            _log.info("quarantine of %s: %d parts taken, %d wait on", community, done.taken, done.left)


def _line(one: Waiting) -> str:
    day = datetime.fromtimestamp(one.since_ms // 1000, UTC).strftime("%Y-%m-%d %H:%M")
    where = f"{one.gateway} {one.epoch}/{one.seq} part {one.part}"
    channel = "-" if one.channel is None else one.channel
    return f"{day}  {where}  channel {channel}  {one.reason}  {one.detail}"
