"""Takes what the bank says into the books: statements, status reports, and a person's word about what is in suspense.

It never books an entry twice, never drops one, and takes a whole file or nothing of it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection
from tallystick_protocol import cbor
from tallystick_protocol.ids import H32, sha256

from tallystick_cloud.debits import service as debits
from tallystick_cloud.debits import store as debit_store
from tallystick_cloud.debits.service import Run as DebitRun
from tallystick_cloud.ledger import journals
from tallystick_cloud.ledger.model import Amounts
from tallystick_cloud.money import CENT_NANO
from tallystick_cloud.parties.store import names_by_id
from tallystick_cloud.payouts import service as payouts
from tallystick_cloud.payouts import store as payout_store
from tallystick_cloud.payouts.checks import Run
from tallystick_cloud.payouts.model import Outcome
from tallystick_cloud.runs.model import RunState
from tallystick_cloud.runs.store import lock

from . import debits_in, model, store
from .camt053 import statements_of
from .debits_in import Order
from .errors import BankInRefused
from .model import Claim, Found, Standing
from .pain002 import StatusReport, report_of
from .reference import reference_of
from .statement import AccountStatement
from .store import StoredEntry

UNIT = "EUR"


@dataclass(frozen=True, slots=True)
class Taken:
    """A statement as it was taken; `again`: it was known and nothing changed. `standings`: entries by what they are."""

    statement: AccountStatement
    holder: bytes
    again: bool
    standings: tuple[tuple[Standing, int], ...]


class RunKind(StrEnum):
    """What a payment file was for."""

    PAYOUT = "payout run"
    DEBIT = "debit run"


@dataclass(frozen=True, slots=True)
class Reported:
    """What a status report changed: payouts that are owed again, or debits that are due again."""

    report: StatusReport
    run: int
    what: RunKind
    again: bool
    rejected: int


@dataclass(frozen=True, slots=True)
class Position:
    """An account: what the bank says (`bank_cents`), what the books say (`books_nano`), and what stands in suspense.

    `unseen_nano`: booked by a person, and in no statement yet. 0 when everything has been told by the bank.
    """

    iban: str
    holder: bytes
    day: str
    bank_cents: int
    books_nano: int
    suspense: int

    @property
    def unseen_nano(self) -> int:
        return self.bank_cents * CENT_NANO - self.books_nano


def take_statements(conn: Connection, community: str, data: bytes, now_ms: int) -> list[Taken]:
    """All statements of a camt.053 file. Raises BankInRefused; then nothing of the file is taken."""
    lock(conn, community)
    return [_take(conn, community, one, now_ms) for one in statements_of(data)]


def _take(conn: Connection, community: str, statement: AccountStatement, now_ms: int) -> Taken:
    where = f"statement {statement.id}"
    holder = store.holder_of(conn, community, statement.iban)
    if holder is None:
        raise BankInRefused(
            f"{where}, account", f"{statement.iban} is no party's here; add it to the one it belongs to"
        )
    if statement.currency != UNIT:
        raise BankInRefused(f"{where}, account", f"is in {statement.currency}; the books of payouts are in {UNIT}")
    content = model.content_of(statement)
    if _is_known(conn, community, statement, content):
        return Taken(statement, holder, True, ())
    before = _check_follows(conn, community, statement)
    found = _match(conn, community, statement, holder)
    number = store.insert_statement(conn, _statement_row(community, statement, holder, content, before, now_ms))
    booked = [_book(conn, community, statement, content, at, one, holder, now_ms) for at, one in enumerate(found)]
    _confirm(conn, community, holder, booked, now_ms)
    debits_in.book(conn, community, holder, content, booked, now_ms)
    store.insert_entries(
        conn,
        [_entry_row(community, statement, number, content, at, one, now_ms) for at, one in enumerate(booked)],
    )
    if before is None:
        base = statement.closing_cents * CENT_NANO - store.bank_nano(conn, community, holder, UNIT)
        store.set_base(conn, number, base)
    return Taken(statement, holder, False, _counted(booked))


def _is_known(conn: Connection, community: str, statement: AccountStatement, content: H32) -> bool:
    known = store.find_statement(conn, community, statement.iban, statement.id)
    if known is None:
        return False
    if known.content != content:
        detail = "was taken before with other content; ask the bank which one holds"
        raise BankInRefused(f"statement {statement.id}", detail)
    return True


def _check_follows(conn: Connection, community: str, statement: AccountStatement) -> store.StoredStatement | None:
    """The statement before; its closing must be this one's opening, else one is missing between them."""
    last = store.last_statement(conn, community, statement.iban)
    if last is not None and last.closing_cents != statement.opening_cents:
        detail = (
            f"opens with {_euro(statement.opening_cents)}, the last one taken ({last.statement}, {last.closing_day}) "
            f"closed with {_euro(last.closing_cents)}; take the statements between them first"
        )
        raise BankInRefused(f"statement {statement.id}", detail)
    return last


