"""How each kind of vector is read: one function per kind that takes bytes and what is given, and returns what it gives.
Only ProtocolError may come out of any of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from support import protocol_samples as s
from tallystick_protocol import cbor, cose, merkle, records, salted_tree, sum_tree, tiles
from tallystick_protocol.batch import Batch, open_upload
from tallystick_protocol.checkpoint import log_id, open_checkpoint, verify_cosignature
from tallystick_protocol.claim import fingerprint8, parse_claim
from tallystick_protocol.command import Command
from tallystick_protocol.cost_settlement import CostPiece, CostProof, CostSettlement
from tallystick_protocol.counter_line import Counter
from tallystick_protocol.cover import Cover
from tallystick_protocol.enrol import EnrolAnswer, EnrolRequest
from tallystick_protocol.evidence import Evidence
from tallystick_protocol.hello import Hello, State
from tallystick_protocol.ids import H32, channel_hash, gid_from_spki, use_id
from tallystick_protocol.keys import PublicKey, public_key_of
from tallystick_protocol.money.contract import Contract
from tallystick_protocol.part import Part
from tallystick_protocol.pool_settlement import IntervalRecord, MeterPiece, PoolProof, PoolSettlement
from tallystick_protocol.receipt import Receipt
from tallystick_protocol.settled_use import Slice, Use
from tallystick_protocol.settlement import Settlement
from tallystick_protocol.statement import Statement

Given = Mapping[str, Any]
Gives = dict[str, Any]
Reader = Callable[[bytes, Given], Gives]


def _part(data: bytes, _: Given) -> Gives:
    part = Part.decode(data)
    lasts = [segment.readings()[-1] for segment in part.segments]
    rows = [{"pagination": r.pagination, "t_ms": r.t_ms, "total": r.total, "quality": int(r.quality)} for r in lasts]
    return {"readings": rows, "again": part.encode()}


def _upload(data: bytes, _: Given) -> Gives:
    opened = open_upload(data)
    opened.unverified.verify(public_key_of(s.GATEWAY))
    parts = [None if p is None else "ok" if isinstance(p, Part) else int(p.reason) for p in opened.parts]
    return {"hash": opened.unverified.hash.hex(), "parts": parts}


def _envelope(data: bytes, given: Given) -> Gives:
    key = public_key_of(s.SIGNERS[given["key"]])
    expect = cose.ContentType(given["content"])
    opened = cose.open_envelope(data, expect, lambda kid: key if kid == key.kid else None)
    return {"hash": opened.hash.hex(), "kid": opened.kid.hex()}


def _spki(data: bytes, _: Given) -> Gives:
    return {"kid": PublicKey.from_spki(data).kid.hex(), "fingerprint": fingerprint8(data)}


def _ids(data: bytes, _: Given) -> Gives:
    gid = gid_from_spki(data)
    channel = channel_hash(gid, 2)
    return {
        "gid": gid.hex(),
        "channel 2": channel.hex(),
        "use 7 of it": use_id(channel, 7).hex(),
        "interval use from -5": use_id(channel, -5).hex(),
        "log id": log_id(data).hex(),
    }


def _leaf(data: bytes, _: Given) -> Gives:
    records.read_log_leaf(data)
    return {"leaf_hash": merkle.leaf_hash(data).hex()}


def _hashes(data: bytes) -> list[H32]:
    return [H32(data[at : at + 32]) for at in range(0, len(data), 32)]


def _root(data: bytes, _: Given) -> Gives:
    hashes = _hashes(data)
    grown = merkle.CompactRange()
    for h in hashes:
        grown = merkle.CompactRange.decode(grown.append(h).encode())
    return {"root": merkle.root(hashes).hex()} if grown.root() == merkle.root(hashes) else {}


def _inclusion(data: bytes, given: Given) -> Gives:
    leaf, root = bytes.fromhex(given["leaf_hash"]), bytes.fromhex(given["root"])
    merkle.verify_inclusion(given["index"], given["size"], leaf, _hashes(data), root)
    return {}


def _consistency(data: bytes, given: Given) -> Gives:
    old, new = bytes.fromhex(given["old_root"]), bytes.fromhex(given["new_root"])
    merkle.verify_consistency(given["old_size"], given["new_size"], _hashes(data), old, new)
    return {}


def _checkpoint(data: bytes, _: Given) -> Gives:
    checkpoint = open_checkpoint(data, s.ORIGIN, public_key_of(s.LOG))
    return {"size": checkpoint.size, "root": checkpoint.root.hex()}


def _cosignature(data: bytes, _: Given) -> Gives:
    return {"time_s": verify_cosignature(data, "witness.example/w1", public_key_of(s.WITNESS))}


def _tile_path(data: bytes, _: Given) -> Gives:
    tile = tiles.parse_path(data.decode())
    return {"level": tile.level, "index": tile.index, "width": tile.width}


def _entries(data: bytes, given: Given) -> Gives:
    return {"entries": [entry.hex() for entry in tiles.decode_entries(data, given["width"])]}


def _message(decode: Callable[[bytes], Any]) -> Reader:
    return lambda data, _: {"again": decode(data).encode()}


def _salted(data: bytes, given: Given) -> Gives:
    tree = salted_tree.Tree(given["n"], H32(bytes.fromhex(given["root"])))
    leaf = salted_tree.Leaf(bytes.fromhex(given["salt"]), data)
    salted_tree.verify_leaf(tree, given["index"], leaf, [bytes.fromhex(h) for h in given["path"]])
    return {}


def _sum_leaf(data: bytes, given: Given) -> Gives:
    def node(told: Mapping[str, Any]) -> sum_tree.SumNode:
        return sum_tree.SumNode(H32(bytes.fromhex(told["hash"])), tuple(told["sums"]))

    leaf = sum_tree.leaf_node(bytes.fromhex(given["salt"]), data, tuple(given["sums"]))
    sum_tree.verify_path(given["index"], given["size"], leaf, [*map(node, given["path"])], node(given["top"]))
    return {}


READERS: dict[str, Reader] = {
    "cbor": lambda data, _: {"again": cbor.encode(cbor.decode(data))},
    "envelope": _envelope,
    "upload": _upload,
    "part": _part,
    "batch": _message(Batch.decode),
    "receipt": _message(Receipt.decode),
    "hello": _message(Hello.decode),
    "state": _message(State.decode),
    "command": _message(Command.decode),
    "descriptor": _message(records.Descriptor.decode),
    "key-event": _message(records.KeyEvent.decode),
    "approval": _message(records.Approval.decode),
    "resolution": _message(records.Resolution.decode),
    "reversal": _message(records.Reversal.decode),
    "continuation": _message(records.Continuation.decode),
    "enrol": _message(EnrolRequest.decode),
    "enrol-answer": _message(EnrolAnswer.decode),
    "contract": _message(Contract.decode),
    "spki": _spki,
    "ids": _ids,
    "claim": lambda data, _: {"bytes": parse_claim(data.decode()).hex()},
    "tree": _message(salted_tree.Tree.decode),
    "leaf": _salted,
    "settlement": _message(Settlement.decode),
    "cover": _message(Cover.decode),
    "counter": _message(Counter.decode),
    "use": _message(Use.decode),
    "slice": _message(Slice.decode),
    "statement": _message(Statement.decode),
    "evidence": _message(Evidence.decode),
    "pool-settlement": _message(PoolSettlement.decode),
    "meter-piece": _message(MeterPiece.decode),
    "interval": _message(IntervalRecord.decode),
    "pool-proof": _message(PoolProof.decode),
    "sum-leaf": _sum_leaf,
    "cost-settlement": _message(CostSettlement.decode),
    "cost-piece": _message(CostPiece.decode),
    "cost-proof": _message(CostProof.decode),
    "log-leaf": _leaf,
    "root": _root,
    "inclusion": _inclusion,
    "consistency": _consistency,
    "checkpoint": _checkpoint,
    "cosignature": _cosignature,
    "tile-path": _tile_path,
    "entries": _entries,
}
CDDL_RULES = {
    "envelope": "Envelope",
    "upload": "Upload",
    "part": "Part",
    "batch": "Batch",
    "receipt": "Receipt",
    "hello": "Hello",
    "state": "State",
    "command": "Command",
    "descriptor": "Descriptor",
    "key-event": "KeyEvent",
    "approval": "Approval",
    "resolution": "Resolution",
    "reversal": "Reversal",
    "continuation": "Continuation",
    "enrol": "EnrolRequest",
    "enrol-answer": "EnrolAnswer",
    "contract": "Contract",
    "log-leaf": "LogEntry",
    "tree": "Tree",
    "settlement": "Settlement",
    "cover": "Cover",
    "counter": "Counter",
    "use": "Use",
    "slice": "Slice",
    "statement": "Statement",
    "evidence": "Evidence",
    "pool-settlement": "PoolSettlement",
    "meter-piece": "MeterPiece",
    "interval": "IntervalRecord",
    "pool-proof": "PoolProof",
    "cost-settlement": "CostSettlement",
    "cost-piece": "CostPiece",
    "cost-proof": "CostProof",
}
