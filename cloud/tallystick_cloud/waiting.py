"""A server that starts before its database: it says so, in its log and on the people's port, until it is there.

It never waits for what waiting does not mend: a wrong password, a database that nobody made, a missing file.
"""

import asyncio
import logging
import time
from contextlib import suppress

from aiohttp import web
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from tallystick_cloud.app import HOST
from tallystick_cloud.db import Database
from tallystick_cloud.http.assets import asset_routes
from tallystick_cloud.http.authz import ANONYMOUS, Principal
from tallystick_cloud.http.errors import NotReady
from tallystick_cloud.http.listeners import open_socket, serve_on
from tallystick_cloud.http.pages import Pages
from tallystick_cloud.http.route import Port
from tallystick_cloud.http.serve import bind

FIRST_S, MOST_S = 0.5, 10.0
"""Pauses between two questions, each twice the one before: soon after a boot, and no burden when it takes long."""
PASSES = (
    "starting up",
    "shutting down",
    "recovery mode",
    "accepting connections",  # not yet, or not while it follows another
    "remaining connection slots",
    "too many clients",
)
"""What a server says with FATAL that is over by itself (PostgreSQL, postmaster.c and proc.c)."""
_log = logging.getLogger(__name__)


def reason(error: OperationalError) -> str:
    """What the driver says, in one line."""
    return str(error.orig).strip().partition("\n")[0]


def is_away(error: OperationalError) -> bool:
    """Whether the database may come by itself: nobody answers at its address, or who answers is not ready."""
    said = str(error.orig)
    return "FATAL" not in said or any(one in said for one in PASSES)


async def until_there(database: Database, pages: Pages, port: int, stop: asyncio.Event) -> bool:
    """True once the database answers; False when `stop` was set before. Raises OperationalError as `is_away`."""
    away = await _asked(database)
    if away is None:
        return True
    _log.error("the database does not answer: %s; the server starts as soon as it does", reason(away))
    begun, pause_s = time.monotonic(), FIRST_S
    runner = await serve_on(_application(pages), open_socket(HOST, port))
    try:
        while away is not None and not stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause_s)
            pause_s = min(2 * pause_s, MOST_S)
            away = None if stop.is_set() else await _asked(database)
    finally:
        await runner.cleanup()
    if stop.is_set():
        return False
    _log.warning("the database answers after %.0f s; starting", time.monotonic() - begun)
    return True


async def _asked(database: Database) -> OperationalError | None:
    """None when it answers. A file of SQLite is there or not: that is said where it is opened."""
    if database.is_sqlite:
        return None
    try:
        await database.read(_ask)
    except OperationalError as error:
        if not is_away(error):
            raise
        return error
    return None


def _ask(conn: Connection) -> None:
    conn.exec_driver_sql("SELECT 1")


class _Nobody:
    """Who asks is not looked up: that would need the database."""

    async def who(self, request: web.Request) -> tuple[Principal, str]:
        return ANONYMOUS, ""


def _application(pages: Pages) -> web.Application:
    """The interface's files, and for everything else, health too, that the server waits."""
    app = bind(asset_routes(), Port.WEB, _Nobody(), pages.error)
    app.router.add_route("*", "/{any:.*}", _not_ready)
    return app


async def _not_ready(request: web.Request) -> web.StreamResponse:
    raise NotReady("the server has started and waits for its database, which does not answer yet")
