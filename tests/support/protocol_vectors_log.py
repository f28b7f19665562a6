"""Vectors of what stands under the messages: CBOR, envelopes, keys, ids, claims, the tree, notes, tiles and OCMF.
The outside vectors are never needed for these: the same kinds of cases are here."""

from __future__ import annotations

import base64

import cbor2
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from support import protocol_samples as s
from support.vector_case import Case, edit
from tallystick_protocol import cbor, cose, merkle, tiles
from tallystick_protocol.checkpoint import Checkpoint, add_cosignature, log_id, sign_checkpoint
from tallystick_protocol.claim import fingerprint8
from tallystick_protocol.codes import LogType
from tallystick_protocol.ids import H32, channel_hash, gid_from_spki, use_id
from tallystick_protocol.keys import kid_of
from tallystick_protocol.records import log_leaf

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
NESTED_KEYS = b"\xa1" * 22 + b"\x00" * 23  # 45 bytes: maps as keys of maps
SHARED_CYCLE = bytes.fromhex("d81c85" + "d81d00" * 5)  # 18 bytes: an array that holds itself five times


def cbor_items() -> list[Case]:
    good = "00 17 1818 18ff 190100 1b7fffffffffffffff 20 3b7fffffffffffffff f4 f5 f6 40 4401020304 60 63e6b0b4 80"
    cases = [Case("cbor", f"item {item}", bytes.fromhex(item)) for item in good.split()]
    cases += [
        Case("cbor", "a map in the order of its keys", bytes.fromhex("a201020304")),
        Case("cbor", "eight levels", b"\x81" * 8 + b"\x00"),
        Case("cbor", "text of 64 bytes", b"\x78\x40" + b"x" * 64),
    ]
    bad = {
        "a long head": ("1817", "not-canonical"),
        "a two-byte head for 255": ("1900ff", "not-canonical"),
        "keys out of order": ("a203040102", "not-canonical"),
        "a key twice": ("a201020103", "not-canonical"),
        "an array without length": ("9f01ff", "not-canonical"),
        "a map without length": ("bf0102ff", "not-canonical"),
        "bytes in chunks": ("5f42010243030405ff", "not-canonical"),
        "two items": ("0000", "not-canonical"),
        "nothing": ("", "not-canonical"),
        "cut short": ("4401", "not-canonical"),
        "a break alone": ("ff", "not-canonical"),
        "text that is no UTF-8": ("61ff", "not-canonical"),
        "half a float": ("f90000", "bad-type"),
        "a double": ("fb3ff199999999999a", "bad-type"),
        "not a number": ("f97e00", "bad-type"),
        "undefined": ("f7", "bad-type"),
        "a simple value": ("f0", "bad-type"),
        "a date as tag 1": ("c11a514b67b0", "bad-type"),
        "a bignum that would fit": ("c24101", "bad-type"),
        "a tag nobody registered": ("da7fffffff00", "bad-type"),
        "a negative key": ("a12000", "bad-type"),
        "a text key": ("a1616100", "bad-type"),
        "a map as key": ("a1a000", "bad-type"),
        "2^63": ("1b8000000000000000", "bad-value"),
        "-2^63-1": ("3b8000000000000000", "bad-value"),
        "text of 65 bytes": ("7841" + "78" * 65, "bad-value"),
        "text that is not NFC": ("6375cc88", "bad-value"),
        "nine levels": ("81" * 9 + "00", "not-canonical"),
        "an array of 2^64-1 items": ("9bffffffffffffffff", "not-canonical"),
        "a string of 2^64-1 bytes": ("5bffffffffffffffff", "not-canonical"),
    }
    return cases + [Case("cbor", name, bytes.fromhex(data), code, "data") for name, (data, code) in bad.items()]


