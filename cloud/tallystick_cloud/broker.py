"""What a Mosquitto 2 must be told so that every certificate can only ever speak for its own gateway: its files as text.

It never starts a broker and never trusts one; the broker keeps strangers out, signatures keep the books right.
"""

from dataclasses import dataclass
from pathlib import Path

from tallystick_protocol.cbor import UPLOAD_BYTES_MAX

from tallystick_cloud.home import CLIENT_NAME

PORT = 8883
TOPIC_BYTES_MAX = 256  # of one packet beside the upload: topic, packet id, fixed header
CLIENTS_QUEUED_MAX = 1000  # messages kept for the aggregator while it restarts; gateways send the rest again
CLIENTS_QUEUED_BYTES = 64 * 1024 * 1024
IN_FLIGHT_MAX = 64
FORGET_AFTER = "30d"  # a gateway that was away for longer subscribes anew, and misses nothing that a receipt names

ACL = f"""\
# Written by `tallystick broker-config`. The user name is the name in the client certificate: a gateway's id.
# What no line allows is denied; a publish that is denied looks successful to its sender, so only receipts count.
pattern write ts/1/%u/up/#
pattern read ts/1/%u/down/#

user {CLIENT_NAME}
topic read ts/1/+/up/#
topic write ts/1/+/down/#
"""


@dataclass(frozen=True, slots=True)
class BrokerPlan:
    """Where the broker listens, where its files lie (absolute), and whom it runs as (None: whoever starts it)."""

    folder: Path
    port: int = PORT
    address: str = "127.0.0.1"
    user: str | None = None


def mosquitto_conf(plan: BrokerPlan) -> str:
    """mosquitto.conf for Mosquitto 2.0.11 (Debian 12) and later."""
    folder = plan.folder
    user = "" if plan.user is None else f"user {plan.user}\n"
    return f"""\
# Written by `tallystick broker-config`: run it again rather than change this file.
{user}per_listener_settings false
listener {plan.port} {plan.address}

# TLS on both sides; the name in the client certificate is user name and client id, whatever the client says.
cafile {folder / "ca.pem"}
certfile {folder / "server.pem"}
keyfile {folder / "server.key"}
crlfile {folder / "revoked.pem"}
require_certificate true
use_identity_as_username true
use_username_as_clientid true
allow_anonymous false
acl_file {folder / "acl"}

# Nothing here needs to outlive a restart: a batch is sent again until its signed receipt came.
persistence false
persistent_client_expiration {FORGET_AFTER}
max_packet_size {UPLOAD_BYTES_MAX + TOPIC_BYTES_MAX}
max_inflight_messages {IN_FLIGHT_MAX}
max_queued_messages {CLIENTS_QUEUED_MAX}
max_queued_bytes {CLIENTS_QUEUED_BYTES}
set_tcp_nodelay true
"""
