"""`tallystick dispute open | list | decide | renew`: what is said against a use, and how it ends.

It never decides for the one who opened it.
"""

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

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
from tallystick_cloud.commands.signing import party_of
from tallystick_cloud.disputes import service
from tallystick_cloud.disputes.renew import old_ones, renew
from tallystick_cloud.errors import BadInput
from tallystick_cloud.http.authz import Role
from tallystick_cloud.parties.store import ids_by_name, names_by_id

DECIDERS = frozenset({Role.COMMUNITY_MANAGER, Role.AUDITOR})
USE_CHARS = 64

GONE = "erased"
"""What is printed for words that went with a person; as JSON they are empty."""


def add(commands: Commands) -> None:
    words = group(commands, "dispute", "Disputes about a use: its money is held until somebody decides.")
    found = command(
        words,
        "open",
        begin,
        "Say that a use is wrong; its shares are not paid out until that is decided.",
        "  tallystick dispute open 0a1b... --by 'Anna Rossi' --why 'it stopped' --document photo.jpg --data D\n",
    )
    _said(found)
    found = command(words, "list", show, "List disputes, the open ones first.", "  tallystick dispute list --data D\n")
    _common(found)
    found = command(
        words,
        "decide",
        end,
        "Decide: --right makes the use count as if it had never been, --wrong lets the money go. Cannot be undone.",
        "  tallystick dispute decide 0a1b... --right --by 'Giulia Ferrari' --why 'the log says so' --yes --data D\n",
    )
    _said(found)
    which = found.add_mutually_exclusive_group(required=True)
    which.add_argument("--right", action="store_true", help="the dispute is right: the use counts no more")
    which.add_argument("--wrong", action="store_true", help="the use stands")
    found.add_argument("--yes", action="store_true", help="do not ask")
    found = command(
        words,
        "renew",
        again,
        "Bring disputes that an earlier version upheld to the present rule: their uses count no more. No way back.",
        "  tallystick dispute renew --by 'Giulia Ferrari' --data D\n"
        "  tallystick dispute renew --by 'Giulia Ferrari' --yes --json --data D\n",
    )
    found.add_argument("--by", required=True, metavar="NAME", help="the community manager or auditor who says so")
    found.add_argument("--yes", action="store_true", help="do not ask")
    _common(found)


def _said(found: argparse.ArgumentParser) -> None:
    found.add_argument("use", metavar="USE", help="its id in hex, as its page shows it")
    found.add_argument("--by", required=True, metavar="NAME", help="who says so")
    found.add_argument("--why", required=True, metavar="TEXT", help="the others read it")
    found.add_argument("--document", type=Path, metavar="FILE", help="what shows it; kept with the dispute")
    _common(found)


def _common(found: argparse.ArgumentParser) -> None:
    add_community(found)
    found.add_argument("--json", action="store_true", help="print JSON")


def begin(parsed: argparse.Namespace) -> int:
    options = opened(parsed)
    try:
        name = community_of(options, parsed.community)
        said = _of(options, name, parsed)
        row = options.database.write_now(service.open_dispute, name, said, options.clock.utc_ms())
        return _print(options, name, [row], as_json=parsed.json)
    finally:
        options.database.close()


def show(parsed: argparse.Namespace) -> int:
    options = opened(parsed)
    try:
        name = community_of(options, parsed.community)
        rows = options.database.read_now(service.listed, name)
        return _print(options, name, rows, as_json=parsed.json)
    finally:
        options.database.close()


def end(parsed: argparse.Namespace) -> int:
    options = opened(parsed)
    try:
        name = community_of(options, parsed.community)
        said = _of(options, name, parsed)
        options.database.read_now(may_decide, name, parsed.by, DECIDERS)
        ask(parsed.yes, _question(parsed.use, is_right=parsed.right))
        row = options.database.write_now(
            lambda conn: service.decide(conn, name, said, is_right=parsed.right, now_ms=options.clock.utc_ms())
        )
        return _print(options, name, [row], as_json=parsed.json)
    finally:
        options.database.close()


def again(parsed: argparse.Namespace) -> int:
    options = opened(parsed)
    try:
        name = community_of(options, parsed.community)
        options.database.read_now(may_decide, name, parsed.by, DECIDERS)
        old = options.database.read_now(old_ones, name)
        if old and not parsed.yes:
            names = options.database.read_now(names_by_id, name)
            print("\n".join(_line(row, names) for row in old), file=sys.stderr)
        ask(parsed.yes or not old, "let these uses count as if they had never been? Later uses are priced again.")

        def act(conn: Connection) -> list[Any]:
            return [renew(conn, name, bytes(row.use_id), options.clock.utc_ms()) for row in old]

        rows = options.database.write_now(act)
        if not rows and not parsed.json:
            print("every dispute that was right is by the present rule; nothing to do")
            return 0
        return _print(options, name, rows, as_json=parsed.json)
    finally:
        options.database.close()


def _question(use: str, *, is_right: bool) -> str:
    if is_right:
        return f"take back use {use}? It then counts as if it had never been, for good; later uses are priced again."
    return f"let use {use} stand? Its money is free then, and it cannot be disputed again."


def _of(options: Options, community: str, parsed: argparse.Namespace) -> service.Said:
    try:
        use = bytes.fromhex(parsed.use)
    except ValueError:
        use = b""
    if len(use) * 2 != USE_CHARS:
        raise BadInput("use", f"{parsed.use!r} is not {USE_CHARS} hex digits; its page shows the whole id")
    ids = options.database.read_now(ids_by_name, community)
    shown = None if parsed.document is None else parsed.document.read_bytes()
    return service.Said(use, party_of(community, ids, parsed.by), parsed.why, shown)


def _print(options: Options, community: str, rows: Any, *, as_json: bool) -> int:
    names = options.database.read_now(names_by_id, community)
    if as_json:
        print(json.dumps([_as_json(row, names) for row in rows], indent=1))
        return 0
    print("\n".join(_line(row, names) for row in rows) or "no disputes")
    return 0


def _line(row: Any, names: dict[bytes, str]) -> str:
    day = datetime.fromtimestamp(row.opened_ms / 1000, UTC).date()
    text = f"{row.state:9} {bytes(row.use_id).hex()}  {day}  {names[bytes(row.opened_by)]}: {row.why or GONE}"
    return text if row.decided_by is None else f"{text}; {names[bytes(row.decided_by)]}: {row.decision or GONE}"


def _as_json(row: Any, names: dict[bytes, str]) -> dict[str, object]:
    given = json.loads(row.given_back) if row.given_back else []
    return {
        "use": bytes(row.use_id).hex(),
        "state": row.state,
        "opened_by": names[bytes(row.opened_by)],
        "opened_ms": row.opened_ms,
        "why": row.why,
        "decided_by": None if row.decided_by is None else names[bytes(row.decided_by)],
        "decided_ms": row.decided_ms,
        "decision": row.decision,
        "given_back_nano": [[names[bytes.fromhex(party)], nano] for party, nano in given],
    }
