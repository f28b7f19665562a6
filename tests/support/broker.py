"""A real Mosquitto for tests: mTLS, the certificate's name as user and client id, topics by that name.
It is started on a free port with its own folder and ended by its process id."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
START_S = 10
ACL = """\
user aggregator
topic readwrite ts/1/#
pattern write ts/1/%u/up/#
pattern read ts/1/%u/down/#
"""
CONF = """\
user root
listener {port} 127.0.0.1
cafile {ca}
certfile {certificate}
keyfile {key}
require_certificate true
use_identity_as_username true
use_username_as_clientid true
acl_file {acl}
allow_anonymous false
persistence false
log_dest stderr
"""


@asynccontextmanager
async def broker(folder: Path, ca_pem: bytes, certificate: Path, key: Path) -> AsyncIterator[int]:
    """Run a broker; gives its port on localhost."""
    if MOSQUITTO is None:
        raise RuntimeError("mosquitto is not installed")
    port = _free_port()
    ca, acl, conf = folder / "ca.pem", folder / "acl", folder / "mosquitto.conf"
    ca.write_bytes(ca_pem)
    acl.write_text(ACL)
    acl.chmod(0o600)
    conf.write_text(CONF.format(port=port, ca=ca, certificate=certificate, key=key, acl=acl))
    with (folder / "mosquitto.log").open("wb") as log:
        process = subprocess.Popen([MOSQUITTO, "-c", str(conf)], stdout=log, stderr=log)  # noqa: ASYNC220
    try:
        await _until_listening(port, process, folder / "mosquitto.log")
        yield port
    finally:
        process.terminate()
        process.wait(10)


async def _until_listening(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    async with asyncio.timeout(START_S):
        while True:
            if process.poll() is not None:
                raise RuntimeError(f"mosquitto ended: {log.read_text()}")
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            writer.close()
            return


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
