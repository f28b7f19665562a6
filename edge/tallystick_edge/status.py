"""What `tallystick-edge status` says: identity, chain, what waits; read beside a running agent.
It never changes the journal and never makes a key."""

from __future__ import annotations

import sqlite3

from tallystick_protocol.claim import fingerprint8

from tallystick_edge.config import EdgeConfig
from tallystick_edge.enrolment import ENROLMENT_FILE
from tallystick_edge.errors import EdgeError
from tallystick_edge.identity import PROOF_FILE, load_identity


def status(config: EdgeConfig) -> dict[str, object]:
    """Raises EdgeError when the agent never ran here."""
    path = config.data / "journal.sqlite"
    if not path.exists() or not (config.data / PROOF_FILE).exists():
        raise EdgeError(f"{config.data}: no journal yet. Next: start the agent with `tallystick-edge run`")
    identity = load_identity(config.data)
    try:
        db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            epoch, next_seq, command = db.execute("SELECT epoch, next_seq, last_command FROM chain").fetchone()
            counts = dict(db.execute("SELECT status, count(*) FROM batch GROUP BY status").fetchall())
            (pending,) = db.execute("SELECT count(*) FROM pending").fetchone()
            (channels,) = db.execute("SELECT count(*) FROM channel").fetchone()
        finally:
            db.close()
    except sqlite3.Error as error:
        raise EdgeError(f"{path}: {error}. Next: check the disk, then run `tallystick-edge status` again") from error
    return {
        "gateway": identity.gid.hex(),
        "fingerprint": fingerprint8(identity.signer.spki),
        "enrolled": (config.data / ENROLMENT_FILE).exists(),
        "epoch": epoch,
        "sealed": next_seq - 1,
        "receipted": counts.get(1, 0),
        "waiting": counts.get(0, 0),
        "superseded": counts.get(2, 0),
        "unsealed_flushes": pending,
        "channels": channels,
        "last_command": command,
    }
