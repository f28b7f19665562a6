"""Who is calling and what a route demands: roles, principals and the one pure decision `permit`.

It never reads a header, a cookie or a database; `identity.py` does that and hands the result in."""

from dataclasses import dataclass
from enum import StrEnum

from tallystick_cloud.http.errors import Forbidden, Problem, SignInNeeded


class Role(StrEnum):
    """What somebody may be in a community; PUBLIC and GATEWAY are not granted but follow from how the call arrives."""

    PUBLIC = "public"
    GATEWAY = "gateway"
    COMMUNITY_MANAGER = "community_manager"
    OWNER = "owner"
    USER = "user"
    SERVICER = "servicer"
    FINANCIER = "financier"
    CITY_OPERATOR = "city_operator"
    INSTALLER = "installer"
    AUDITOR = "auditor"
    DEVELOPER = "developer"


MEMBERS = frozenset(Role) - {Role.PUBLIC, Role.GATEWAY}
"""Every role that is granted to a party; a route for all members of a community names this."""


class PrincipalKind(StrEnum):
    """How the caller proved who it is."""

    ANONYMOUS = "anonymous"
    SESSION = "session"
    TOKEN = "token"
    GATEWAY = "gateway"
    REVOKED = "revoked gateway"  # known by its certificate, and refused


@dataclass(frozen=True, slots=True)
class Grant:
    """One role in one community (its id as in the `community` column)."""

    community: str
    role: Role


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller of one request; `community` is where a session or token acts now, `party` the id of the person."""

    kind: PrincipalKind
    name: str = ""
    party: bytes | None = None
    gid: bytes | None = None
    community: str | None = None
    grants: frozenset[Grant] = frozenset()
    session: bytes | None = None

    def roles_in(self, community: str) -> frozenset[Role]:
        """Roles this caller holds in `community`; empty for anybody else's community."""
        return frozenset(grant.role for grant in self.grants if grant.community == community)


ANONYMOUS = Principal(PrincipalKind.ANONYMOUS)


def permit(roles: frozenset[Role], principal: Principal, community: str | None, gid: bytes | None) -> None:
    """Return when `principal` may call a route of `roles`, else raise SignInNeeded or Forbidden (the whole decision).

    `community` and `gid` are those named by the path; a path without them is about the caller's own."""
    if Role.PUBLIC in roles:
        return
    if principal.kind is PrincipalKind.ANONYMOUS:
        raise _sign_in_needed(roles)
    if principal.kind is PrincipalKind.REVOKED:
        raise Forbidden(f"gateway {principal.name} is revoked: nothing of it is taken any more", next_step=_REVOKED)
    if principal.kind is PrincipalKind.GATEWAY:
        _permit_gateway(roles, principal, community, gid)
        return
    place = community or principal.community
    if place is None or not principal.roles_in(place) & roles:
        raise Forbidden(_who_may(roles, place))


_REVOKED = "Ask the community why. What it reads stays on its card; to go on it needs new keys and a new claim."


def _permit_gateway(roles: frozenset[Role], principal: Principal, community: str | None, gid: bytes | None) -> None:
    if Role.GATEWAY not in roles:
        raise Forbidden(_who_may(roles, community))
    if gid is not None and gid != principal.gid:
        raise Forbidden("the certificate belongs to another gateway than the one in the path")
    if community is not None and community != principal.community:
        raise Forbidden("this gateway belongs to another community")


_ENROL = "Make a new claim for its site, put it beside its edge.toml as uplink.claim says, and start its agent anew."


def _sign_in_needed(roles: frozenset[Role]) -> SignInNeeded:
    if roles == {Role.GATEWAY}:  # books from a backup do not know who was enrolled after it
        detail = "this call needs the client certificate of a gateway in these books; enrol the gateway first"
        return SignInNeeded(detail, next_step=_ENROL)
    return SignInNeeded("sign in, or send an access token as 'Authorization: Bearer ...'")


def _who_may(roles: frozenset[Role], community: str | None) -> str:
    names = ", ".join(sorted(role.value.replace("_", " ") for role in roles))
    return f"in {community or 'this community'} this needs one of the roles: {names}; ask a community manager"


__all__ = ["ANONYMOUS", "MEMBERS", "Grant", "Principal", "PrincipalKind", "Problem", "Role", "permit"]
