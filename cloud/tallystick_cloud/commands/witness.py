"""`tallystick witness add | remove | need | accept`, `tallystick log export | begin-epoch`: what witnesses see.

It never signs for a witness: a witness signs on its own computer with tallystick-verify.
"""

import argparse
from pathlib import Path

from sqlalchemy import Connection
from tallystick_protocol import tiles
from tallystick_protocol.checkpoint import Checkpoint
from tallystick_protocol.ids import H32
from tallystick_protocol.note import NOTE_BYTES_MAX, Note

from tallystick_cloud.commands.common import Commands, add_community, ask, command, community_of, group, opened
from tallystick_cloud.commands.settlement import sign_checkpoint
from tallystick_cloud.context import Context
from tallystick_cloud.errors import BadInput
from tallystick_cloud.log import cosign, epochs, service, store
from tallystick_cloud.log.signing import checkpoint
from tallystick_cloud.ports import Entropy
from tallystick_cloud.town.service import read_public_key

CHECKPOINT = "checkpoint.txt"
CONTINUATIONS = "continuations"  # tallystick-verify looks there


def add(commands: Commands) -> None:
    words = group(commands, "witness", "Witnesses: who co-signs checkpoints, and how many policies ask for.")
    found = command(
        words,
        "add",
        add_witness,
        "List a witness by the name and public key with which it co-signs.",
        "  tallystick witness add elena.example/witness --key elena-witness.pub.pem --data D\n",
    )
    found.add_argument("name", metavar="NAME", help="as it signs, such as elena.example/witness")
    found.add_argument("--key", type=Path, required=True, metavar="FILE", help="public key in PEM (Ed25519)")
    add_community(found)
    found = command(
        words,
        "remove",
        remove_witness,
        "List a witness no more; its signatures are shown no more.",
        "  tallystick witness remove elena.example/witness --data D\n",
    )
    found.add_argument("name", metavar="NAME", help="as it signs, such as elena.example/witness")
    add_community(found)
    found = command(
        words,
        "need",
        need,
        "How many of the listed witnesses new policy files ask for.",
        "  tallystick witness need 2 --data D\n",
    )
    found.add_argument("count", type=int, metavar="N", help="signatures; 0: none are asked for")
    add_community(found)
    found = command(
        words,
        "accept",
        accept,
        "Take a co-signed checkpoint, as a witness wrote it.",
        "  tallystick witness accept cosigned.txt --data D\n",
    )
    found.add_argument("file", type=Path, metavar="FILE", help="the co-signed checkpoint")
    add_community(found)
    _add_export(commands)


def _add_export(commands: Commands) -> None:
    words = group(commands, "log", "The transparency log as files.")
    found = command(
        words,
        "export",
        export,
        "Write the newest checkpoint and the log's tiles into a folder, for witnesses without network.",
        "  tallystick log export --out log --data D\n"
        "  tallystick-verify witness log/checkpoint.txt --policy policy.json --state seen.json --tiles log\n",
    )
    found.add_argument("--out", type=Path, required=True, metavar="DIR", help="the folder to write")
    add_community(found)
    found = command(
        words,
        "begin-epoch",
        begin_epoch,
        "Let the log of a database that was set back go on under a new name, so that it is never two logs of one name.",
        "  tallystick log begin-epoch --why 'restored from the image of Monday' --data D\n"
        "\n`tallystick restore` does it by itself. It is for a database that came back in another way: a file copied\n"
        "back, an image of the machine. What was signed since is lost, and every evidence file will say so.\n",
    )
    found.add_argument("--why", default="the database was set back", metavar="TEXT", help="at most 64 bytes")
    add_community(found)
    found.add_argument("--yes", action="store_true", help="do not ask")


def add_witness(parsed: argparse.Namespace) -> int:
    spki = read_public_key(parsed.key)
    options = opened(parsed)
    try:
        name = community_of(options, parsed.community)
        options.database.write_now(cosign.add_witness, name, parsed.name, spki, options.clock.utc_ms())
    finally:
        options.database.close()
    print(f"{parsed.name} is a witness of {name}; next: tallystick witness need N, then export policies again")
    return 0


def remove_witness(parsed: argparse.Namespace) -> int:
    options = opened(parsed)
    try:
        name = community_of(options, parsed.community)
        options.database.write_now(cosign.remove_witness, name, parsed.name, options.clock.utc_ms())
    finally:
        options.database.close()
    print(f"{parsed.name} is no witness of {name} any more; export policies again")
    return 0


def need(parsed: argparse.Namespace) -> int:
    options = opened(parsed)
    try:
        name = community_of(options, parsed.community)
        options.database.write_now(cosign.need, name, parsed.count)
    finally:
        options.database.close()
    print(f"policies of {name} ask for {parsed.count} witnesses from now on; export them again")
    return 0


def accept(parsed: argparse.Namespace) -> int:
    try:
        with parsed.file.open("rb") as file:
            note = file.read(NOTE_BYTES_MAX + 1)
    except OSError as error:
        raise BadInput(str(parsed.file), f"cannot be read: {error.strerror}") from None
    options = opened(parsed)
    try:
        name = community_of(options, parsed.community)
        kept = options.database.write_now(cosign.accept, options.aggregator.of(name), note)
    finally:
        options.database.close()
    print(f"kept the signatures of {', '.join(kept)}")
    return 0


def begin_epoch(parsed: argparse.Namespace) -> int:
    options = opened(parsed)
    try:
        name = community_of(options, parsed.community)
        context = options.aggregator.of(name)
        text = "the log goes on under another name, and witnesses must say yes to it"
        if options.database.read_now(epochs.continues, context):
            text = f"this database leads to everything that was signed, so nothing needs it; {text}"
        ask(parsed.yes, f"Begin a new epoch of the log of {name}? It cannot be undone: {text}.")
        origin = options.database.write_now(begun, context, options.entropy, options.clock.utc_ms(), parsed.why)
    finally:
        options.database.close()
    print(f"{name}: the log goes on as {origin}; next: tallystick log export --out DIR, for the witnesses")
    return 0


def begun(conn: Connection, context: Context, entropy: Entropy, now_ms: int, why: str) -> str:
    """Begin an epoch and sign its first checkpoint; the name of its log."""
    head = epochs.begin(conn, context, entropy, now_ms, why)
    checkpoint(conn, context, now_ms)
    return epochs.origin(context, head)


def export(parsed: argparse.Namespace) -> int:
    options = opened(parsed)
    try:
        name = community_of(options, parsed.community)
        sign_checkpoint(options, name)
        note, leaves = options.database.read_now(_log, name)
        records = options.database.read_now(epochs.continuations, name)
    finally:
        options.database.close()
    _write(parsed.out / CHECKPOINT, note)
    for tile in tiles.tiles_of(len(leaves)):
        _write(parsed.out / tile.path, tiles.tile_of(tile, leaves))
    for envelope, leaf in records:
        if leaf < len(leaves):
            _write(parsed.out / CONTINUATIONS / f"{leaf}.cbor", envelope)
    print(f"{parsed.out}: checkpoint of {len(leaves)} entries and their tiles")
    return 0


def _log(conn: Connection, name: str) -> tuple[bytes, list[H32]]:
    note = service.newest_note(conn, name)
    size = Checkpoint.from_text(Note.decode(note).text).size
    return note, [H32(h) for h in store.leaf_hashes(conn, name, 0, size)]


def _write(path: Path, data: bytes) -> None:
    """Public hashes: readable by all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
