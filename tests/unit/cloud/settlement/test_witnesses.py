"""Witnesses co-sign what they were shown; evidence carries their signatures, and a policy asks for them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from support.books import T0
from support.settled import AFTER_DECEMBER, DECEMBER, World, two_months
from tallystick_cloud.errors import BadInput, Conflict, LogSetBack, NotFound
from tallystick_cloud.evidence.policy import policy_of
from tallystick_cloud.log import cosign
from tallystick_cloud.log.store import leaf_hashes
from tallystick_cloud.town.service import read_public_key
from tallystick_protocol import tiles
from tallystick_protocol.checkpoint import Checkpoint, add_cosignature, sign_checkpoint
from tallystick_protocol.errors import BadSignature
from tallystick_protocol.ids import H32, PartyId
from tallystick_protocol.keys import Ed25519Signer, P256Signer
from tallystick_protocol.verify_cli import main as verify_main

NAMES = ("elena.example/w", "workshop.example/w")


@pytest.fixture
def world() -> Iterator[World]:
    made = two_months()
    yield made
    made.books.database.close()


@pytest.fixture
def signers(world: World) -> dict[str, Ed25519Signer]:
    found = {name: Ed25519Signer.generate() for name in NAMES}
    for name, signer in found.items():
        world.books.run(cosign.add_witness, world.community, name, signer.spki, T0)
    world.books.run(cosign.need, world.community, 2)
    return found


def accept(world: World, note: bytes) -> list[str]:
    return world.books.database.write_now(cosign.accept, world.books.aggregator.of(world.community), note)


def test_two_witnesses_make_a_file_that_one_alone_does_not(world: World, signers: dict[str, Ed25519Signer]) -> None:
    note = world.sign(AFTER_DECEMBER)
    made = world.evidence("Bank", DECEMBER)
    assert "co-signed by 0 of the 2" in world.verify(made, "Bank").verdict
    assert accept(world, add_cosignature(note, NAMES[0], signers[NAMES[0]], 1_900_000_000)) == [NAMES[0]]
    assert not world.verify(world.evidence("Bank", DECEMBER), "Bank").ok
    accept(world, add_cosignature(note, NAMES[1], signers[NAMES[1]], 1_900_000_001))
    report = world.verify(world.evidence("Bank", DECEMBER), "Bank")
    assert report.verdict == "valid"
    assert [check.figures["witnesses"] for check in report.checks if check.name == "witnesses"] == [2]


def test_evidence_takes_the_newest_checkpoint_that_is_witnessed(
    world: World, signers: dict[str, Ed25519Signer]
) -> None:
    note = world.sign(AFTER_DECEMBER)
    for name, signer in signers.items():
        note = add_cosignature(note, name, signer, 1_900_000_000)
    assert accept(world, note) == sorted(NAMES)
    world.wash(AFTER_DECEMBER)
    world.sign(AFTER_DECEMBER + 1)
    assert world.verify(world.evidence("Bank", DECEMBER), "Bank").verdict == "valid"
    size, shown = world.books.database.read_now(cosign.witnessed_note, world.community) or (0, b"")
    assert shown == note
    assert size < Checkpoint.from_text(world.sign(AFTER_DECEMBER + 2).decode().split("\n\n")[0] + "\n").size


def test_what_no_listed_witness_signed_is_refused(world: World, signers: dict[str, Ed25519Signer]) -> None:
    note = world.sign(AFTER_DECEMBER)
    before = world.books.dump()
    stranger = Ed25519Signer.generate()
    with pytest.raises(BadInput, match="no signature of a witness"):
        accept(world, add_cosignature(note, "stranger.example/w", stranger, 1))
    with pytest.raises(BadInput, match="no signature of a witness"):
        accept(world, add_cosignature(note, NAMES[0], stranger, 1))
    signed = add_cosignature(note, NAMES[0], signers[NAMES[0]], 1)
    broken = signed[:-8] + (b"AAAAA==\n" if signed[-8:] != b"AAAAA==\n" else b"BBBBA==\n")
    with pytest.raises((BadSignature, BadInput, ValueError)):
        accept(world, broken)
    context = world.books.aggregator.of(world.community)
    other = sign_checkpoint(
        Checkpoint(context.log_origin, 10_000, H32(bytes(32))), context.log_origin, context.keys.log
    )
    with pytest.raises(LogSetBack, match="older than what was signed"):
        accept(world, add_cosignature(other, NAMES[0], signers[NAMES[0]], 1))
    size = Checkpoint.from_text(note.decode().split("\n\n")[0] + "\n").size
    fork = sign_checkpoint(Checkpoint(context.log_origin, size, H32(bytes(32))), context.log_origin, context.keys.log)
    with pytest.raises(Conflict, match="another log"):
        accept(world, add_cosignature(fork, NAMES[0], signers[NAMES[0]], 1))
    assert world.books.dump() == before


def test_witnesses_are_listed_once_and_as_many_as_are_needed(world: World, signers: dict[str, Ed25519Signer]) -> None:
    before = world.books.dump()
    with pytest.raises(Conflict, match="listed already"):
        world.books.run(cosign.add_witness, world.community, NAMES[0], Ed25519Signer.generate().spki, T0)
    with pytest.raises(BadInput, match="Ed25519"):
        world.books.run(cosign.add_witness, world.community, "p256.example/w", P256Signer.generate().spki, T0)
    with pytest.raises(BadInput, match="list more first"):
        world.books.run(cosign.need, world.community, 3)
    with pytest.raises(Conflict, match="is needed"):
        world.books.run(cosign.remove_witness, world.community, NAMES[0], T0)
    with pytest.raises(NotFound):
        world.books.run(cosign.remove_witness, world.community, "stranger.example/w", T0)
    assert world.books.dump() == before
    world.books.run(cosign.need, world.community, 1)
    world.books.run(cosign.remove_witness, world.community, NAMES[0], T0)
    policy = world.books.database.read_now(
        policy_of, world.books.aggregator.of(world.community), PartyId(world.ids["Bank"])
    )
    assert ([one.name for one in policy.witnesses], policy.witnesses_needed) == ([NAMES[1]], 1)
    world.books.run(cosign.add_witness, world.community, NAMES[0], signers[NAMES[0]].spki, T0)


def test_the_witness_program_signs_from_files_alone(
    world: World, signers: dict[str, Ed25519Signer], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Twice, the log having grown between: first seen, then found to go on."""
    policy = world.books.database.read_now(
        policy_of, world.books.aggregator.of(world.community), PartyId(world.ids["Bank"])
    )
    (tmp_path / "policy.json").write_text(policy.to_json())
    key = tmp_path / "witness.pem"
    key.write_bytes(signers[NAMES[0]].to_pem())
    for turn in range(2):
        world.wash(AFTER_DECEMBER + turn)
        note = world.sign(AFTER_DECEMBER + turn)
        (tmp_path / "checkpoint.txt").write_bytes(note)
        size = Checkpoint.from_text(note.decode().split("\n\n")[0] + "\n").size
        hashes = [H32(h) for h in world.books.database.read_now(leaf_hashes, world.community, 0, size)]
        for tile in tiles.tiles_of(len(hashes)):
            place = tmp_path / "log" / tile.path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(tiles.tile_of(tile, hashes))
        words = ["witness", "checkpoint.txt", "--policy", "policy.json", "--state", "seen.json", "--tiles", "log"]
        words += ["--sign", "witness.pem", "--name", NAMES[0], "--out", f"signed-{turn}.txt"]
        found = [str(tmp_path / one) if ("." in one and one != NAMES[0]) or one == "log" else one for one in words]
        assert verify_main(found) == 0, capsys.readouterr()
        assert accept(world, (tmp_path / f"signed-{turn}.txt").read_bytes()) == [NAMES[0]]


def test_a_public_key_file_of_a_witness_can_be_listed(tmp_path: Path) -> None:
    signer = Ed25519Signer.generate()
    pem = load_der_public_key(signer.spki).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "w.pem").write_bytes(pem)
    assert read_public_key(tmp_path / "w.pem") == signer.spki
