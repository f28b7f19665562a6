"""Evidence from before and after a set-back of the log verifies with one policy; one that nobody signed does not."""

import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from copy import copy
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from support import backups
from support.books import DAY, HOUR, T0, Books
from support.settled import AFTER_DECEMBER, AFTER_NOVEMBER, DECEMBER, NOVEMBER, open_world
from support.uploads import SimGateway
from tallystick_cloud.commands.witness import begun
from tallystick_cloud.context import Aggregator, Context
from tallystick_cloud.db import Database
from tallystick_cloud.evidence.policy import policy_of
from tallystick_cloud.ingest.outcome import Outcome
from tallystick_cloud.log import epochs
from tallystick_cloud.log import service as log
from tallystick_cloud.log.signing import checkpoint
from tallystick_cloud.log.store import leaf_hashes
from tallystick_protocol import merkle, tiles
from tallystick_protocol.batch import LogView
from tallystick_protocol.checkpoint import add_cosignature, log_id, open_in_any_epoch
from tallystick_protocol.codes import LogType
from tallystick_protocol.evidence import Evidence
from tallystick_protocol.evidence_file import pack, unpack
from tallystick_protocol.ids import H32, PartyId
from tallystick_protocol.keys import Ed25519Signer, public_key_of
from tallystick_protocol.part import Part
from tallystick_protocol.policy import Policy
from tallystick_protocol.verify import Report, verify_evidence
from tallystick_protocol.verify_cli import main as verify_main

BACK_MS = AFTER_DECEMBER + HOUR


@dataclass(slots=True)
class Echoing(Books):
    """The gateway echoes the newest checkpoint, and everything it sent can be sent again."""

    view: LogView | None = None
    sent: list[tuple[bytes, int]] = field(default_factory=list)

    def seal_and_send(self, gateway: SimGateway, parts: Sequence[Part | None], now_ms: int = T0) -> Outcome:
        upload = gateway.seal(parts, log=self.view)
        self.sent.append((upload, now_ms))
        return self.send(gateway, upload, now_ms)


