"""Free TCP ports on loopback for the processes of a demo.
It only looks: between looking and using somebody else may take a port, which the process that wanted it then says."""

from __future__ import annotations

import socket
from collections.abc import Collection

TRIES_MAX = 100


def is_free(port: int) -> bool:
    """Whether something could listen on 127.0.0.1:`port` now; a port that was just closed counts as free."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def next_free(wanted: int, taken: Collection[int] = ()) -> int:
    """`wanted` or the next free one above it. Raises OSError when a hundred in a row are in use."""
    for port in range(wanted, min(wanted + TRIES_MAX, 65_536)):
        if port not in taken and is_free(port):
            return port
    raise OSError(f"no free port from {wanted} to {wanted + TRIES_MAX - 1}; end what uses them")


def any_free(taken: Collection[int] = ()) -> int:
    """A port that the system says is free."""
    for _ in range(TRIES_MAX):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port not in taken:
            return port
    raise OSError("the system has no free port left; end some programs")