def hostile() -> list[Case]:
    """Bytes that kept naive decoders busy; each must be refused within the time limit of the test."""
    many = {
        "45 bytes of maps as keys of maps": (NESTED_KEYS, "not-canonical"),
        "18 bytes of an array in itself": (SHARED_CYCLE, "bad-type"),
        "seven levels of maps as keys": (b"\xa1" * 7 + b"\x00" * 8, "bad-type"),
        "64 KiB of open arrays": (b"\x81" * 65536, "not-canonical"),
        "64 KiB of open maps": (b"\xa1" * 65536, "not-canonical"),
        "64 KiB of tags": (b"\xc1" * 65536, "not-canonical"),
        "string references": (bytes.fromhex("d9010082" + "4401020304" + "d81900"), "bad-type"),
        "a decimal of huge exponent": (bytes.fromhex("c4821b7fffffffffffffff01"), "bad-type"),
        "a rational": (bytes.fromhex("d81e820100"), "bad-type"),
        "a regular expression": (bytes.fromhex("d8236428612b292b"), "bad-type"),
        "65,537 bytes": (b"\x00" * 65537, "too-large"),
    }
    return [Case("cbor", name, data, code, "data") for name, (data, code) in many.items()]


def envelopes() -> list[Case]:
    good = s.BATCH_ENVELOPE
    body = cbor2.loads(good[1:])
    opened = {"hash": cose.parse(good).hash.hex(), "kid": s.GATEWAY.kid.hex()}

    def remade(index: int, value: object) -> bytes:
        return b"\xd2" + edit(good[1:], [index], value)

    def headed(header: dict[object, object]) -> bytes:
        return remade(0, cbor2.dumps(header, canonical=True))

    kind, kid = "application/vnd.tallystick.batch+cbor", s.GATEWAY.kid
    r, sig_s = body[3][:32], int.from_bytes(body[3][32:], "big")
    mirrored = r + (P256_ORDER - sig_s).to_bytes(32, "big")
    eddsa = cose.sign(s.AGGREGATOR, cose.ContentType.RECEIPT, s.RECEIPT.encode())
    gateway, server = (
        {"key": "gateway", "content": kind},
        {"key": "aggregator", "content": kind.replace("batch", "receipt")},
    )
    der = encode_dss_signature(int.from_bytes(r, "big"), sig_s)
    signed, beyond = (
        {"bad-signature", "unknown-key"},
        {"a byte after it", "tag 18 with a long head", "a receipt for a batch"},
    )
    bad: list[tuple[str, bytes, str, str]] = [
        ("a receipt for a batch", eddsa, "bad-envelope", "envelope.content-type"),
        ("no tag", good[1:], "bad-envelope", "envelope"),
        ("tag 98", b"\xd8\x62" + good[1:], "bad-envelope", "envelope"),
        ("tag 18 with a long head", b"\xd8\x12" + good[1:], "bad-envelope", "envelope"),
        ("a byte after it", good + b"\x00", "not-canonical", "envelope"),
        ("something unprotected", remade(1, {4: kid}), "bad-envelope", "envelope.unprotected"),
        ("three items", b"\xd2" + cbor2.dumps(list(body[:3])), "bad-envelope", "envelope"),
        ("a detached payload", remade(2, None), "bad-envelope", "envelope"),
        ("the signature as DER", remade(3, der), "bad-envelope", "envelope.signature"),
        ("an empty header", remade(0, b""), "not-canonical", "envelope.header"),
        ("no kid", headed({1: -7, 3: kind}), "bad-envelope", "envelope.header"),
        ("a critical list in the header", headed({1: -7, 2: [4], 3: kind, 4: kid}), "bad-envelope", "envelope.header"),
        ("ES512", headed({1: -36, 3: kind, 4: kid}), "bad-envelope", "envelope.alg"),
        ("the algorithm as text", headed({1: "ES256", 3: kind, 4: kid}), "bad-envelope", "envelope.alg"),
        ("a kid of 2 bytes", headed({1: -7, 3: kind, 4: b"11"}), "bad-envelope", "envelope.kid"),
        ("the content type as number", headed({1: -7, 3: 42, 4: kid}), "bad-envelope", "envelope.content-type"),
        ("another content type", headed({1: -7, 3: "text/plain", 4: kid}), "unsupported", "envelope.content-type"),
        ("an unknown kid", headed({1: -7, 3: kind, 4: bytes(8)}), "unknown-key", "envelope.kid"),
        ("EdDSA said of a P-256 key", headed({1: -8, 3: kind, 4: kid}), "bad-signature", "envelope.alg"),
        ("an altered payload", remade(2, edit(body[2], [3], 2)), "bad-signature", "signature"),
        ("an altered signature", remade(3, bytes([body[3][0] ^ 1]) + body[3][1:]), "bad-signature", "signature"),
        ("r and s of zero", remade(3, bytes(64)), "bad-signature", "signature"),
        ("s of the order", remade(3, r + P256_ORDER.to_bytes(32, "big")), "bad-signature", "signature"),
    ]
    return [
        Case("envelope", "a batch by a gateway", good, given=gateway, gives=opened),
        Case("envelope", "a mirrored signature has the same hash", remade(3, mirrored), given=gateway, gives=opened),
        Case(
            "envelope", "a receipt by the aggregator", eddsa, given=server, gives={"hash": cose.parse(eddsa).hash.hex()}
        ),
        *(
            Case("envelope", name, data, code, field, code in signed or name in beyond, given=gateway)
            for name, data, code, field in bad
        ),
    ]


