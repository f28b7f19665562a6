"""The migrations make exactly the tables that the code speaks of, on both databases, and lose nothing on the way."""

import json
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect, select
from support import old_books
from support.tables import make_tables
from tallystick_cloud import schema
from tallystick_cloud.backup import service
from tallystick_cloud.backup.measure import measure
from tallystick_cloud.clock import real_utc
from tallystick_cloud.contracts.store import versions_of
from tallystick_cloud.db import Database
from tallystick_cloud.ledger.audit import audit
from tallystick_cloud.ledger.model import Kind, counter_scope
from tallystick_cloud.ledger.rows import keyed_steps, shares_of
from tallystick_cloud.migrations import revision_of, revisions, upgrade


def differences(conn: Connection) -> list[object]:
    context = MigrationContext.configure(conn, opts={"compare_type": True})
    return list(compare_metadata(context, schema.metadata))


def test_migrated_database_equals_the_metadata_with_its_keys_and_again_changes_nothing(empty: Database) -> None:
    for _ in range(2):
        empty.write_now(upgrade)
        assert empty.read_now(differences) == []

    def keys(conn: Connection) -> dict[str, list[str]]:
        look = inspect(conn)
        return {name: look.get_pk_constraint(name)["constrained_columns"] for name in schema.metadata.tables}

    wanted = {name: [c.name for c in t.primary_key] for name, t in schema.metadata.tables.items()}
    assert empty.read_now(keys) == wanted


NARROW = {"use", "rerating"}  # their frame states it


def test_tables_that_tests_make_quickly_are_those_of_the_metadata(empty: Database) -> None:
    make_tables(empty)
    assert empty.read_now(differences) == []


def test_every_row_states_its_community() -> None:
    for name, table in schema.metadata.tables.items():
        assert name == "community" or name in NARROW or not table.c.community.nullable
    assert not schema.use.c.community.nullable


# ---------------------------------------------------------------- books of every release


def test_books_of_every_release_migrate(tmp_path: Path) -> None:
    """Real books of the first release, and at every migration a row in each new table: nothing is lost on the way.

    Every step meets what all releases before it may have left, so this walks the way of a database of each of them.
    """
    first, *later = revisions()
    walked = Database(f"sqlite:///{tmp_path / 'cloud.db'}")
    books = old_books.load()
    walked.write_now(upgrade, first)
    walked.write_now(old_books.put, books)
    counts = walked.write_now(old_books.fill_empty, {})
    (before,) = walked.read_now(measure)
    for revision in later:
        walked.write_now(upgrade, revision)
        assert walked.read_now(measure) == (before,), revision
        there = {name: count for name, count in counts.items() if name not in GONE.get(revision, ())}
        assert walked.read_now(old_books.counts, there).items() >= there.items(), revision
        counts = walked.write_now(old_books.fill_empty, counts)
    assert walked.read_now(differences) == []
    assert walked.read_now(audit) == []
    assert (before.size, before.accounts) == (len(books["log_leaf"]), len(books["balance"]))
    assert walked.read_now(_kept, books) == []
    serials = walked.read_now(lambda conn: list(conn.execute(select(schema.gateway_certificate.c.serial)).scalars()))
    assert serials == [books["gateway"][0]["certificate_serial"]]  # moved by a migration
    walked.close()


GONE = {"0022": {"use_rating", "use_counter"}}  # their rows are columns of `use` now: `_kept_uses` compares them


def _kept(conn: Connection, books: old_books.Rows) -> list[str]:
    """Rows of the first release that are not there any more, or otherwise, in the columns that are still there."""
    lost = _kept_uses(conn, books)
    for name, rows in books.items():
        if name in {"use", "use_rating", "use_counter"}:
            continue
        table = schema.metadata.tables[name]
        columns = [column for column in table.columns if column.name in rows[0]]
        there = {tuple(row) for row in conn.execute(select(*columns))}
        lost += [f"{name}: {row}" for row in rows if tuple(row[column.name] for column in columns) not in there]
    return lost


def _kept_uses(conn: Connection, books: old_books.Rows) -> list[str]:
    """The same of uses, which have other tables now: what they were, every price, and their counters."""
    uses = {bytes(row.use_id): row for row in conn.execute(select(schema.use))}
    prices = {(bytes(row.use_id), row.revision): row for row in conn.execute(select(schema.use_rating))}
    same = {"fee", "cause", "journal", "rated_ms"}
    lost = [
        f"use: {row}"
        for row in books["use"]
        if any(getattr(uses[row["use_id"]], name) != value for name, value in row.items() if name != "position")
    ]
    for row in books["use_rating"]:
        one = prices[row["use_id"], row["revision"]]
        shares = [[party.hex(), str(nano)] for party, nano in shares_of(one)]
        if any(getattr(one, name) != row[name] for name in same) or shares != json.loads(row["shares"]):
            lost.append(f"use_rating: {row}")
    moved = {
        (bytes(use.use_id), bytes(key), before, after)
        for use in conn.execute(select(schema.standing))
        for key, before, after in keyed_steps(
            use,
            versions_of(conn, use.chain)[bytes(use.contract)].contract,
            counter_scope(bytes(use.chain), Kind(use.kind)),
        )
    }
    wanted = {(row["use_id"], row["counter"], row["before"], row["after"]) for row in books["use_counter"]}
    return lost + [f"use_counter: {one}" for one in moved ^ wanted]


def test_backup_of_the_first_release_is_restored_by_this_one(empty: Database, tmp_path: Path) -> None:
    """Also from one database to the other."""
    old = Database(f"sqlite:///{tmp_path / 'old.db'}")
    old.write_now(upgrade, revisions()[0])
    old.write_now(old_books.put, old_books.load())
    with (tmp_path / "old.tally").open("wb") as out:
        made = old.read_now(service.write, out, lambda: None, real_utc(), lambda *_: None)
    old.close()
    assert made.schema == revisions()[0]
    done = empty.write_now(service.restore, service.check(tmp_path / "old.tally"), False, lambda *_: None)
    assert done.communities == made.communities
    assert empty.read_now(revision_of) == revisions()[-1]
    assert empty.read_now(audit) == []
    assert empty.read_now(_kept, old_books.load()) == []
