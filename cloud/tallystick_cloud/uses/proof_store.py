"""SQL of what a proof needs: batches as they were signed, their parts, keys, contract versions and journals.

It never checks anything and of a use with a begin and an end it never hands out a personal part."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, or_, select
from tallystick_protocol.codes import Sensitivity
from tallystick_protocol.ids import Kid
from tallystick_protocol.keys import PublicKey

from tallystick_cloud.errors import NotFound
from tallystick_cloud.gateways.model import Key
from tallystick_cloud.gateways.store import keys_of
from tallystick_cloud.schema import batch, community, contract_version, key_event, part, party_key, posting, use
from tallystick_cloud.uses.model import UseView

CARRIERS_MAX = 24
"""Batches looked through for the readings around a slice: six hours of a gateway that seals every quarter."""


@dataclass(frozen=True, slots=True)
class BatchRow:
    """A batch as stored."""

    hash: bytes
    gid: bytes
    epoch: int
    seq: int
    envelope: bytes
    leaf: int | None


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A contract version as signed."""

    h: bytes
    name: str
    version: int
    envelope: bytes
    proposer: bytes
    leaf: int


def carriers(conn: Connection, view: UseView) -> list[BatchRow]:
    """The batch that completed a use; for a slice also those before it with the readings at its other end."""
    columns = (batch.c.hash, batch.c.gid, batch.c.epoch, batch.c.seq, batch.c.envelope, batch.c.leaf)
    last = conn.execute(select(*columns).where(batch.c.hash == view.batch)).one_or_none()
    if last is None:
        return []
    if view.form == "event":
        return [_batch(last)]
    rows = conn.execute(
        select(*columns)
        .where(batch.c.gid == last.gid, batch.c.epoch <= last.epoch, batch.c.standing == "posted")
        .where(or_(batch.c.epoch < last.epoch, batch.c.seq <= last.seq))
        .where(batch.c.hash.in_(select(part.c.batch).where(part.c.gid == last.gid, part.c.channel == view.channel)))
        .order_by(batch.c.epoch.desc(), batch.c.seq.desc())
        .limit(CARRIERS_MAX)
    )
    return [_batch(row) for row in rows]


def parts_of(conn: Connection, h: bytes, view: UseView) -> list[tuple[int, tuple[bytes, bytes]]]:
    """(position, (salt, bytes)) of a batch's parts of the use's channel that are not erased.

    Of an event use only the money parts; the readings that surround a slice may lie in personal ones."""
    found = (
        select(part.c.position, part.c.salt, part.c.data)
        .where(part.c.batch == h, part.c.channel == view.channel, part.c.data.is_not(None))
        .order_by(part.c.position)
    )
    if view.form == "event":
        found = found.where(part.c.sensitivity == int(Sensitivity.MONEY))
    rows = conn.execute(found)
    return [(position, (bytes(salt), bytes(data))) for position, salt, data in rows]


def gateway_keys(conn: Connection, gid: bytes) -> list[Key]:
    return keys_of(conn, gid)


def log_key(conn: Connection, name: str) -> tuple[str, bytes]:
    """(origin, SPKI) of the community's log."""
    row = conn.execute(
        select(community.c.log_origin, key_event.c.spki)
        .join(key_event, key_event.c.community == community.c.id)
        .where(community.c.id == name, key_event.c.subject == b"log")
        .order_by(key_event.c.leaf.desc())
        .limit(1)
    ).one_or_none()
    if row is None:
        raise NotFound("log", "its key is not in the books")
    return row.log_origin, bytes(row.spki)


def version(conn: Connection, h: bytes) -> VersionRow | None:
    row = conn.execute(select(contract_version).where(contract_version.c.h == h)).one_or_none()
    if row is None:
        return None
    return VersionRow(bytes(row.h), row.name, row.version, bytes(row.envelope), bytes(row.proposer), row.leaf)


def key_of_party(conn: Connection, owner: bytes) -> Callable[[Kid], PublicKey | None]:
    """Looks a key up among those the party ever had."""

    def find(kid: Kid) -> PublicKey | None:
        spki = conn.execute(
            select(party_key.c.spki).where(party_key.c.party == owner, party_key.c.kid == kid)
        ).scalar_one_or_none()
        return None if spki is None else PublicKey.from_spki(bytes(spki))

    return find


def use_of(conn: Connection, use_id: bytes) -> Any:
    return conn.execute(select(use).where(use.c.use_id == use_id)).one()


def journal_sums(conn: Connection, journal: int) -> Sequence[tuple[str, int, int]]:
    """(unit, sum, postings) of a journal."""
    rows = conn.execute(
        select(posting.c.unit, func.sum(posting.c.amount), func.count())
        .where(posting.c.journal == journal)
        .group_by(posting.c.unit)
    )
    return [(unit, int(total), int(count)) for unit, total, count in rows]


def _batch(row: Any) -> BatchRow:
    return BatchRow(bytes(row.hash), bytes(row.gid), row.epoch, row.seq, bytes(row.envelope), row.leaf)
