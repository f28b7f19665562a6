"""SQL of what an evidence file is made of: signed envelopes with their leaves, parts of batches, checkpoints.

It never changes anything.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, select

from tallystick_cloud.ledger.store import IN_MAX
from tallystick_cloud.schema import (
    approval,
    batch,
    contract_version,
    descriptor,
    key_event,
    part,
    party_key,
    reversal,
    use,
)

Logged = tuple[bytes, int]  # envelope and leaf


def versions(conn: Connection, chain: bytes) -> list[Any]:
    return list(
        conn.execute(
            select(contract_version).where(contract_version.c.chain == chain).order_by(contract_version.c.version)
        )
    )


def approvals(conn: Connection, h: bytes) -> list[Logged]:
    """Answers to a version beside the proposer's own, which is the version's signature."""
    rows = conn.execute(
        select(approval.c.envelope, approval.c.leaf)
        .where(approval.c.object == h, approval.c.h != h)
        .order_by(approval.c.leaf)
    )
    return [(bytes(envelope), leaf) for envelope, leaf in rows]


def key_events(conn: Connection, name: str, subject: bytes) -> list[Logged]:
    rows = conn.execute(
        select(key_event.c.envelope, key_event.c.leaf)
        .where(key_event.c.community == name, key_event.c.subject == subject)
        .order_by(key_event.c.leaf)
    )
    return [(bytes(envelope), leaf) for envelope, leaf in rows]


def owner_of_kid(conn: Connection, name: str, kid: bytes) -> bytes | None:
    return conn.execute(
        select(party_key.c.party).where(party_key.c.community == name, party_key.c.kid == kid)
    ).scalar_one_or_none()


def descriptors(conn: Connection, gid: bytes, number: int) -> list[Logged]:
    rows = conn.execute(
        select(descriptor.c.envelope, descriptor.c.leaf)
        .where(descriptor.c.gid == gid, descriptor.c.channel == number)
        .order_by(descriptor.c.leaf)
    )
    return [(bytes(envelope), leaf) for envelope, leaf in rows]


def reversal_of(conn: Connection, h: bytes) -> Logged:
    """The decision of that hash by which a use counts no more."""
    row = conn.execute(select(reversal.c.envelope, reversal.c.leaf).where(reversal.c.h == h)).one()
    return bytes(row.envelope), row.leaf


def batches(conn: Connection, hashes: Iterable[bytes]) -> dict[bytes, Any]:
    """hash -> row."""
    wanted, found = sorted(set(hashes)), {}
    for at in range(0, len(wanted), IN_MAX):
        rows = conn.execute(select(batch).where(batch.c.hash.in_(wanted[at : at + IN_MAX])))
        found.update({bytes(row.hash): row for row in rows})
    return found


def parts(conn: Connection, hashes: Iterable[bytes]) -> dict[tuple[bytes, int], Any]:
    """(batch, position) -> row."""
    wanted, found = sorted(set(hashes)), {}
    for at in range(0, len(wanted), IN_MAX):
        rows = conn.execute(select(part).where(part.c.batch.in_(wanted[at : at + IN_MAX])))
        found.update({(bytes(row.batch), row.position): row for row in rows})
    return found


def channel_parts(
    conn: Connection, gid: bytes, number: int, sensitivity: int, after_ms: int, below_leaf: int
) -> list[Any]:
    """Kept parts of a channel that came since a time and stand below a leaf of the log, in the gateway's order."""
    return list(
        conn.execute(
            select(part.c.batch, part.c.position, part.c.data, part.c.standing)
            .join(batch, batch.c.hash == part.c.batch)
            .where(
                part.c.gid == gid,
                part.c.channel == number,
                part.c.sensitivity == sensitivity,
                part.c.data.is_not(None),
                batch.c.leaf < below_leaf,
                batch.c.standing != "fork",
                batch.c.received_ms >= after_ms,
            )
            .order_by(batch.c.epoch, batch.c.seq, part.c.position)
        )
    )


def party_keys(conn: Connection, party: bytes) -> list[bytes]:
    rows = conn.execute(select(party_key.c.spki).where(party_key.c.party == party, party_key.c.revoked_ms.is_(None)))
    return [bytes(spki) for spki in rows.scalars()]


def subjects_of(conn: Connection, name: str, payer: bytes) -> Sequence[bytes]:
    """Pseudonyms under which a payer used machines."""
    rows = conn.execute(
        select(use.c.subject)
        .where(use.c.community == name, use.c.payer == payer, use.c.subject.is_not(None))
        .distinct()
        .order_by(use.c.subject)
    )
    return [bytes(subject) for subject in rows.scalars()]


def chains_of_payer(conn: Connection, name: str, payer: bytes) -> set[bytes]:
    """Contracts under which a party paid for a use, also as nobody whom the contract names."""
    rows = conn.execute(select(use.c.chain).where(use.c.community == name, use.c.payer == payer).distinct())
    return {bytes(chain) for chain in rows.scalars()}
