"""Mosquitto in front of the small test aggregator: mTLS, the certificate's name as user and client id.
Only its files are made here; `mosquitto.py` runs it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.mosquitto import Mosquitto
from tallystick_sim.ports import any_free

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


@contextmanager
def broker(folder: Path, ca_pem: bytes, certificate: Path, key: Path) -> Iterator[int]:
    """Run a broker; gives its port on localhost. Skips the test where none is installed."""
    port = any_free()
    ca, acl, conf = folder / "ca.pem", folder / "acl", folder / "mosquitto.conf"
    ca.write_bytes(ca_pem)
    acl.write_text(ACL)
    acl.chmod(0o600)
    conf.write_text(CONF.format(port=port, ca=ca, certificate=certificate, key=key, acl=acl))
    running = Mosquitto(conf, port, folder / "mosquitto.log")
    running.start()
    try:
        yield port
    finally:
        running.stop()
