"""What a witness refuses: states, tiles and proofs that cannot be used, logs that fork, records that lead elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from support import evidence_world as w
from support.protocol_samples import fixed, h32
from tallystick_protocol import cose, merkle, tiles
from tallystick_protocol.checkpoint import Checkpoint, log_id, origin_of, sign_checkpoint
from tallystick_protocol.codes import LogType
from tallystick_protocol.cose import ContentType
from tallystick_protocol.errors import BadValue
from tallystick_protocol.ids import H32
from tallystick_protocol.note import NOTE_BYTES_MAX
from tallystick_protocol.policy import POLICY_BYTES_MAX
from tallystick_protocol.records import Continuation, LostCheckpoint, log_leaf
from tallystick_protocol.verify.report import Misfit
from tallystick_protocol.verify.set_back import Place, gone_since
from tallystick_protocol.verify.witness import (
    LEAVES_MAX,
    STATE_BYTES_MAX,
    ReadTile,
    Seen,
    continues,
    leaf_hashes,
    load_seen,
)
from tallystick_protocol.verify_cli import main

LEAVES = tuple(merkle.leaf_hash(bytes([n])) for n in range(12))
KEPT = 8  # entries of a log that was set back


def log_of(size: int) -> Checkpoint:
    return Checkpoint(w.ORIGIN, size, merkle.root(LEAVES[:size]))


def seen_of(size: int) -> Seen:
    return Seen(w.ORIGIN, size, merkle.root(LEAVES[:size]))


def tiles_of(hashes: tuple[H32, ...]) -> ReadTile:
    found = {tile.path: tiles.tile_of(tile, hashes) for tile in tiles.tiles_of(len(hashes))}
    return found.get


# ------------------------------------------------------------ the state


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b" " * (STATE_BYTES_MAX + 1), "is longer than 8192 bytes"),
        (b"[]", "is not a witness's state file"),
        (json.dumps({"origin": w.ORIGIN, "size": 3, "root": "00"}).encode(), "is not a witness's state file"),
        (json.dumps({"origin": w.ORIGIN, "size": -1, "root": "00" * 32}).encode(), "is not a witness's state file"),
        (json.dumps({"origin": w.ORIGIN, "size": True, "root": "00" * 32}).encode(), "is not a witness's state file"),
        (json.dumps({"origin": 5, "size": 3, "root": "00" * 32}).encode(), "is not a witness's state file"),
    ],
)
def test_a_state_that_is_none_is_refused(data: bytes, named: str) -> None:
    with pytest.raises(BadValue, match=named):
        load_seen(data)


def test_a_state_of_the_longest_size_is_read() -> None:
    text = seen_of(5).to_json().encode()
    assert load_seen(text.ljust(STATE_BYTES_MAX)) == seen_of(5)


# ------------------------------------------------------------ the next checkpoint


def test_a_state_is_of_one_log() -> None:
    with pytest.raises(BadValue, match="one state per log"):
        continues(replace(seen_of(5), origin="elsewhere.example/log"), log_of(6), None, None)


def test_another_root_at_the_same_size_is_a_fork() -> None:
    with pytest.raises(Misfit, match="shows two histories"):
        continues(seen_of(5), replace(log_of(5), root=h32("other")), None, None)


def test_a_proof_that_leads_elsewhere_is_a_fork() -> None:
    proof = merkle.consistency_proof(5, 9, LEAVES[:9])
    assert continues(seen_of(5), log_of(9), proof, None).size == 9
    with pytest.raises(Misfit, match="shows two histories"):
        continues(replace(seen_of(5), root=h32("other")), log_of(9), proof, None)


def test_tiles_of_one_of_the_two_are_a_fork_and_of_neither_are_of_no_use() -> None:
    read = tiles_of(LEAVES[:9])
    assert continues(seen_of(5), log_of(9), None, read).size == 9
    with pytest.raises(Misfit, match="shows two histories"):
        continues(replace(seen_of(5), root=h32("other")), log_of(9), None, read)
    with pytest.raises(BadValue, match="are of neither of the two checkpoints"):
        continues(replace(seen_of(5), root=h32("other")), replace(log_of(9), root=h32("another")), None, read)


def test_without_tiles_and_proof_nothing_can_be_said() -> None:
    with pytest.raises(BadValue, match="from 5 to 9 entries cannot be checked"):
        continues(seen_of(5), log_of(9), None, None)


def test_tiles_that_lack_one_or_are_too_many_are_refused() -> None:
    with pytest.raises(BadValue, match=r"lack tile/0/000\.p/9"):
        leaf_hashes(lambda _: None, 9)
    with pytest.raises(BadValue, match="are too many to read"):
        leaf_hashes(lambda _: None, LEAVES_MAX + 1)


# ------------------------------------------------------------ a log that was set back


def record(**said: object) -> Continuation:
    made = Continuation(
        fixed("record", 16), log_id(w.LOG.spki), 7, 0, KEPT, merkle.root(LEAVES[:KEPT]),
        (LostCheckpoint(0, 12, merkle.root(LEAVES)),), "a backup",
    )  # fmt: skip
    return replace(made, **said)  # type: ignore[arg-type]


def signed(said: Continuation) -> bytes:
    return cose.sign(w.ROOT, ContentType.CONTINUATION, said.encode())


def leaf_of(said: Continuation) -> H32:
    return merkle.leaf_hash(log_leaf(LogType.CONTINUATION, cose.parse(signed(said)).hash))


def gone(seen: Place, said: Continuation, leaves: tuple[H32, ...] | None = None, root: H32 | None = None) -> int:
    """As somebody sees it who saw `seen`; `leaves`: what the log holds now."""
    now = (*LEAVES[: said.size], leaf_of(said)) if leaves is None else leaves
    new = Place(said.epoch, len(now), merkle.root(now) if root is None else root)
    return gone_since(seen, new, [(said, cose.parse(signed(said)).hash)], now)


def at(size: int) -> Place:
    return Place(0, size, merkle.root(LEAVES[:size]))


def test_what_is_gone_is_counted() -> None:
    assert gone(at(12), record()) == 4
    assert gone(at(KEPT), record()) == 0
    assert gone(at(3), record()) == 0


REFUSED: dict[str, tuple[Callable[[], int], type[Exception], str]] = {
    "other leaves": (lambda: gone(at(5), record(), root=h32("other")), BadValue, "are not those of this checkpoint"),
    "a record that is not there": (
        lambda: gone(at(5), record(), (*LEAVES[:KEPT], h32("another"))), Misfit, "does not hold the record"),
    "a record after the end": (lambda: gone(at(5), record(), LEAVES[:KEPT]), Misfit, "does not hold the record"),
    "a record of other entries": (
        lambda: gone(at(5), record(root=h32("other"))), Misfit, "does not have the entries its record says"),
    "a record that names another log than was seen": (
        lambda: gone(Place(0, 12, h32("mine")), record()), Misfit, "its record names another log of 12 entries"),
    "other entries than were seen": (lambda: gone(Place(0, 5, h32("mine")), record()), Misfit, "it was forked"),
    "a record that is missing": (lambda: gone(at(5), record(from_epoch=3)), Misfit, "a record is missing"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_set_back_that_does_not_fit_is_refused(name: str) -> None:
    asked, kind, reason = REFUSED[name]
    with pytest.raises(kind, match=reason):
        asked()


# ------------------------------------------------------------ the command


def file(folder: Path, name: str, data: bytes) -> str:
    (folder / name).write_bytes(data)
    return str(folder / name)


class Command:
    """The command `witness` on files in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.policy = file(folder, "policy.json", w.policy(w.BANK).to_json().encode())
        self.note = file(folder, "checkpoint.txt", self.signed(log_of(9)))
        self.state = str(folder / "seen.json")

    @staticmethod
    def signed(checkpoint: Checkpoint) -> bytes:
        return sign_checkpoint(checkpoint, checkpoint.origin, w.LOG)

    def __call__(self, *more: str, note: str = "") -> int:
        return main(["witness", note or self.note, "--policy", self.policy, "--state", self.state, *more])

    def saw(self, seen: Seen) -> None:
        file(self.folder, "seen.json", seen.to_json().encode())

    def proof(self, text: str) -> tuple[str, str]:
        return "--proof", file(self.folder, "proof.txt", text.encode())


