"""What an entry of an account statement is, as far as the books can tell, and what it moves; pure.

It never guesses between two candidates: what fits twice, or not exactly, goes to suspense with the reason.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from tallystick_protocol import cbor
from tallystick_protocol.ids import H32, sha256

from tallystick_cloud.debits.model import Outcome as DebitOutcome
from tallystick_cloud.debits.service import Run as DebitRun
from tallystick_cloud.debits.store import StoredDebit
from tallystick_cloud.ledger.model import Account, Amounts, Line, check_zero
from tallystick_cloud.money import CENT_NANO, decimal
from tallystick_cloud.payouts.checks import Run
from tallystick_cloud.payouts.model import Outcome, block_id
from tallystick_cloud.payouts.store import StoredPayout
from tallystick_cloud.runs.model import RunState

from .reference import is_reference, references_in
from .statement import AccountStatement, Entry

TEXTS_BYTES_MAX = 2**20  # of the lines of one remittance together; each line has its limit where it is read
NO_CHAIN = bytes(32)  # suspense belongs to no contract
RETURN_FEE_CENTS_MAX = 5_000  # banks take some euro for a return; more is another amount
PAID_BY_ENTRY = "paid by an entry"  # as against `paid`, which a person may have said
AT_BANK = frozenset({RunState.WRITTEN, RunState.SENT, RunState.SETTLED})


class Standing(StrEnum):
    """What became of an entry."""

    PAYOUT = "payout"
    RETURN = "return"
    BATCH = "batch"  # a whole run, booked by the bank as one
    DEBIT = "debit"  # collected from a payer
    BLOCK = "debits"  # a block of a debit run, booked by the bank as one
    DEBIT_RETURN = "debit-return"  # a payer's bank took a debit back
    PAYMENT = "payment"
    SUSPENSE = "suspense"
    ASSIGNED = "assigned"  # by a person, out of suspense


@dataclass(frozen=True, slots=True)
class Known:
    """What the books know of a collector. `by_reference`, `by_iban`: who pays so; an account of two is of nobody.

    `ordered`: end-to-end id -> the payout and its run. `runs`: all that a bank may still execute. `debits`: end-to-end
    id -> the debit and its run; `blocks`: payment information id -> the debits of a block and their run.
    """

    runs: Sequence[Run]
    ordered: Mapping[str, tuple[Run, StoredPayout]]
    by_reference: Mapping[str, bytes]
    by_iban: Mapping[str, bytes]
    debits: Mapping[str, tuple[DebitRun, StoredDebit]] = field(default_factory=dict)
    blocks: Mapping[str, tuple[DebitRun, Sequence[StoredDebit]]] = field(default_factory=dict)


Outcomes = Mapping[bytes, str]
"""payout or debit -> what this file or an earlier one says became of it."""


@dataclass(frozen=True, slots=True)
class Found:
    """`payouts`, `debits`: whose outcome this tells, `run` their number; `payer`: who paid; `about`: in words.

    `fee_cents`: what a bank took for a return besides the amount; `reason`: its word for it.
    """

    standing: Standing
    about: str
    run: int | None = None
    payouts: tuple[bytes, ...] = ()
    payer: bytes | None = None
    ref: bytes | None = None
    debits: tuple[bytes, ...] = ()
    fee_cents: int = 0
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """Something a payer owes under one contract, in nano."""

    chain: bytes
    nano: int


def content_of(statement: AccountStatement) -> H32:
    """SHA-256 of everything that was read of it; two files that say the same are the same."""
    rows = [
        [e.cents, e.day.isoformat(), e.end_to_end, e.block, e.name, e.iban, e.remittance, e.reference, e.bank_reference]
        for e in statement.entries
    ]
    head = [statement.id, statement.iban, statement.currency, statement.opening_cents, statement.closing_cents]
    days = [statement.opening_day.isoformat(), statement.closing_day.isoformat()]
    return sha256(cbor.encode([head, days, rows], text_bytes_max=TEXTS_BYTES_MAX))


def entry_id(content: H32, position: int) -> H32:
    return sha256(cbor.encode([content, position]))


def matched(entries: Iterable[Entry], known: Known, paid_before: Iterable[bytes]) -> list[Found]:
    """What each entry is, in order. `paid_before`: payouts that an entry of an earlier statement has paid."""
    outcomes = dict.fromkeys(paid_before, PAID_BY_ENTRY)
    found = []
    for entry in entries:
        one = match(entry, known, outcomes)
        came_back = one.standing in (Standing.RETURN, Standing.DEBIT_RETURN)
        told = Outcome.RETURNED.value if came_back else PAID_BY_ENTRY
        outcomes |= dict.fromkeys((*one.payouts, *one.debits), told)
        found.append(one)
    return found


def match(entry: Entry, known: Known, outcomes: Outcomes) -> Found:
    """What one entry is, when `outcomes` have been told by entries before it."""
    return _went_out(entry, known, outcomes) if entry.cents < 0 else _came_in(entry, known, outcomes)


def _went_out(entry: Entry, known: Known, outcomes: Outcomes) -> Found:
    if entry.end_to_end is not None and entry.end_to_end in known.ordered:
        run, one = known.ordered[entry.end_to_end]
        return _paid(entry, run, one, outcomes)
    if entry.end_to_end is not None and entry.end_to_end in known.debits:
        return _taken_back(entry, *known.debits[entry.end_to_end], outcomes)
    for run in known.runs:
        if entry.block is not None and entry.block == block_of(run):
            return _whole_run(entry, run, outcomes)
    return _by_amount_and_day(entry, known, outcomes)


def _paid(entry: Entry, run: Run, one: StoredPayout, outcomes: Outcomes) -> Found:
    who, number = one.creditor.name, run.stored.number
    if -entry.cents != one.cents:
        return _suspense(f"pays {who} another amount than payout run {number} asked for")
    if run.stored.state not in AT_BANK:
        return _suspense(f"pays {who} of payout run {number}, which is {run.stored.state.value}")
    if outcomes.get(one.id, one.outcome) == Outcome.RETURNED.value:
        return _suspense(f"pays {who} of payout run {number}, which came back before")
    if outcomes.get(one.id) == PAID_BY_ENTRY:
        return _suspense(f"pays {who} of payout run {number} a second time")
    return Found(Standing.PAYOUT, f"payout run {number}: {who}", number, (one.id,), ref=one.id)


def _whole_run(entry: Entry, run: Run, outcomes: Outcomes) -> Found:
    number, waiting = run.stored.number, _waiting(run, outcomes)
    if run.stored.state not in AT_BANK:
        return _suspense(f"executes payout run {number}, which is {run.stored.state.value}")
    if not waiting or sum(one.cents for one in waiting) != -entry.cents:
        return _suspense(f"executes payout run {number} with another sum than what is on its way")
    ids = tuple(one.id for one in waiting)
    return Found(
        Standing.BATCH, f"payout run {number}: {len(ids)} payouts in one entry", number, ids, ref=run.stored.id
    )


def _waiting(run: Run, outcomes: Outcomes) -> list[StoredPayout]:
    """Those that no entry has told of; one that a person called paid waits for its entry too."""
    return [one for one in run.payouts if one.id not in outcomes and one.outcome != Outcome.RETURNED.value]


def _by_amount_and_day(entry: Entry, known: Known, outcomes: Outcomes) -> Found:
    """Only when exactly one thing on its way fits: one payout to that account, or one whole run."""
    runs = [run for run in known.runs if run.stored.state is RunState.SENT and _is_due(run, entry.day)]
    single = [
        (run, one)
        for run in runs
        for one in _waiting(run, outcomes)
        if one.cents == -entry.cents and one.creditor.iban == entry.iban
    ]
    if entry.end_to_end is None and len(single) == 1:
        run, one = single[0]
        about = f"payout run {run.stored.number}: {one.creditor.name}, by amount, account and day"
        return Found(Standing.PAYOUT, about, run.stored.number, (one.id,), ref=one.id)
    whole = [run for run in runs if sum(one.cents for one in _waiting(run, outcomes)) == -entry.cents]
    if entry.iban is None and entry.end_to_end is None and len(whole) == 1:
        found = _whole_run(entry, whole[0], outcomes)
        return Found(found.standing, f"{found.about}, by amount and day", found.run, found.payouts, ref=found.ref)
    return _suspense("money left the account, and no payout fits it")


def _is_due(run: Run, day: date) -> bool:
    return day >= date.fromisoformat(run.stored.execution_day)


def _came_in(entry: Entry, known: Known, outcomes: Outcomes) -> Found:
    if entry.end_to_end is not None and entry.end_to_end in known.ordered:
        run, one = known.ordered[entry.end_to_end]
        return _returned(entry, run, one, outcomes)
    debit = _collected(entry, known, outcomes)
    if debit is not None:
        return debit
    named = {entry.reference} if entry.reference and is_reference(entry.reference) else set()
    named |= set(references_in(entry.remittance))
    payers = {known.by_reference[one] for one in named if one in known.by_reference}
    if len(payers) == 1:
        return Found(Standing.PAYMENT, "payment by reference", payer=payers.pop())
    if len(payers) > 1:
        return _suspense("names the references of several payers")
    payer = None if entry.iban is None or entry.is_return else known.by_iban.get(entry.iban)
    if payer is not None:
        return Found(Standing.PAYMENT, "payment by account", payer=payer)
    return _suspense("came in without a reference or account that is known")


def _returned(entry: Entry, run: Run, one: StoredPayout, outcomes: Outcomes) -> Found:
    who, number = one.creditor.name, run.stored.number
    if entry.cents != one.cents:
        return _suspense(f"returns {who} of payout run {number} another amount than was paid")
    if outcomes.get(one.id, one.outcome) not in (PAID_BY_ENTRY, Outcome.PAID.value):
        return _suspense(f"returns {who} of payout run {number}, which the bank has not paid")
    why = f" ({entry.return_reason})" if entry.return_reason else ""
    return Found(Standing.RETURN, f"payout run {number}: {who} came back{why}", number, (one.id,), ref=one.id)


def _collected(entry: Entry, known: Known, outcomes: Outcomes) -> Found | None:
    """A debit by its end-to-end id, a block by its id, or the only one whose amount, day and account fit."""
    if entry.end_to_end is not None:
        told = known.debits.get(entry.end_to_end)
        return None if told is None else _one_debit(entry, *told, outcomes)
    if entry.block is not None and entry.block in known.blocks:
        run, debits = known.blocks[entry.block]
        return _block(entry, run, _open(debits, outcomes))
    if entry.reference or references_in(entry.remittance) or entry.is_return:
        return None
    due = [(run, _open(debits, outcomes)) for run, debits in known.blocks.values() if _collects(run, entry.day)]
    single = [(r, o) for r, debits in due for o in debits if (o.cents, o.debtor.iban) == (entry.cents, entry.iban)]
    if len(single) == 1:
        run, one = single[0]
        about = f"debit run {run.stored.number}: {one.debtor.name}, by amount, account and day"
        return Found(Standing.DEBIT, about, run.stored.number, ref=one.id, debits=(one.id,))
    whole = [(r, debits) for r, debits in due if debits and sum(one.cents for one in debits) == entry.cents]
    return _block(entry, *whole[0]) if entry.iban is None and len(whole) == 1 else None


def _open(debits: Iterable[StoredDebit], outcomes: Outcomes) -> list[StoredDebit]:
    return [one for one in debits if one.outcome is None and one.id not in outcomes]


def _collects(run: DebitRun, day: date) -> bool:
    return run.stored.state is RunState.SENT and day >= run.stored.collection_day


def _one_debit(entry: Entry, run: DebitRun, one: StoredDebit, outcomes: Outcomes) -> Found:
    what = f"{one.debtor.name} of debit run {run.stored.number}"
    if entry.cents != one.cents:
        return _suspense(f"collects from {what} another amount than it asked for")
    if run.stored.state not in AT_BANK:
        return _suspense(f"collects from {what}, which is {run.stored.state.value}")
    if one.outcome is not None or one.id in outcomes:
        return _suspense(f"collects from {what} a second time, or after it came back")
    about = f"debit run {run.stored.number}: {one.debtor.name}"
    return Found(Standing.DEBIT, about, run.stored.number, ref=one.id, debits=(one.id,))


def _block(entry: Entry, run: DebitRun, left: Sequence[StoredDebit]) -> Found:
    number = run.stored.number
    if run.stored.state not in AT_BANK:
        return _suspense(f"collects a block of debit run {number}, which is {run.stored.state.value}")
    if not left or sum(one.cents for one in left) != entry.cents:
        return _suspense(f"collects a block of debit run {number} with another sum than what is on its way")
    about = f"debit run {number}: {len(left)} debits in one entry"
    return Found(Standing.BLOCK, about, number, ref=run.stored.id, debits=tuple(one.id for one in left))


def _taken_back(entry: Entry, run: DebitRun, one: StoredDebit, outcomes: Outcomes) -> Found:
    """A return; banks may take a fee with it, which is the collector's cost."""
    number, fee = run.stored.number, -entry.cents - one.cents
    what = f"{one.debtor.name} of debit run {number}"
    if not 0 <= fee <= RETURN_FEE_CENTS_MAX:
        return _suspense(f"takes back from {what} another amount than was collected")
    if outcomes.get(one.id, one.outcome) not in (PAID_BY_ENTRY, DebitOutcome.COLLECTED):
        return _suspense(f"takes back {what}, which is not collected, or came back before")
    why = f" ({entry.return_reason})" if entry.return_reason else ""
    words = f" and a fee of {decimal(fee)}" if fee else ""
    return Found(
        Standing.DEBIT_RETURN,
        f"debit run {number}: {one.debtor.name} came back{why}{words}",
        number,
        ref=one.id,
        debits=(one.id,),
        fee_cents=fee,
        reason=entry.return_reason,
    )


