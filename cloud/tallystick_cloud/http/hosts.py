"""Refuses requests for a name that is not ours, so that a foreign page cannot reach a loopback port by rebinding DNS.

It never trusts a forwarded host."""

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

LOCAL = frozenset({"localhost", "127.0.0.1", "[::1]"})
"""Names of this machine, always allowed."""


def only_hosts(more: frozenset[str]) -> Any:
    """A middleware that answers for LOCAL and `more` only (names without port)."""
    allowed = LOCAL | more

    @web.middleware
    async def check(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        host = request.host.rsplit(":", 1)[0] if not request.host.endswith("]") else request.host
        if host not in allowed:
            return web.Response(status=421, text=f"This server does not answer for {host!r}; open it as localhost.\n")
        return await handler(request)

    return check
