"""The whole aggregator's routes in this process, over a seeded database of two communities, with sessions at hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.city_seed import ROLES, Seed, party_id
from support.city_server import StartedClock, prepare
from tallystick_cloud.app import Setup, build_table
from tallystick_cloud.city.live import Hub
from tallystick_cloud.clock import real_utc, real_utc_ms
from tallystick_cloud.commands.serve import domain_routes
from tallystick_cloud.context import Aggregator
from tallystick_cloud.db import Database
from tallystick_cloud.gateways.pages import ClaimDesk
from tallystick_cloud.home import Home, create
from tallystick_cloud.http.authz import Role
from tallystick_cloud.http.identity import COOKIE, SessionRow, store_session
from tallystick_cloud.http.listeners import gateway_tls
from tallystick_cloud.http.pages import Pages
from tallystick_cloud.http.route import RouteTable
from tallystick_cloud.http.sessions import new_session
from tallystick_cloud.ports import Entropy
from tallystick_cloud.uplink import Uplink

HOME, OTHER = Seed(gateways=3, uses=12), Seed(community="otherton", name="Otherton", gateways=2, uses=5)
NAME_OF = {role: name for name, role in ROLES.items()}


class SomeBytes:
    """Randomness is not what these tests are about."""

    def bytes(self, n: int) -> bytes:
        return bytes(range(n % 256)) + bytes(n - n % 256)


@dataclass
class CityApp:
    """Everything `tallystick serve --demo` puts together, without ports."""

    setup: Setup
    table: RouteTable
    database: Database

    def session(self, role: Role, community: str) -> SessionRow:
        """A person of that community who has the role."""
        party = party_id(community, NAME_OF[role.value])
        row = new_session(community, party, role, real_utc_ms())
        self.database.write_now(store_session, row)
        return row


def headers(row: SessionRow, *, with_token: bool = True) -> dict[str, str]:
    """What the browser of that session sends."""
    found = {"Cookie": f"{COOKIE}={row.secret.hex()}"}
    return {**found, "X-CSRF-Token": row.csrf.hex()} if with_token else found


@contextmanager
def city_app(folder: Path) -> Iterator[CityApp]:
    """Both communities, all route tables of the server, and its certificate authority."""
    home = Home(folder / "home")
    create(home, real_utc())
    database = prepare(folder, HOME, OTHER)
    clock = StartedClock(real_utc_ms(), HOME.now_ms)
    pages = Pages(clock, is_demo=True)
    hub = Hub(database, pages, clock)
    entropy: Entropy = SomeBytes()
    aggregator = Aggregator({}, home.authority(), entropy)
    uplink = Uplink(database, aggregator, clock, real_utc, hub)
    certificate, key = home.server_files(real_utc())
    setup = Setup(
        database, clock, hub, pages,
        domain_routes=domain_routes(database, clock, uplink, aggregator, HOME.community),
        gateway_tls=gateway_tls(certificate, key, aggregator.authority.pem.decode()),
        is_demo=True,
        claims=ClaimDesk(aggregator.authority.pem.decode(), entropy),
    )  # fmt: skip
    yield CityApp(setup, build_table(setup), database)
    database.close()
