"""`tallystick gateway list | configure | commands | revoke`: which there are, their pace, and the end of one.

It never revokes without a yes: a revoked gateway comes back only with a new key and a new claim.
"""

import argparse
import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection
from tallystick_protocol.configure import LIMITS_MS, Settings

from tallystick_cloud.clock import real_utc
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
from tallystick_cloud.errors import BadInput
from tallystick_cloud.gateways import commands as to_gateways
from tallystick_cloud.gateways import revoke as use_case
from tallystick_cloud.gateways.commands import CONFIGURE_TTL_MS, HOUR_MS
from tallystick_cloud.gateways.store import gateway_rows, revoked_serials
from tallystick_cloud.http.authz import Role

GID_HEX = 32
CRL_FILE = "revoked.pem"
KEEPERS = frozenset({Role.COMMUNITY_MANAGER, Role.INSTALLER})
DECIDERS = frozenset({Role.COMMUNITY_MANAGER, Role.CITY_OPERATOR})


def add(commands: Commands) -> None:
    words = group(commands, "gateway", "Gateways that are enrolled.")
    found = command(words, "list", show, "All gateways with their ids.", "  tallystick gateway list --data D\n")
    _common(found)
    found = command(
        words,
        "revoke",
        revoke,
        "Take nothing of a gateway any more: logged, refused at once, on the revocation list. Cannot be undone.",
        "  tallystick gateway revoke 0a1b... --why 'stolen from the cellar' --by 'Giulia Ferrari' --data D\n"
        "  tallystick gateway revoke 0a1b... --why 'sold' --by 'Giulia Ferrari' --broker /etc/mosquitto/tallystick "
        "--yes --json --data D\n",
    )
    found.add_argument("gid", metavar="GID", help="as `tallystick gateway list` shows it")
    found.add_argument("--why", required=True, metavar="TEXT", help="stands in the alarm that tells of it")
    found.add_argument("--by", required=True, metavar="NAME", help="the community manager or city operator who decides")
    found.add_argument("--broker", type=Path, metavar="DIR", help="where `tallystick broker-config` put its files")
    found.add_argument("--yes", action="store_true", help="do not ask")
    _common(found)
    found = command(
        words,
        "configure",
        set_pace,
        "Command a gateway to poll its meters, seal or report at other intervals; 0 is back to its own file.",
        "  tallystick gateway configure 0a1b... --poll-s 30 --by 'Giulia Ferrari' --data D\n"
        "  tallystick gateway configure 0a1b... --poll-s 0 --seal-s 0 --by 'Giulia Ferrari' --data D\n",
    )
    found.add_argument("gid", metavar="GID", help="as `tallystick gateway list` shows it")
    for name, (least, most) in LIMITS_MS.items():
        help_text = f"{name} interval: {least // 1000} to {most // 1000} seconds, or 0"
        found.add_argument(f"--{name}-s", type=int, metavar="S", help=help_text)
    hours = CONFIGURE_TTL_MS // HOUR_MS
    found.add_argument("--expires-h", type=int, default=hours, metavar="H", help=f"not obeyed later than ({hours})")
    found.add_argument("--by", required=True, metavar="NAME", help="the community manager or installer who decides")
    _common(found)
    found = command(
        words,
        "commands",
        show_told,
        "What a gateway was told, and what it says became of it.",
        "  tallystick gateway commands 0a1b... --data D\n",
    )
    found.add_argument("gid", metavar="GID", help="as `tallystick gateway list` shows it")
    _common(found)


def _common(found: argparse.ArgumentParser) -> None:
    add_community(found)
    found.add_argument("--json", action="store_true", help="print JSON")


def show(parsed: argparse.Namespace) -> int:
    options = opened(parsed)
    try:
        rows = options.database.read_now(gateway_rows, community_of(options, parsed.community))
    finally:
        options.database.close()
    if parsed.json:
        print(json.dumps([_as_json(row) for row in rows], indent=1))
        return 0
    print("\n".join(f"{row.gid.hex()}  {row.state:8}  {_seen(row):16}  {row.name}" for row in rows) or "none")
    return 0