def block_of(run: Run) -> str:
    """The payment information id that the run's bank file carries."""
    return block_id(run.stored.id)


def _suspense(about: str) -> Found:
    return Found(Standing.SUSPENSE, about)


def allocated(cents: int, claims: Sequence[Claim]) -> list[Claim]:
    """A payment over what is owed, oldest contract first; what is more than owed is a credit under the last.
    Without a claim the answer is empty.
    """
    left, found = cents * CENT_NANO, []
    for claim in claims:
        part = min(left, max(0, claim.nano))
        if part:
            found.append(Claim(claim.chain, part))
            left -= part
    if left and claims:
        last = found[-1] if found else Claim(claims[-1].chain, 0)
        found[-1:] = [Claim(last.chain, last.nano + left)]
    return found


def payment_lines(holder: bytes, payer: bytes, unit: str, parts: Sequence[Claim], *, from_suspense: bool) -> Amounts:
    """bank (or suspense) -> the payer's receivables, contract by contract."""
    lines: dict[Line, int] = {}
    for part in parts:
        bank = Line(holder, Account.BANK, holder, part.chain, unit)
        source = _suspense_line(holder, unit) if from_suspense else bank
        lines[source] = lines.get(source, 0) + part.nano
        lines[Line(holder, Account.RECEIVABLE, payer, part.chain, unit)] = -part.nano
    check_zero(lines)
    return lines