class Story:
    """One community whose server came back from a backup of the end of November."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.file = folder, folder / "cloud.db"
        self.world = open_world(f"sqlite:///{self.file}")
        first = self.world.books
        self.books = Echoing(first.database, first.aggregator, first.founded, first.community)
        self.world.books = self.books
        self.policy = self.books.database.read_now(policy_of, self.context, PartyId(self.world.ids["Bank"]))
        self.washes(0)
        self.see(AFTER_NOVEMBER)
        self.world.close(NOVEMBER, AFTER_NOVEMBER)
        self.november = self.world.evidence("Bank", NOVEMBER, now_ms=AFTER_NOVEMBER).data
        with closing(sqlite3.connect(self.file)) as source, closing(sqlite3.connect(folder / "backup.db")) as target:
            source.backup(target)
        self.books.sent.clear()
        self.washes(30)
        self.world.close(DECEMBER, AFTER_DECEMBER)
        self.december = self.world.evidence("Bank", DECEMBER).data

    def copied(self, folder: Path) -> "Story":
        """The same, for one test to spoil."""
        other = copy(self)
        other.folder, other.file = folder, folder / "cloud.db"
        shutil.copy(self.folder / "backup.db", folder / "backup.db")
        books, gateway = backups.copied(self.books, self.world.gateway, other.file)
        assert isinstance(books, Echoing)
        books.sent = list(self.books.sent)
        other.books, other.world = books, replace(self.world, books=books, gateway=gateway)
        return other

    @property
    def context(self) -> Context:
        return self.books.aggregator.of(self.books.community)

    def see(self, now_ms: int) -> bytes:
        """Sign, and let the gateway check it."""
        note = self.books.database.write_now(checkpoint, self.context, now_ms)
        said, epoch = open_in_any_epoch(note, self.context.log_origin, public_key_of(self.context.keys.log))
        self.books.view = LogView(log_id(self.context.keys.log.spki, epoch), said.size, said.root)
        return note

    def washes(self, first_day: int) -> None:
        for day in range(first_day, first_day + 3):
            at = T0 + day * DAY + 11 * HOUR
            self.world.wash(at)
            self.see(at + HOUR)

    def set_back(self) -> None:
        self.books.database.close()
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self.file}{suffix}").unlink(missing_ok=True)
        shutil.copy(self.folder / "backup.db", self.file)
        self.books.database = Database(f"sqlite:///{self.file}")

    def begin(self) -> str:
        return self.books.database.write_now(begun, self.context, self.books.aggregator.entropy, BACK_MS, "a test")

    def again(self) -> bytes:
        """The gateway sends everything again, and one wash more; December is closed anew."""
        for upload, now_ms in list(self.books.sent):
            assert self.books.send(self.world.gateway, upload, now_ms).receipt.status.name == "ACCEPTED"
        self.see(BACK_MS)
        self.world.wash(T0 + 40 * DAY)
        self.world.close(DECEMBER, BACK_MS)
        return self.world.evidence("Bank", DECEMBER, now_ms=BACK_MS + 1).data

    def verify(self, data: bytes, policy: Policy | None = None) -> Report:
        return verify_evidence(data, policy or self.policy)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    made = Story(tmp_path_factory.mktemp("story"))
    yield made
    made.books.database.close()


@pytest.fixture
def town(tmp_path: Path, story: Story) -> Iterator[Story]:
    made = story.copied(tmp_path)
    yield made
    made.books.database.close()


def of_step(report: Report, name: str) -> dict[str, int]:
    return next(dict(check.figures) for check in report.checks if check.name == name)


def test_one_policy_verifies_before_and_after(town: Story) -> None:
    town.set_back()
    assert town.begin() == f"log.example/lindenhof/e{BACK_MS // 1000}"
    after = town.again()
    assert town.books.audit() == []
    for data in (town.november, town.december, after, town.world.evidence("Bank", NOVEMBER, now_ms=BACK_MS + 2).data):
        report = town.verify(data)
        assert report.verdict == "valid", report
    report = town.verify(after)
    assert of_step(report, "consistency") == {"echoes": 4, "set_back": 1, "gone": 2}
    (words,) = [check.words for check in report.checks if check.name == "consistency"]
    assert "set back 1 time, to 27 entries, and 2 checkpoints" in words


def test_a_set_back_without_its_record_is_another_log(town: Story) -> None:
    town.set_back()
    town.begin()
    whole = Evidence.decode(unpack(town.again()))
    kept = tuple(one for one in whole.objects if one.type.name != "CONTINUATION")
    assert len(kept) == len(whole.objects) - 1
    numbers = {old: new for new, old in enumerate(n for n, one in enumerate(whole.objects) if one in kept)}
    places = len(whole.objects)
    pieces = tuple(
        replace(one, object=numbers[one.object] if one.object < places else one.object - 1) for one in whole.pieces
    )
    report = town.verify(pack(replace(whole, objects=kept, pieces=pieces).encode()))
    assert "no record signed by the community" in report.verdict


def test_a_set_back_that_the_host_signed_alone_is_refused(town: Story) -> None:
    town.set_back()
    honest = town.context
    stolen = replace(honest, keys=replace(honest.keys, root=honest.keys.log))  # all the host has is the log's key
    aggregator = town.books.aggregator
    town.books.aggregator = Aggregator({honest.community: stolen}, aggregator.authority, aggregator.entropy)
    town.begin()
    assert "no community key" in town.verify(town.again()).verdict


def test_to_sign_on_under_the_old_name_is_a_fork_and_is_found(town: Story) -> None:
    """Without the record beside the key and without a new epoch, as it was before: the gateway's echoes tell."""
    town.set_back()
    other = [log.Entry(LogType.INPUT, bytes(32))]  # anything that came in another order than before
    town.books.run(log.append, town.books.community, other, AFTER_NOVEMBER)
    for upload, now_ms in list(town.books.sent):
        town.books.send(town.world.gateway, upload, now_ms)
    town.world.wash(T0 + 40 * DAY)
    town.world.close(DECEMBER, BACK_MS)
    report = town.verify(town.world.evidence("Bank", DECEMBER, now_ms=BACK_MS + 1).data)
    assert not report.ok
    assert "is no beginning of yours" in report.verdict


def test_two_gateways_that_saw_two_logs_of_one_size_are_a_fork_also_in_what_was_set_back(town: Story) -> None:
    assert town.books.view is not None
    seen = town.books.view
    town.books.view = replace(seen, root=H32(merkle.leaf_hash(b"another log")))
    town.world.wash(T0 + 35 * DAY)
    town.books.view = seen
    town.world.wash(T0 + 36 * DAY)
    town.set_back()
    town.begin()
    assert "the log was forked" in town.verify(town.again()).verdict


# ---------------------------------------------------------------- the witness's program