def set_pace(parsed: argparse.Namespace) -> int:
    gid = gid_of(parsed.gid)
    given = (parsed.poll_s, parsed.seal_s, parsed.heartbeat_s)
    settings = Settings(*(None if each is None else each * 1000 for each in given))
    options = opened(parsed)
    try:
        options.database.read_now(may_decide, community_of(options, parsed.community), parsed.by, KEEPERS)
        what = (gid, settings, parsed.expires_h * HOUR_MS, options.clock.utc_ms())
        h = options.database.write_now(to_gateways.configure, options.aggregator, *what)
    finally:
        options.database.close()
    if parsed.json:
        print(json.dumps({"gid": gid.hex(), "hash": h.hex()}))
        return 0
    print(f"told; `tallystick gateway commands {gid.hex()}` says what becomes of it")
    return 0


def show_told(parsed: argparse.Namespace) -> int:
    gid = gid_of(parsed.gid)
    options = opened(parsed)
    try:
        rows = options.database.read_now(to_gateways.told, gid, options.clock.utc_ms())
    finally:
        options.database.close()
    if parsed.json:
        print(json.dumps([asdict(row) for row in rows], indent=1))
        return 0
    print("\n".join(f"{row.number:4}  {_minute(row.issued_ms)}  {row.type:12}  {row.result}" for row in rows) or "none")
    return 0


def revoke(parsed: argparse.Namespace) -> int:
    gid = gid_of(parsed.gid)
    if not parsed.why.strip():
        raise BadInput("--why", "is empty; say why, others read it in the situation room")
    if parsed.broker is not None and not (parsed.broker / "mosquitto.conf").exists():
        raise BadInput("--broker", f"{parsed.broker} holds no files of `tallystick broker-config`; name its --out")
    options = opened(parsed)
    try:
        name = community_of(options, parsed.community)
        options.database.read_now(may_decide, name, parsed.by, DECIDERS)
        ask(parsed.yes, f"Revoke gateway {parsed.gid}? It comes back only with a new key and a new claim.")
        done = options.database.write_now(_revoke, options, name, gid, parsed)
        lists = write_lists(options, parsed.broker)
    finally:
        options.database.close()
    if parsed.json:
        since = {"from_epoch": done.from_epoch, "from_seq": done.from_seq}
        lines = {"leaves": list(done.leaves), "revocation_lists": [str(path) for path in lists]}
        print(json.dumps({"gid": gid.hex(), "name": done.name, "site": done.site, **since, **lines}))
        return 0
    print(f"{done.name} is revoked from batch {done.from_epoch}/{done.from_seq} on; in the log at {done.leaves}")
    print(f"revocation list: {', '.join(str(path) for path in lists)}")
    print("next: start the broker anew if there is one, and make a new claim: tallystick site new --help")
    return 0


def _revoke(
    conn: Connection, options: Options, community: str, gid: bytes, parsed: argparse.Namespace
) -> use_case.Revoked:
    context = options.aggregator.of(community)
    return use_case.revoke(conn, context, options.entropy, gid, parsed.by, parsed.why, options.clock.utc_ms())


def write_lists(options: Options, broker: Path | None) -> list[Path]:
    """The revocation list of all revoked gateways, beside the CA's certificate and where a broker reads it."""
    serials = options.database.read_now(revoked_serials)
    pem = options.aggregator.authority.revocation_list(serials, real_utc())
    paths = [options.home.tls / CRL_FILE, *([] if broker is None else [broker / CRL_FILE])]
    for path in paths:
        path.write_bytes(pem)
    return paths


def gid_of(text: str) -> bytes:
    """Raises BadInput for what is no gateway id."""
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(text) != GID_HEX or len(found) * 2 != GID_HEX:
        raise BadInput("GID", f"is {text!r}; 32 hex digits as `tallystick gateway list` shows them")
    return found


def _as_json(row: Any) -> dict[str, object]:
    known = {"gid": row.gid.hex(), "name": row.name, "site": row.site, "state": row.state, "software": row.software}
    return {**known, "enrolled_ms": row.enrolled_ms, "last_seen_ms": row.last_seen_ms}


def _seen(row: Any) -> str:
    if row.last_seen_ms is None:
        return "never seen"
    return _minute(row.last_seen_ms)


def _minute(ms: int) -> str:
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%d %H:%M")
