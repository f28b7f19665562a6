"""Whether a changing request really comes from one of our own pages: same origin, and the session's token.

It never applies to gateways or bearer tokens: a browser does not attach those by itself."""

import hmac

from aiohttp import web

from tallystick_cloud.http.authz import Principal, PrincipalKind
from tallystick_cloud.http.errors import Forbidden

FIELD = "csrf"
HEADER = "X-CSRF-Token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_SAME = frozenset({"same-origin", "none"})
_AGAIN = "Load the page again and repeat what you did."


def needs_check(method: str, principal: Principal) -> bool:
    """Whether this request could have been sent by a foreign page in the caller's name."""
    by_browser = principal.kind in (PrincipalKind.SESSION, PrincipalKind.ANONYMOUS)
    return by_browser and method not in SAFE_METHODS


def check_origin(request: web.Request) -> None:
    """Raise Forbidden when the browser says that another site made this request."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None and site not in _SAME:
        raise Forbidden("another web site sent this request", next_step=_AGAIN, code="cross-site")
    origin = request.headers.get("Origin")
    if origin is not None and origin.split("://", 1)[-1] != request.host:
        raise Forbidden("the request's origin is not this server", next_step=_AGAIN, code="cross-site")


def check_token(expected: str, given: str) -> None:
    """Raise Forbidden when the page's token is not the session's."""
    if not expected or not hmac.compare_digest(expected.encode(), given.encode()):
        raise Forbidden("the page is older than your sign-in", next_step=_AGAIN, code="csrf")