def keys() -> list[Case]:
    prefix = bytes.fromhex("302a300506032b6570032100")
    p = 2**255 - 19
    y8 = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
    small = {"0": 0, "1": 1, "-1": p - 1, "p": p, "p+1": p + 1, "an eighth": y8, "another eighth": p - y8}
    cases = [
        Case(
            "spki",
            f"small order: y = {name}{', sign set' if sign else ''}",
            _ed(prefix, y, sign),
            "unknown-key",
            "spki",
        )
        for name, y in small.items()
        for sign in (0, 1)
    ]
    for name, signer in s.SIGNERS.items():
        gives = {"kid": kid_of(signer.spki).hex(), "fingerprint": fingerprint8(signer.spki)}
        cases.append(Case("spki", name, signer.spki, gives=gives))
    compressed = s.GATEWAY.spki[:26]
    cases.append(Case("spki", "a byte after it", s.GATEWAY.spki + b"\x00", "unknown-key", "spki"))
    cases.append(Case("spki", "cut short", compressed, "unknown-key", "spki"))
    cases.append(Case("spki", "a point off the curve", s.GATEWAY.spki[:-1] + b"\x00", "unknown-key", "spki"))
    cases.append(Case("spki", "X25519", bytes.fromhex("302a300506032b656e032100") + bytes(32), "unknown-key", "spki"))
    return cases


def ids() -> list[Case]:
    channel = channel_hash(s.GID, 2)
    gives = {
        "gid": gid_from_spki(s.GATEWAY.spki).hex(),
        "channel 2": channel.hex(),
        "use 7 of it": use_id(channel, 7).hex(),
        "interval use from -5": use_id(channel, -5).hex(),
        "log id": log_id(s.GATEWAY.spki).hex(),
    }
    return [Case("ids", "names that follow from a key", s.GATEWAY.spki, gives=gives)]


def claims() -> list[Case]:
    good = s.CLAIM
    groups = good.split("-")
    swapped = "-".join([groups[1], groups[0], *groups[2:]])
    turned = "-".join([groups[0][1] + groups[0][0] + groups[0][2:], *groups[1:]])
    typed = {
        "as printed": (good, "ok", ""),
        "lower case without dashes": (good.lower().replace("-", " "), "ok", ""),
        "two groups exchanged": (swapped, "bad-value", "claim"),
        "two characters exchanged": (turned, "bad-value", "claim"),
        "a group missing": ("-".join(groups[:-1]), "bad-value", "claim"),
        "a character that is not used": ("U" + good[1:], "bad-value", "claim"),
        "empty": ("", "bad-value", "claim"),
    }
    gives = {"bytes": s.fixed("claim", 16).hex()}
    return [
        Case("claim", name, text.encode(), code, field, gives=gives if code == "ok" else {})
        for name, (text, code, field) in typed.items()
    ]


