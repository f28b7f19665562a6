"""Tree, tiles, notes and keys against brute force and against each other."""

from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from hypothesis import given, settings
from hypothesis import strategies as st
from support import protocol_samples as s
from tallystick_protocol import keys, merkle, tiles
from tallystick_protocol.checkpoint import (
    Checkpoint,
    add_cosignature,
    check_origin,
    epoch_in,
    epoch_of,
    log_id,
    open_checkpoint,
    open_in_any_epoch,
    origin_of,
    sign_checkpoint,
    verify_cosignature,
)
from tallystick_protocol.errors import BadProof, BadSignature, BadValue, TooLarge, UnknownKey
from tallystick_protocol.ids import H32
from tallystick_protocol.keys import Ed25519Signer, P256Signer, PublicKey, load_signer, public_key_of

LEAVES = [merkle.leaf_hash(n.to_bytes(2, "big")) for n in range(600)]


def _mth(hashes: list[H32]) -> bytes:
    """RFC 6962 2.1, word for word."""
    if not hashes:
        return sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    return sha256(b"\x01" + _mth(hashes[:k]) + _mth(hashes[k:])).digest()


def test_root_and_compact_range_agree_with_the_definition_at_every_size() -> None:
    grown = merkle.CompactRange()
    for size in range(130):
        assert merkle.root(LEAVES[:size]) == _mth(LEAVES[:size]) == grown.root()
        assert merkle.CompactRange.decode(grown.encode()) == grown
        grown = grown.append(LEAVES[size])


@given(st.integers(1, 300), st.data())
@settings(max_examples=150, deadline=None)
def test_every_proof_that_is_made_verifies_and_no_bent_one_does(size: int, data: st.DataObject) -> None:
    leaves, root = LEAVES[:size], merkle.root(LEAVES[:size])
    index = data.draw(st.integers(0, size - 1))
    proof = merkle.inclusion_proof(index, leaves)
    merkle.verify_inclusion(index, size, leaves[index], proof, root)
    old = data.draw(st.integers(1, size))
    path = merkle.consistency_proof(old, size, leaves)
    merkle.verify_consistency(old, size, path, merkle.root(leaves[:old]), root)
    if proof:
        at = data.draw(st.integers(0, len(proof) - 1))
        bent = [*proof[:at], H32(bytes(32)), *proof[at + 1 :]]
        with pytest.raises(BadProof):
            merkle.verify_inclusion(index, size, leaves[index], bent, root)
    if path:
        at = data.draw(st.integers(0, len(path) - 1))
        bent = [*path[:at], H32(bytes(32)), *path[at + 1 :]]
        with pytest.raises(BadProof):
            merkle.verify_consistency(old, size, bent, merkle.root(leaves[:old]), root)


def test_a_compact_range_of_the_wrong_shape_is_refused() -> None:
    with pytest.raises(BadValue, match="hashes"):
        merkle.CompactRange(3, (LEAVES[0],))
    with pytest.raises(BadValue, match="size"):
        merkle.CompactRange(-1)


def test_tiles_of_a_growing_log_are_those_of_the_whole() -> None:
    at_once = {tile.path: tiles.tile_of(tile, LEAVES) for tile in tiles.tiles_of(600)}
    grown: dict[str, bytes] = {}
    size = 0
    for step in (1, 5, 250, 256, 257, 511, 512, 600):
        for tile in tiles.tiles_of(step, size):
            grown[tile.path] = tiles.tile_of(tile, LEAVES[:step])
        size = step
    assert at_once.items() <= grown.items()
    assert sorted(at_once) == ["tile/0/000", "tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2"]
    full = at_once["tile/0/000"]
    assert tiles.split_tile(at_once["tile/1/000.p/2"], 2)[0] == tiles.hash_above(full) == _mth(LEAVES[:256])


@given(st.integers(0, tiles.LEVEL_MAX), st.integers(0, 2**55 - 1), st.integers(1, 256))
def test_tile_paths_are_read_back(level: int, index: int, width: int) -> None:
    assert tiles.parse_path(tiles.path(level, index, width)) == tiles.Tile(level, index, width)
    assert tiles.parse_path(tiles.entries_path(index, width)) == tiles.Tile(None, index, width)


def test_entries_are_read_back_and_too_many_are_refused() -> None:
    entries = [bytes([n]) * n for n in range(256)]
    assert tiles.decode_entries(tiles.encode_entries(entries), 256) == entries
    with pytest.raises(BadValue, match="entries"):
        tiles.encode_entries([b""] * 257)
    with pytest.raises(TooLarge):
        tiles.encode_entries([bytes(65_536)])


def test_a_witness_signs_again_instead_of_twice() -> None:
    note = sign_checkpoint(Checkpoint(s.ORIGIN, 3, s.h32("root")), s.ORIGIN, s.LOG)
    once = add_cosignature(note, "w1", s.WITNESS, 100)
    twice = add_cosignature(once, "w1", s.WITNESS, 200)
    assert verify_cosignature(twice, "w1", public_key_of(s.WITNESS)) == 200
    assert len(twice) == len(once)
    assert open_checkpoint(twice, s.ORIGIN, public_key_of(s.LOG)).size == 3
    with pytest.raises(UnknownKey):
        verify_cosignature(twice, "w2", public_key_of(s.WITNESS))


