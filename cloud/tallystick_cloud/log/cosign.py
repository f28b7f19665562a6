"""Witnesses of a community's log: who they are, and the signatures with which they say that they saw a checkpoint.

It never takes a signature of somebody who is not listed, nor one under another checkpoint than was signed here.
"""

from collections.abc import Iterable

from sqlalchemy import Connection, delete, insert, select, update
from tallystick_protocol.checkpoint import Checkpoint, verify_cosignature
from tallystick_protocol.errors import InvariantError
from tallystick_protocol.keys import Alg, PublicKey
from tallystick_protocol.note import SIGNATURES_MAX, Note, SignatureType, check_name, key_id

from tallystick_cloud.context import Context
from tallystick_cloud.errors import BadInput, Conflict, NotFound
from tallystick_cloud.schema import checkpoint, cosignature, witness
from tallystick_cloud.schema import community as communities

from . import epochs

WITNESSES_MAX = SIGNATURES_MAX - 1  # a note carries the log's own signature too


def add_witness(conn: Connection, community: str, name: str, spki: bytes, now_ms: int) -> None:
    """List a witness. Raises ProtocolError for a bad name or key, Conflict for a name that is taken."""
    if PublicKey.from_spki(spki).alg is not Alg.EDDSA:
        raise BadInput("witness key", "is not an Ed25519 key, which checkpoints need")
    known = listed(conn, community)
    if any(check_name(name) == one for one, _ in known):
        raise Conflict("witness", f"{name!r} is listed already; remove it first")
    if len(known) >= WITNESSES_MAX:
        raise Conflict("witness", f"there are {WITNESSES_MAX} already, which is what a checkpoint can carry")
    conn.execute(delete(witness).where(witness.c.community == community, witness.c.name == name))
    conn.execute(insert(witness), {"community": community, "name": name, "spki": spki, "added_ms": now_ms})


def remove_witness(conn: Connection, community: str, name: str, now_ms: int) -> None:
    """Its signatures are shown no more. Raises NotFound, and Conflict when fewer than needed would be left."""
    known = listed(conn, community)
    if name not in {one for one, _ in known}:
        raise NotFound("witness", f"{name!r} is not listed in {community}")
    if len(known) - 1 < needed(conn, community):
        raise Conflict("witness", f"{name!r} is needed; lower the number of needed witnesses first")
    conn.execute(
        update(witness).where(witness.c.community == community, witness.c.name == name).values(removed_ms=now_ms)
    )


def need(conn: Connection, community: str, count: int) -> None:
    """How many of the listed witnesses policies ask for from now on."""
    if not 0 <= count <= len(listed(conn, community)):
        raise BadInput("witnesses", f"{count} of {len(listed(conn, community))} cannot be asked for; list more first")
    conn.execute(update(communities).where(communities.c.id == community).values(witnesses_needed=count))


def listed(conn: Connection, community: str) -> list[tuple[str, bytes]]:
    """(name, SPKI) of the witnesses listed now, by name."""
    rows = conn.execute(
        select(witness.c.name, witness.c.spki)
        .where(witness.c.community == community, witness.c.removed_ms.is_(None))
        .order_by(witness.c.name)
    )
    return [(name, bytes(spki)) for name, spki in rows]


def needed(conn: Connection, community: str) -> int:
    return conn.execute(select(communities.c.witnesses_needed).where(communities.c.id == community)).scalar_one() or 0


def accept(conn: Connection, context: Context, note: bytes) -> list[str]:
    """Keep the signatures of listed witnesses on a checkpoint that was signed here; their names.

    Raises ProtocolError, NotFound for an unknown size, Conflict for another checkpoint of that size: then somebody
    showed the witness another log. LogSetBack for one that the log's key signed and this database is too old for;
    from then on nothing is signed. BadInput when no listed witness signed it.
    """
    opened = Note.decode(note)
    said = Checkpoint.from_text(opened.text)
    community = context.community
    _check_is_ours(conn, context, note, said)
    kept = []
    for name, spki in listed(conn, community):
        key = PublicKey.from_spki(spki)
        wanted = key_id(name, SignatureType.COSIGNATURE_V1, key.raw)
        mine = [one for one in opened.signatures if (one.name, one.key_id) == (name, wanted)]
        if mine:
            signed_s = verify_cosignature(note, name, key)
            _store(conn, community, said.size, name, mine[0].line(), signed_s)
            kept.append(name)
    if not kept:
        raise BadInput("note", f"carries no signature of a witness that {community} lists")
    return kept


def _check_is_ours(conn: Connection, context: Context, note: bytes, said: Checkpoint) -> None:
    ours = conn.execute(
        select(checkpoint.c.note).where(checkpoint.c.community == context.community, checkpoint.c.size == said.size)
    ).scalar_one_or_none()
    if ours is not None and Note.decode(bytes(ours)).text == said.text():
        return
    if epochs.is_signed(context, note):
        epochs.saw(conn, context, said)
    if ours is None:
        raise NotFound("checkpoint", f"of size {said.size} was never signed here; fetch /log/checkpoint and sign that")
    raise Conflict("checkpoint", f"of size {said.size} is another one here: you were shown another log; keep it")


def _store(conn: Connection, community: str, size: int, name: str, line: str, signed_s: int) -> None:
    where = (cosignature.c.community == community, cosignature.c.size == size, cosignature.c.name == name)
    conn.execute(delete(cosignature).where(*where))
    row = {"community": community, "size": size, "name": name, "line": line, "signed_s": signed_s}
    conn.execute(insert(cosignature), row)


def lines(conn: Connection, community: str) -> dict[int, list[str]]:
    """size -> lines of witnesses that are listed now."""
    rows = conn.execute(
        select(cosignature.c.size, cosignature.c.line)
        .join(witness, (witness.c.community == cosignature.c.community) & (witness.c.name == cosignature.c.name))
        .where(cosignature.c.community == community, witness.c.removed_ms.is_(None))
        .order_by(cosignature.c.size, cosignature.c.name)
    )
    found: dict[int, list[str]] = {}
    for size, line in rows:
        found.setdefault(size, []).append(line)
    return found


def witnessed_note(conn: Connection, community: str, at_least: int = 0) -> tuple[int, bytes] | None:
    """(size, note) of the newest checkpoint that enough witnesses signed, else the newest; None before the first."""
    signed, wanted = lines(conn, community), needed(conn, community)
    newest = _newest(conn, community, at_least)
    for size in sorted((size for size in signed if size >= at_least), reverse=True):
        if len(signed[size]) >= max(1, wanted):
            return size, with_lines(_note(conn, community, size), signed[size])
    return newest


def _newest(conn: Connection, community: str, at_least: int) -> tuple[int, bytes] | None:
    row = conn.execute(
        select(checkpoint.c.size, checkpoint.c.note)
        .where(checkpoint.c.community == community, checkpoint.c.size >= at_least)
        .order_by(checkpoint.c.size.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else (int(row[0]), bytes(row[1]))


def _note(conn: Connection, community: str, size: int) -> bytes:
    return bytes(
        conn.execute(
            select(checkpoint.c.note).where(checkpoint.c.community == community, checkpoint.c.size == size)
        ).scalar_one()
    )


def with_lines(note: bytes, found: Iterable[str]) -> bytes:
    """The note with the lines of witnesses after the log's own."""
    joined = note + "".join(line + "\n" for line in found).encode()
    if Note.decode(joined).text != Note.decode(note).text:
        raise InvariantError("a witness's line changed the text of a checkpoint")
    return joined
