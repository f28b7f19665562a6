"""Draws pages: templates with the shell around them, in the caller's language and theme, from the built assets.

It never decides what a page shows and never sends anything that our content policy would refuse."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import jinja2
from aiohttp import web

from tallystick_cloud.http.authz import Principal, Role
from tallystick_cloud.http.errors import Problem, SignInNeeded
from tallystick_cloud.http.locale import Wording, negotiate, negotiate_numbers
from tallystick_cloud.http.rail import INSTALLERS, SIGHT, rail
from tallystick_cloud.http.route import Call
from tallystick_cloud.ports import Clock

PACKAGE = Path(__file__).parent.parent
STATIC = PACKAGE / "static"
TEMPLATES = PACKAGE / "templates"
THEME_COOKIE = "tallystick_theme"
THEMES = ("auto", "dark", "light")
COMPRESS_FROM_BYTES = 1_024
"""Below this a compressed page is not smaller."""


@dataclass(frozen=True, slots=True)
class Look:
    """What the shell needs to know of the community; the default is for pages before anybody is signed in."""

    community: str = ""
    name: str = "Tallystick"
    zone: str = "Europe/Rome"


class Pages:
    """The templates, loaded once; `is_demo` shows the persona links where somebody has to sign in."""

    def __init__(self, clock: Clock, *, is_demo: bool = False, static: Path = STATIC) -> None:
        self._clock = clock
        self.is_demo = is_demo
        self._manifest = _read_manifest(static)
        self._jinja = jinja2.Environment(
            loader=jinja2.FileSystemLoader(TEMPLATES),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            undefined=jinja2.StrictUndefined,
            extensions=["jinja2.ext.i18n"],
        )

    def wording(self, request: web.Request, zone: str) -> Wording:
        """The caller's language and way to write numbers, in the city's time zone."""
        accepted = request.headers.get("Accept-Language", "")
        return Wording(negotiate(accepted), ZoneInfo(zone), negotiate_numbers(accepted))

    def fragment(self, template: str, wording: Wording, **values: Any) -> str:
        """A part of a page as HTML."""
        return self._jinja.get_template(template).render(w=wording, _=wording.gettext, **values)

    def page(self, call: Call, template: str, look: Look, *, status: int = 200, **values: Any) -> web.Response:
        """A whole page inside the shell."""
        return self._respond(call.request, template, look, call.principal, call.csrf, status, values)

    def error(self, request: web.Request, problem: Problem) -> web.Response:
        """The page for a refused call: what happened, why, and the next step."""
        values = {"problem": problem, "needs_sign_in": isinstance(problem, SignInNeeded), "title": problem.title}
        return self._respond(request, "error.html", Look(), None, "", problem.status, values)

    def _respond(
        self,
        request: web.Request,
        template: str,
        look: Look,
        principal: Principal | None,
        csrf: str,
        status: int,
        values: Mapping[str, Any],
    ) -> web.Response:
        wording = self.wording(request, look.zone)
        now_ms = self._clock.utc_ms()
        theme = request.cookies.get(THEME_COOKIE, "auto")
        html = self.fragment(
            template,
            wording,
            assets=self._manifest,
            look=look,
            user=principal if principal and principal.session else None,
            csrf=csrf,
            theme=theme if theme in THEMES else "auto",
            path=request.path,
            here=request.path_qs,
            now_ms=now_ms,
            clock_factor=getattr(self._clock, "factor", 1),
            is_demo=self.is_demo,
            rail=rail(roles_of(principal)),
            may_find=bool(SIGHT & roles_of(principal)),
            may_claim=bool(INSTALLERS & roles_of(principal)),
            **values,
        )
        response = web.Response(text=html, content_type="text/html", status=status)
        response.headers["Vary"] = "Accept-Language, Cookie"
        if len(html) > COMPRESS_FROM_BYTES:
            response.enable_compression()
        return response


def roles_of(principal: Principal | None) -> frozenset[Role]:
    """The roles in the community where the caller acts now."""
    if principal is None or principal.community is None:
        return frozenset()
    return principal.roles_in(principal.community)


def csv_response(name: str, text: str) -> web.Response:
    """A table as a file; the byte order mark makes spreadsheets read it as UTF-8."""
    response = web.Response(text="\ufeff" + text, content_type="text/csv", charset="utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def file_response(name: str, data: bytes, kind: str) -> web.Response:
    """A file that browsers save under that name and keep no other copy of; `kind`: its media type."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return web.Response(body=data, content_type=kind, headers=headers)


def see_other(where: str) -> web.Response:
    """Send the browser on with a GET; only to our own pages."""
    own = where if where.startswith("/") and not where.startswith(("//", "/\\")) else "/"
    return web.Response(status=303, headers={"Location": own})


def _read_manifest(static: Path) -> dict[str, str]:
    try:
        found: dict[str, str] = json.loads((static / "manifest.json").read_text())
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{static / 'manifest.json'} is missing: build the interface with `python cloud/hatch_build.py`"
        ) from None
    return found