class Witness:
    """A member's computer: policy, key, state file, and the folder that the server exports."""

    def __init__(self, town: Story, folder: Path) -> None:
        self.town, self.folder, self.signed = town, folder, 0
        self.key = Ed25519Signer.generate()
        (folder / "policy.json").write_text(town.policy.to_json())
        (folder / "witness.pem").write_bytes(self.key.to_pem())

    def export(self, now_ms: int) -> None:
        """As `tallystick log export` writes it."""
        shutil.rmtree(self.folder / "log", ignore_errors=True)
        (self.folder / "log" / "continuations").mkdir(parents=True)
        note = self.town.books.database.write_now(checkpoint, self.town.context, now_ms)
        (self.folder / "checkpoint.txt").write_bytes(note)
        community = self.town.context.community
        said, _ = open_in_any_epoch(note, self.town.context.log_origin, public_key_of(self.town.context.keys.log))
        hashes = [H32(h) for h in self.town.books.database.read_now(leaf_hashes, community, 0, said.size)]
        for tile in tiles.tiles_of(len(hashes)):
            place = self.folder / "log" / tile.path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(tiles.tile_of(tile, hashes))
        for envelope, leaf in self.town.books.database.read_now(epochs.continuations, community):
            (self.folder / "log" / "continuations" / f"{leaf}.cbor").write_bytes(envelope)

    def __call__(self, *more: str) -> int:
        at = self.folder
        words = ["witness", str(at / "checkpoint.txt"), "--policy", str(at / "policy.json")]
        words += ["--state", str(at / "seen.json"), "--tiles", str(at / "log"), "--sign", str(at / "witness.pem")]
        return verify_main([*words, "--name", "w.example/w", "--out", str(at / "signed.txt"), *more])


@pytest.fixture
def witness(town: Story, tmp_path: Path) -> Witness:
    return Witness(town, tmp_path)


def test_witness_goes_on_only_when_it_says_so(
    town: Story, witness: Witness, capsys: pytest.CaptureFixture[str]
) -> None:
    witness.export(AFTER_DECEMBER + 1)
    assert witness() == 0
    old_note = (witness.folder / "checkpoint.txt").read_bytes()
    before = (witness.folder / "seen.json").read_text()
    town.set_back()
    town.begin()
    town.again()
    witness.export(BACK_MS + 2)
    assert witness() == 1
    said = capsys.readouterr().out
    assert "was set back (a test)" in said
    assert "--accept-set-back" in said
    assert (witness.folder / "seen.json").read_text() == before
    assert witness("--accept-set-back") == 0
    assert witness() == 0  # from now on as ever
    assert '"before"' in (witness.folder / "seen.json").read_text()
    (witness.folder / "checkpoint.txt").write_bytes(add_cosignature(old_note, "w.example/w", witness.key, 1))
    assert witness() == 2
    assert "signed no more" in capsys.readouterr().err


def test_witness_that_saw_nothing_of_what_is_gone_goes_on_without_a_question(town: Story, tmp_path: Path) -> None:
    town.set_back()
    mine = Witness(town, tmp_path)
    mine.export(AFTER_NOVEMBER + 1)
    assert mine() == 0
    town.begin()
    mine.export(BACK_MS + 1)
    assert mine() == 0


@pytest.mark.parametrize("cheat", ["no record", "other key", "other history"])
def test_witness_refuses_a_new_name_for_no_reason(
    cheat: str, town: Story, witness: Witness, capsys: pytest.CaptureFixture[str]
) -> None:
    if cheat == "other history":  # less than what was kept was seen, and still another log
        note = witness.folder / "seen.json"
        note.write_text('{"version": 1, "origin": "log.example/lindenhof", "size": 9, "root": "%s"}' % ("ab" * 32))
    else:
        witness.export(AFTER_DECEMBER + 1)
        assert witness() == 0
    before = (witness.folder / "seen.json").read_text()
    town.set_back()
    town.begin()
    witness.export(BACK_MS + 1)
    (record,) = (witness.folder / "log" / "continuations").iterdir()
    if cheat == "no record":
        record.unlink()
    if cheat == "other key":
        stranger = replace(town.policy, roots=(public_key_of(Ed25519Signer.generate()),))
        (witness.folder / "policy.json").write_text(stranger.to_json())
    assert witness("--accept-set-back") in (1, 2)
    assert "ok" not in capsys.readouterr().out
    assert (witness.folder / "seen.json").read_text() == before
