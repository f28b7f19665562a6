"""Response headers that make a browser refuse what we never send: foreign scripts, frames, guesses about types.

It never loosens them for a single page; a page that needs more is written otherwise."""

from aiohttp import web

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "object-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def secure(response: web.StreamResponse) -> None:
    """Add the headers to a response that is not on its way yet; what is not static must not stay in a cache."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cache-Control", "no-store")
