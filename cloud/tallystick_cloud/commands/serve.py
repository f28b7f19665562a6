"""`tallystick serve`.

It never opens anything but loopback; public TLS stands in front.
"""

import argparse
import asyncio
import logging
from pathlib import Path
from urllib.parse import urlsplit

from tallystick_cloud import garbage
from tallystick_cloud.app import Addresses, Setup, Task, run, told_to_end
from tallystick_cloud.bank.api import bank_routes
from tallystick_cloud.checkpoints import CheckpointKeeper
from tallystick_cloud.city.live import Hub
from tallystick_cloud.clock import SystemClock, real_utc
from tallystick_cloud.commands import quarantine
from tallystick_cloud.commands.common import Commands, Options, command, home_of, opened, port
from tallystick_cloud.context import Aggregator
from tallystick_cloud.db import Database
from tallystick_cloud.debits.api import debit_routes
from tallystick_cloud.errors import BadInput
from tallystick_cloud.evidence.api import evidence_routes
from tallystick_cloud.gateways.api import gateway_routes
from tallystick_cloud.gateways.office_api import office_routes
from tallystick_cloud.gateways.pages import ClaimDesk
from tallystick_cloud.http.listeners import gateway_tls
from tallystick_cloud.http.pages import Pages
from tallystick_cloud.http.route import RouteTable
from tallystick_cloud.ingest.workers import COUNT_MAX, Workers, usual_count
from tallystick_cloud.invoices.api import document_routes
from tallystick_cloud.ledger.api import ledger_routes
from tallystick_cloud.log import epochs
from tallystick_cloud.log.api import log_routes
from tallystick_cloud.migrations import upgrade
from tallystick_cloud.mqtt import MqttFront, TlsFiles, broker_at
from tallystick_cloud.payouts.api import payout_routes
from tallystick_cloud.ports import Clock
from tallystick_cloud.settlement.api import settlement_routes
from tallystick_cloud.splits.api import split_routes
from tallystick_cloud.uplink import Uplink
from tallystick_cloud.waiting import until_there

PORT, GATEWAY_PORT = 8080, 8443


def add(commands: Commands) -> None:
    found = command(
        commands,
        "serve",
        serve,
        "Serve pages and API for people, and the TLS port for gateways, until SIGTERM.",
        "  tallystick serve --data /var/lib/tallystick --port 8080 --gateway-port 8443\n"
        "  tallystick serve --data D --db postgresql://tally@localhost/tally\n"
        "  tallystick serve --data D --mqtt mqtts://localhost:8883\n",
    )
    found.add_argument("--port", type=port, default=PORT, help=f"people's port (default {PORT}; taken: the next free)")
    found.add_argument("--gateway-port", type=port, default=GATEWAY_PORT, help=f"TLS port (default {GATEWAY_PORT})")
    found.add_argument("--mqtt", metavar="URL", help="also listen at a broker: mqtts://HOST:PORT (client certificate)")
    found.add_argument("--mqtt-ca", type=Path, metavar="FILE", help="the broker's CA, when it is not this aggregator's")
    found.add_argument("--mqtt-certificate", type=Path, metavar="FILE", help="our certificate at such a broker")
    found.add_argument("--mqtt-key", type=Path, metavar="FILE", help="the key to it")
    found.add_argument(
        "--ingest-processes",
        type=processes,
        default=usual_count(),
        metavar="N",
        help="processes that take uploads in, started once more come than this one can do (PostgreSQL; default: one "
        f"for each core, at most {COUNT_MAX}; 0: none)",
    )
    found.add_argument("--demo", action="store_true", help="persona links without sign-in; loopback only")


def processes(text: str) -> int:
    """How many processes, from the command line."""
    if not (text.isascii() and text.isdigit() and int(text) <= COUNT_MAX):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of processes; give 0 to {COUNT_MAX}")
    return int(text)


def serve(parsed: argparse.Namespace) -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if not asyncio.run(_wait(parsed)):
        return 0
    options = opened(parsed)
    workers = Workers(options.database, options.aggregator, parsed.ingest_processes)
    try:
        options.database.write_now(upgrade)
        options.database.read_now(epochs.check_all, list(options.aggregator.contexts.values()))
        quarantine.retry_at_start(options)
        asyncio.run(_serve(parsed, options, workers))
    finally:
        workers.close()
        options.database.close()
    return 0


async def _wait(parsed: argparse.Namespace) -> bool:
    """False when told to end before the database was there."""
    database = home_of(parsed).database()
    try:
        return await until_there(database, Pages(SystemClock(), is_demo=parsed.demo), parsed.port, told_to_end())
    finally:
        database.close()


async def _serve(parsed: argparse.Namespace, options: Options, workers: Workers) -> None:
    certificate, key = options.home.server_files(real_utc())
    pages = Pages(options.clock, is_demo=parsed.demo)
    hub = Hub(options.database, pages, options.clock)
    uplink = Uplink(options.database, options.aggregator, options.clock, real_utc, hub, workers=workers)
    first = min(options.aggregator.contexts, default=None)
    await run(
        Setup(
            options.database,
            options.clock,
            hub,
            pages,
            domain_routes=domain_routes(options.database, options.clock, uplink, options.aggregator, first),
            port=parsed.port,
            gateway_port=parsed.gateway_port,
            gateway_tls=gateway_tls(certificate, key, options.aggregator.authority.pem.decode()),
            is_demo=parsed.demo,
            tasks=_tasks(parsed, options, uplink),
            claims=ClaimDesk(options.aggregator.authority.pem.decode(), options.entropy),
            aggregator=options.aggregator,
            shelf=options.home,
            on_ready=_ready,
        )
    )


def domain_routes(
    database: Database, clock: Clock, uplink: Uplink, aggregator: Aggregator, first_community: str | None
) -> tuple[RouteTable, ...]:
    """Every route table of the domains; the tests walk exactly these."""
    return (
        gateway_routes(uplink),
        office_routes(database, aggregator, clock),
        log_routes(database, aggregator, first_community),
        ledger_routes(database, clock),
        payout_routes(database, clock),
        split_routes(database, clock),
        debit_routes(database, clock),
        document_routes(database, clock),
        bank_routes(database, clock),
        settlement_routes(database, aggregator, clock),
        evidence_routes(database, aggregator, clock),
    )


def _tasks(parsed: argparse.Namespace, options: Options, uplink: Uplink) -> tuple[Task, ...]:
    keeper = CheckpointKeeper(options.database, options.aggregator, options.clock)
    if parsed.mqtt is None:
        return (keeper.run, uplink.run)
    broker = broker_at(urlsplit(parsed.mqtt), options.home, real_utc(), _tls_files(parsed))
    return (keeper.run, uplink.run, MqttFront(broker, uplink, options.entropy).run)


def _tls_files(parsed: argparse.Namespace) -> TlsFiles | None:
    """None: a certificate of the own authority, as `tallystick broker-config` sets a broker up for."""
    match (parsed.mqtt_ca, parsed.mqtt_certificate, parsed.mqtt_key):
        case (None, None, None):
            return None
        case (Path() as ca, Path() as certificate, Path() as key):
            return TlsFiles(ca, certificate, key)
        case _:
            raise BadInput("--mqtt-ca", "goes together with --mqtt-certificate and --mqtt-key; give all three or none")


def _ready(addresses: Addresses) -> None:
    garbage.settle()
    _say(addresses)


def _say(addresses: Addresses) -> None:
    print(f"people: {addresses.web}", flush=True)
    print(f"gateways: {addresses.gateway}", flush=True)
