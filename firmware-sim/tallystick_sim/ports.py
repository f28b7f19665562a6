"""Free TCP ports on loopback for the processes of a demo.
Between looking and using somebody else may take a port, which the process that wanted it then says; on Linux nobody
gets one of `any_free` by chance, also not while the process that uses it is down."""

from __future__ import annotations

import socket
import sys
from collections.abc import Collection

TRIES_MAX = 100
CAN_SHARE = sys.platform == "linux"  # two may be bound to one port with SO_REUSEADDR while at most one listens


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
    """A port that the system says is free, and on Linux hands to nobody else until this process ends."""
    for _ in range(TRIES_MAX):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
            if port not in taken:
                if CAN_SHARE:
                    probe.detach()  # stays open, and never listens: whoever names the port may listen beside it
                return port
    raise OSError("the system has no free port left; end some programs")
