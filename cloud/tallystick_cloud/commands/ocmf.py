"""`tallystick ocmf export`: a payer's charging sessions for the transparency software that anyone may run.

It signs with a key of its own, made at the first export, and says which records the meter signed.
"""

import argparse
import json
from pathlib import Path

from tallystick_protocol.keys import P256Signer
from tallystick_protocol.ocmf_export import to_xml

from tallystick_cloud.commands.common import Commands, add_community, command, community_of, group, opened
from tallystick_cloud.commands.settlement import moment_of
from tallystick_cloud.commands.signing import party_of
from tallystick_cloud.errors import BadInput
from tallystick_cloud.home import Home
from tallystick_cloud.http.month import Month
from tallystick_cloud.keys import read_private, write_private
from tallystick_cloud.ocmf.service import sessions
from tallystick_cloud.parties.store import ids_by_name
from tallystick_cloud.settlement.access import Read, write_down

KEY_FILE = "ocmf.pem"
ZONE = "UTC"


def add(commands: Commands) -> None:
    words = group(commands, "ocmf", "Charging sessions in the format of calibration law (OCMF).")
    found = command(
        words,
        "export",
        export,
        "Write a payer's charging sessions of a month (UTC) as a file for transparency software.",
        "  tallystick ocmf export 'Anna' 2026-11 --out anna.xml --data D\n",
    )
    found.add_argument("party", metavar="PARTY", help="who pays for the sessions")
    found.add_argument("period", metavar="PERIOD", help="YYYY-MM")
    found.add_argument("--out", type=Path, required=True, metavar="FILE", help="the XML file to write")
    add_community(found)
    found.add_argument("--json", action="store_true", help="print JSON")


def export(parsed: argparse.Namespace) -> int:
    """The file is 0600: it says when somebody charged."""
    month = Month.of(moment_of(parsed.period), ZONE)
    options = opened(parsed)
    try:
        name = community_of(options, parsed.community)
        payer = party_of(name, options.database.read_now(ids_by_name, name), parsed.party)
        span_ms = month.from_ms(ZONE), month.step(1).from_ms(ZONE)
        signer = export_key(options.home, name)
        found = options.database.read_now(sessions, name, payer, span_ms, signer)
        read = Read(None, payer, "ocmf", len(found))
        options.database.write_now(write_down, name, read, options.clock.utc_ms())
    finally:
        options.database.close()
    if not found:
        raise BadInput("PERIOD", f"{parsed.party} has no charging session in {month.text}; is the name the payer's?")
    write_private(parsed.out, to_xml((one.name, one.record, one.key) for one in found).encode())
    by_meter = sum(one.by_meter for one in found)
    if parsed.json:
        print(json.dumps({"file": str(parsed.out), "sessions": len(found), "signed_by_meter": by_meter}))
        return 0
    print(
        f"{parsed.out}: {len(found)} sessions, {by_meter} signed by the meter, {len(found) - by_meter} by this server"
    )
    print("next: open it with the transparency software; compare the public key with the one on the meter")
    return 0


def export_key(home: Home, community: str) -> P256Signer:
    """The key for records that no meter signed; made once. Raises KeyStoreError."""
    path = home.keys / community / KEY_FILE
    if not path.exists():
        write_private(path, P256Signer.generate().to_pem())
    return P256Signer.from_pem(read_private(path))
