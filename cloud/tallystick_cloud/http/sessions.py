"""Signing in and out, the look of the pages, and in the demo the persona links; keeps who is who in the database.

It never grants a role: a session acts in one that was granted before."""

import secrets
from collections.abc import Callable
from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, StringConstraints
from sqlalchemy import Connection, exists, func, select

from tallystick_cloud import schema
from tallystick_cloud.db import Database
from tallystick_cloud.http.authz import ANONYMOUS, MEMBERS, Principal, PrincipalKind, Role
from tallystick_cloud.http.errors import Forbidden, NotFound, SignInNeeded
from tallystick_cloud.http.first_page import first_page
from tallystick_cloud.http.identity import (
    COOKIE,
    SECRET_BYTES,
    SESSION_MS,
    Credential,
    SessionRow,
    credential_of,
    find_principal,
    revoke_session,
    store_session,
)
from tallystick_cloud.http.pages import THEME_COOKIE, THEMES, Look, Pages, see_other
from tallystick_cloud.http.route import Call, RouteTable

PERSONAS = {
    "operator": Role.CITY_OPERATOR,
    "manager": Role.COMMUNITY_MANAGER,
    "installer": Role.INSTALLER,
    "auditor": Role.AUDITOR,
    "owner": Role.OWNER,
    "lender": Role.FINANCIER,
    "repairer": Role.SERVICER,
    "user": Role.USER,
}
"""Who the demo can be looked at as."""
LOOPBACK = frozenset({"127.0.0.1", "::1"})
YEAR_S = 365 * 24 * 3600

RealNow = Callable[[], int]


class SignInForm(BaseModel):
    """An access token as `tallystick` printed it."""

    token: Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[0-9a-fA-F]{64}$")]
    back: str = "/situation"


class ThemeForm(BaseModel):
    """The wanted look, and the page to return to."""

    theme: Annotated[str, StringConstraints(pattern=r"^(auto|dark|light)$")]
    back: str = "/"


class DatabaseDoorkeeper:
    """Looks every credential up at every call, so that a revoked one ends at once."""

    def __init__(self, database: Database, real_now_ms: RealNow) -> None:
        self._database = database
        self._now = real_now_ms

    async def who(self, request: web.Request) -> tuple[Principal, str]:
        """The caller and the session's CSRF token; a token that is not known is refused, a stale cookie is nobody."""
        credential = credential_of(request)
        if credential is None:
            return ANONYMOUS, ""
        principal, csrf = await self._database.read(find_principal, credential, self._now())
        if principal.kind is PrincipalKind.ANONYMOUS and credential.kind is PrincipalKind.TOKEN:
            raise SignInNeeded("the access token is unknown, revoked or expired", next_step="Make a new token.")
        return principal, csrf


def session_routes(database: Database, pages: Pages, real_now_ms: RealNow) -> RouteTable:
    """Sign in, sign out, theme."""
    table = RouteTable()

    @table.route("GET", "/sign-in", roles={Role.PUBLIC}, gives="text/html", tag="session")
    async def sign_in_page(call: Call, back: str = "/situation") -> web.StreamResponse:
        """The page to sign in with an access token."""
        return pages.page(call, "sign_in.html", Look(), back=back, title="Sign in")

    @table.route(
        "POST", "/sign-in", roles={Role.PUBLIC}, gives="text/html", status=303, tag="session",
        takes="application/x-www-form-urlencoded",
    )  # fmt: skip
    async def sign_in(call: Call, form: SignInForm) -> web.StreamResponse:
        """Exchange an access token for a session of this browser."""
        credential = Credential(PrincipalKind.TOKEN, bytes.fromhex(form.token))
        principal, _ = await database.read(find_principal, credential, real_now_ms())
        if principal.community is None:
            raise SignInNeeded("the access token is unknown, revoked or expired", next_step="Make a new token.")
        role = next(iter(principal.grants)).role
        row = new_session(principal.community, principal.party, role, real_now_ms())
        await database.write(store_session, row)
        return _with_cookie(see_other(form.back), row, call.request)

    @table.route("POST", "/sign-out", roles=MEMBERS, gives="text/html", status=303, tag="session")
    async def sign_out(call: Call) -> web.StreamResponse:
        """End this session."""
        if call.principal.session is not None:
            await database.write(revoke_session, call.principal.session, real_now_ms())
        response = see_other("/")
        response.del_cookie(COOKIE)
        return response

    @table.route(
        "POST", "/settings/theme", roles={Role.PUBLIC}, gives="text/html", status=303, tag="session",
        takes="application/x-www-form-urlencoded",
    )  # fmt: skip
    async def set_theme(call: Call, form: ThemeForm) -> web.StreamResponse:
        """Keep this browser's look: dark, light, or as the system says."""
        response = see_other(form.back)
        response.set_cookie(THEME_COOKIE, form.theme, max_age=YEAR_S, samesite="Lax", path="/")
        return response

    return table