def test_a_checkpoint_of_another_key_is_not_believed() -> None:
    note = sign_checkpoint(Checkpoint(s.ORIGIN, 3, s.h32("root")), s.ORIGIN, s.WITNESS)
    with pytest.raises(UnknownKey):
        open_checkpoint(note, s.ORIGIN, public_key_of(s.LOG))


def test_notes_need_an_ed25519_key_and_a_name_without_blanks() -> None:
    checkpoint = Checkpoint(s.ORIGIN, 3, s.h32("root"))
    with pytest.raises(UnknownKey, match="Ed25519"):
        sign_checkpoint(checkpoint, s.ORIGIN, s.GATEWAY)
    with pytest.raises(BadProof, match="white space"):
        sign_checkpoint(checkpoint, "two words", s.LOG)
    with pytest.raises(BadProof, match=r"note\.name"):
        Checkpoint("two\nlines", 3, s.h32("root"))
    with pytest.raises(BadProof, match="empty tree"):
        Checkpoint(s.ORIGIN, 0, s.h32("root"))


@pytest.mark.parametrize("kind", [P256Signer, Ed25519Signer])
def test_keys_are_read_back_and_verify_what_they_signed(kind: type[P256Signer] | type[Ed25519Signer]) -> None:
    signer = kind.generate()
    again = load_signer(signer.to_pem())
    assert (again.spki, again.kid, again.alg) == (signer.spki, signer.kid, signer.alg)
    key = PublicKey.from_spki(signer.spki)
    key.verify(again.sign(b"data"), b"data")
    with pytest.raises(BadSignature):
        key.verify(again.sign(b"data"), b"other")
    with pytest.raises(BadSignature, match="63 bytes"):
        key.verify(bytes(63), b"data")


def test_signing_twice_gives_the_same_bytes() -> None:
    assert s.GATEWAY.sign(b"data") == s.GATEWAY.sign(b"data")


def test_a_gateway_signs_as_the_library_does_that_is_asked_for_rfc_6979() -> None:
    key = load_pem_private_key(s.GATEWAY.to_pem(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    signed = decode_dss_signature(key.sign(b"data", ec.ECDSA(SHA256(), deterministic_signing=True)))
    assert s.GATEWAY.sign(b"data") == b"".join(number.to_bytes(32, "big") for number in signed)


def test_a_key_that_would_sign_at_random_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(keys._ES256), "deterministic_signing", False)
    with pytest.raises(UnknownKey, match="OpenSSL must be"):
        P256Signer.generate()


@pytest.mark.parametrize("pem", [b"", b"-----BEGIN PRIVATE KEY-----\n!\n-----END PRIVATE KEY-----\n", b"x" * 5000])
def test_a_bad_key_file_is_refused_with_a_reason(pem: bytes) -> None:
    with pytest.raises(UnknownKey, match="pem"):
        load_signer(pem)


def test_a_key_of_the_other_kind_is_refused() -> None:
    with pytest.raises(UnknownKey, match="P-256"):
        P256Signer.from_pem(s.LOG.to_pem())
    with pytest.raises(UnknownKey, match="Ed25519"):
        Ed25519Signer.from_pem(s.GATEWAY.to_pem())


# ---------------------------------------------------------------- epochs of a log

EPOCHS = st.integers(0, 2**32 - 1)


@given(EPOCHS, st.binary(min_size=1, max_size=40))
def test_an_epoch_is_read_back_from_name_and_id(epoch: int, spki: bytes) -> None:
    assert epoch_in(origin_of("log.example/us", epoch), "log.example/us") == epoch
    assert epoch_of(log_id(spki, epoch), log_id(spki)) == epoch


@pytest.mark.parametrize(
    "name",
    ["log.example/us/e0", "log.example/us/e01", "log.example/us/e4294967296", "log.example/us/e", "log.example/us/x",
     "log.example/use1", "log.example/other/e1", "log.example/us/e1/e2", "log.example/us/e\u0661"],
)  # fmt: skip
def test_a_name_that_only_looks_like_an_epoch_is_another_log(name: str) -> None:
    assert epoch_in(name, "log.example/us") is None
    signer = Ed25519Signer.from_seed(bytes(32))
    if not name.endswith("\u0661"):
        note = sign_checkpoint(Checkpoint(name, 1, LEAVES[0]), name, signer)
        with pytest.raises(BadProof, match="another log"):
            open_in_any_epoch(note, "log.example/us", public_key_of(signer))


def test_an_epoch_is_opened_under_its_own_name_and_key_alone() -> None:
    mine, other = Ed25519Signer.from_seed(bytes(32)), Ed25519Signer.from_seed(bytes(31) + b"1")
    name = origin_of("log.example/us", 7)
    said = Checkpoint(name, 1, LEAVES[0])
    note = sign_checkpoint(said, name, mine)
    assert open_in_any_epoch(note, "log.example/us", public_key_of(mine)) == (said, 7)
    with pytest.raises(UnknownKey):
        open_in_any_epoch(note, "log.example/us", public_key_of(other))
    with pytest.raises(UnknownKey):  # signed as the first epoch's
        open_in_any_epoch(sign_checkpoint(said, "log.example/us", mine), "log.example/us", public_key_of(mine))


@pytest.mark.parametrize("name", ["", "two words", "a+b", "x/e12", "x" * 53, "x" * 65])
def test_a_name_without_room_for_epochs_is_no_origin(name: str) -> None:
    with pytest.raises(BadProof):
        check_origin(name)
    assert check_origin("x" * 52) == "x" * 52
