"""What must hold at the end of a world, judged from meter truth, committed books and delivered receipts alone.
The only differences between use and bill that are allowed are spelled out in `docs/explanation/simulation.md`."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import inf
from typing import TYPE_CHECKING, Any, Protocol

from sim.meters import Cellar, Kept, Register, Seam, Seen
from sim.town import (
    CYCLES,
    HOUSE,
    LOAN_CAP,
    MINIMUM,
    TIER_HIGH,
    TIER_LOW,
    TIER_WH,
    WASH_PRICES,
    WASHER,
)
from sim.trace import Kind
from sqlalchemy import Connection, func, select
from tallystick_cloud import schema
from tallystick_cloud.ledger.audit import audit
from tallystick_edge.metering.counter import CONFIRM_COUNT
from tallystick_protocol import merkle
from tallystick_protocol.codes import LogType
from tallystick_protocol.errors import ProtocolError
from tallystick_protocol.ids import H32, channel_hash, use_id
from tallystick_protocol.part import Part
from tallystick_protocol.records import log_leaf

if TYPE_CHECKING:
    from sim.gateway import Gateway
    from sim.world import World

DAY_MS = 86_400_000
REST_MS = 10 * 60_000  # the shortest rest between two washes (meters.HABIT)
WASH_MS = 7 * 60_000  # the shortest wash, an aborted one aside
END_MS = 120_000  # the machine must be seen at rest for so long (meters.Cellar.plans)
SEALED_MS = 420_000  # what was kept so long ago is sealed and sent (Rates.flush_ms, seal_every_ms)
ABORTS_LIKE_A_WASH = 3  # of 23 Wh, where 60 are a wash (meters.Cellar.plans)
CHEAPEST_WASH = "30"
ROUNDED_MS = 1  # two moments in whole ms may be this much further apart
STEP_MS = 15_000  # rests are looked for at this distance
Told = Mapping[tuple[bytes, int], int]  # boot and uptime of a reading: since when the books have it


@dataclass(frozen=True, slots=True)
class Figures:
    """How much a world showed."""

    uses: int
    washes: int


@dataclass(frozen=True, slots=True)
class Sold:
    """A use with its standing price."""

    row: Any
    fee: int
    shares: tuple[int, ...]
    is_event: bool
    is_reversed: bool


def figures(world: World) -> Figures:
    washes = sum(sum(each.cellar.washer.appliance.cycles.values()) for each in world.gateways)
    with world.server.database.engine.connect() as conn:
        return Figures(len(conn.execute(select(schema.use.c.use_id)).all()), washes)


def check(world: World) -> None:
    """Tell the trace every sentence that is not so."""
    wrong = world.trace.wrong
    with world.server.database.engine.connect() as conn:
        for sentence in audit(conn):
            wrong(f"audit: {sentence}", Kind.UNBALANCED)
        sold = _sold(conn)
        _double_entry(conn, sold, wrong)
        _identity(sold, wrong)
        _prices(sold, wrong)
        _shares(sold, wrong)
        _reversals(conn, sold, wrong)
        _as_of(conn, wrong)
        _log(conn, world.server.notes, wrong)
        _receipts(conn, world.server.receipts, wrong)
        for gateway in world.gateways:
            _chain(conn, gateway, wrong)
            _arrived(conn, gateway, world.true.elapsed_ms() - SEALED_MS, wrong)
            rows = {row.channel: row for row in _channels(conn, gateway.gid)}
            began_ms = world.true.utc_ms() - world.true.elapsed_ms()
            house, washer = gateway.cellar.house.register, gateway.cellar.washer.register
            _energy(conn, gateway, rows[HOUSE], house, f"house-{gateway.name}", began_ms, wrong)
            _energy(conn, gateway, rows[WASHER], washer, f"washer-{gateway.name}", began_ms, wrong)
            _washes(conn, gateway, rows[CYCLES], sold, wrong)
            _reasons(conn, gateway, wrong)


class Wrong(Protocol):
    def __call__(self, sentence: str, kind: Kind = Kind.BROKEN) -> None: ...


def _sold(conn: Connection) -> list[Sold]:
    """Every use with its newest rating, in canonical order: metered end, channel, number."""
    rows = sorted(conn.execute(select(schema.standing)), key=lambda row: (row.end_ms, row.channel_hash, row.number))
    gone = {bytes(each) for each in conn.execute(select(schema.reversal.c.use_id)).scalars()}
    return [
        Sold(row, row.fee, tuple(int(n) for n in row.shares.split()), row.form == "event", bytes(row.use_id) in gone)
        for row in rows
    ]


def _double_entry(conn: Connection, sold: Sequence[Sold], wrong: Wrong) -> None:
    """Every journal sums to zero, and what payers owe is exactly what the uses cost."""
    per_journal: dict[int, int] = defaultdict(int)
    owed = 0
    for row in conn.execute(select(schema.posting)):
        per_journal[row.journal] += row.amount
        owed += row.amount if row.account == "receivable" else 0
    for journal, amount in per_journal.items():
        if amount:
            wrong(f"journal {journal} sums to {amount}", Kind.UNBALANCED)
    balances = list(conn.execute(select(schema.balance)))
    if sum(row.amount for row in balances):
        wrong("the balances do not sum to zero", Kind.UNBALANCED)
    fees = sum(one.fee for one in sold)
    if owed != fees:
        wrong(f"payers owe {owed} by the postings, their uses cost {fees}", Kind.UNBALANCED)
    held = sum(row.amount for row in balances if row.account == "receivable")
    if held != fees:
        wrong(f"payers owe {held} by the balances, their uses cost {fees}", Kind.UNBALANCED)


def _identity(sold: Sequence[Sold], wrong: Wrong) -> None:
    """A use is (channel, number): its id says so, spans follow each other, and nothing is sold twice."""
    spans: dict[bytes, list[Any]] = defaultdict(list)
    for one in sold:
        if one.row.gid is None:
            continue
        if bytes(one.row.use_id) != use_id(H32(bytes(one.row.channel_hash)), one.row.number):
            wrong(f"use {one.row.number} of {one.row.asset} has an id that does not follow from channel and number")
        if not one.is_event and one.row.number != one.row.from_total:
            wrong(f"interval use {one.row.number} of {one.row.asset} begins at {one.row.from_total}")
        spans[bytes(one.row.channel_hash)].append(one.row)
    for rows in spans.values():
        for left, right in pairwise(sorted(rows, key=lambda row: (row.from_total, row.to_total))):
            if right.from_total < left.to_total:
                wrong(f"{left.asset}: counts {right.from_total} to {left.to_total} are sold twice", Kind.TWICE)


def _prices(sold: Sequence[Sold], wrong: Wrong) -> None:
    """Fees and the loan recomputed in canonical order with other code than the product's."""
    repaid, used, raised = 0, defaultdict(int), defaultdict(int)
    for one in sold:
        row = one.row
        if sum(one.shares) != one.fee or min(one.shares, default=0) < 0:
            wrong(f"use {row.number} of {row.asset}: its shares are not its fee")
        if one.is_reversed:
            fee = 0  # and it counts for nothing that comes after it
        elif row.form == "event":
            fee = 0 if row.aborted else WASH_PRICES[row.programme] * (row.to_total - row.from_total)
            left = fee - min(fee, 150_000_000)
            bank = min(left * 2 // 5, LOAN_CAP - repaid)
            repaid += bank
            if bank not in one.shares and fee:
                wrong(f"wash {row.number} of {row.asset}: the bank gets {bank}, in canonical order, not {one.shares}")
        elif row.form == "interval":
            day = (row.end_ms - 1) // DAY_MS
            before = used[day]
            used[day] += row.to_total - row.from_total
            fee = _tiers(used[day]) - _tiers(before)
            raised[day] += fee
        else:
            day = (row.end_ms - 1) // DAY_MS
            fee = max(0, MINIMUM - raised[day])
        if one.fee != fee:
            wrong(f"{row.form} use {row.number} of {row.asset} costs {one.fee}, in canonical order {fee}")


def _shares(sold: Sequence[Sold], wrong: Wrong) -> None:
    """Law 3: inside a step everybody gets the floor or the ceiling of an exact part. Parties are in contract order."""
    for one in sold:
        if len(one.shares) == 4:  # a wash: Coop, Repairer, Bank, Fund; Coop and Fund share the rest as 4 to 1
            got, whole, part = one.shares[0], one.shares[0] + one.shares[3], Fraction(4, 5)
        else:  # energy: Coop, Bank, Fund; Bank and Fund share what their step took as 1 to 2
            got, whole, part = one.shares[1], one.shares[1] + one.shares[2], Fraction(1, 3)
        if abs(got - whole * part) >= 1:
            wrong(f"use {one.row.number} of {one.row.asset}: {got} of {whole} is no rounding of {part}")


def _reversals(conn: Connection, sold: Sequence[Sold], wrong: Wrong) -> None:
    """Law 9: what a reversed use had cost went back by one journal, and it costs nothing ever after. `_prices`
    recomputes all others as if it had never been."""
    journal, rating = schema.journal, schema.use_rating
    for one in sold:
        if not one.is_reversed:
            continue
        use = bytes(one.row.use_id)
        back = select(func.coalesce(func.sum(schema.posting.c.amount), 0)).join(
            journal, journal.c.id == schema.posting.c.journal
        )
        back = back.where(journal.c.key == f"reversal:{use.hex()}", schema.posting.c.account == "receivable")
        query = select(rating.c.fee).where(rating.c.use_id == use).order_by(rating.c.revision)
        *_, before, after = conn.execute(query).scalars()
        if after or conn.execute(back).scalar_one() != -before:
            wrong(f"reversed use {one.row.number} of {one.row.asset}: it cost {before}, now {after}", Kind.UNBALANCED)


def _as_of(conn: Connection, wrong: Wrong) -> None:
    """Law 10: no journal is written into the past, so that what was published as of a moment stays."""
    rows = conn.execute(select(schema.journal.c.id, schema.journal.c.recorded_ms).order_by(schema.journal.c.id)).all()
    for left, right in pairwise(rows):
        if right.recorded_ms < left.recorded_ms:
            wrong(f"journal {right.id} is recorded before journal {left.id}", Kind.UNBALANCED)


def _tiers(wh: int) -> int:
    low = min(wh, TIER_WH)
    return int(Fraction(low * TIER_LOW + (wh - low) * TIER_HIGH))


def _log(conn: Connection, notes: Iterable[tuple[int, bytes]], wrong: Wrong) -> None:
    """Every checkpoint a witness saw is a prefix of the log; every batch stands in it once, where it says."""
    leaves = conn.execute(select(schema.log_leaf).order_by(schema.log_leaf.c.leaf)).all()
    if [row.leaf for row in leaves] != list(range(len(leaves))):
        wrong("leaf indices are not dense")
    hashes = [merkle.leaf_hash(log_leaf(LogType(row.type), H32(bytes(row.h)))) for row in leaves]
    for size, root in notes:
        if size > len(hashes) or merkle.root(hashes[:size]) != root:
            wrong(f"the checkpoint of {size} leaves is not a prefix of the log")
    where = Counter((row.type, bytes(row.h)) for row in leaves)
    for row in conn.execute(select(schema.batch)):
        kind = LogType.FORK if row.standing == "fork" else LogType.BATCH
        if where[int(kind), bytes(row.hash)] != 1 or bytes(leaves[row.leaf].h) != bytes(row.hash):
            wrong(f"batch {row.epoch}/{row.seq} does not stand in the log exactly once")


def _receipts(conn: Connection, receipts: dict[tuple[bytes, int, int], bytes], wrong: Wrong) -> None:
    """What a final receipt named is in the books for ever."""
    held = {(bytes(row.gid), row.epoch, row.seq, bytes(row.hash)) for row in conn.execute(select(schema.batch))}
    for (gid, epoch, seq), digest in receipts.items():
        if (gid, epoch, seq, digest) not in held:
            wrong(f"batch {epoch}/{seq} was receipted and is not in the books", Kind.LOST)


def _chain(conn: Connection, gateway: Gateway, wrong: Wrong) -> None:
    """Batches chain without a hole; new epochs and forks only where a card was put back."""
    rows = conn.execute(
        select(schema.batch)
        .where(schema.batch.c.gid == gateway.gid, schema.batch.c.standing != "fork")
        .order_by(schema.batch.c.epoch, schema.batch.c.seq)
    ).all()
    for left, right in pairwise(rows):
        follows = (right.epoch, right.seq) in ((left.epoch, left.seq + 1), (left.epoch + 1, 1))
        if not follows or (right.epoch == left.epoch and bytes(right.prev) != bytes(left.hash)):
            wrong(f"{gateway.name}: batch {right.epoch}/{right.seq} does not follow {left.epoch}/{left.seq}")
    head = conn.execute(select(schema.gateway_head).where(schema.gateway_head.c.gid == gateway.gid)).one()
    restores = len(gateway.cellar.restores)
    if head.epoch - 1 > restores:
        wrong(f"{gateway.name}: {head.epoch - 1} new epochs, {restores} cards put back: the card lost what was synced")
    if head.forks > restores:
        wrong(f"{gateway.name}: {head.forks} forks, {restores} cards put back: the card lost what was synced")


def _channels(conn: Connection, gid: bytes) -> Sequence[Any]:
    return conn.execute(select(schema.channel).where(schema.channel.c.gid == gid)).all()


def _open_counts(conn: Connection, digest: bytes) -> dict[str, int]:
    """Counts that stand open, by reason."""
    found: dict[str, int] = defaultdict(int)
    query = select(schema.exception).where(
        schema.exception.c.channel_hash == digest, schema.exception.c.state == "open"
    )
    for row in conn.execute(query):
        if row.from_total is not None and row.to_total is not None:
            found[row.reason] += row.to_total - row.from_total
    return found


def _billed(conn: Connection, digest: bytes) -> int:
    rows = conn.execute(select(schema.use).where(schema.use.c.channel_hash == digest, schema.use.c.gid.is_not(None)))
    return sum(row.to_total - row.from_total for row in rows)


def _energy(
    conn: Connection, gateway: Gateway, row: Any, register: Register, meter: str, began_ms: int, wrong: Wrong
) -> None:
    """Used up = billed + open with a reason. Only what ran through at a seam of the register may be missing.
    `began_ms`: UTC when the world began."""
    where, digest = f"{gateway.name}/{row.channel}", bytes(channel_hash(gateway.gid, row.channel))
    if row.first_total is None:
        wrong(f"{where}: no reading ever arrived", Kind.LOST)
        return
    opened = _open_counts(conn, digest)
    booked = _billed(conn, digest) + sum(opened.values())
    told = _told(conn, gateway.gid, row.channel, began_ms) if register.seams and gateway.cellar.restores else {}
    missing = seam_loss(gateway.cellar, register, gateway.cellar.seen[meter], told)
    if not register.truth_wh - missing <= booked <= register.truth_wh:
        allowed = f" (up to {missing} may be missing)" if missing else ""
        waits = row.last_total - row.billed_total
        kind = Kind.TWICE if booked > register.truth_wh else Kind.LOST
        wrong(f"{where}: used {register.truth_wh} Wh{allowed}, billed and open {booked}, {waits} not cut", kind)


def _told(conn: Connection, gid: bytes, channel: int, began_ms: int) -> Told:
    """Since when the books have each reading of a channel that they took, in ms of the world's life."""
    told: dict[tuple[bytes, int], int] = {}
    waited, batch, part = _waited(conn, gid), schema.batch, schema.part
    query = select(part, batch.c.received_ms).join(batch, batch.c.hash == part.c.batch)
    for row in conn.execute(query.where(part.c.gid == gid, part.c.channel == channel, part.c.standing == "read")):
        had_ms = max(row.received_ms, waited.get((bytes(row.batch), row.position), 0)) - began_ms
        for segment in Part.decode(bytes(row.data)).segments:
            for each in segment.readings():
                place = segment.at.boot, each.uptime_ms
                told[place] = min(told.get(place, had_ms), had_ms)
    return told


def _waited(conn: Connection, gid: bytes) -> dict[tuple[bytes, int], int]:
    """Until when parts that were set aside at first waited, by batch and position."""
    rows = conn.execute(select(schema.exception).where(schema.exception.c.gid == gid))
    return {(bytes(row.batch), row.position): row.closed_ms for row in rows if row.batch and row.closed_ms}


def _arrived(conn: Connection, gateway: Gateway, sealed_ms: int, wrong: Wrong) -> None:
    """Every reading that the gateway promised to keep stands in a batch, once; not those on a card that was lost, and
    not the newest, which are not sealed."""
    cellar, found = gateway.cellar, Counter[tuple[int, bytes, int]]()
    query = select(schema.part.c.data).where(schema.part.c.gid == gateway.gid, schema.part.c.data.is_not(None))
    for data in conn.execute(query).scalars():
        try:
            part = Part.decode(bytes(data))
        except ProtocolError:
            continue  # spoilt on the way: its readings must have come once more
        for segment in part.segments:
            found.update((part.channel, segment.at.boot, each.uptime_ms) for each in segment.readings())
    for name, channel in ((f"house-{gateway.name}", HOUSE), (f"washer-{gateway.name}", WASHER)):
        for t_ms, _, reading, _, kept_ms in cellar.seen[name].kept:
            if reading is None or kept_ms > sealed_ms or any(made <= kept_ms <= back for made, back in cellar.restores):
                continue
            times = found[channel, *reading]
            if times == 0:
                wrong(
                    f"{gateway.name}/{channel}: the reading at {t_ms / 1000:.0f} s was kept and never came", Kind.LOST
                )
                break
            if times > 1 and not cellar.restores:
                wrong(f"{gateway.name}/{channel}: the reading at {t_ms / 1000:.0f} s came {times} times", Kind.TWICE)
                break


def seam_loss(cellar: Cellar, register: Register, seen: Seen, told: Told) -> int:
    """What was used between the last reading before a seam that is still on a disk, or in the books, and the first
    sample after it.

    A reading on a card that an older copy replaced is gone, unless that card had told the books of it before: what they
    have is billed, and what comes after it counts on top. A rise that still waited for company (docs/adr/0605) has no
    reading, and nobody can say any more whether it was right. Only before the first reading of a boot is there anything
    that waits. A copy has forgotten a seam only if neither it nor the books had a reading from after it. What such a
    card read of a level in boots before the one in which it went on from the books may be older than they, and says
    nothing, if the books had heard of nothing after the seam by then.
    """
    lost = 0
    for seam in register.seams:
        end = seam.at_ms
        for copy in cellar.restores:
            if _is_known(cellar, seen, told, end, copy):
                continue
            end = max(end, copy[1])
            if seam.kind == "reset":
                end = max(end, _joined_ms(cellar, seen, told, copy[1], end))
        stays = [one for one in seen.kept if one.t_ms < seam.at_ms and _stays(cellar, told, one)]
        before = [one.wh for one in stays if one.reading is not None or not one.may_wait]
        after = _after(seen.kept, end, seam)
        lost += (after[0].wh if after else register.truth_wh) - (before[-1] if before else 0)
    return lost


def _stays(cellar: Cellar, told: Told, one: Kept) -> bool:
    """Whether no older copy replaced the card that it was on, or none before the books had it."""
    return not any(made < one.kept_ms < back < _told_ms(told, one) for made, back in cellar.restores)


def _told_ms(told: Told, one: Kept) -> float:
    """Since when the books have it."""
    return inf if one.reading is None else told.get(one.reading, inf)


def _is_known(cellar: Cellar, seen: Seen, told: Told, end_ms: int, copy: tuple[int, int]) -> bool:
    """Whether a copy knew the level after a seam, or the books did when it was put back. A new level has its first
    reading only when it has company."""
    made_ms, back_ms = copy
    after = [one for one in seen.kept if one.t_ms >= end_ms and one.reading is not None]
    on_copy = any(one.kept_ms < made_ms and _stays(cellar, {}, one) for one in after)
    return on_copy or any(_told_ms(told, one) <= back_ms for one in after)


def _joined_ms(cellar: Cellar, seen: Seen, told: Told, back_ms: int, end_ms: int) -> int:
    """When the boot began in which a card that was put back went on from the books; 0: it had done so before, or had
    told them of the level itself."""
    booted_ms, joined_ms = next((one for one in cellar.joins if one[1] >= back_ms), (0, 0))
    has_told = any(one.t_ms >= end_ms and _told_ms(told, one) <= joined_ms for one in seen.kept)
    return booted_ms if joined_ms > end_ms and not has_told else 0


def _after(kept: Sequence[Kept], end_ms: int, seam: Seam) -> Sequence[Kept]:
    """Samples after a seam. An exchanged meter's first values need company (docs/adr/0605): those that had none when
    the power went say nothing of what was counted without it, and its level begins in the boot of its first reading."""
    after = [one for one in kept if one.t_ms >= end_ms]
    if seam.kind == "reset":
        return after
    began = next((one.t_ms - one.reading[1] for one in after if one.reading is not None), end_ms)
    return [one for one in after if one.t_ms >= began]


def _washes(conn: Connection, gateway: Gateway, row: Any, sold: Sequence[Sold], wrong: Wrong) -> None:
    """Washes: never more than ran; fewer only by those that nobody can tell apart, or that a restored card forgot."""
    where, digest = f"{gateway.name}/{row.channel}", bytes(channel_hash(gateway.gid, row.channel))
    truth = sum(gateway.cellar.washer.appliance.cycles.values())
    booked = _billed(conn, digest) + sum(_open_counts(conn, digest).values())
    _programmes(gateway.cellar, where, digest, sold, wrong)
    missing = untold(gateway.cellar, gateway.poll_ms)
    if not truth - missing <= booked <= truth + aborts_like_a_wash(gateway.cellar):
        kind = Kind.TWICE if booked > truth else Kind.LOST
        wrong(f"{where}: {truth} washes ran ({missing} may be missing), {booked} booked", kind)


def _programmes(cellar: Cellar, where: str, digest: bytes, sold: Sequence[Sold], wrong: Wrong) -> None:
    """A wash is billed as a programme that ran, or not until a person has looked."""
    billed = Counter(
        one.row.programme
        for one in sold
        if bytes(one.row.channel_hash) == digest and one.row.to_total > one.row.from_total
    )
    most = cellar.washer.appliance.cycles + Counter({CHEAPEST_WASH: aborts_like_a_wash(cellar)})
    for name, count in billed.items():
        if count > most[name]:
            wrong(f"{where}: {count} washes are billed as {name}, {dict(cellar.washer.appliance.cycles)} ran")


def aborts_like_a_wash(cellar: Cellar) -> int:
    """Aborted starts that nobody saw, of which the counter shows as much as of a whole wash; each takes 23 Wh."""
    return cellar.washer.appliance.aborted // ABORTS_LIKE_A_WASH


def untold(cellar: Cellar, poll_ms: int) -> int:
    """Washes that may be missing: one for each rest that nobody saw, and what ran while a copy was the future."""
    kept = [one.t_ms for one in next(seen for name, seen in cellar.seen.items() if name.startswith("washer")).kept]
    kept = _stepped(kept, poll_ms)
    forgot = sum(2 + (back_ms - made_ms) // (REST_MS + WASH_MS) for made_ms, back_ms in cellar.restores)
    return _rests_unseen(kept, max(3 * poll_ms, 60_000), END_MS + (CONFIRM_COUNT + 1) * poll_ms) + forgot


def _stepped(kept: Sequence[int], poll_ms: int) -> list[int]:
    """Samples that a machine stepped on: it holds the first ones of a boot (docs/adr/0605), and a boot that ends before
    there are enough of them has seen nothing. Within a boot they are whole polls apart."""
    boots: list[list[int]] = []
    for t_ms in kept:
        if boots and (t_ms - boots[-1][-1] + ROUNDED_MS) % poll_ms <= 2 * ROUNDED_MS:
            boots[-1].append(t_ms)
        else:
            boots.append([t_ms])
    return [t_ms for boot in boots if len(boot) >= CONFIRM_COUNT for t_ms in boot]


def _rests_unseen(kept: Sequence[int], gap_ms: int, needed_ms: int) -> int:
    """How many rests fit between these samples of which less than `needed_ms` was seen; each is as short as rests are.

    Spans between samples no further apart than `gap_ms` are seen: many short lives of a gateway without a clock may
    have samples in every minute, and none of them sees for long enough that the machine stands still."""
    if not kept:
        return 0
    until = [0]  # how much was seen up to each sample
    for left, right in pairwise(kept):
        until.append(until[-1] + (right - left if right - left <= gap_ms else 0))
    count, free_from, at = 0, kept[0], 0
    while free_from + REST_MS <= kept[-1]:
        at = bisect_left(kept, free_from)
        end = bisect_right(kept, free_from + REST_MS) - 1
        if until[max(end, at)] - until[at] < needed_ms:
            count, free_from = count + 1, free_from + REST_MS + WASH_MS
        else:
            free_from += STEP_MS
    return count


def _reasons(conn: Connection, gateway: Gateway, wrong: Wrong) -> None:
    """A card that was never put back gives no cause for quarantine, and no world shows an error of the program."""
    for row in conn.execute(select(schema.exception).where(schema.exception.c.gid == gateway.gid)):
        if row.reason in ("internal", "held"):
            wrong(f"{gateway.name}: a part waits because the program failed on it ({row.reason})")
        elif row.state == "quarantined" and not gateway.cellar.restores:
            wrong(f"{gateway.name}: a part waits in quarantine ({row.reason}) although no card was put back")
