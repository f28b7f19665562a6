"""The use case of statements: a party's accounts in one month, and the months there are.

It never shows another party's statement, and where a period is settled it shows exactly the signed one."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection
from tallystick_protocol.codes import LineKind
from tallystick_protocol.statement import Line, Statement

from tallystick_cloud.contracts.store import book
from tallystick_cloud.costs.store import measures_of
from tallystick_cloud.disputes.service import Given, given_to
from tallystick_cloud.http.month import Month as Calendar
from tallystick_cloud.http.month import Span
from tallystick_cloud.ledger.model import Account as Ledger
from tallystick_cloud.splits.store import Move, moves
from tallystick_cloud.statements import store
from tallystick_cloud.statements.model import (
    KINDS,
    REF_CHARS,
    Account,
    Bill,
    Month,
    Row,
    RowKind,
    Shared,
    account,
    all_final,
    joined,
    row_of_use,
)
from tallystick_cloud.uses.access import read_settled, read_unsettled
from tallystick_cloud.uses.model import Reader, SettledUse, UnsettledUse
from tallystick_cloud.uses.sums import midnights

CENT_NANO = 10**7
MOVES = (LineKind.PAYOUT, LineKind.PAYMENT)
PAID_KINDS = (RowKind.PAYOUT, RowKind.REFUND, RowKind.RETURN, RowKind.PAYMENT, RowKind.PASSED_ON, RowKind.CHARGED)


@dataclass(frozen=True, slots=True)
class _Books:
    """What is known of a party, by contract chain."""

    names: Mapping[bytes, tuple[str, str]]  # name, unit
    signed: Mapping[bytes, Sequence[store.Signed]]
    unsettled: Mapping[bytes, Sequence[UnsettledUse]]
    payouts: Mapping[bytes, Sequence[Any]]
    payments: Mapping[bytes, Sequence[Any]]
    splits: Mapping[bytes, Sequence[Move]]  # by a payment provider
    given: Mapping[bytes, Sequence[Given]]  # back, after disputes
    bills: Mapping[bytes, Sequence[Any]]  # shares that the party pays
    supplied: Mapping[bytes, Sequence[Any]]  # bills that are owed to it
    pools: Mapping[bytes, Sequence[Any]]  # statements in closes of pools
    about: Mapping[bytes, SettledUse]
    shows_lines: bool  # or only what they sum to

    @property
    def chains(self) -> list[bytes]:
        known = {
            *self.signed,
            *self.unsettled,
            *self.payouts,
            *self.payments,
            *self.splits,
            *self.given,
            *self.bills,
            *self.supplied,
            *self.pools,
        }
        return sorted(known, key=lambda chain: (self.names.get(chain, ("", ""))[0], chain))


def accounts(conn: Connection, reader: Reader, span: Span) -> tuple[Account, ...]:
    """One account per contract, in order of their names. Writes access rows: call it in a write."""
    books = _books(conn, reader, _days(span), each=True, shown=span)
    return tuple(found for chain in books.chains if (found := _account(books, chain, span)) is not None)


def _days(span: Span) -> list[int]:
    """The beginning of a month, its midnights, and the last moment that is known in it."""
    inside = [at for at in midnights(span.at_ms, span.zone) if span.from_ms < at < span.at_ms]
    return [span.from_ms, *inside, span.at_ms]


def months(conn: Connection, reader: Reader, now_ms: int, zone: str) -> tuple[Month, ...]:
    """Every month since the first booking, newest first. Writes access rows: call it in a write."""
    first = store.first_booked_ms(conn, reader.community, reader.party or b"")
    if first is None:
        return ()
    spans = [Span.of(Calendar.of(first, zone).text, now_ms, zone)]
    while spans[-1].to_ms <= now_ms:
        spans.append(Span.of(spans[-1].month.step(1).text, now_ms, zone))
    books = _books(conn, reader, [*(span.from_ms for span in spans), now_ms], each=False, shown=None)
    found = [_month(span, [one for chain in books.chains if (one := _account(books, chain, span))]) for span in spans]
    return tuple(reversed(found))


def _month(span: Span, found: Sequence[Account]) -> Month:
    rows = [row for one in found for row in one.rows]
    paid = -sum(row.nano for row in rows if row.kind in PAID_KINDS)
    moved = sum(row.nano for row in rows) + paid
    is_final = all_final(found)
    return Month(
        span.month.text, sum(one.opening for one in found), moved, paid, sum(one.closing for one in found), is_final
    )


def _books(conn: Connection, reader: Reader, edges: Sequence[int], *, each: bool, shown: Span | None) -> _Books:
    """`edges`, `each`: how far uses in no statement are told together. `shown`: the month whose lines are looked up."""
    party = reader.party or b""
    signed = store.signed(conn, reader.community, party)
    read = [one.message for one in signed if shown is not None and shown.from_ms < one.to_ms <= shown.to_ms]
    refs = [bytes(line.ref) for message in read if message is not None for line in message.lines]
    versions = book(conn, reader.community).versions
    bills, supplied = store.bills(conn, reader.community, party), store.supplied(conn, reader.community, party)
    return _Books(
        names={one.chain: (one.contract.name, one.contract.unit) for one in versions}
        | {bytes(one.chain): (one.name, one.unit) for one in (*bills, *supplied)},
        signed=_by_chain(signed),
        unsettled=_by_chain(read_unsettled(conn, reader, edges, each=each)),
        payouts=_by_chain(store.payouts(conn, reader.community, party)),
        payments=_by_chain(store.payments(conn, reader.community, party)),
        splits=_by_chain(moves(conn, reader.community, party=party)),
        given=_by_chain(given_to(conn, reader.community, party)),
        bills=_by_chain(bills),
        supplied=_by_chain(supplied),
        pools=_by_chain(store.pools(conn, reader.community, party)),
        about=read_settled(conn, reader, refs),
        shows_lines=shown is not None,
    )


def _by_chain(rows: Iterable[Any]) -> dict[bytes, list[Any]]:
    found: dict[bytes, list[Any]] = defaultdict(list)
    for row in rows:
        found[bytes(row.chain)].append(row)
    return found


def _account(books: _Books, chain: bytes, span: Span) -> Account | None:
    """The account of one contract; signed when settlements cover the whole month, else open."""
    name, unit = books.names.get(chain, (chain.hex()[:8], ""))
    signed = [one for one in books.signed.get(chain, ()) if span.from_ms < one.to_ms <= span.to_ms]
    before = [one for one in books.signed.get(chain, ()) if one.to_ms <= span.from_ms]
    rows = [row for one in signed for row in (_signed_rows(one, books) if books.shows_lines else _signed_sums(one))]
    since = max((one.to_ms for one in (*before, *signed)), default=0)
    is_final = bool(signed) and signed[-1].to_ms == span.to_ms
    opening = signed[0].opening if signed else before[-1].closing if before else 0
    if not is_final:
        open_rows = list(_open_rows(books, chain, since))
        early = [row for row in open_rows if row.at_ms <= span.from_ms]
        opening += sum(row.nano for row in early)
        inside = [row for row in open_rows if span.from_ms < row.at_ms <= span.at_ms]
        rows += joined(inside, span.zone)
    if not rows and not opening:
        return None
    final = (signed[-1].number, signed[-1].h, signed[-1].closed_ms) if is_final else _signed_since(books, chain, span)
    shared = (*books.bills.get(chain, ()), *books.supplied.get(chain, ()))
    decided = shared[-1].decision_ref if shared else None
    return account(chain, name, unit, opening, rows, final, decided)


def _signed_since(books: _Books, chain: bytes, span: Span) -> tuple[int, bytes, int] | None:
    """The first statement of a pool that was signed after a month: everything of the month stands in it."""
    for number, one in enumerate(books.pools.get(chain, ()), 1):
        if one.closed_ms > span.to_ms:
            return number, bytes(one.h), one.closed_ms
    return None


def _signed_sums(one: store.Signed) -> Iterable[Row]:
    """What a statement comes to, and what of it went through a bank."""
    message = one.message
    paid = 0 if message is None else sum(line.amount for line in message.lines if line.kind in MOVES)
    ref = f"E-{one.settlement.hex()[:REF_CHARS]}"
    yield _bare(ref, one.to_ms, RowKind.PAYOUT, paid)
    yield _bare(ref, one.to_ms, RowKind.SHARE, one.closing - one.opening - paid)


def _signed_rows(one: store.Signed, books: _Books) -> Iterable[Row]:
    """The lines of a signed statement; one that was erased is a single row."""
    if one.message is None:
        yield _bare(f"E-{one.settlement.hex()[:REF_CHARS]}", one.to_ms, RowKind.SHARE, one.closing - one.opening)
        return
    for line in one.message.lines:
        kind, about = KINDS[line.kind], books.about.get(bytes(line.ref))
        if about is None:
            yield _money_row(books, one, line, kind)
        elif line.amount:
            if about.is_reversed and line.amount * (-1 if kind is RowKind.SHARE else 1) > 0:
                kind = RowKind.GIVEN_BACK  # a line that says what a use costs has the other sign
            at_ms = one.to_ms if about.form == "interval" else min(about.end_ms, one.to_ms)
            yield row_of_use(about, kind, line.amount, at_ms)


def _money_row(books: _Books, one: store.Signed, line: Line, kind: RowKind) -> Row:
    """A line about no use: a payout, one that came back, or what the party paid."""
    ref = bytes(line.ref)
    sent = next((row for row in books.payouts.get(one.chain, ()) if bytes(row.id) == ref), None)
    if sent is not None:
        is_back = kind is RowKind.PAYMENT
        at_ms = sent.outcome_ms if is_back else sent.sent_ms
        found, letter = (RowKind.RETURN, "R") if is_back else (_kind_of(sent), "P")
        return _bare(f"{letter}-{ref.hex()[:REF_CHARS]}", at_ms or one.to_ms, found, line.amount)
    given = next((row for row in books.given.get(one.chain, ()) if row.id == ref), None)
    if given is not None:
        return _bare(f"D-{ref.hex()[:REF_CHARS]}", given.decided_ms, kind, line.amount)
    by_provider = [row for row in books.splits.get(one.chain, ()) if (row.ref, row.kind) == (ref, line.kind)]
    if by_provider:
        return _split_row(by_provider[0], line.amount)
    paid = next((row for row in books.payments.get(one.chain, ()) if bytes(row.id) == ref), None)
    at_ms = one.to_ms if paid is None else paid.booked_ms
    return _bare(f"M-{ref.hex()[:REF_CHARS]}", at_ms, kind, line.amount)


def _bill_rows(shares: Iterable[Any]) -> Iterable[Row]:
    """A row per share of a bill, and one for each that was taken back."""
    for one in shares:
        days = date.fromisoformat(one.first_day), date.fromisoformat(one.last_day)
        bill = Bill(one.bill_id, one.name, *days, one.bill_cents, measures_of(one.parts))
        ref = f"{bytes(one.bill).hex()[:REF_CHARS]}-{one.position}"
        charge = _bare(f"B-{ref}", one.posted_ms, RowKind.BILL, -one.cents * CENT_NANO)
        yield from _both_ways(charge._replace(asset=one.asset), bill, one.reversed_ms)


def _supplied_rows(bills: Iterable[Any]) -> Iterable[Row]:
    """The whole bill, for whoever is owed it."""
    for one in bills:
        days = date.fromisoformat(one.first_day), date.fromisoformat(one.last_day)
        bill = Bill(one.bill, one.name, *days, one.cents, ())
        ref = bytes(one.id).hex()[:REF_CHARS]
        yield from _both_ways(
            _bare(f"B-{ref}", one.posted_ms, RowKind.BILL, one.cents * CENT_NANO), bill, one.reversed_ms
        )


def _pool_rows(statements: Sequence[Any]) -> Iterable[Row]:
    """What each close of a pool gave or took, and what it took back of earlier ones; one row where it was erased."""
    times = {bytes(one.close_h): Shared(one.from_ms, one.to_ms, one.kind == "final") for one in statements}
    for one in statements:
        ref = bytes(one.h).hex()[:REF_CHARS]
        if one.data is None:
            yield _bare(f"E-{ref}", one.closed_ms, RowKind.SHARE, one.moved)
            continue
        for at, line in enumerate(Statement.decode(bytes(one.data)).lines):
            back = line.kind is LineKind.CORRECTION
            if back or line.kind in (LineKind.SHARE, LineKind.CHARGE):
                kind = RowKind.ENERGY_BACK if back else RowKind.ENERGY
                shared = times[bytes(line.ref) if back else bytes(one.close_h)]
                yield _bare(f"N-{ref}-{at}", one.closed_ms, kind, line.amount)._replace(shared=shared)


def _both_ways(row: Row, bill: Bill, reversed_ms: int | None) -> Iterable[Row]:
    """A row about a bill, and its opposite where the bill was taken back."""
    yield row._replace(bill=bill)
    if reversed_ms is not None:
        ref = f"X{row.ref[1:]}"
        yield row._replace(ref=ref, at_ms=reversed_ms, kind=RowKind.BILL_BACK, nano=-row.nano, bill=bill)


def _open_rows(books: _Books, chain: bytes, since_ms: int) -> Iterable[Row]:
    """What no statement holds yet: uses, corrections of settled ones, payouts sent or come back, payments."""
    for use in books.unsettled.get(chain, ()):
        at_ms = use.rated_ms if use.is_correction else use.end_ms
        for kind, nano, uses in (
            (RowKind.SHARE, use.share, use.share_uses),
            (RowKind.CHARGE, use.charge, use.charge_uses),
        ):
            if uses and (nano or uses > 1):
                again = RowKind.GIVEN_BACK if use.is_reversed else RowKind.CORRECTION
                yield row_of_use(use, again if use.is_correction else kind, nano, at_ms, uses)
    yield from _bill_rows(books.bills.get(chain, ()))
    yield from _supplied_rows(books.supplied.get(chain, ()))
    yield from _pool_rows(books.pools.get(chain, ()))
    for row in books.payouts.get(chain, ()):
        ref = f"P-{bytes(row.id).hex()[:REF_CHARS]}"
        if row.sent_ms >= since_ms:
            yield _bare(ref, row.sent_ms, _kind_of(row), -row.cents * CENT_NANO)
        if row.outcome == "returned" and row.outcome_ms >= since_ms:
            yield _bare(f"R{ref[1:]}", row.outcome_ms, RowKind.RETURN, row.cents * CENT_NANO)
    for row in books.splits.get(chain, ()):
        if row.at_ms >= since_ms:
            yield _split_row(row, row.nano)
    for row in books.given.get(chain, ()):
        if row.decided_ms >= since_ms:
            yield _bare(f"D-{row.id.hex()[:REF_CHARS]}", row.decided_ms, RowKind.GIVEN_BACK, row.nano)
    for row in books.payments.get(chain, ()):
        if row.booked_ms >= since_ms:
            yield _bare(f"M-{bytes(row.id).hex()[:REF_CHARS]}", row.booked_ms, RowKind.PAYMENT, row.nano)


def _kind_of(sent: Any) -> RowKind:
    return RowKind.REFUND if sent.account == Ledger.RECEIVABLE.value else RowKind.PAYOUT


def _split_row(move: Move, nano: int) -> Row:
    kind = RowKind.PASSED_ON if move.is_share else RowKind.CHARGED
    return _bare(f"V-{move.ref.hex()[:REF_CHARS]}", move.at_ms, kind, nano)


def _bare(ref: str, at_ms: int, kind: RowKind, nano: int) -> Row:
    """A row that is about no use."""
    return Row(ref, at_ms, kind, "", "", "", 0, None, 0, None, nano)
