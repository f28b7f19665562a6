"""The command tallystick-verify: reads files, runs the verifier or a witness's check, prints and exits with a code.
It never opens a connection; everything that decides is in the package `verify`.
"""

import argparse
import base64
import binascii
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from tallystick_protocol import cose
from tallystick_protocol.checkpoint import Checkpoint, add_cosignature, epoch_in, open_in_any_epoch
from tallystick_protocol.cost_settlement import PROOF_BYTES_MAX as COST_BYTES_MAX
from tallystick_protocol.errors import BadValue, ProtocolError
from tallystick_protocol.evidence import Evidence
from tallystick_protocol.evidence_file import FILE_BYTES_MAX, unpack
from tallystick_protocol.ids import H32, H32_BYTES
from tallystick_protocol.keys import PEM_BYTES_MAX, load_signer
from tallystick_protocol.merkle import HEIGHT_MAX
from tallystick_protocol.note import NOTE_BYTES_MAX
from tallystick_protocol.policy import POLICY_BYTES_MAX, Policy, load_policy
from tallystick_protocol.pool_settlement import PROOF_BYTES_MAX as POOL_BYTES_MAX
from tallystick_protocol.records import RECORD_BYTES_MAX, Continuation
from tallystick_protocol.verify import Report, verify_evidence
from tallystick_protocol.verify.cost import verify_cost
from tallystick_protocol.verify.pool import verify_pool
from tallystick_protocol.verify.report import Misfit
from tallystick_protocol.verify.set_back import Place, gone_since
from tallystick_protocol.verify.witness import ReadTile, Seen, continues, leaf_hashes, load_seen

VALID, MISFIT, UNUSABLE = 0, 1, 2
CONTINUATIONS = "continuations"  # beside the tiles in an exported folder
EPOCHS_MAX = 64  # of one log: it is set back in disasters
TILE_BYTES_MAX = 8192  # 256 hashes
PROOF_BYTES_MAX = 64 * 1024
EXAMPLES = """examples:
  tallystick-verify evidence elena-2026-01.evidence --policy policy.json
  tallystick-verify evidence elena-2026-01.evidence --policy policy.json --json
  tallystick-verify pool anna-2026-01.pool --policy policy.json
  tallystick-verify cost anna-heating.cost --policy policy.json
  tallystick-verify witness checkpoint.txt --policy policy.json --state seen.json --tiles log/
  tallystick-verify witness theirs.evidence --policy policy.json --state seen.json

exit codes: 0 valid, 1 something does not fit, 2 the input cannot be used
"""
WITNESS_EXAMPLES = """The first checkpoint starts the state file; every later one must continue it. A neighbour's
evidence file can stand in the place of a checkpoint: if the log showed you two histories, this command says so.

examples:
  tallystick-verify witness checkpoint.txt --policy policy.json --state seen.json --tiles log/
  tallystick-verify witness checkpoint.txt --policy policy.json --state seen.json --tiles log/ \\
      --sign witness.pem --name witness.example --out signed.txt
"""