def log() -> list[Case]:
    leaf = log_leaf(LogType.BATCH, s.h32("batch 1"))
    cases = [
        Case("log-leaf", "a batch", leaf, gives={"leaf_hash": merkle.leaf_hash(leaf).hex()}),
        Case("log-leaf", "type 11", cbor.encode([11, s.h32("x")]), "unsupported", "log leaf"),
        Case("log-leaf", "a hash of 31 bytes", cbor.encode([1, bytes(31)]), "bad-type", "log leaf"),
        Case("log-leaf", "three items", cbor.encode([1, bytes(32), 1]), "bad-type", "log leaf"),
    ]
    return cases + _trees() + _notes() + _tiles()


def _trees() -> list[Case]:
    leaves = [merkle.leaf_hash(bytes([n])) for n in range(11)]
    cases = [
        Case("root", f"{n} leaves", b"".join(leaves[:n]), gives={"root": merkle.root(leaves[:n]).hex()})
        for n in range(12)
    ]
    root = merkle.root(leaves)

    def inclusion(
        name: str, index: int, size: int, leaf: bytes, proof: list[H32], wanted: bytes, field: str = ""
    ) -> Case:
        given = {"index": index, "size": size, "leaf_hash": leaf.hex(), "root": wanted.hex()}
        return Case("inclusion", name, b"".join(proof), "bad-proof" if field else "ok", field, given=given)

    cases += [
        inclusion(f"leaf {i} of 11", i, 11, leaves[i], merkle.inclusion_proof(i, leaves), root) for i in range(11)
    ]
    proof = merkle.inclusion_proof(5, leaves)
    cases += [
        inclusion("another index", 4, 11, leaves[5], proof, root, "root"),
        inclusion("index = size", 11, 11, leaves[5], proof, root, "index"),
        inclusion("an empty tree", 0, 0, leaves[0], [], merkle.EMPTY_ROOT, "index"),
        inclusion("another size", 5, 8, leaves[5], proof, root, "proof"),
        inclusion("another leaf", 5, 11, leaves[6], proof, root, "root"),
        inclusion("another root", 5, 11, leaves[5], proof, leaves[0], "root"),
        inclusion("one hash too few", 5, 11, leaves[5], proof[:-1], root, "proof"),
        inclusion("one hash too many", 5, 11, leaves[5], [*proof, leaves[0]], root, "proof"),
        inclusion("a leaf of 31 bytes", 5, 11, leaves[5][:31], proof, root, "proof"),
    ]

    def consistency(name: str, m: int, n: int, path: list[H32], old: bytes, new: bytes, field: str = "") -> Case:
        given = {"old_size": m, "new_size": n, "old_root": old.hex(), "new_root": new.hex()}
        return Case("consistency", name, b"".join(path), "bad-proof" if field else "ok", field, given=given)

    for m, n in ((1, 2), (3, 7), (4, 8), (6, 11), (8, 11), (11, 11)):
        path = merkle.consistency_proof(m, n, leaves)
        cases.append(consistency(f"{m} to {n}", m, n, path, merkle.root(leaves[:m]), merkle.root(leaves[:n])))
    path, old = merkle.consistency_proof(6, 11, leaves), merkle.root(leaves[:6])
    return [
        *cases,
        consistency("a rewritten past", 6, 11, path, merkle.root(leaves[1:7]), root, "root"),
        consistency("another future", 6, 11, path, old, leaves[0], "root"),
        consistency("back in time", 11, 6, path, root, old, "sizes"),
        consistency("from the empty tree", 0, 11, [], merkle.EMPTY_ROOT, root, "sizes"),
        consistency("no proof", 6, 11, [], old, root, "proof"),
        consistency("a proof between equal sizes", 6, 6, path, old, old, "proof"),
        consistency("two roots of one size", 6, 6, [], old, root, "root"),
        consistency("one hash too few", 6, 11, path[:-1], old, root, "proof"),
    ]