def demo_routes(database: Database, pages: Pages, real_now_ms: RealNow) -> RouteTable:
    """One link per persona, registered in the demo only and answered on loopback only; they carry no secret."""
    table = RouteTable()

    @table.route("GET", "/demo", roles={Role.PUBLIC}, gives="text/html", tag="demo")
    async def demo_page(call: Call) -> web.StreamResponse:
        """The personas of the demo."""
        _only_loopback(call.request)
        return pages.page(call, "demo.html", Look(), personas=tuple(PERSONAS), title="Demo")

    @table.route("GET", "/demo/{persona}", roles={Role.PUBLIC}, gives="text/html", status=303, tag="demo")
    async def demo_persona(call: Call, persona: str) -> web.StreamResponse:
        """Sign in as a persona of the demo."""
        _only_loopback(call.request)
        role = PERSONAS.get(persona)
        if role is None:
            raise NotFound(f"no persona {persona}", next_step=f"Try one of: {', '.join(PERSONAS)}.")
        row = await database.write(start_demo_session, role, real_now_ms())
        return _with_cookie(see_other(first_page({role})), row, call.request)

    return table


def start_demo_session(conn: Connection, role: Role, now_ms: int) -> SessionRow:
    """A session of the first person who was granted the role; raises NotFound when nobody was.

    Among owners the one of most assets; else a contract's collector comes last, for nobody pays it anything."""
    grant, asset = schema.role_grant.c, schema.asset
    owned = select(func.count()).where(asset.c.owner == grant.party).correlate(schema.role_grant).scalar_subquery()
    collects = exists().where(schema.contract_version.c.collector == grant.party)
    order = (owned.desc(), grant.id) if role is Role.OWNER else (collects, grant.id)
    found = conn.execute(
        select(grant.community, grant.party)
        .where(grant.role == role.value, grant.revoked_ms.is_(None))
        .order_by(*order)
        .limit(1)
    ).one_or_none()
    if found is None:
        raise NotFound(
            f"nobody has the role {role.value.replace('_', ' ')} yet",
            next_step="Import a community that grants it: tallystick community import FILE.",
        )
    row = new_session(found.community, found.party, role, now_ms)
    store_session(conn, row)
    return row


def new_session(community: str, party: bytes | None, role: Role, now_ms: int, lasts_ms: int = SESSION_MS) -> SessionRow:
    """A session with fresh secrets; also how an access token is made: the secret in hex is the token."""
    secret, csrf = secrets.token_bytes(SECRET_BYTES), secrets.token_bytes(SECRET_BYTES)
    return SessionRow(secret, csrf, community, party, role, now_ms, now_ms + lasts_ms)


def _with_cookie(response: web.Response, row: SessionRow, request: web.Request) -> web.Response:
    response.set_cookie(
        COOKIE,
        row.secret.hex(),
        max_age=(row.expires_ms - row.created_ms) // 1000,
        httponly=True,
        samesite="Lax",
        secure=request.headers.get("X-Forwarded-Proto", request.scheme) == "https",
        path="/",
    )
    return response


def _only_loopback(request: web.Request) -> None:
    if request.remote not in LOOPBACK or "X-Forwarded-For" in request.headers:
        raise Forbidden("persona links work on the machine that runs the demo only")


__all__ = ["PERSONAS", "THEMES", "DatabaseDoorkeeper", "demo_routes", "new_session", "session_routes"]
