"""Tells systemd that the agent is ready, alive or ending: sd_notify(3) over the socket that NOTIFY_SOCKET names.
Without that variable it does nothing; a message that cannot be sent is never an error of the agent."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress

FEEDS_PER_WATCHDOG = 3  # a feed may come late twice


class Notify:
    """One per process. `watchdog_s`: how often systemd wants to hear of us; None when it does not watch."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        self.watchdog_s = _watchdog_s(environment)

    def ready(self) -> None:
        self._tell("READY=1")

    def alive(self, status: str) -> None:
        """Feed the watchdog, and say in a line how it goes (`systemctl status` shows it)."""
        self._tell(f"WATCHDOG=1\nSTATUS={status}")

    def stalled(self, status: str) -> None:
        """Say what is stuck; the watchdog is not fed."""
        self._tell(f"STATUS={status}")

    def stopping(self) -> None:
        self._tell("STOPPING=1")

    def _tell(self, text: str) -> None:
        if self._address[:1] not in ("/", "@"):
            return
        address = "\0" + self._address[1:] if self._address[0] == "@" else self._address  # "@": no file, Linux only
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.setblocking(False)
            sender.connect(address)
            sender.send(text.encode())


def _watchdog_s(environment: Mapping[str, str]) -> float | None:
    text, pid = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", str(os.getpid()))
    if not (text.isascii() and text.isdigit() and int(text)) or pid != str(os.getpid()):
        return None
    return int(text) / 1_000_000
