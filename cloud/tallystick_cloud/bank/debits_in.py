"""What the bank says of direct debits, into the books: collected, taken back, rejected.

It never books a debit twice, and what is taken back is the exact opposite of what was booked.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection
from tallystick_protocol import cbor
from tallystick_protocol.ids import H32, sha256

from tallystick_cloud.debits import service as debits
from tallystick_cloud.debits.model import Outcome
from tallystick_cloud.debits.service import Run
from tallystick_cloud.debits.store import StoredDebit
from tallystick_cloud.ledger import journals
from tallystick_cloud.ledger.model import Account, Amounts
from tallystick_cloud.payouts.pain import CURRENCY
from tallystick_cloud.runs.model import END_BYTES

from . import model, store
from .model import Found, Standing

ByEnd = Mapping[str, tuple[Run, StoredDebit]]
ByBlock = Mapping[str, tuple[Run, Sequence[StoredDebit]]]
COLLECTED = (Standing.DEBIT, Standing.BLOCK)


@dataclass(frozen=True, slots=True)
class Order:
    """A payment that a report may reject: still open, or done already."""

    id: bytes
    name: str
    is_open: bool
    is_done: bool


def known(
    conn: Connection, community: str, holder: bytes, ends: Collection[str], blocks: Collection[str]
) -> tuple[ByEnd, ByBlock]:
    """A collector's debits by end-to-end id, and its blocks by their id: those on their way, and what is named."""
    runs = debits.show_named(conn, community, holder, ends, blocks)
    by_end = {one.end_to_end: (run, one) for run in runs for one in run.debits}
    return by_end, {name: (run, block) for run in runs for name, block in debits.blocks_of(run).items()}


def orders(run: Run) -> dict[str, Order]:
    """End-to-end id -> the debit, for a status report."""
    return {
        one.end_to_end: Order(
            one.id, one.debtor.name, one.outcome is None, one.outcome in (Outcome.COLLECTED, Outcome.RETURNED)
        )
        for one in run.debits
    }


def blocks(run: Run) -> dict[str, list[str]]:
    """Payment information id -> the end-to-end ids in it."""
    return {name: [one.end_to_end for one in debits_in] for name, debits_in in debits.blocks_of(run).items()}


def reject(conn: Connection, community: str, run: Run, rejected: Mapping[bytes, str], now_ms: int) -> int:
    """Debits that the bank will not execute, with its reasons: due again, nothing was booked; how many."""
    told = {one: (Outcome.REJECTED, why or None) for one, why in rejected.items()}
    if told:
        debits.tell(conn, community, run.stored.number, told, now_ms)
    return len(told)


def book(conn: Connection, community: str, holder: bytes, content: H32, booked: Sequence[Found], now_ms: int) -> None:
    """Post what entries of a statement collected, then what they took back, and mark the debits."""
    ends = {name[:END_BYTES].hex() for found in booked for name in found.debits}
    by_id = {one.id: one for _, one in known(conn, community, holder, ends, ())[0].values()} if ends else {}
    claims = store.all_claims(conn, community, holder, CURRENCY) if by_id else {}
    entries: list[journals.Entry] = []
    payments: list[dict[str, object]] = []
    for at, found in enumerate(booked):
        for one in (by_id[name] for name in found.debits if found.standing in COLLECTED):
            parts = model.allocated(one.cents, claims[one.party])
            claims[one.party] = _less(claims[one.party], parts)
            lines = model.payment_lines(holder, one.party, CURRENCY, parts, from_suspense=False)
            entries.append(journals.Entry(_key(one), "debit-collected", one.id, lines))
            payments += _payments(community, model.entry_id(content, at), one, lines, now_ms)
    journals.post(conn, community, entries, now_ms)
    _mark(conn, community, booked, COLLECTED, Outcome.COLLECTED, now_ms)
    entries = []
    for at, found in enumerate(booked):
        for one in (by_id[name] for name in found.debits if found.standing is Standing.DEBIT_RETURN):
            collected = journals.lines_of(conn, community, _key(one))
            lines = model.taken_back_lines(holder, CURRENCY, collected, found.fee_cents)
            entries.append(journals.Entry(f"debit:{one.id.hex()}:returned", "debit-returned", one.id, lines))
            payments += _payments(community, model.entry_id(content, at), one, lines, now_ms)
    journals.post(conn, community, entries, now_ms)
    _mark(conn, community, booked, (Standing.DEBIT_RETURN,), Outcome.RETURNED, now_ms)
    store.insert_payments(conn, payments)


def _key(one: StoredDebit) -> str:
    return f"debit:{one.id.hex()}:collected"


def _less(claims: Sequence[model.Claim], parts: Sequence[model.Claim]) -> list[model.Claim]:
    paid = {part.chain: part.nano for part in parts}
    return [model.Claim(one.chain, one.nano - paid.get(one.chain, 0)) for one in claims]


def _payments(community: str, entry: H32, one: StoredDebit, lines: Amounts, now_ms: int) -> list[dict[str, object]]:
    """A row per contract for the payer's statement: what was paid, or (negative) what went back."""
    return [
        {
            "id": sha256(cbor.encode([entry, one.id, line.chain])),
            "community": community,
            "entry": entry,
            "party": one.party,
            "chain": line.chain,
            "nano": -nano,
            "booked_ms": now_ms,
        }
        for line, nano in lines.items()
        if line.account is Account.RECEIVABLE
    ]


def _mark(
    conn: Connection,
    community: str,
    booked: Sequence[Found],
    standings: Sequence[Standing],
    outcome: Outcome,
    now_ms: int,
) -> None:
    by_run: dict[int, dict[bytes, tuple[Outcome, str | None]]] = {}
    for found in booked:
        if found.run is not None and found.standing in standings:
            by_run.setdefault(found.run, {}).update(dict.fromkeys(found.debits, (outcome, found.reason)))
    for number, told in sorted(by_run.items()):
        debits.tell(conn, community, number, told, now_ms)