def _match(conn: Connection, community: str, statement: AccountStatement, holder: bytes) -> list[Found]:
    ends = {one.end_to_end for one in statement.entries if one.end_to_end is not None}
    blocks = {one.block for one in statement.entries if one.block is not None}
    runs = payouts.show_named(conn, community, holder, ends, blocks)
    ordered = {one.end_to_end: (run, one) for run in runs for one in run.payouts}
    by_reference = {reference_of(community, holder, one): one for one in store.payers(conn, community, holder)}
    debits_known = debits_in.known(conn, community, holder, ends, blocks)
    known = model.Known(runs, ordered, by_reference, store.payers_by_iban(conn, community), *debits_known)
    ids = [one for run in runs for one in (run.stored.id, *(each.id for each in run.payouts))]
    told = store.told_by_entries(conn, community, ids)
    paid = [one.id for run in runs for one in run.payouts if one.id in told or run.stored.id in told]
    return model.matched(statement.entries, known, paid)


def _book(
    conn: Connection,
    community: str,
    statement: AccountStatement,
    content: H32,
    at: int,
    found: Found,
    holder: bytes,
    now_ms: int,
) -> Found:
    """Post a payment or suspense; payouts are confirmed afterwards, run by run. The answer is what it became."""
    cents, entry = statement.entries[at].cents, model.entry_id(content, at)
    if found.standing is Standing.PAYMENT and found.payer is not None:
        claims = store.claims_on(conn, community, holder, found.payer, UNIT)
        if claims:
            name = names_by_id(conn, community)[found.payer]
            parts = model.allocated(cents, claims)
            _post_payment(conn, community, entry, holder, found.payer, parts, now_ms, from_suspense=False)
            return Found(Standing.PAYMENT, f"{found.about}: {name}", payer=found.payer, ref=found.payer)
        found = Found(Standing.SUSPENSE, "is from somebody who owes nothing under any contract")
    if found.standing is Standing.SUSPENSE and cents:
        _post(
            conn,
            community,
            f"bank:{entry.hex()}",
            "bank-suspense",
            entry,
            model.suspense_lines(holder, UNIT, cents),
            now_ms,
        )
    return found


def _confirm(conn: Connection, community: str, holder: bytes, booked: Sequence[Found], now_ms: int) -> None:
    """Paid first, then returned: in a statement nothing comes back before it left."""
    for outcome, standings in (
        (Outcome.PAID, (Standing.PAYOUT, Standing.BATCH)),
        (Outcome.RETURNED, (Standing.RETURN,)),
    ):
        by_run: dict[int, set[bytes]] = defaultdict(set)
        for one in booked:
            if one.run is not None and one.standing in standings:
                by_run[one.run] |= set(one.payouts)
        for number, ids in sorted(by_run.items()):
            if payouts.show(conn, community, number).stored.state is RunState.WRITTEN:
                payouts.mark_sent(conn, community, number, holder, now_ms)  # the bank executed it, so it had it
            payouts.confirm(conn, community, number, outcome, now_ms, ids)


def take_report(conn: Connection, community: str, data: bytes, now_ms: int) -> Reported:
    """A pain.002 file: what was rejected is owed again. Raises BankInRefused; then nothing of it is taken."""
    lock(conn, community)
    report, content = report_of(data), sha256(data)
    run = _run_of(conn, community, report)
    number, what = run.stored.number, RunKind.PAYOUT if isinstance(run, Run) else RunKind.DEBIT
    known = store.find_report(conn, community, report.id)
    if known is not None:
        if bytes(known.content) != content:
            raise BankInRefused(f"report {report.id}", "was taken before with other content; ask the bank which holds")
        return Reported(report, number, what, True, known.rejected)
    if isinstance(run, Run):
        count = _reject_payouts(conn, community, report, run, now_ms)
    else:
        count = debits_in.reject(
            conn,
            community,
            run,
            _rejected_ids(report, debits_in.orders(run), debits_in.blocks(run), what, number),
            now_ms,
        )
    row = {"community": community, "report": report.id, "content": content, "run": run.stored.id}
    store.insert_report(conn, {**row, "status": report.status, "rejected": count, "taken_ms": now_ms})
    return Reported(report, number, what, False, count)