class Unusable(Exception):
    """The command cannot be carried out with what it was given."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run; returns the exit code (argparse itself exits with 2 on wrong usage)."""
    args = _parser().parse_args(argv)
    try:
        return {"evidence": _evidence, "pool": _pool, "cost": _cost, "witness": _witness}[args.command](args)
    except (Unusable, ProtocolError) as error:
        print(f"tallystick-verify: {error}", file=sys.stderr)
        return UNUSABLE
    except Misfit as misfit:
        _say_misfit(args, misfit)
        return MISFIT


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="tallystick-verify",
        description="Check evidence of shared use, costs and shares, without network and without trusting the host.",
        epilog=EXAMPLES,
        formatter_class=raw,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    about = "verify a party's evidence file"
    evidence = commands.add_parser("evidence", help=about, description=about, epilog=EXAMPLES, formatter_class=raw)
    evidence.add_argument("file", type=Path, help="the evidence file")
    about = "verify a member's file of an energy community: own meters in the sums, own part, own money"
    pool = commands.add_parser("pool", help=about, description=about, epilog=EXAMPLES, formatter_class=raw)
    pool.add_argument("file", type=Path, help="what `tallystick pool proof` wrote")
    about = "verify a payer's file of a shared bill: own stays in the sums, the share by the key to the cent"
    cost = commands.add_parser("cost", help=about, description=about, epilog=EXAMPLES, formatter_class=raw)
    cost.add_argument("file", type=Path, help="what `tallystick cost proof` wrote")
    about = "check that a checkpoint continues the log seen so far, and co-sign it"
    witness = commands.add_parser(
        "witness", help=about, description=about, epilog=WITNESS_EXAMPLES, formatter_class=raw
    )
    witness.add_argument("file", type=Path, help="a checkpoint note, or an evidence file that holds one")
    witness.add_argument("--state", type=Path, required=True, help="what this witness has seen; made on first use")
    source = witness.add_mutually_exclusive_group()
    source.add_argument("--tiles", type=Path, help="a folder with the log's tiles (it holds tile/0/...)")
    source.add_argument("--proof", type=Path, help="a consistency proof: one hash in base 64 per line")
    about = "the log was set back by the community: go on with it although entries that you saw are gone"
    witness.add_argument("--accept-set-back", action="store_true", help=about)
    witness.add_argument("--sign", type=Path, help="this witness's private key (PEM, Ed25519)")
    witness.add_argument("--name", help="this witness's name on checkpoints")
    witness.add_argument("--out", type=Path, help="where to write the co-signed checkpoint")
    for command in (evidence, pool, cost, witness):
        command.add_argument("--policy", type=Path, required=True, help="whom and what you trust (JSON)")
        command.add_argument("--json", action="store_true", help="print the report as JSON")
    return parser


def _evidence(args: argparse.Namespace) -> int:
    policy = _policy(args.policy)
    return _say(args, verify_evidence(_read(args.file, FILE_BYTES_MAX + 1), policy))


def _pool(args: argparse.Namespace) -> int:
    policy = _policy(args.policy)
    return _say(args, verify_pool(_read(args.file, POOL_BYTES_MAX + 1), policy))


def _cost(args: argparse.Namespace) -> int:
    policy = _policy(args.policy)
    return _say(args, verify_cost(_read(args.file, COST_BYTES_MAX + 1), policy))


def _say(args: argparse.Namespace, report: Report) -> int:
    if args.json:
        print(json.dumps(report.as_json(), indent=2, ensure_ascii=False))
    else:
        _print(report)
    return VALID if report.ok else MISFIT


def _print(report: Report) -> None:
    for check in report.checks:
        print(f"{'ok ' if check.ok else 'NOT'} {check.name:<12} {check.words}")
    print(f"\n{report.verdict if report.ok else 'does not fit: ' + report.verdict}")


def _witness(args: argparse.Namespace) -> int:
    policy = _policy(args.policy)
    wants = (args.sign, args.name, args.out)
    if any(wants) and not all(wants):
        raise Unusable("--sign, --name and --out belong together")
    data = _read(args.file, FILE_BYTES_MAX)
    note, checkpoint, evidence = _checkpoint(data, policy)
    seen = load_seen(_read(args.state, PROOF_BYTES_MAX)) if args.state.exists() else None
    proof = None if args.proof is None else _proof(_read(args.proof, PROOF_BYTES_MAX))
    if proof is None and evidence is not None and seen is not None:
        proof = next((p.path for p in evidence.proofs if p.size == seen.size < checkpoint.size), None)
    tiles = None if args.tiles is None else _tiles(args.tiles)
    if seen is not None and seen.origin != checkpoint.origin:
        after = _set_back(args, policy, seen, checkpoint)
    else:
        after = continues(seen, checkpoint, proof, tiles)
    signed = None
    if args.sign is not None:
        signer = load_signer(_read(args.sign, PEM_BYTES_MAX))
        signed = add_cosignature(note, args.name, signer, int(datetime.now(UTC).timestamp()))
    _write(args.state, after.to_json().encode())  # before the signature leaves: never sign what is not remembered
    if signed is not None:
        _write(args.out, signed)
    words = f"the log {checkpoint.origin} of {checkpoint.size} entries " + (
        "is the first that you see" if seen is None else f"agrees with the {seen.size} entries seen before"
    )
    print(json.dumps({"verdict": "valid", "ok": True, "size": after.size, "words": words}) if args.json else words)
    return VALID


