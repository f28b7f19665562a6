"""SQL of gateways, their keys, heads, claims, descriptors and contact times.

It never changes an envelope; a head moves only under its lock, the first of every transaction.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, Table, Update, bindparam, func, insert, select, update

from tallystick_cloud import bulk
from tallystick_cloud.schema import (
    channel,
    claim,
    command,
    descriptor,
    gateway,
    gateway_certificate,
    gateway_contact,
    gateway_head,
    gateway_key,
    key_event,
)

from .model import Head, Key

_HEADS = """
    SELECT h.gid, h.community, h.epoch, h.next_seq, h.head, h.last_command, h.hello_nonce, h.forks, h.fork_ms,
           g.storage_class, g.state
    FROM gateway_head AS h JOIN gateway AS g ON g.gid = h.gid WHERE h.gid"""
_KEYS = """
    SELECT gid, kid, spki, valid_from_epoch, valid_from_seq, revoked_from_epoch, revoked_from_seq
    FROM gateway_key WHERE gid"""
ACTIVE = "active"  # the other state is "revoked"
_LEVELS = {"file": 1, "hardware": 2}  # protocol.md, Principles: evidence level per use

_DESCRIPTORS = select(descriptor.c.channel, descriptor.c.h).where(descriptor.c.gid == bindparam("g"))

Moved = tuple[bytes, int, int, bytes, bytes | None]
"""gid, epoch, next seq, head, the nonce of the boot that may start the next epoch."""
Counted = tuple[bytes, int, int, int, int, int | None]
"""gid, last seen, last batch, batches more, readings more, clock error."""


def move_head(conn: Connection, head: Head) -> None:
    move_heads(conn, [moved(head)])


def moved(head: Head) -> Moved:
    return head.gid, head.epoch, head.next_seq, head.head, head.hello_nonce


def move_heads(conn: Connection, rows: Sequence[Moved]) -> None:
    bulk.update_rows(conn, gateway_head, "gid", ("epoch", "next_seq", "head", "hello_nonce"), rows)


def lock_head(conn: Connection, gid: bytes) -> Head | None:
    return lock_heads(conn, [gid]).get(gid)


def lock_heads(conn: Connection, gids: Sequence[bytes]) -> dict[bytes, Head]:
    """The heads of these gateways, locked in the order of their ids; unknown ones are left out."""
    rows = bulk.rows_where(conn, _HEADS, gids, "ORDER BY h.gid FOR UPDATE OF h")
    return {bytes(row[0]): _head(row) for row in rows}


def read_head(conn: Connection, gid: bytes) -> Head | None:
    rows = bulk.rows_where(conn, _HEADS, [gid])
    return _head(rows[0]) if rows else None


def _head(row: Any) -> Head:
    gid, community, epoch, next_seq, head, command, nonce, forks, fork_ms, storage, state = row
    level, is_active = _LEVELS[storage], state == ACTIVE
    return Head(gid, community, epoch, next_seq, head, command, nonce, forks, fork_ms, level, is_active)


def update_head(conn: Connection, gid: bytes, values: Mapping[str, object]) -> None:
    _set(conn, gateway_head, gid, values)


def keys_of(conn: Connection, gid: bytes) -> list[Key]:
    return keys_of_all(conn, [gid])[gid]


def keys_of_all(conn: Connection, gids: Sequence[bytes]) -> dict[bytes, list[Key]]:
    found: dict[bytes, list[Key]] = {gid: [] for gid in gids}
    for row in bulk.rows_where(conn, _KEYS, gids):
        until = None if row.revoked_from_epoch is None else (row.revoked_from_epoch, row.revoked_from_seq)
        since = row.valid_from_epoch, row.valid_from_seq
        found[bytes(row.gid)].append(Key(bytes(row.kid), bytes(row.spki), since, until))
    return found


def gateway_row(conn: Connection, gid: bytes) -> Any:
    """name, site, state, storage_class, certificate_expires_ms ...; None when unknown."""
    return conn.execute(select(gateway).where(gateway.c.gid == gid)).one_or_none()


def gateway_rows(conn: Connection, community: str) -> list[Any]:
    """All gateways of a community by name, with `last_seen_ms`."""
    rows = select(gateway, gateway_contact.c.last_seen_ms).outerjoin(
        gateway_contact, gateway_contact.c.gid == gateway.c.gid
    )
    return list(conn.execute(rows.where(gateway.c.community == community).order_by(gateway.c.name, gateway.c.gid)))


def revoke_key(conn: Connection, gid: bytes, kid: bytes, since: tuple[int, int]) -> None:
    where = (gateway_key.c.gid == gid) & (gateway_key.c.kid == kid)
    conn.execute(update(gateway_key).where(where).values(revoked_from_epoch=since[0], revoked_from_seq=since[1]))


def add_certificate(conn: Connection, community: str, gid: bytes, serial: int, expires_ms: int) -> None:
    """A certificate that a gateway holds beside its older ones, each of which is good until it expires."""
    row = {"serial": serial.to_bytes(20, "big"), "gid": gid, "community": community, "expires_ms": expires_ms}
    conn.execute(insert(gateway_certificate), row)
    update_gateway(conn, gid, {"certificate_expires_ms": expires_ms})


def revoked_serials(conn: Connection) -> list[int]:
    """Serial numbers of all certificates of gateways that are revoked, of all communities: there is one authority."""
    rows = conn.execute(
        select(gateway_certificate.c.serial)
        .join(gateway, gateway.c.gid == gateway_certificate.c.gid)
        .where(gateway.c.state == "revoked")
        .order_by(gateway_certificate.c.serial)
    )
    return [int.from_bytes(serial, "big") for serial in rows.scalars()]


def insert_claim(conn: Connection, community: str, site: str, hashed: bytes, now_ms: int, expires_ms: int) -> None:
    row = {"hash": hashed, "community": community, "site": site, "created_ms": now_ms, "expires_ms": expires_ms}
    conn.execute(insert(claim), row)


def find_claim(conn: Connection, hashed: bytes) -> tuple[str, str, int, int | None] | None:
    """(community, site, expires, burned) of a claim."""
    row = conn.execute(
        select(claim.c.community, claim.c.site, claim.c.expires_ms, claim.c.burned_ms).where(claim.c.hash == hashed)
    ).one_or_none()
    return None if row is None else (row[0], row[1], row[2], row[3])


def burn_claim(conn: Connection, hashed: bytes, gid: bytes, now_ms: int) -> bool:
    """True for the one caller who burned it; another transaction with the same claim gets False."""
    done = conn.execute(
        update(claim).where(claim.c.hash == hashed, claim.c.burned_ms.is_(None)).values(burned_ms=now_ms, gid=gid)
    )
    return done.rowcount == 1


def claim_of_gateway(conn: Connection, hashed: bytes, gid: bytes) -> bool:
    return conn.execute(select(claim.c.gid).where(claim.c.hash == hashed, claim.c.gid == gid)).first() is not None


def insert_gateway(conn: Connection, row: Mapping[str, object]) -> None:
    conn.execute(insert(gateway), dict(row))


def update_gateway(conn: Connection, gid: bytes, values: Mapping[str, object]) -> None:
    _set(conn, gateway, gid, values)


def insert_key(conn: Connection, row: Mapping[str, object]) -> None:
    conn.execute(insert(gateway_key), dict(row))


def insert_head(conn: Connection, community: str, gid: bytes, first_prev: bytes) -> None:
    row = {"gid": gid, "community": community, "epoch": 1, "next_seq": 1, "head": first_prev}
    conn.execute(insert(gateway_head), {**row, "last_command": 0, "forks": 0})


def insert_contact(conn: Connection, community: str, gid: bytes, now_ms: int) -> None:
    row = {"gid": gid, "community": community, "last_seen_ms": now_ms, "batches": 0, "readings": 0}
    conn.execute(insert(gateway_contact), row)


def seen(conn: Connection, gid: bytes, values: Mapping[str, object]) -> None:
    _set(conn, gateway_contact, gid, values)


def _set(conn: Connection, table: Table, gid: bytes, values: Mapping[str, object]) -> None:
    conn.execute(_setting(table, tuple(values)), {"at": gid, **{f"to_{name}": values[name] for name in values}})


@cache
def _setting(table: Table, names: tuple[str, ...]) -> Update:
    """Every Hello has three of these: put together once."""
    return update(table).where(table.c.gid == bindparam("at")).values({name: bindparam(f"to_{name}") for name in names})


def last_boot(conn: Connection, gid: bytes) -> bytes | None:
    return conn.execute(select(gateway_contact.c.boot).where(gateway_contact.c.gid == gid)).scalar_one_or_none()


def insert_key_event(conn: Connection, row: Mapping[str, object]) -> None:
    conn.execute(insert(key_event), dict(row))


def last_key_event(conn: Connection, community: str, subject: bytes) -> bytes | None:
    """h of the newest key event of a subject, which the next one names as prev."""
    return conn.execute(
        select(key_event.c.h)
        .where(key_event.c.community == community, key_event.c.subject == subject)
        .order_by(key_event.c.leaf.desc())
        .limit(1)
    ).scalar_one_or_none()


def channel_row(conn: Connection, channel_hash: bytes) -> Any:
    return conn.execute(select(channel).where(channel.c.channel_hash == channel_hash)).one()


def insert_descriptor(conn: Connection, row: Mapping[str, object]) -> None:
    conn.execute(insert(descriptor), dict(row))


def descriptors_of(conn: Connection, gid: bytes) -> list[bytes]:
    """Envelopes of all descriptors of a gateway, oldest first."""
    rows = conn.execute(
        select(descriptor.c.envelope).where(descriptor.c.gid == gid).order_by(descriptor.c.channel, descriptor.c.leaf)
    )
    return [bytes(envelope) for envelope in rows.scalars()]


def insert_channel(conn: Connection, row: Mapping[str, object]) -> None:
    conn.execute(insert(channel), dict(row))


def commands_after(conn: Connection, gid: bytes, after: int, now_ms: int, limit: int) -> list[bytes]:
    """Envelopes of commands with cmd-seq > after that have not expired."""
    rows = conn.execute(
        select(command.c.envelope)
        .where(command.c.gid == gid, command.c.cmd_seq > after, command.c.expires_ms > now_ms)
        .order_by(command.c.cmd_seq)
        .limit(limit)
    )
    return [bytes(envelope) for envelope in rows.scalars()]


def last_command_issued(conn: Connection, gid: bytes) -> int:
    """0 when there was none."""
    return conn.execute(select(func.max(command.c.cmd_seq)).where(command.c.gid == gid)).scalar() or 0


def insert_command(conn: Connection, row: Mapping[str, object]) -> None:
    conn.execute(insert(command), dict(row))


def command_result(conn: Connection, gid: bytes, h: bytes, result: str, now_ms: int) -> None:
    where = (command.c.gid == gid) & (command.c.h == h) & command.c.result.is_(None)
    conn.execute(update(command).where(where).values(result=result, result_ms=now_ms))


def count_all(conn: Connection, rows: Sequence[Counted]) -> None:
    """Batches came: when, and how many readings in each."""
    names = ("last_seen_ms", "last_batch_ms", "batches", "readings", "clock_error_ms")
    bulk.update_rows(conn, gateway_contact, "gid", names, rows, added=frozenset({"batches", "readings"}))


def descriptor_in_force(conn: Connection, gid: bytes, channel: int) -> bytes | None:
    """The envelope of a channel's newest descriptor."""
    rows = conn.execute(
        select(descriptor.c.envelope)
        .where(descriptor.c.gid == gid, descriptor.c.channel == channel)
        .order_by(descriptor.c.leaf.desc())
        .limit(1)
    )
    found = rows.scalar_one_or_none()
    return None if found is None else bytes(found)


def descriptor_hashes(conn: Connection, gid: bytes) -> dict[int, set[bytes]]:
    """channel -> hashes of its descriptors, old and new."""
    found: dict[int, set[bytes]] = {}
    for number, h in conn.execute(_DESCRIPTORS, {"g": gid}):
        found.setdefault(number, set()).add(bytes(h))
    return found


def active_at(conn: Connection, community: str, site: str) -> list[bytes]:
    """Gateways of a site that are not revoked."""
    rows = select(gateway.c.gid).where(gateway.c.community == community, gateway.c.site == site)
    return [bytes(gid) for gid in conn.execute(rows.where(gateway.c.state == ACTIVE).order_by(gateway.c.gid)).scalars()]
