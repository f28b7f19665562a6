"""Who looks at uses, as the access row will say it.

It never grants anything: uses/access.py decides what this reader may open."""

from tallystick_cloud.http.authz import Role
from tallystick_cloud.http.route import Call
from tallystick_cloud.uses.model import Reader

OFFICES = frozenset({Role.COMMUNITY_MANAGER, Role.AUDITOR})
"""They may open any use of their community, without subject and payer."""


def reader_of(call: Call, purpose: str, now_ms: int) -> Reader:
    """The signed-in caller."""
    community = call.community or ""
    holds = bool(call.principal.roles_in(community) & OFFICES)
    return Reader(community, call.principal.party, holds, purpose, now_ms)
