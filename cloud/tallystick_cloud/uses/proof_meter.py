"""The first half of a proof: the gateway's signature, the part that it signed, and that what was metered is billed.

It never shows a reading beside the totals between which the use lies."""

from collections.abc import Callable

from sqlalchemy import Connection
from tallystick_protocol import cose
from tallystick_protocol.batch import Batch, SealedPart, open_part, part_hash, read_batch
from tallystick_protocol.codes import EventCode
from tallystick_protocol.ids import Kid
from tallystick_protocol.keys import PublicKey
from tallystick_protocol.money.intervals import Cut, Point, cut
from tallystick_protocol.part import Part

from tallystick_cloud.contracts.store import versions_of
from tallystick_cloud.uses import proof_store as store
from tallystick_cloud.uses.model import UseView
from tallystick_cloud.uses.proof_model import Fact, Facts, Unfit, Work

_USE_CODES = (EventCode.USE_BILLABLE, EventCode.USE_ENDED, EventCode.USE_ABORTED)


def signature(work: Work) -> Facts:
    """Every batch that carries a reading of this use is signed by a key that its gateway had then."""
    if not work.batches:
        raise Unfit("the batch that brought this use is not here any more")
    facts: Facts = []
    for row in work.batches:
        opened = cose.open_envelope(row.envelope, cose.ContentType.BATCH, _key_of_gateway(work.conn, row))
        if opened.hash != row.hash:
            raise Unfit("the signed bytes are not those that the books name")
        facts += [
            Fact("Batch", f"{row.epoch}/{row.seq}"),
            Fact("Signed by key", opened.kid.hex(), is_hash=True),
            Fact("Hash of what was signed", opened.hash.hex(), is_hash=True),
        ]
    return facts


def _key_of_gateway(conn: Connection, row: store.BatchRow) -> Callable[[Kid], PublicKey | None]:
    def find(kid: Kid) -> PublicKey | None:
        for key in store.gateway_keys(conn, row.gid):
            if key.kid == kid and key.may_sign(row.epoch, row.seq):
                return PublicKey.from_spki(key.spki)
        return None

    return find


def part(work: Work) -> Facts:
    """The parts with this channel's readings hash to what those batches signed."""
    facts: Facts = []
    for row in work.batches:
        _, batch, error = read_batch(cose.parse(row.envelope).payload)
        if batch is None:
            raise Unfit(f"the batch cannot be read: {error}")
        facts += _parts_of(work, row, batch)
        if _reaches_back(work):
            break
    work.batches = [row for row in work.batches if any(row is carrier for carrier, _, _ in work.parts)]
    if not work.parts:
        raise Unfit("the part with this use's readings is erased or absent")
    return facts


def _parts_of(work: Work, row: store.BatchRow, batch: Batch) -> Facts:
    facts: Facts = []
    for position, sealed in store.parts_of(work.conn, row.hash, work.use):
        expected = batch.part_hashes[position]
        opened = open_part(SealedPart(*sealed), expected)
        if not isinstance(opened, Part):
            raise Unfit(f"part {position + 1} of batch {row.epoch}/{row.seq} does not fit the hash that was signed")
        if not _is_about(opened, work.use):
            continue
        work.parts.append((row, position, opened))
        facts += [
            Fact("Part", f"{position + 1} of {len(batch.part_hashes)} in batch {row.epoch}/{row.seq}"),
            Fact("SHA-256 of salt and part", part_hash(*sealed).hex(), is_hash=True),
            Fact("Hash in the signed list", expected.hex(), is_hash=True),
        ]
    return facts


def _reaches_back(work: Work) -> bool:
    """Whether the readings at hand reach back to the use's start; batches come newest first."""
    segments = [segment for _, _, part in work.parts for segment in part.segments]
    return work.use.form != "event" and any(segment.t0_ms <= work.use.start_ms for segment in segments)


def _is_about(part: Part, use: UseView) -> bool:
    """Whether a part says anything of this use; parts of a meter that runs on are about every slice of it."""
    return use.form != "event" or any(event.use == use.number for event in part.events)


def reading(work: Work) -> Facts:
    """What was metered is what was billed."""
    return _event_reading(work) if work.use.form == "event" else _interval_reading(work)


def _event_reading(work: Work) -> Facts:
    use = work.use
    for _, _, part in work.parts:
        for event in part.events:
            if event.use != use.number or event.code not in _USE_CODES or event.t_ms != use.end_ms:
                continue
            if (event.total, event.programme) != (use.to_total, use.programme):
                raise Unfit(f"the gateway says total {event.total}, programme {event.programme}; the books differ")
            return [
                Fact("Use number", str(event.use)),
                Fact("Event", f"{event.number}, {EventCode(event.code).name.lower().replace('_', ' ')}"),
                Fact("Programme", event.programme or "none"),
                Fact("Counter after it", f"{event.total}, billed {use.from_total} to {use.to_total}"),
            ]
    raise Unfit(f"no signed event of use {use.number} ends when the books say")


def _interval_reading(work: Work) -> Facts:
    use = work.use
    points = sorted(
        {
            (reading.pagination, reading.t_ms, reading.total)
            for _, _, part in work.parts
            for segment in part.segments
            for reading in segment.readings()
        }
    )
    known = [Point(t_ms, total) for _, t_ms, total in points]
    before = [one for one in known if one.t_ms <= use.start_ms]
    after = [one for one in known if one.t_ms >= use.end_ms]
    if not before or not after:
        raise Unfit("the readings around this slice are not all here")
    inner = [one for one in known if before[-1].t_ms <= one.t_ms <= after[0].t_ms]
    version = versions_of(work.conn, use.chain)[use.contract].contract
    opening = Cut(use.start_ms, use.from_total)
    slices, _ = cut(inner, opening, [use.end_ms], version.terms.max_gap_ms)
    if not any(
        (one.from_total, one.to_total, one.end_ms) == (use.from_total, use.to_total, use.end_ms) for one in slices
    ):
        raise Unfit(f"cutting the signed readings again does not give {use.from_total} to {use.to_total}")
    return [
        Fact("Signed readings cut again", str(len(inner))),
        Fact("Total at its start and end", f"{use.from_total} and {use.to_total}"),
    ]