def _set_back(args: argparse.Namespace, policy: Policy, seen: Seen, new: Checkpoint) -> Seen:
    """Another epoch of the log than was seen: only with its records, and with a yes when entries are gone."""
    before, epoch = epoch_in(seen.origin, policy.log_origin), epoch_in(new.origin, policy.log_origin)
    if before is None or epoch is None:
        raise Unusable(f"the state is of {seen.origin}, the checkpoint of {new.origin}: one state per log")
    if epoch < before:
        raise Unusable(f"the log went on as {seen.origin}; checkpoints of {new.origin} are signed no more")
    if args.tiles is None:
        raise Unusable(f"the log was set back and goes on as {new.origin}: give --tiles, the whole exported folder")
    records = _continuations(args.tiles / CONTINUATIONS, policy)
    hashes = leaf_hashes(_tiles(args.tiles), new.size)
    gone = gone_since(Place(before, seen.size, seen.root), Place(epoch, new.size, new.root), records, hashes)
    if gone and not args.accept_set_back:
        why = f"was set back ({records[-1][0].why}): {gone} of the {seen.size} entries that you saw are gone. Ask the "
        why += f"community whether that is so; if it is, keep a copy of {args.state} and say --accept-set-back"
        raise Misfit(f"log {new.origin}", why)
    return Seen(new.origin, new.size, new.root, (*seen.before, replace(seen, before=())))


def _continuations(folder: Path, policy: Policy) -> list[tuple[Continuation, H32]]:
    """The records in the order of the log, each signed by a root of the policy."""
    if policy.roots_needed > 1:
        raise Unusable("the policy asks for several community keys, and a record in a folder carries one signature")
    found = []
    for path in sorted(folder.glob("*.cbor"))[:EPOCHS_MAX]:
        roots = {key.kid: key for key in policy.roots}
        opened = cose.open_envelope(_read(path, RECORD_BYTES_MAX), cose.ContentType.CONTINUATION, roots.get)
        found.append((Continuation.decode(opened.payload), opened.hash))
    return sorted(found, key=lambda one: one[0].size)


def _say_misfit(args: argparse.Namespace, misfit: Misfit) -> None:
    if args.json:
        print(json.dumps({"verdict": str(misfit), "ok": False}, ensure_ascii=False))
    else:
        print(f"does not fit: {misfit}")


def _checkpoint(data: bytes, policy: Policy) -> tuple[bytes, Checkpoint, Evidence | None]:
    evidence = None
    data = unpack(data)
    if not data.startswith(policy.log_origin.encode()) and len(data) > 0 and data[0] >= 0x80:
        evidence = Evidence.decode(data)
        data = evidence.note
    if len(data) > NOTE_BYTES_MAX:
        raise Unusable("the checkpoint is too long for a signed note")
    return data, open_in_any_epoch(data, policy.log_origin, policy.log_key)[0], evidence


def _proof(data: bytes) -> tuple[H32, ...]:
    lines = data.decode("ascii", "replace").split()
    if len(lines) > 2 * HEIGHT_MAX:
        raise BadValue("proof", "is longer than any proof")
    try:
        hashes = tuple(H32(base64.b64decode(line, validate=True)) for line in lines)
    except (binascii.Error, ValueError):
        raise BadValue("proof", "must be one hash in base 64 per line") from None
    if any(len(h) != H32_BYTES for h in hashes):
        raise BadValue("proof", f"must hold hashes of {H32_BYTES} bytes")
    return hashes


def _tiles(folder: Path) -> ReadTile:
    def read(path: str) -> bytes | None:
        place = folder / path
        return _read(place, TILE_BYTES_MAX) if place.is_file() else None

    return read


def _policy(path: Path) -> Policy:
    return load_policy(_read(path, POLICY_BYTES_MAX + 1))


def _read(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise Unusable(f"{path} cannot be read ({error.strerror})") from None
    if len(data) > most:
        raise Unusable(f"{path} is longer than {most} bytes, the limit for such a file")
    return data


def _write(path: Path, data: bytes) -> None:
    """Replace a file at once, so that a crash leaves the old one or the new one."""
    draft = path.with_name(path.name + ".new")
    try:
        with draft.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise Unusable(f"{path} cannot be written ({error.strerror})") from None


if __name__ == "__main__":
    sys.exit(main())
