"""`tallystick broker-config`: everything a Mosquitto 2 needs to carry this aggregator's gateways.

It never starts or stops a broker; a changed revocation list counts when the broker is started anew.
"""

import argparse
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from tallystick_cloud.broker import ACL, PORT, BrokerPlan, mosquitto_conf
from tallystick_cloud.ca import Authority, server_files
from tallystick_cloud.clock import real_utc
from tallystick_cloud.commands.common import Commands, command, opened
from tallystick_cloud.errors import BadInput
from tallystick_cloud.gateways.store import revoked_serials

FOLDER_MODE = 0o755  # the broker's own user must come in; the one secret in it is 0600
EXAMPLES = """\
  tallystick broker-config --data /var/lib/tallystick --out /etc/mosquitto/tallystick
  tallystick broker-config --data D --out broker --port 8884 --address 0.0.0.0 --user mosquitto
"""


def add(commands: Commands) -> None:
    found = command(commands, "broker-config", write, "Write mosquitto.conf, access list and certificates.", EXAMPLES)
    found.add_argument("--out", type=Path, metavar="DIR", required=True, help="where the files go")
    found.add_argument("--port", type=int, default=PORT, help=f"TLS port of the broker (default {PORT})")
    found.add_argument("--address", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    found.add_argument("--user", help="whom the broker runs as when root starts it (default: mosquitto's own)")


def write(parsed: argparse.Namespace) -> int:
    if not 1 <= parsed.port <= 65_535:
        raise BadInput("--port", f"is {parsed.port}; a port is from 1 to 65535")
    if any(character.isspace() for character in f"{parsed.address}{parsed.user or ''}{parsed.out.resolve()}"):
        raise BadInput("--out", "address, user and path may have no blanks in mosquitto.conf; choose others")
    options = opened(parsed)
    try:
        plan = BrokerPlan(parsed.out.resolve(), parsed.port, parsed.address, parsed.user)
        revoked = options.database.read_now(revoked_serials)
        write_files(options.aggregator.authority, revoked, plan, real_utc())
    finally:
        options.database.close()
    print(f"broker files in {plan.folder} ({len(revoked)} revoked certificates)")
    print(f"next: mosquitto -c {plan.folder}/mosquitto.conf")
    return 0


def write_files(authority: Authority, revoked: Sequence[int], plan: BrokerPlan, now: datetime) -> None:
    """All files; certificate and key stay until they are about to expire. `revoked`: serial numbers."""
    plan.folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    server_files(authority, plan.folder, authority.names, now)
    (plan.folder / "ca.pem").write_bytes(authority.pem)
    (plan.folder / "revoked.pem").write_bytes(authority.revocation_list(revoked, now))
    (plan.folder / "acl").write_text(ACL)
    (plan.folder / "mosquitto.conf").write_text(mosquitto_conf(plan))
