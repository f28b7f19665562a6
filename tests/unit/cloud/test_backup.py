"""Backups: the same log root and balances after a restore, on and between both databases; damage is refused."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, inspect, select, update
from support import backups
from support.books import ENERGY, TOWN, WASHES, Books, dump
from tallystick_cloud import schema
from tallystick_cloud.backup import container, sealed_keys, service
from tallystick_cloud.cli import main
from tallystick_cloud.clock import real_utc
from tallystick_cloud.db import Database
from tallystick_cloud.errors import BadInput, CloudError, Conflict
from tallystick_cloud.ledger.audit import audit

SILENT = lambda *_: None  # noqa: E731


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Books]:
    found, _ = backups.used_books(f"sqlite:///{tmp_path_factory.mktemp('books') / 'cloud.db'}")
    yield found
    found.database.close()


@pytest.fixture(scope="module")
def file(books: Books, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return backups.back_up(books, tmp_path_factory.mktemp("backup") / "books.tally")


def test_restored_books_are_the_same_on_both_databases_and_back(
    books: Books, file: Path, empty: Database, tmp_path: Path
) -> None:
    done = empty.write_now(service.restore, service.check(file), False, SILENT)
    (before,), (after,) = done.manifest.communities, done.communities
    assert before == after
    assert after.size == 25
    assert after.accounts == 8
    assert empty.read_now(audit) == []
    assert empty.read_now(dump) == books.dump()
    again = tmp_path / "again.tally"
    with again.open("wb") as out:
        made = empty.read_now(service.write, out, lambda: None, real_utc(), lambda *_: goes_on(empty))
    assert made.communities == done.manifest.communities
    back = Database(f"sqlite:///{tmp_path / 'back.db'}")
    back.write_now(service.restore, service.check(again), False, SILENT)
    assert back.read_now(dump) == books.dump()
    back.close()
    rows_are_numbered_on(empty)
    another_story_leaves_it_as_it_was(file, empty, tmp_path)


def goes_on(books: Database) -> None:
    """Commits a row while the backup runs, each time it says how far it is: none of them is in it."""
    books.write_now(lambda conn: conn.execute(insert(schema.posting_period), {"community": "late", "opened_ms": 7}))


def rows_are_numbered_on(restored: Database) -> None:
    row = {"community": "lindenhof", "opened_ms": 1}
    restored.write_now(lambda conn: conn.execute(insert(schema.posting_period), row))
    ids = restored.read_now(lambda conn: list(conn.execute(select(schema.posting_period.c.id)).scalars()))
    assert len(ids) == len(set(ids)) > 2


def another_story_leaves_it_as_it_was(file: Path, restored: Database, tmp_path: Path) -> None:
    """Every checksum fits, but one amount or one account is another: found by measuring before the commit."""
    before = restored.read_now(dump)
    for number, (old, new) in enumerate([("1850000000", "1850000001"), ('"receivable"', '"payable"')]):
        checked = service.check(backups.rewritten(file, tmp_path / f"{number}.tally", {old: new}))
        with pytest.raises(Conflict, match="lindenhof already"):
            restored.write_now(service.restore, checked, False, SILENT)
        with pytest.raises(CloudError):
            restored.write_now(service.restore, checked, True, SILENT)
        assert restored.read_now(dump) == before


# ---------------------------------------------------------------- damage


def test_any_flipped_byte_is_refused(file: Path, tmp_path: Path) -> None:
    whole = file.read_bytes()
    bad = tmp_path / "bad.tally"
    places = [*range(64), *range(64, len(whole) - 64, 41), *range(len(whole) - 64, len(whole))]
    for place in places:
        bad.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :])
        with pytest.raises(BadInput, match="damaged"):
            service.check(bad)


def test_a_file_that_is_cut_or_longer_or_something_else_is_refused(file: Path, tmp_path: Path) -> None:
    whole = file.read_bytes()
    bad = tmp_path / "bad.tally"
    for content in (b"", whole[:10], whole[:-1], whole[: len(whole) // 2], whole + b"\n", b"SQLite format 3\0" * 99):
        bad.write_bytes(content)
        with pytest.raises(BadInput, match=r"damaged|no(t a) backup"):
            service.check(bad)
    with pytest.raises(BadInput, match="cannot be read"):
        service.check(tmp_path / "none.tally")


def test_frames_that_do_not_fit_together_are_refused_in_words(file: Path, tmp_path: Path) -> None:
    """Checksums may be right where a program wrote nonsense; nothing but a refusal comes of it."""
    frames = list(container.frames(file))
    rows, last = frames[0], frames[-1]
    stories = [
        frames[:-1],
        [*frames, last],
        [*frames, rows],
        frames[1:],
        [container.Frame(container.Kind.ROWS, b"nothing"), *frames],
        [*frames[:-1], container.Frame(container.Kind.MANIFEST, b"{}")],
        [*frames[:-1], container.Frame(container.Kind.MANIFEST, b'{"version": 2}')],
        [*frames[:-1], container.Frame(container.Kind.KEYS, b"x" * 60), last],
    ]
    for number, story in enumerate(stories):
        bad = tmp_path / f"{number}.tally"
        with bad.open("wb") as out:
            writer = container.Writer(out)
            for frame in story:
                writer.frame(frame.kind, frame.payload)
            writer.finish()
        with pytest.raises(BadInput, match=r"manifest|rows|form"):
            service.check(bad)


def test_file_that_changes_between_check_and_restore_is_refused(file: Path, tmp_path: Path) -> None:
    moving = tmp_path / "moving.tally"
    moving.write_bytes(file.read_bytes())
    checked = service.check(moving)
    moving.write_bytes(backups.rewritten(file, tmp_path / "o.tally", {"Anna": "Anne"}).read_bytes())
    target = Database(f"sqlite:///{tmp_path / 'cloud.db'}")
    with pytest.raises(BadInput, match="was changed"):
        target.write_now(service.restore, checked, False, SILENT)
    assert target.read_now(lambda conn: inspect(conn).get_table_names()) == []
    target.close()


def test_books_that_do_not_add_up_are_not_saved_as_if_they_did(books: Books, tmp_path: Path) -> None:
    def spoil(conn: Connection) -> None:
        conn.execute(update(schema.balance).values(amount=schema.balance.c.amount + 1))
        with (tmp_path / "b.tally").open("wb") as out:
            service.write(conn, out, lambda: None, real_utc(), SILENT)

    with pytest.raises(Conflict, match="not the sums of their postings"):
        books.database.read_now(spoil)


def test_backup_of_a_newer_program_is_refused(file: Path, tmp_path: Path) -> None:
    checked = service.check(file)
    newer = service.Checked(file, checked.digest, replace(checked.manifest, schema="9999"), None)
    target = Database("sqlite://")
    with pytest.raises(BadInput, match="update the program first"):
        target.write_now(service.restore, newer, False, SILENT)
    target.close()


@pytest.mark.parametrize("replace", [False, True])
def test_a_database_with_tables_of_somebody_else_is_left_alone(file: Path, tmp_path: Path, replace: bool) -> None:
    target = Database(f"sqlite:///{tmp_path / 'shared.db'}")
    target.write_now(lambda conn: conn.exec_driver_sql("CREATE TABLE wiki (page TEXT)"))
    with pytest.raises(Conflict, match="tables that are not ours: wiki"):
        target.write_now(service.restore, service.check(file), replace, SILENT)
    assert target.read_now(lambda conn: inspect(conn).get_table_names()) == ["wiki"]
    target.close()


# ---------------------------------------------------------------- commands


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a server's `data`, a passphrase, and backups with keys and without."""
    folder = tmp_path_factory.mktemp("server")
    for name, text in (("town", TOWN), ("washes", WASHES), ("energy", ENERGY)):
        (folder / f"{name}.toml").write_text(text)
    data = ["--data", str(folder / "data")]
    assert main(["init", *data]) == 0
    words = ["community", "import", str(folder / "town.toml"), "--claims", str(folder / "claims")]
    assert main([*words, "--server", "https://localhost:1", *data]) == 0
    for name, text in (("pass", "correct horse battery staple"), ("short", "secret"), ("wrong", "another horse")):
        (folder / name).write_text(f"{text}\n")
    assert main(["backup", str(folder / "sealed"), "--passphrase-file", str(folder / "pass"), *data]) == 0
    assert main(["backup", str(folder / "plain"), "--without-keys", *data]) == 0
    return folder


