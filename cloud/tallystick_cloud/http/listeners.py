"""Opens the two ports: plain HTTP for people on loopback, TLS for gateways with the aggregator's own CA.

It never binds anything but the host it is told, and never takes another port in silence."""

import errno
import logging
import socket
import ssl
from pathlib import Path

from aiohttp import web

from tallystick_cloud.errors import PortError

PORT_TRIES_MAX = 50
"""How many ports after the wanted one are tried; more means that something else is wrong."""
SHUTDOWN_S = 1.0
"""What an open request gets to finish after SIGTERM, before it is cut off."""
BACKLOG = 512
_log = logging.getLogger(__name__)


def open_socket(host: str, port: int) -> socket.socket:
    """A bound socket on `port`, or on the next free one, said aloud; port 0 means any. Raises PortError."""
    for candidate in [port] if port == 0 else range(port, min(port + PORT_TRIES_MAX, 65_536)):
        try:
            found = _bind(host, candidate)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise PortError(f"cannot open {host}:{candidate}: {error.strerror}") from error
            continue
        if port and candidate != port:
            _log.warning("port %d is in use; taking %d", port, candidate)
        return found
    raise PortError(f"ports {port} to {port + PORT_TRIES_MAX - 1} on {host} are all in use; name another with --port")


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((host, port))
        found.listen(BACKLOG)  # a port somebody else listens on shows only here
    except OSError:
        found.close()
        raise
    found.setblocking(False)
    return found


def gateway_tls(certificate: Path, key: Path, ca_pem: str) -> ssl.SSLContext:
    """TLS for gateways: our certificate, and a client certificate of our CA where the route demands one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(cadata=ca_pem)
    context.verify_mode = ssl.CERT_OPTIONAL  # enrolment comes without one; every other route asks for the gateway's
    return context


async def serve_on(app: web.Application, opened: socket.socket, tls: ssl.SSLContext | None = None) -> web.AppRunner:
    """Serve `app` on an opened socket; clean the runner up to stop."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_S, handle_signals=False)
    await runner.setup()
    await web.SockSite(runner, opened, ssl_context=tls).start()
    return runner


def port_of(opened: socket.socket) -> int:
    """The port a socket got."""
    return int(opened.getsockname()[1])
