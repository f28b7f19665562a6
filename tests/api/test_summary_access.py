"""The summary over HTTP: for those who look after all uses, and never without a row that says who looked."""

from __future__ import annotations

from collections.abc import Iterator

import aiohttp
import pytest
from aiohttp import web
from support.books import Books, open_books
from tallystick_cloud import schema
from tallystick_cloud.clock import SystemClock
from tallystick_cloud.http.authz import Grant, Principal, PrincipalKind, Role
from tallystick_cloud.http.errors import Problem
from tallystick_cloud.http.listeners import open_socket, port_of, serve_on
from tallystick_cloud.http.route import Port
from tallystick_cloud.http.serve import bind
from tallystick_cloud.ledger.api import ledger_routes

MANAGER = bytes(range(16))


@pytest.fixture
def books() -> Iterator[Books]:
    found = open_books()
    yield found
    found.database.close()


class Door:
    """Says that everybody has `role`."""

    def __init__(self, role: Role) -> None:
        grants = frozenset({Grant("lindenhof", role)})
        self.principal = Principal(PrincipalKind.TOKEN, party=MANAGER, community="lindenhof", grants=grants)

    async def who(self, request: web.Request) -> tuple[Principal, str]:
        return self.principal, ""


def no_page(request: web.Request, problem: Problem) -> web.StreamResponse:
    return web.Response(status=problem.status)


async def asked(books: Books, role: Role) -> int:
    app = bind(ledger_routes(books.database, SystemClock()), Port.WEB, Door(role), no_page)
    opened = open_socket("127.0.0.1", 0)
    runner = await serve_on(app, opened)
    try:
        url = f"http://127.0.0.1:{port_of(opened)}/v1/communities/lindenhof/summary"
        async with aiohttp.ClientSession() as http, http.get(url) as answer:
            return answer.status
    finally:
        await runner.cleanup()


async def test_a_look_at_the_summary_leaves_a_row_and_a_refused_one_does_not(books: Books) -> None:
    assert await asked(books, Role.USER) == 403
    assert books.rows(schema.access) == []
    assert await asked(books, Role.AUDITOR) == 200
    (row,) = books.rows(schema.access)
    assert (row["actor"], row["resource"], row["basis"], row["row_count"]) == (MANAGER, "summary", "office", 0)
