"""One real Mosquitto for both gateways: the listener that `tallystick broker-config` writes, and a plain one.

Its settings are those of our broker-config. On the plain listener the peer hears what its platform says to it, and not
its own words again: both use the same topics, which a real platform keeps apart."""

from __future__ import annotations

from pathlib import Path

from support.mosquitto import Mosquitto

PLAIN = """
listener {port} 127.0.0.1
allow_anonymous true
acl_file {acl}
"""
PLATFORM = "platform"
ACL = f"""\
pattern write v1/#
pattern read v1/devices/me/rpc/response/+
pattern read v1/devices/me/attributes/response/+

user {PLATFORM}
topic readwrite v1/#
"""


def shared_broker(files: Path, tls_port: int, plain_port: int) -> Mosquitto:
    """Not started yet. `files`: what broker-config wrote; one listener's rules must not be the other's."""
    conf = (files / "mosquitto.conf").read_text().replace("per_listener_settings false", "per_listener_settings true")
    path, acl = files / "bench.conf", files / "plain-acl"
    acl.write_text(ACL)
    acl.chmod(0o600)
    path.write_text(conf + PLAIN.format(port=plain_port, acl=acl))
    return Mosquitto(path, tls_port, files / "mosquitto.log")
