"""`tallystick token new | list | end`: access tokens, with which a person signs in and a program calls the API.

It never stores a token, only its hash, and never grants a role: the person must have it.
"""

import argparse
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from tallystick_cloud import schema
from tallystick_cloud.clock import real_utc_ms
from tallystick_cloud.commands.common import Commands, add_community, command, community_of, group, opened
from tallystick_cloud.errors import BadInput, NotFound
from tallystick_cloud.http.authz import MEMBERS, Role
from tallystick_cloud.http.identity import SessionRow, revoke_session, store_session
from tallystick_cloud.http.sessions import new_session
from tallystick_cloud.parties.store import ids_by_name

DAY_MS = 24 * 3_600_000
DAYS, DAYS_MAX = 90, 366  # a token that nobody renews within a year is forgotten somewhere
SHOWN = 12  # hex digits of the hash that name a token; 48 bits do not collide in a list that people read


def add(commands: Commands) -> None:
    words = group(commands, "token", "Access tokens of people and programs.")
    found = command(
        words,
        "new",
        new,
        "Make an access token for a person in a role the person has; it is printed once.",
        '  tallystick token new --party "Giulia Ferrari" --role community_manager --data D\n',
    )
    add_community(found)
    found.add_argument("--party", required=True, metavar="NAME", help="whose it is")
    found.add_argument("--role", required=True, choices=sorted(role.value for role in MEMBERS), help="what it may do")
    found.add_argument("--days", type=int, default=DAYS, help=f"how long it is good (default {DAYS})")
    found = command(words, "list", show, "Tokens and sessions that are good now.", "  tallystick token list --data D\n")
    found = command(words, "end", end, "End a token or session.", "  tallystick token end 3fa94c21d07e --data D\n")
    found.add_argument("name", metavar="NAME", help="as shown by `tallystick token list`")


def new(parsed: argparse.Namespace) -> int:
    if not 1 <= parsed.days <= DAYS_MAX:
        raise BadInput("--days", f"{parsed.days} is not in 1..{DAYS_MAX}")
    options = opened(parsed)
    try:
        community, role = community_of(options, parsed.community), Role(parsed.role)
        row = options.database.write_now(issue, community, parsed.party, role, parsed.days * DAY_MS, real_utc_ms())
    finally:
        options.database.close()
    print(row.secret.hex())
    return 0


def show(parsed: argparse.Namespace) -> int:
    options = opened(parsed)
    try:
        lines = options.database.read_now(_lines, real_utc_ms())
    finally:
        options.database.close()
    print("\n".join(lines) or "none")
    return 0


def end(parsed: argparse.Namespace) -> int:
    options = opened(parsed)
    try:
        options.database.write_now(revoke_named, parsed.name, real_utc_ms())
    finally:
        options.database.close()
    print(f"{parsed.name} is ended")
    return 0


def issue(conn: Connection, community: str, party: str, role: Role, lasts_ms: int, now_ms: int) -> SessionRow:
    """A token of this person in this role; raises BadInput when there is no such person or the role is not theirs."""
    person = ids_by_name(conn, community).get(party)
    if person is None:
        raise BadInput("--party", f"{party!r} is not a party of {community}; names are written as in the town file")
    grant = schema.role_grant.c
    mine = conn.execute(
        select(grant.role).where(grant.community == community, grant.party == person, grant.revoked_ms.is_(None))
    ).scalars()
    roles = sorted(set(mine))
    if role.value not in roles:
        raise BadInput("--role", f"{party} is not {role.value} in {community}, but: {', '.join(roles) or 'nothing'}")
    row = new_session(community, person, role, now_ms, lasts_ms)
    store_session(conn, row)
    return row


def revoke_named(conn: Connection, name: str, now_ms: int) -> None:
    """End the one whose hash begins so; raises NotFound when none or several do."""
    found = [row for row in _good(conn, now_ms) if row.token_hash.hex().startswith(name.lower())]
    if len(found) != 1:
        raise NotFound("NAME", f"{len(found)} tokens begin with {name!r}; see `tallystick token list`")
    revoke_session(conn, found[0].token_hash, now_ms)


def _good(conn: Connection, now_ms: int) -> list[Row[Any]]:
    session = schema.session
    return list(
        conn.execute(
            select(session, schema.party.c.name)
            .outerjoin(schema.party, schema.party.c.id == session.c.party)
            .where(session.c.revoked_ms.is_(None), session.c.expires_ms > now_ms)
            .order_by(session.c.expires_ms)
        )
    )


def _lines(conn: Connection, now_ms: int) -> list[str]:
    return [
        f"{row.token_hash.hex()[:SHOWN]}  until {_day(row.expires_ms)}  {row.community}  {row.role}  {row.name}"
        for row in _good(conn, now_ms)
    ]


def _day(ms: int) -> str:
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%d")
