"""The proof on a use's page: everything fits in true books, and tampering breaks the link that it should."""

from collections.abc import Callable

import pytest
from sqlalchemy import Connection, select, update
from support.money_world import NOW
from support.settled import World
from tallystick_cloud import schema
from tallystick_cloud.uses.access import read_use
from tallystick_cloud.uses.model import Reader, UseView
from tallystick_cloud.uses.proof import Proof, Step, Verdict, prove


def office(world: World) -> Reader:
    return Reader(world.community, None, True, "test", NOW)


def uses(conn: Connection, form: str) -> list[bytes]:
    query = select(schema.use.c.use_id).where(schema.use.c.form == form)
    rows = conn.execute(query.order_by(*schema.in_order(schema.use)))
    return [bytes(found) for found in rows.scalars()]


def proof_of(conn: Connection, world: World, use_id: bytes) -> tuple[UseView, Proof]:
    use = read_use(conn, office(world), use_id)
    return use, prove(conn, world.community, use)


def broken(proof: Proof) -> set[Step]:
    return {check.step for check in proof.checks if check.verdict is Verdict.BROKEN}


@pytest.mark.parametrize("form", ["event", "interval", "minimum"])
def test_every_use_of_true_books_is_proved(conn: Connection, world: World, form: str) -> None:
    found = uses(conn, form)
    assert found
    for use_id in found:
        _, proof = proof_of(conn, world, use_id)
        assert broken(proof) == set(), [check for check in proof.checks if check.problem]
        fitting = {check.step for check in proof.checks if check.verdict is Verdict.FITS}
        assert {Step.CHECKPOINT, Step.CONTRACT, Step.PRICE} <= fitting
        assert (Step.READING in fitting) is (form != "minimum")


def test_the_checks_stand_in_the_order_of_the_story(conn: Connection, world: World) -> None:
    _, proof = proof_of(conn, world, uses(conn, "event")[0])
    assert [check.step for check in proof.checks] == list(Step)
    assert proof.path is not None
    assert proof.path.leaf < proof.path.size


def flip(data: bytes, at: int) -> bytes:
    at %= len(data)
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def bend_signature(conn: Connection, use: UseView) -> None:
    envelope = conn.execute(select(schema.batch.c.envelope).where(schema.batch.c.hash == use.batch)).scalar_one()
    changed = update(schema.batch).where(schema.batch.c.hash == use.batch)
    conn.execute(changed.values(envelope=flip(bytes(envelope), -10)))


def bend_part(conn: Connection, use: UseView) -> None:
    part = schema.part
    for row in conn.execute(select(part).where(part.c.batch == use.batch, part.c.channel == use.channel)).all():
        where = (part.c.batch == row.batch, part.c.position == row.position)
        conn.execute(update(part).where(*where).values(data=flip(bytes(row.data), -1)))


def bend_total(conn: Connection, use: UseView) -> None:
    change = update(schema.use_row).where(schema.use_row.c.use_id == use.use_id)
    conn.execute(change.values(to_total=use.to_total + 1, from_total=use.from_total + 1))


def bend_programme(conn: Connection, use: UseView) -> None:
    other = "60" if use.programme == "30" else "30"
    conn.execute(update(schema.use_row).where(schema.use_row.c.use_id == use.use_id).values(programme=other))


def bend_leaf(conn: Connection, use: UseView) -> None:
    change = update(schema.batch).where(schema.batch.c.hash == use.batch)
    conn.execute(change.values(leaf=schema.batch.c.leaf + 1))


def rewrite_log(conn: Connection, use: UseView) -> None:
    leaf = schema.log_leaf
    conn.execute(update(leaf).where(leaf.c.leaf == 0).values(leaf_hash=bytes(32)))


def bend_note(conn: Connection, use: UseView) -> None:
    note = conn.execute(
        select(schema.checkpoint.c.note).order_by(schema.checkpoint.c.size.desc()).limit(1)
    ).scalar_one()
    conn.execute(update(schema.checkpoint).values(note=bytes(note).replace(b"\n", b" \n", 1)))


def bend_fee(conn: Connection, use: UseView) -> None:
    rating = schema.use_row
    shares = conn.execute(select(rating.c.shares).where(rating.c.use_id == use.use_id)).scalar_one()
    changed = update(rating).where(rating.c.use_id == use.use_id)
    conn.execute(changed.values(shares=shares.replace("150000000", "140000000"), fee=use.standing.fee - 10_000_000))


def bend_contract(conn: Connection, use: UseView) -> None:
    version = schema.contract_version
    envelope = conn.execute(select(version.c.envelope).where(version.c.h == use.contract)).scalar_one()
    conn.execute(update(version).where(version.c.h == use.contract).values(envelope=flip(bytes(envelope), -10)))


def bend_journal(conn: Connection, use: UseView) -> None:
    where = schema.posting.c.journal == use.standing.journal
    conn.execute(update(schema.posting).where(where, schema.posting.c.position == 0).values(amount=1))


@pytest.mark.parametrize(
    ("bend", "breaks"),
    [
        (bend_signature, {Step.SIGNATURE}),
        (bend_part, {Step.PART, Step.READING}),
        (bend_total, {Step.READING}),
        (bend_programme, {Step.READING, Step.PRICE}),
        (bend_leaf, {Step.INCLUSION}),
        (rewrite_log, {Step.INCLUSION, Step.CONTRACT}),
        (bend_note, {Step.CHECKPOINT, Step.INCLUSION, Step.CONTRACT}),
        (bend_fee, {Step.PRICE}),
        (bend_contract, {Step.CONTRACT}),
        (bend_journal, {Step.BOOKS}),
    ],
)
def test_what_was_tampered_with_is_named(
    conn: Connection, world: World, bend: Callable[[Connection, UseView], None], breaks: set[Step]
) -> None:
    use_id = uses(conn, "event")[2]
    bend(conn, read_use(conn, office(world), use_id))
    _, proof = proof_of(conn, world, use_id)
    assert not proof.holds
    assert broken(proof) == breaks
    assert all(check.problem for check in proof.checks if check.verdict is Verdict.BROKEN)


def test_a_slice_whose_reading_was_moved_is_not_proved(conn: Connection, world: World) -> None:
    use_id = uses(conn, "interval")[5]
    use = read_use(conn, office(world), use_id)
    conn.execute(update(schema.use_row).where(schema.use_row.c.use_id == use_id).values(to_total=use.to_total + 1))
    _, proof = proof_of(conn, world, use_id)
    assert broken(proof) == {Step.READING, Step.PRICE}
