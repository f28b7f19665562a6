"""Joins everything that is served: the route tables of the domains, the pages, the live streams, and the two ports.

It never holds a rule; from here every effect is three jumps away: app -> routes -> service -> store.

    hub = Hub(database, pages, clock)             # is the ports.Events of the domain services
    await run(Setup(database, clock, hub, pages, domain_routes=(gateway_routes(...), ...)))"""

import asyncio
import signal
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tallystick_cloud.city.live import Hub
from tallystick_cloud.city.pages import city_routes
from tallystick_cloud.city.watch import ContactWatch
from tallystick_cloud.clock import real_utc_ms
from tallystick_cloud.closing.pages import month_pages
from tallystick_cloud.context import Aggregator
from tallystick_cloud.contracts.pages import contract_pages
from tallystick_cloud.costs.pages import bill_pages
from tallystick_cloud.db import Database
from tallystick_cloud.debits.pages import debit_pages
from tallystick_cloud.disputes.pages import dispute_pages
from tallystick_cloud.gateways.pages import ClaimDesk, claim_pages, gateway_pages
from tallystick_cloud.http.assets import asset_routes
from tallystick_cloud.http.authz import Role
from tallystick_cloud.http.hosts import only_hosts
from tallystick_cloud.http.listeners import open_socket, port_of, serve_on
from tallystick_cloud.http.openapi import describe
from tallystick_cloud.http.pages import Pages
from tallystick_cloud.http.route import Call, Port, RouteTable
from tallystick_cloud.http.serve import bind
from tallystick_cloud.http.sessions import DatabaseDoorkeeper, demo_routes, session_routes
from tallystick_cloud.invoices.pages import document_pages
from tallystick_cloud.owner.pages import owner_routes
from tallystick_cloud.parties.pages import party_pages
from tallystick_cloud.parties.service import KeyShelf
from tallystick_cloud.payouts.pages import payout_pages
from tallystick_cloud.pools.beside import beside_pages
from tallystick_cloud.pools.desk import pool_desk
from tallystick_cloud.pools.pages import pool_pages
from tallystick_cloud.ports import Clock
from tallystick_cloud.public.pages import public_routes
from tallystick_cloud.shadow.pages import shadow_pages
from tallystick_cloud.sites.pages import site_pages
from tallystick_cloud.splits.pages import split_pages
from tallystick_cloud.statements.pages import statement_routes
from tallystick_cloud.trials.pages import trial_pages
from tallystick_cloud.trials.watch import TrialWatch
from tallystick_cloud.turns.pages import turn_pages
from tallystick_cloud.unclaimed.pages import unclaimed_pages
from tallystick_cloud.uses.pages import use_routes

VERSION = "0.1.0"
HOST = "127.0.0.1"
"""Loopback only: in front of it stands whatever the host uses for public TLS."""