def _run_of(conn: Connection, community: str, report: StatusReport) -> Run | DebitRun:
    run = _of_file(conn, community, report.file_id)
    if run is not None:
        if run.stored.state not in model.AT_BANK:
            what = RunKind.PAYOUT if isinstance(run, Run) else RunKind.DEBIT
            state = f"{what.value} {run.stored.number}, which is {run.stored.state.value}"
            raise BankInRefused(f"report {report.id}", f"answers {state}")
        return run
    raise BankInRefused(f"report {report.id}", f"answers the file {report.file_id}, which is none of ours")


def _of_file(conn: Connection, community: str, file_id: str) -> Run | DebitRun | None:
    """The run whose bank file has that message id."""
    for one in payout_store.RUNS.all(conn, community):
        if one.id[:16].hex() == file_id:
            return payouts.show(conn, community, one.number)
    for each in debit_store.RUNS.all(conn, community):
        if each.id[:16].hex() == file_id:
            return debits.show(conn, community, each.number)
    return None


def _reject_payouts(conn: Connection, community: str, report: StatusReport, run: Run, now_ms: int) -> int:
    """Owed again; how many."""
    orders = {
        one.end_to_end: Order(one.id, one.creditor.name, one.outcome is None, one.outcome == Outcome.PAID.value)
        for one in run.payouts
    }
    number = run.stored.number
    rejected = _rejected_ids(report, orders, {model.block_of(run): orders}, RunKind.PAYOUT, number)
    if rejected:
        if run.stored.state is RunState.WRITTEN:
            payouts.mark_sent(conn, community, number, run.stored.collector, now_ms)
        payouts.confirm(conn, community, number, Outcome.RETURNED, now_ms, set(rejected))
    return len(rejected)


def _rejected_ids(
    report: StatusReport,
    orders: Mapping[str, Order],
    blocks: Mapping[str, Iterable[str]],
    what: RunKind,
    number: int,
) -> dict[bytes, str]:
    """What the bank will not execute, each with its reason; BankInRefused for a stranger or one that is done.

    A block that is rejected without naming it can only be all of the file.
    """
    whole = report.rejects_all
    named = dict.fromkeys(orders, "") if whole else {}
    for line in report.lines:
        if line.end_to_end is None and line.is_rejected:
            named |= dict.fromkeys(blocks.get(line.block or "", orders), line.reason)
    for line in report.lines:
        if line.end_to_end is not None and line.end_to_end not in orders:
            raise BankInRefused(line.where, f"names {line.end_to_end}, which is not in {what.value} {number}")
        if line.end_to_end is not None and (line.is_rejected or whole):
            named[line.end_to_end] = line.reason
    for one in named:
        if orders[one].is_done:
            detail = f"rejects the payment of {orders[one].name}, which a statement has shown; ask the bank"
            raise BankInRefused(f"report {report.id}", detail)
    return {orders[one].id: reason for one, reason in named.items() if orders[one].is_open}


def entries(conn: Connection, community: str, standing: Standing | None = None) -> list[StoredEntry]:
    """The newest statement first."""
    return store.entries(conn, community, standing)


def assign(conn: Connection, community: str, entry_prefix: str, payer: bytes, now_ms: int) -> StoredEntry:
    """A person says whose payment an entry in suspense is; the account's holder: its own income or cost.

    Raises BankInRefused.
    """
    lock(conn, community)
    found = [one for one in store.entries(conn, community) if one.id.hex().startswith(entry_prefix.lower())]
    if len(found) != 1:
        raise BankInRefused("entry", f"{entry_prefix!r} is not one entry; `tallystick bank show` lists them")
    (one,) = found
    if one.standing is not Standing.SUSPENSE:
        raise BankInRefused(f"entry {one.id.hex()[:12]}", f"is {one.standing.value}, not in suspense")
    name = names_by_id(conn, community).get(payer, payer.hex())
    if payer == one.holder:
        lines = model.own_lines(one.holder, UNIT, one.cents)
        _post(conn, community, f"bank:{one.id.hex()}:own", "bank-own", one.id, lines, now_ms)
        store.move_entry(conn, one.id, Standing.ASSIGNED, f"assigned by hand: {name}'s own", payer)
        return _entry(conn, community, one.id)
    if one.cents <= 0:
        detail = f"is money that left: it can only be {names_by_id(conn, community)[one.holder]}'s own cost"
        raise BankInRefused(f"entry {one.id.hex()[:12]}", detail)
    claims = store.claims_on(conn, community, one.holder, payer, UNIT)
    if not claims:
        raise BankInRefused("party", f"{name} owes this account's holder nothing under any contract")
    parts = model.allocated(one.cents, claims)
    _post_payment(conn, community, one.id, one.holder, payer, parts, now_ms, from_suspense=True)
    store.move_entry(conn, one.id, Standing.ASSIGNED, f"assigned by hand: {name}", payer)
    return _entry(conn, community, one.id)


