"""The links at the edge of every page: what somebody of these roles can open.

It never opens a page to anybody: each route states its own roles, and a test holds the two against each other."""

from collections.abc import Set
from dataclasses import dataclass

from tallystick_cloud.http.authz import Role
from tallystick_cloud.http.locale import N_

SIGHT = frozenset({Role.CITY_OPERATOR, Role.COMMUNITY_MANAGER, Role.INSTALLER, Role.SERVICER, Role.AUDITOR})
EARNERS = frozenset({Role.OWNER, Role.SERVICER, Role.FINANCIER, Role.COMMUNITY_MANAGER})
HOLDERS = EARNERS | {Role.USER}
READERS = HOLDERS | {Role.AUDITOR}
TREASURY = frozenset({Role.COMMUNITY_MANAGER, Role.AUDITOR})
INSTALLERS = frozenset({Role.INSTALLER, Role.COMMUNITY_MANAGER})


@dataclass(frozen=True, slots=True)
class RailLink:
    """`icon` is a symbol of the shell; `key` goes there after `g`; `roles` are those that the page lets in;
    `below` are pages that are reached from it and have no link of their own."""

    path: str
    name: str
    icon: str
    key: str
    roles: frozenset[Role]
    below: tuple[str, ...] = ()

    def holds(self, path: str) -> bool:
        """Whether somebody at this path is on its page or on one below it."""
        return any(path == one or path.startswith(f"{one}/") for one in (self.path, *self.below))


LINKS = (
    RailLink("/situation", N_("Situation room"), "i-map", "s", SIGHT),
    RailLink("/month", N_("Month close"), "i-month", "m", TREASURY),
    RailLink("/gateways", N_("Gateways"), "i-gateways", "g", SIGHT, ("/claims", "/sites", "/trials")),
    RailLink("/owner", N_("My earnings"), "i-money", "e", EARNERS, ("/turns",)),
    RailLink("/uses", N_("My uses"), "i-uses", "u", frozenset({Role.USER}), ("/turns",)),
    RailLink("/statements", N_("Statements"), "i-statement", "t", HOLDERS, ("/mandates",)),
    RailLink("/contracts", N_("Contracts"), "i-contract", "c", READERS, ("/pools",)),
    RailLink("/disputes", N_("Disputes"), "i-dispute", "d", READERS),
    RailLink("/payouts", N_("Payouts and bank"), "i-bank", "p", TREASURY, ("/documents", "/splits", "/unclaimed")),
    RailLink("/debits", N_("Direct debits"), "i-debit", "b", TREASURY),
    RailLink("/bills", N_("Shared bills"), "i-bill", "h", TREASURY),
    RailLink("/parties", N_("People and organisations"), "i-people", "o", TREASURY),
    RailLink("/find", N_("Find"), "i-find", "f", SIGHT),
)


def rail(roles: Set[Role]) -> tuple[RailLink, ...]:
    """The links of somebody with these roles."""
    return tuple(link for link in LINKS if link.roles & roles)