Task = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where it is served; `gateway` is None when there is no TLS port."""

    web: str
    gateway: str | None


@dataclass(frozen=True, slots=True)
class Setup:
    """Everything `run` needs; `tasks` run beside the ports until shutdown (an MQTT front, a sweeper)."""

    database: Database
    clock: Clock
    hub: Hub
    pages: Pages
    domain_routes: tuple[RouteTable, ...] = ()
    port: int = 8080
    gateway_port: int = 8443
    gateway_tls: ssl.SSLContext | None = None
    is_demo: bool = False
    hosts: frozenset[str] = frozenset()
    claims: ClaimDesk | None = None
    aggregator: Aggregator | None = None  # whose keys sign what a page posts
    shelf: KeyShelf | None = None  # where keys go that this server keeps for who is added on a page
    tasks: tuple[Task, ...] = ()
    on_ready: Callable[[Addresses], None] = field(default=lambda addresses: None)


def build_table(setup: Setup) -> RouteTable:
    """Every route there is, on either port."""
    table = RouteTable()
    table.include(base_routes(table))
    table.include(asset_routes())
    table.include(session_routes(setup.database, setup.pages, real_utc_ms))
    table.include(city_routes(setup.database, setup.pages, setup.clock, setup.hub))
    table.include(month_pages(setup.database, setup.pages, setup.clock, setup.aggregator))
    table.include(owner_routes(setup.database, setup.pages, setup.clock))
    table.include(contract_pages(setup.database, setup.pages, setup.clock, setup.aggregator, setup.shelf))
    table.include(shadow_pages(setup.database, setup.pages, setup.clock, setup.aggregator, setup.shelf))
    table.include(gateway_pages(setup.database, setup.pages, setup.clock))
    table.include(party_pages(setup.database, setup.pages, setup.clock, setup.aggregator, setup.shelf))
    table.include(statement_routes(setup.database, setup.pages, setup.clock))
    table.include(document_pages(setup.database, setup.pages, setup.clock))
    table.include(payout_pages(setup.database, setup.pages, setup.clock))
    table.include(split_pages(setup.database, setup.pages, setup.clock))
    table.include(dispute_pages(setup.database, setup.pages, setup.clock))
    table.include(debit_pages(setup.database, setup.pages, setup.clock))
    table.include(pool_desk(setup.database, setup.pages, setup.clock, setup.aggregator))
    table.include(beside_pages(setup.database, setup.pages, setup.clock))
    table.include(pool_pages(setup.database, setup.pages, setup.clock))
    table.include(site_pages(setup.database, setup.pages, setup.clock, setup.aggregator))
    table.include(turn_pages(setup.database, setup.pages, setup.clock))
    table.include(trial_pages(setup.database, setup.pages, setup.clock))
    table.include(unclaimed_pages(setup.database, setup.pages, setup.clock))
    table.include(bill_pages(setup.database, setup.pages, setup.clock, setup.aggregator))
    table.include(public_routes(setup.database, setup.pages, setup.clock))
    table.include(use_routes(setup.database, setup.pages, setup.clock))
    if setup.claims is not None:
        table.include(claim_pages(setup.database, setup.pages, setup.clock, setup.claims))
    if setup.is_demo:
        table.include(demo_routes(setup.database, setup.pages, real_utc_ms))
    for routes in setup.domain_routes:
        table.include(routes)
    return table


def base_routes(table: RouteTable) -> RouteTable:
    """The description of the API, and the answer to `are you there`."""
    found = RouteTable()

    @found.route("GET", "/v1/openapi.json", roles={Role.PUBLIC}, tag="api")
    async def openapi(call: Call) -> dict[str, Any]:
        """This description."""
        return describe(table, "Tallystick", VERSION)

    @found.route("GET", "/v1/health", roles={Role.PUBLIC}, on={Port.WEB, Port.GATEWAY}, tag="api")
    async def health(call: Call) -> dict[str, str]:
        """Whether the server answers; says nothing else."""
        return {"status": "ok"}

    return found


def web_application(setup: Setup, table: RouteTable) -> web.Application:
    """What people's port serves."""
    app = bind(table, Port.WEB, DatabaseDoorkeeper(setup.database, real_utc_ms), setup.pages.error)
    app.middlewares.insert(0, only_hosts(setup.hosts))
    app.on_shutdown.append(_end_streams(setup.hub))
    return app


def gateway_application(setup: Setup, table: RouteTable) -> web.Application:
    """What gateways' port serves."""
    return bind(table, Port.GATEWAY, DatabaseDoorkeeper(setup.database, real_utc_ms), setup.pages.error)


async def run(setup: Setup) -> None:
    """Serve until SIGTERM or SIGINT; both ports are closed, streams ended and tasks gone when this returns."""
    await serve_until(setup, told_to_end())


def told_to_end() -> asyncio.Event:
    """Set by SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


async def serve_until(setup: Setup, stop: asyncio.Event) -> None:
    """The same, until `stop` is set."""
    table = build_table(setup)
    opened = open_socket(HOST, setup.port)
    runners = [await serve_on(web_application(setup, table), opened)]
    gateway_url = None
    try:
        if setup.gateway_tls is not None:
            gateway_socket = open_socket(HOST, setup.gateway_port)
            runners.append(await serve_on(gateway_application(setup, table), gateway_socket, setup.gateway_tls))
            gateway_url = f"https://localhost:{port_of(gateway_socket)}"
            if setup.claims is not None:
                setup.claims.server = gateway_url
        setup.on_ready(Addresses(f"http://localhost:{port_of(opened)}", gateway_url))
        watch = ContactWatch(setup.database, setup.clock, setup.hub)
        trials = TrialWatch(setup.database, setup.clock)
        await _beside(stop, (setup.hub.run, watch.run, trials.run, *setup.tasks))
    finally:
        await asyncio.gather(*(runner.cleanup() for runner in runners))


async def _beside(stop: asyncio.Event, tasks: tuple[Task, ...]) -> None:
    """Run the tasks until `stop`; one that dies ends all, because a half-running server tells half the truth."""
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(_as_coroutine(task)) for task in tasks]
        await stop.wait()
        for one in running:
            one.cancel()


async def _as_coroutine(task: Task) -> None:
    await task()


def _end_streams(hub: Hub) -> Callable[[web.Application], Awaitable[None]]:
    async def end(app: web.Application) -> None:
        hub.close()

    return end