def _entry(conn: Connection, community: str, entry: bytes) -> StoredEntry:
    return next(each for each in store.entries(conn, community) if each.id == entry)


def payers_of(conn: Connection, community: str, holder: bytes) -> list[bytes]:
    """Everybody who ever owed the holder of an account something."""
    return store.payers(conn, community, holder)


def positions(conn: Connection, community: str) -> list[Position]:
    """Every account that a statement has told of: the bank's word beside the books'."""
    waiting = store.entries(conn, community, Standing.SUSPENSE)
    found = []
    for last in store.last_statements(conn, community):
        nano = store.bank_nano(conn, community, last.holder, UNIT) + last.base
        mine = sum(1 for one in waiting if one.holder == last.holder)
        found.append(Position(last.iban, last.holder, last.closing_day, last.closing_cents, nano, mine))
    return found


def _post_payment(
    conn: Connection,
    community: str,
    entry: bytes,
    holder: bytes,
    payer: bytes,
    parts: Sequence[Claim],
    now_ms: int,
    *,
    from_suspense: bool,
) -> None:
    lines = model.payment_lines(holder, payer, UNIT, parts, from_suspense=from_suspense)
    word = "assigned" if from_suspense else "payment"
    _post(conn, community, f"bank:{entry.hex()}:{word}", f"bank-{word}", entry, lines, now_ms)
    rows = [
        {
            "id": sha256(cbor.encode([entry, part.chain])),
            "community": community,
            "entry": entry,
            "party": payer,
            "chain": part.chain,
            "nano": part.nano,
            "booked_ms": now_ms,
        }
        for part in parts
    ]
    store.insert_payments(conn, rows)


def _post(conn: Connection, community: str, key: str, cause: str, ref: bytes, lines: Amounts, now_ms: int) -> None:
    journals.post(conn, community, [journals.Entry(key, cause, ref, lines)], now_ms)


def _statement_row(
    community: str,
    statement: AccountStatement,
    holder: bytes,
    content: H32,
    before: store.StoredStatement | None,
    now_ms: int,
) -> dict[str, object]:
    return {
        "community": community,
        "holder": holder,
        "iban": statement.iban,
        "statement": statement.id,
        "content": content,
        "currency": statement.currency,
        "opening_cents": statement.opening_cents,
        "closing_cents": statement.closing_cents,
        "opening_day": statement.opening_day.isoformat(),
        "closing_day": statement.closing_day.isoformat(),
        "base": 0 if before is None else before.base,
        "taken_ms": now_ms,
    }


def _entry_row(
    community: str, statement: AccountStatement, number: int, content: H32, at: int, found: Found, now_ms: int
) -> dict[str, object]:
    entry = statement.entries[at]
    return {
        "id": model.entry_id(content, at),
        "community": community,
        "statement": number,
        "position": at,
        "cents": entry.cents,
        "day": entry.day.isoformat(),
        "end_to_end": entry.end_to_end,
        "name": entry.name,
        "iban": entry.iban,
        "remittance": entry.remittance,
        "reference": entry.reference,
        "bank_reference": entry.bank_reference,
        "standing": found.standing.value,
        "about": found.about,
        "ref": found.ref,
        "booked_ms": now_ms,
    }


def _counted(booked: Sequence[Found]) -> tuple[tuple[Standing, int], ...]:
    counts = {standing: sum(1 for one in booked if one.standing is standing) for standing in Standing}
    return tuple((standing, count) for standing, count in counts.items() if count)


def _euro(cents: int) -> str:
    whole, rest = divmod(abs(cents), 100)
    return f"{'-' if cents < 0 else ''}{whole}.{rest:02d} {UNIT}"
