"""One narrow row per use: what many have in common goes into frames, the first price and its counters into the row.

Every rating is kept. A rating that stands takes its counters from where they stand now, which is what they were moved
to when a use came late; there is no way back but a backup.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any

import sqlalchemy as sa
from alembic import op
from tallystick_protocol import cbor

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

AT_A_TIME = 1000
FRAME = ("community", "channel_hash", "gid", "form", "kind", "asset", "contract", "chain", "payer", "subject", "level")
METERED = ("number", "start_ms", "end_ms", "from_total", "to_total", "programme", "aborted", "gap")

_old_use = sa.table("old_use", *(sa.column(name) for name in ("use_id", *FRAME, *METERED, "recorded_ms", "batch")))
_old_rating = sa.table(
    "use_rating",
    *(sa.column(name) for name in ("use_id", "revision", "fee", "shares", "counters", "cause", "journal", "rated_ms")),
)
_old_counter = sa.table("use_counter", *(sa.column(name) for name in ("use_id", "counter", "before", "after")))
_frame = sa.table("use_frame", *(sa.column(name) for name in ("id", *FRAME, "parties")))
_use = sa.table(
    "use",
    *(sa.column(name) for name in ("use_id", "frame", *METERED, "recorded_ms", "batch")),
    *(sa.column(name) for name in ("fee", "shares", "counters", "journal")),
)
_rerating = sa.table(
    "rerating",
    *(sa.column(name) for name in ("use_id", "revision", "fee", "shares", "counters", "cause", "journal", "rated_ms")),
)


def upgrade() -> None:
    for name in ("chain_position", "community_asset_end_ms", "community_payer_end_ms", "community_recorded_ms"):
        op.drop_index(op.f(f"ix_use_{name}"), table_name="use")
    op.rename_table("use", "old_use")
    conn = op.get_bind()
    if conn.dialect.name == "postgresql":  # there the names of keys are those of the whole database
        op.execute("ALTER TABLE old_use RENAME CONSTRAINT pk_use TO pk_old_use")
    _create()
    frames: dict[tuple[object, ...], bytes] = {}
    taken: set[bytes] = set()
    for rows in _portions(conn):
        _move(conn, rows, frames, taken)
    op.drop_index(op.f("ix_use_counter_use_id"), table_name="use_counter")
    for name in ("use_counter", "use_rating", "old_use"):
        op.drop_table(name)


def _create() -> None:
    op.create_table(
        "use_frame",
        sa.Column("id", sa.LargeBinary(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("channel_hash", sa.LargeBinary(), nullable=False),
        sa.Column("gid", sa.LargeBinary(), nullable=True),
        sa.Column("form", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("contract", sa.LargeBinary(), nullable=False),
        sa.Column("chain", sa.LargeBinary(), nullable=False),
        sa.Column("payer", sa.LargeBinary(), nullable=False),
        sa.Column("subject", sa.LargeBinary(), nullable=True),
        sa.Column("level", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("parties", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_use_frame")),
    )
    for columns in (["chain"], ["channel_hash"], ["community", "asset"], ["community", "payer"]):
        op.create_index(op.f(f"ix_use_frame_{'_'.join(columns)}"), "use_frame", columns, unique=False)
    op.create_table(
        "use",
        sa.Column("use_id", sa.LargeBinary(), nullable=False),
        sa.Column("frame", sa.LargeBinary(), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("start_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("end_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("from_total", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("to_total", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("programme", sa.Text(), nullable=True),
        sa.Column("aborted", sa.Boolean(), nullable=False),
        sa.Column("gap", sa.Boolean(), nullable=False),
        sa.Column("recorded_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("batch", sa.LargeBinary(), nullable=True),
        sa.Column("fee", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("shares", sa.Text(), nullable=False),
        sa.Column("counters", sa.Text(), nullable=False),
        sa.Column("journal", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.PrimaryKeyConstraint("use_id", name=op.f("pk_use")),
    )
    op.create_index(op.f("ix_use_frame_end_ms"), "use", ["frame", "end_ms"], unique=False)
    op.create_index(op.f("ix_use_recorded_ms"), "use", ["recorded_ms"], unique=False, postgresql_using="brin")
    op.create_table(
        "rerating",
        sa.Column("use_id", sa.LargeBinary(), nullable=False),
        sa.Column("revision", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("fee", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("shares", sa.Text(), nullable=False),
        sa.Column("counters", sa.Text(), nullable=False),
        sa.Column("cause", sa.LargeBinary(), nullable=False),
        sa.Column("journal", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("rated_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("use_id", "revision", name=op.f("pk_rerating")),
    )
    op.create_index(op.f("ix_rerating_rated_ms"), "rerating", ["rated_ms"], unique=False, postgresql_using="brin")


def _portions(conn: sa.Connection) -> Iterator[Sequence[Any]]:
    last = b""
    while rows := conn.execute(
        sa.select(_old_use).where(_old_use.c.use_id > last).order_by(_old_use.c.use_id).limit(AT_A_TIME)
    ).all():
        yield rows
        last = bytes(rows[-1].use_id)


def _move(conn: sa.Connection, rows: Sequence[Any], frames: dict[tuple[object, ...], bytes], taken: set[bytes]) -> None:
    first, last = rows[0].use_id, rows[-1].use_id
    query = sa.select(_old_rating).where(_old_rating.c.use_id.between(first, last))
    ratings: dict[bytes, list[Any]] = {}
    for one in conn.execute(query.order_by(_old_rating.c.use_id, _old_rating.c.revision)):
        ratings.setdefault(bytes(one.use_id), []).append(one)
    moves = {
        (bytes(one.use_id), bytes(one.counter).hex()): (one.before, one.after)
        for one in conn.execute(sa.select(_old_counter).where(_old_counter.c.use_id.between(first, last)))
    }
    new_frames, uses, reratings = [], [], []
    for row in rows:
        use_id = bytes(row.use_id)
        mine = ratings[use_id]
        parties = " ".join(party for party, _ in json.loads(mine[0].shares))
        frame = (*(getattr(row, name) for name in FRAME), parties)
        if frame not in frames:
            frames[frame] = _id_of(frame, taken)
            taken.add(frames[frame])
            new_frames.append(dict(zip(("id", *FRAME, "parties"), (frames[frame], *frame), strict=True)))
        prices = [_price(one, moves, is_last=one is mine[-1]) for one in mine]
        metered = {name: getattr(row, name) for name in (*METERED, "recorded_ms", "batch")}
        uses.append({"use_id": use_id, "frame": frames[frame], **metered, **prices[0]})
        reratings += [
            {"use_id": use_id, "revision": one.revision, "cause": one.cause, "rated_ms": one.rated_ms, **price}
            for one, price in zip(mine[1:], prices[1:], strict=True)
        ]
    for table, found in ((_frame, new_frames), (_use, uses), (_rerating, reratings)):
        if found:
            conn.execute(sa.insert(table), found)


def _id_of(frame: tuple[object, ...], taken: set[bytes]) -> bytes:
    """The name that the ledger gives it; with the parties where that is taken, though no release made it so."""
    *shared, _ = frame
    found = sha256(cbor.encode(shared)).digest()[:16]
    return found if found not in taken else sha256(cbor.encode(list(frame))).digest()[:16]


def _price(rating: Any, moves: Mapping[tuple[bytes, str], tuple[int, int]], *, is_last: bool) -> dict[str, object]:
    steps = []
    for key, before in json.loads(rating.counters):
        stood, after = moves.get((bytes(rating.use_id), key), (int(before), int(before)))
        steps.append(f"{stood if is_last else before}+{after - stood}")
    shares = " ".join(nano for _, nano in json.loads(rating.shares))
    return {"fee": rating.fee, "shares": shares, "counters": " ".join(steps), "journal": rating.journal}


def downgrade() -> None:
    raise NotImplementedError("uses are narrower now and do not go back: restore the backup made before the update")