def suspense_lines(holder: bytes, unit: str, cents: int) -> Amounts:
    """The bank account moved, and nobody knows yet for whom."""
    nano = cents * CENT_NANO
    lines = {Line(holder, Account.BANK, holder, NO_CHAIN, unit): nano, _suspense_line(holder, unit): -nano}
    check_zero(lines)
    return lines


def taken_back_lines(holder: bytes, unit: str, collected: Amounts, fee_cents: int) -> Amounts:
    """The exact opposite of what the collection posted, and the bank's fee as the holder's own cost."""
    lines = {line: -nano for line, nano in collected.items()}
    if fee_cents:
        bank = Line(holder, Account.BANK, holder, NO_CHAIN, unit)
        lines[bank] = lines.get(bank, 0) - fee_cents * CENT_NANO
        lines[Line(holder, Account.OWN, holder, NO_CHAIN, unit)] = fee_cents * CENT_NANO
    check_zero(lines)
    return lines


def own_lines(holder: bytes, unit: str, cents: int) -> Amounts:
    """suspense -> the holder's own: its bank's fee, interest, a transfer between its accounts."""
    nano = cents * CENT_NANO
    lines = {_suspense_line(holder, unit): nano, Line(holder, Account.OWN, holder, NO_CHAIN, unit): -nano}
    check_zero(lines)
    return lines


def _suspense_line(holder: bytes, unit: str) -> Line:
    return Line(holder, Account.SUSPENSE, holder, NO_CHAIN, unit)
