"""Rows of uses and their ratings, and uses out of rows.

It never runs a statement.
"""

from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from hashlib import sha256
from typing import Any, NamedTuple

from tallystick_protocol import cbor
from tallystick_protocol.ids import H32, PartyId
from tallystick_protocol.money.contract import Contract
from tallystick_protocol.money.plan import plan_of
from tallystick_protocol.money.rating import Rated, Usage, UsageForm, counter_keys

from tallystick_cloud.ledger.model import FreshUse

Row = tuple[object, ...]
"""In the order of the table's columns, as `bulk.insert_rows` takes it."""

FRAMES_KEPT = 16_384  # whose ids a process remembers: 9 MB
FRAME_BYTES = 16  # a chance of 2^-65 that two of a trillion frames share one
Steps = tuple[tuple[H32, int, int], ...]
"""Counters of a use in its price's order: (key, before, after)."""


class Frame(NamedTuple):
    """What many uses have in common: of a channel, a version, a payer."""

    community: str
    channel_hash: bytes
    gid: bytes | None
    form: str
    kind: str
    asset: str
    contract: bytes
    chain: bytes
    payer: bytes
    subject: bytes | None
    level: int


@lru_cache(maxsize=FRAMES_KEPT)
def frame_id(frame: Frame) -> bytes:
    return sha256(cbor.encode(list(frame))).digest()[:FRAME_BYTES]


def frame_of(community: str, fresh: FreshUse) -> Frame:
    usage = fresh.usage
    return Frame(
        community,
        usage.channel_hash,
        fresh.gid,
        usage.form.value,
        fresh.kind.value,
        usage.asset,
        fresh.contract,
        fresh.chain,
        usage.payer,
        fresh.subject,
        fresh.level,
    )


def frame_row(frame: Frame, number: bytes, parties: Iterable[bytes]) -> Row:
    return number, *frame, parties_text(parties)


def use_rows(rated: Sequence[Rated], frame: bytes, batch: bytes | None, journal: int | None, now_ms: int) -> list[Row]:
    """Of uses in one frame that came with one batch."""
    shares = _numbers(len(rated[0].amounts))
    found: list[Row] = []
    for usage, fee, amounts, old, new, _ in rated:
        use_id, _, number, start_ms, end_ms, start, end, _, _, programme, _, aborted, gap = usage
        metered = use_id, frame, number, start_ms, end_ms, start, end, programme, aborted, gap
        found.append((*metered, now_ms, batch, fee, shares % amounts, steps_text(old, new), journal))
    return found


@cache
def _numbers(count: int) -> str:
    return " ".join(["%d"] * count)


def rerating_row(one: Rated, revision: int, cause: bytes, journal: int | None, now_ms: int) -> Row:
    shares = _numbers(len(one.amounts)) % one.amounts
    return one.usage.use_id, revision, one.fee, shares, steps_text(one.old, one.new), cause, journal, now_ms


def parties_text(parties: Iterable[bytes]) -> str:
    return " ".join([party.hex() for party in parties])


def steps_text(old: Sequence[int], new: Sequence[int]) -> str:
    """Where each counter stood, and how far a use moved it."""
    return " ".join([f"{before}+{after - before}" for before, after in zip(old, new, strict=True)])


def shares_of(row: Any) -> tuple[tuple[PartyId, int], ...]:
    """(party, nano) of a row of `standing` or `use_rating`, in contract order."""
    parties, amounts = row.parties.split(), row.shares.split()
    return tuple((PartyId(bytes.fromhex(party)), int(nano)) for party, nano in zip(parties, amounts, strict=True))


def steps_of(row: Any) -> tuple[tuple[int, int], ...]:
    """(before, after) of each counter of a row; nothing for what is aborted or reversed, and for plain prices."""
    found = []
    for step in row.counters.split():
        before, _, move = step.partition("+")
        found.append((int(before), int(before) + int(move)))
    return tuple(found)


def keyed_steps(row: Any, contract: Contract, scope: H32) -> Steps:
    """(counter, before, after) of a row, by the version that priced it and the scope of its chain and kind."""
    if not row.counters:
        return ()
    keys = counter_keys(contract, scope, usage_of(row))
    return tuple((key, *step) for key, step in zip(keys, steps_of(row), strict=True))


def steps_in(one: Rated) -> Steps:
    """The same of what was rated just now."""
    return tuple(zip(one.shape.keys, one.old, one.new, strict=True))


def payers_within(contracts: Iterable[Contract], scope: H32, payers: set[bytes]) -> set[bytes] | None:
    """Whose uses can share a counter with uses of `payers`: theirs, or anybody's (None) where payers share one."""
    for contract in contracts:
        if contract.tariff.shared or plan_of(contract, scope).split_scopes:
            return None
    return payers


def usage_of(row: Any) -> Usage:
    """The use of a row, as the price sees it."""
    return Usage(
        use_id=H32(bytes(row.use_id)),
        channel_hash=H32(bytes(row.channel_hash)),
        number=row.number,
        start_ms=row.start_ms,
        end_ms=row.end_ms,
        from_total=row.from_total,
        to_total=row.to_total,
        asset=row.asset,
        payer=PartyId(bytes(row.payer)),
        programme=row.programme,
        form=UsageForm(row.form),
        aborted=bool(row.aborted),
        gap=bool(row.gap),
    )