@pytest.fixture
def command(tmp_path: Path) -> Command:
    return Command(tmp_path)


def later(epoch: int) -> Checkpoint:
    return replace(log_of(9), origin=origin_of(w.ORIGIN, epoch))


def another_log(command: Command) -> int:
    command.saw(replace(seen_of(5), origin="elsewhere.example/log"))
    return command()


def an_earlier_epoch(command: Command) -> int:
    command.saw(replace(seen_of(5), origin=origin_of(w.ORIGIN, 7)))
    return command()


def a_later_epoch(command: Command) -> int:
    command.saw(seen_of(5))
    return command(note=file(command.folder, "later.txt", command.signed(later(7))))


def several_roots(command: Command) -> int:
    command.saw(seen_of(5))
    policy = w.policy(w.BANK)
    both = replace(policy, roots=(*policy.roots, policy.log_key), roots_needed=2)
    command.policy = file(command.folder, "policy.json", both.to_json().encode())
    note = file(command.folder, "later.txt", command.signed(later(7)))
    return command("--tiles", str(command.folder), note=note)


def with_proof(text: str) -> Callable[[Command], int]:
    def asked(command: Command) -> int:
        command.saw(seen_of(5))
        return command(*command.proof(text))

    return asked


def a_long_note(command: Command) -> int:
    text = w.ORIGIN.encode().ljust(NOTE_BYTES_MAX + 1, b"\n")
    return command(note=file(command.folder, "long.txt", text))


def a_long_policy(command: Command) -> int:
    command.policy = file(command.folder, "policy.json", b" " * (POLICY_BYTES_MAX + 2))
    return command()


def a_folder_that_is_not_there(command: Command) -> int:
    command.state = str(command.folder / "nowhere" / "seen.json")
    return command()


UNUSABLE: dict[str, tuple[Callable[[Command], int], str]] = {
    "a key without a name": (lambda command: command("--sign", "key.pem"), "--sign, --name and --out belong together"),
    "a state of another log": (another_log, "one state per log"),
    "an earlier epoch": (an_earlier_epoch, "are signed no more"),
    "a later epoch without the folder": (a_later_epoch, "give --tiles, the whole exported folder"),
    "several roots": (several_roots, "a record in a folder carries one signature"),
    "a long checkpoint": (a_long_note, "too long for a signed note"),
    "a long policy": (a_long_policy, "the limit for such a file"),
    "a long proof": (with_proof("AAAA\n" * 200), "is longer than any proof"),
    "a proof that is no base 64": (with_proof("****"), "must be one hash in base 64 per line"),
    "a proof of short hashes": (with_proof("AAAA"), "must hold hashes of 32 bytes"),
    "a state that cannot be written": (a_folder_that_is_not_there, "cannot be written"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_what_cannot_be_used_exits_with_2(command: Command, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    asked, reason = UNUSABLE[name]
    assert asked(command) == 2
    assert reason in capsys.readouterr().err
