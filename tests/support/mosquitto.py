"""A Mosquitto of our own for tests: mutual TLS, user name from the certificate, topics bound to it.

It listens on loopback only and is gone afterwards.
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

REQUIRED = "TALLYSTICK_REQUIRE_SERVICES"
START_TIMEOUT_S = 10.0
ACL = """\
user aggregator
topic readwrite ts/1/#

pattern write ts/1/%u/up/#
pattern read ts/1/%u/down/#
"""


@dataclass(frozen=True, slots=True)
class Broker:
    host: str
    port: int


def binary() -> str | None:
    return shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def required() -> bool:
    return os.environ.get(REQUIRED) == "1"


@contextmanager
def broker(folder: Path, ca: Path, certificate: Path, key: Path) -> Iterator[Broker]:
    """A broker with that server certificate that lets in clients of that CA only."""
    program = binary()
    if program is None:
        raise RuntimeError("mosquitto is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    (folder / "acl").write_text(ACL)
    (folder / "acl").chmod(0o600)
    (folder / "mosquitto.conf").write_text(
        f"""\
{"user root" if os.geteuid() == 0 else ""}
persistence false
log_dest stderr
listener {port} 127.0.0.1
allow_anonymous false
cafile {ca}
certfile {certificate}
keyfile {key}
require_certificate true
use_identity_as_username true
use_username_as_clientid true
acl_file {folder / "acl"}
"""
    )
    words = [program, "-c", str(folder / "mosquitto.conf")]
    with (folder / "log").open("wb") as log, subprocess.Popen(words, stderr=log, stdout=log) as child:
        try:
            _wait(port, child, folder / "log")
            yield Broker("localhost", port)
        finally:
            child.terminate()
            child.wait(10)


def _wait(port: int, child: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if child.poll() is not None:
            break
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"mosquitto did not start: {log.read_text()}")
