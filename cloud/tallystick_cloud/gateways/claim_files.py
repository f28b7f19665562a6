"""Claim files that a command writes: where they go and what they tell the gateway about server and broker.

It refuses before anything is committed whatever could keep a file from being written; a claim is shown only once.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tallystick_cloud.errors import BadInput
from tallystick_cloud.keys import write_private

from .claims import file_text

_PORT_MAX = 65_535


@dataclass(frozen=True, slots=True)
class ClaimFiles:
    """One folder, one server; make it with `claim_files`, which checks it."""

    folder: Path
    server: str
    broker: tuple[str, int] | None

    def path(self, site: str) -> Path:
        return self.folder / f"{site}.toml"

    def write(self, site: str, claim: str, ca_pem: str) -> None:
        """The 0600 file for the gateway: server, CA pin, the one-time claim, and the broker if there is one."""
        text = file_text(claim, site, self.server, ca_pem)
        if self.broker is not None:
            host, port = self.broker
            text += f"\n[mqtt]\nhost = {json.dumps(host)}\nport = {port}\n"
        write_private(self.path(site), text.encode())


def claim_files(folder: Path, server: str, mqtt: str | None, sites: Sequence[str]) -> ClaimFiles:
    """Where claims of `sites` will go. Raises BadInput for an address no gateway can use, a folder that cannot be
    written, or a file that is there already."""
    files = ClaimFiles(folder, server_url(server), None if mqtt is None else _broker(mqtt))
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput("--claims", f"{folder} cannot be made ({error.strerror}); name a folder of yours") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise BadInput("--claims", f"{folder} cannot be written; name a folder of yours")
    for site in sites:
        if files.path(site).exists():
            raise BadInput("--claims", f"{files.path(site)} is there already; move it away or name another folder")
    return files


def server_url(text: str) -> str:
    """The address as it is; raises BadInput for one that no gateway can use."""
    step = "write https://HOST:PORT of the gateway port"
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise BadInput("--server", f"is {text!r}; {step}") from None
    is_host = url.hostname is not None and not set(url.netloc) & set(" \t@")
    if url.scheme != "https" or not is_host or port == 0 or url.path not in ("", "/") or url.query or url.fragment:
        raise BadInput("--server", f"is {text!r}; {step}")
    return text


def _broker(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or " " in host or not (port.isascii() and port.isdigit() and 1 <= int(port) <= _PORT_MAX):
        raise BadInput("--mqtt", f"is {text!r}; write HOST:PORT of the broker, such as localhost:8883")
    return host, int(port)
