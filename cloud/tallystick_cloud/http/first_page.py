"""Which page somebody sees first, by what they are here.

It never opens a page to anybody: the route decides that."""

from collections.abc import Set

from tallystick_cloud.http.authz import Role

_FIRST = (
    ({Role.CITY_OPERATOR}, "/situation"),
    ({Role.COMMUNITY_MANAGER}, "/month"),
    ({Role.INSTALLER, Role.AUDITOR}, "/situation"),
    ({Role.OWNER, Role.FINANCIER, Role.SERVICER}, "/owner"),
    ({Role.USER}, "/uses"),
)


def first_page(roles: Set[Role]) -> str:
    """The page of the first group that one of the roles is in."""
    return next((page for group, page in _FIRST if group & roles), "/demo")