def keys_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_from_one_machine_to_another(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, keys = made / "sealed", keys_of(made / "data" / "keys")
    assert file.stat().st_mode & 0o777 == 0o600
    assert not list(made.glob("*.part"))
    secrets = [content for content in keys.values() if b"PRIVATE" in content]
    assert len(secrets) > 5
    assert not any(content.splitlines()[1] in file.read_bytes() for content in secrets)
    assert main(["backup", "check", str(file)]) == 0
    assert "is whole" in capsys.readouterr().out
    other = tmp_path / "other"
    assert main(["restore", str(file), "--passphrase-file", str(made / "pass"), "--data", str(other)]) == 0
    said = capsys.readouterr().out
    roots = [line.split()[-1] for line in said.splitlines() if "entries, root" in line]
    assert len(roots) == 2
    assert roots[0] == roots[1]
    assert keys_of(other / "keys").items() >= keys.items()
    assert all(path.stat().st_mode & 0o077 == 0 for path in (other / "keys").rglob("*.pem"))
    assert main(["summary", "--data", str(other)]) == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["backup", "{b}", "--data", "{d}"], "--passphrase-file: is missing"),
        (["backup", "{b}"], "--data: is missing"),
        (["backup", "{b}", "{b}", "--data", "{d}"], "give one file to write"),
        (["backup", "{pass}", "--without-keys", "--data", "{d}"], "is there already"),
        (["backup", "{b}", "--passphrase-file", "{short}", "--data", "{d}"], "at least 12 characters"),
        (["backup", "{b}", "--passphrase-file", "{none}", "--data", "{d}"], "No such file"),
        (["restore", "{pass}", "--data", "{o}"], "is not a backup"),
        (["restore", "{sealed}", "--data", "{o}"], "are sealed"),
        (["restore", "{sealed}", "--passphrase-file", "{wrong}", "--data", "{o}"], "does not open the keys"),
        (["restore", "{plain}", "--data", "{o}"], "has no keys of lindenhof"),
        (["restore", "{sealed}", "--passphrase-file", "{pass}", "--data", "{d}"], "add --replace"),
        (["restore", "{sealed}", "--passphrase-file", "{pass}", "--replace", "--data", "{d}"], "--yes: is missing"),
    ],
)
def test_refusals_name_the_next_step_and_write_nothing(
    words: list[str], says: str, made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {"b": tmp_path / "b.tally", "d": made / "data", "o": tmp_path / "other"}
    names |= {name: made / name for name in ("pass", "short", "wrong", "none", "sealed", "plain")}
    before = (made / "data" / "cloud.db").read_bytes()
    assert main([word.format(**names) for word in words]) == 1
    assert says in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    assert (made / "data" / "cloud.db").read_bytes() == before


def test_keys_that_were_left_out_come_from_their_own_place(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "data" / "keys", tmp_path / "other" / "keys")
    assert main(["restore", str(made / "plain"), "--data", str(tmp_path / "other")]) == 0


def test_what_a_server_makes_again_is_no_key_to_keep(made: Path, tmp_path: Path) -> None:
    """A certificate that was renewed since must not keep a backup out of the same folder."""
    keys = tmp_path / "keys"
    shutil.copytree(made / "data" / "keys", keys)
    before = sealed_keys.read_keys(keys)
    assert {"ca/ca.key", "ca/ca.pem", "lindenhof/log.pem", "lindenhof/root.pem"} <= before.keys()
    for name in ("ca/server.key", "ca/server.pem", "ca/aggregator.pem", "lindenhof/signed.json"):
        (keys / name).write_text("of today")
    assert sealed_keys.read_keys(keys) == before


def test_another_key_in_the_folder_is_never_mixed_in(made: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    assert main(["init", "--data", str(other)]) == 0
    before = keys_of(other)
    assert main(["restore", str(made / "sealed"), "--passphrase-file", str(made / "pass"), "--data", str(other)]) == 1
    assert keys_of(other).keys() == before.keys()
