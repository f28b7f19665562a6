"""Serves the built interface: names carry a content hash, so they are cached for good and sent compressed.

It never serves a file outside the static folder."""

from pathlib import Path

from aiohttp import web

from tallystick_cloud.http.authz import Role
from tallystick_cloud.http.errors import NotFound
from tallystick_cloud.http.pages import STATIC
from tallystick_cloud.http.route import Call, RouteTable

FOREVER = "public, max-age=31536000, immutable"


def asset_routes(static: Path = STATIC) -> RouteTable:
    """The one route for scripts, styles and fonts."""
    table = RouteTable()
    served = {path.name: path for path in static.iterdir() if path.is_file() and path.suffix in _TYPES}

    @table.route("GET", "/static/{name}", roles={Role.PUBLIC}, gives="application/octet-stream", tag="pages")
    async def static_file(call: Call, name: str) -> web.StreamResponse:
        """A script, style sheet or font of the interface."""
        path = served.get(name)
        if path is None:
            raise NotFound(f"no file {name}", next_step="Load the page again; the interface was updated.")
        return web.FileResponse(path, headers={"Cache-Control": FOREVER, "Content-Type": _TYPES[path.suffix]})

    return table


_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".woff2": "font/woff2",
    ".svg": "image/svg+xml",
}