def _notes() -> list[Case]:
    checkpoint = Checkpoint(s.ORIGIN, 17, s.h32("root"))
    note = sign_checkpoint(checkpoint, s.ORIGIN, s.LOG)
    seen = add_cosignature(note, "witness.example/w1", s.WITNESS, 1_790_000_123)
    other = sign_checkpoint(Checkpoint("other.example/log", 17, s.h32("root")), "other.example/log", s.LOG)
    gives = {"size": 17, "root": s.h32("root").hex()}
    root64 = base64.b64encode(s.h32("root"))
    bad: list[tuple[str, bytes, str, str]] = [
        ("another size", note.replace(b"\n17\n", b"\n18\n"), "bad-signature", "signature"),
        ("another log's", other, "bad-proof", "checkpoint.origin"),
        ("no signature", note.split(b"\n\n")[0] + b"\n\n", "bad-proof", "note.signatures"),
        ("a witness's signature only", _only_last(seen), "unknown-key", "note.signatures"),
        ("a size with a leading zero", note.replace(b"\n17\n", b"\n017\n"), "bad-proof", "checkpoint.size"),
        ("a root that is not base 64", note.replace(root64, b"*" + root64[1:]), "bad-proof", "checkpoint.root"),
        ("an extension line", note.replace(root64, root64 + b"\nmore"), "bad-proof", "checkpoint"),
        ("no newline at the end", note[:-1], "bad-proof", "note"),
        ("a carriage return", note.replace(b"\n17", b"\r\n17"), "bad-proof", "note"),
        ("no UTF-8", b"\xff" + note, "bad-proof", "note"),
        ("4,097 bytes", note + b"x" * (4097 - len(note)), "too-large", "note"),
        ("seventeen signatures", note + note.split(b"\n\n")[1] * 16, "too-large", "note.signatures"),
        ("one signature twice", note + note.split(b"\n\n")[1], "bad-proof", "note.signatures"),
    ]
    witnessed = {"time_s": 1_790_000_123}
    return [
        Case("checkpoint", "signed by the log", note, gives=gives),
        Case("checkpoint", "and seen by a witness", seen, gives=gives),
        *(Case("checkpoint", name, data, code, field) for name, data, code, field in bad),
        Case("cosignature", "of the witness", seen, gives=witnessed),
        Case("cosignature", "none", note, "unknown-key", "note.signatures"),
        Case("cosignature", "of another size", seen.replace(b"\n17\n", b"\n18\n"), "bad-signature", "signature"),
    ]


def _tiles() -> list[Case]:
    paths = {"tile/0/000": (0, 0, 256), "tile/0/x001/234": (0, 1234, 256), "tile/1/x001/x234/067.p/5": (1, 1234067, 5)}
    cases = [
        Case("tile-path", path, path.encode(), gives={"level": level, "index": index, "width": width})
        for path, (level, index, width) in paths.items()
    ]
    cases.append(Case("tile-path", "tile/entries/012.p/9", b"tile/entries/012.p/9", gives={"index": 12, "width": 9}))
    for path in ("tile/0/0", "tile/0/x000/001", "tile/0/000.p/0", "tile/0/000.p/256", "tile/00/000", "tile/0/../../etc",
                 "tile/8/000", "/tile/0/000", "tile/0/000.p/007"):  # fmt: skip
        field = {"tile/0/000.p/256": "tile path", "tile/8/000": "tile.level"}.get(path, "tile path")
        cases.append(Case("tile-path", path, path.encode(), "bad-value", field))
    bundle = tiles.encode_entries([b"one", b"", b"three"])
    cases.append(
        Case("entries", "three entries", bundle, given={"width": 3}, gives={"entries": ["6f6e65", "", "7468726565"]})
    )
    cases.append(Case("entries", "cut short", bundle[:-1], "bad-proof", "entries", given={"width": 3}))
    cases.append(Case("entries", "one too many", bundle, "bad-proof", "entries", given={"width": 2}))
    cases.append(Case("entries", "one too few", bundle, "bad-proof", "entries", given={"width": 4}))
    return cases


def _ed(prefix: bytes, y: int, sign: int) -> bytes:
    return prefix + (y | sign << 255).to_bytes(32, "little")


def _only_last(note: bytes) -> bytes:
    text, lines = note.split(b"\n\n")
    return text + b"\n\n" + lines.splitlines(keepends=True)[-1]
