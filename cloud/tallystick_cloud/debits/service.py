"""A run of direct debits from proposal to bank: proposed, released by a second person, written, sent, collected.

It books nothing: money moves in the books when the bank's statement shows it.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection
from tallystick_protocol.errors import InvariantError
from tallystick_protocol.ids import H32, sha256

from tallystick_cloud.context import Context
from tallystick_cloud.disputes.service import Fee, disputed_fees
from tallystick_cloud.errors import BadInput, NotFound
from tallystick_cloud.money import whole_cents
from tallystick_cloud.parties.store import names_by_id
from tallystick_cloud.payouts import checks
from tallystick_cloud.payouts import store as payout_store
from tallystick_cloud.payouts.pain import CURRENCY, BankParty
from tallystick_cloud.runs.checks import check_day, check_handler, check_none_open, check_second
from tallystick_cloud.runs.model import HANDED_IN, Proposal, RunState, held_in_words
from tallystick_cloud.runs.release import Signed, approval_row, check_released, check_same_bytes, opened
from tallystick_cloud.runs.store import lock
from tallystick_cloud.settlement.payable import unsettled_fees

from . import mandates, model, store
from .errors import DebitRefused
from .model import Debit, Facts, Held, Outcome, Owing, Plan
from .pain008 import Block, DirectDebitFile, write
from .pain008 import Collection as Payment
from .store import StoredDebit, StoredRun

Unsettled = Mapping[tuple[bytes, bytes], int]
"""(contract chain, payer) -> nano of fees that no settlement holds yet."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run as it stands; `missing` says in words what keeps it from being released."""

    stored: StoredRun
    debits: tuple[StoredDebit, ...]
    held: tuple[Held, ...]
    approvers: tuple[bytes, ...]
    missing: tuple[str, ...]

    @property
    def cents(self) -> int:
        return sum(one.cents for one in self.debits)


@dataclass(frozen=True, slots=True)
class Draft:
    """A run that is not stored."""

    collector: bytes
    number: int
    creditor: BankParty
    seed: bytes
    plan: Plan


def propose(conn: Connection, community: str, asked: Proposal, now_ms: int, unsettled: Unsettled | None = None) -> Run:
    """A run over everything that is due to a collector and has a mandate; `unsettled` fees are left out.

    Raises DebitRefused, BadInput or NotSecondPerson; then nothing is stored.
    """
    lock(conn, community)
    again = store.RUNS.find(conn, community, key=asked.key)
    if again is not None:
        return _same(conn, community, again, asked)
    draft = preview(conn, community, asked, now_ms, unsettled)
    if not draft.plan.debits:
        why = held_in_words([f"{one.payer}: {one.reason.value} ({one.next_step})" for one in draft.plan.held])
        raise DebitRefused("debit run", f"has nothing to collect; {why}")
    row = _run_row(community, asked, draft, now_ms)
    store.insert_run(conn, row, [_debit_row(community, row, at, one) for at, one in enumerate(draft.plan.debits)])
    return show(conn, community, draft.number)


def preview(
    conn: Connection, community: str, asked: Proposal, now_ms: int, unsettled: Unsettled | None = None
) -> Draft:
    """What a proposal would collect and hold back; nothing is stored. Raises as `propose` does."""
    owing, names = store.owing(conn, community), names_by_id(conn, community)
    collector = _collector_of(owing, asked.collector, names)
    check_handler(conn, community, asked.proposer, collector, names)
    check_day(asked.execution_day, now_ms)
    check_none_open(store.RUNS.find_open(conn, community, collector), "debit run", names, DebitRefused)
    creditor = checks.debtor_of(names[collector], payout_store.accounts(conn, community, now_ms).get(collector))
    number = store.RUNS.next_number(conn, community)
    kept = mandates.standing(conn, community)
    facts = Facts(
        names,
        {payer: one for (whose, payer), one in kept.items() if whose == collector},
        store.history(conn, community),
        store.under_way(conn, community, collector),
        mandates.day_of(now_ms),
        asked.execution_day,
    )
    seed = model.run_seed(community, collector, number, creditor, asked.execution_day, now_ms)
    fees = disputed_fees(conn, community)
    claims = [_owing(collector, payer, parts, unsettled, fees) for payer, parts in owing[collector].items()]
    return Draft(collector, number, creditor, seed, model.plan(claims, facts, seed))


def _owing(
    collector: bytes, payer: bytes, parts: Mapping[bytes, int], unsettled: Unsettled | None, fees: Iterable[Fee]
) -> Owing:
    nano = sum(parts.values())
    mine = [one for one in fees if (one.holder, one.payer) == (collector, payer)]
    if unsettled is None:
        return Owing(payer, nano, None, sum(one.nano for one in mine))
    settled = nano - sum(unsettled.get((chain, payer), 0) for chain in parts)
    return Owing(payer, nano, settled, sum(one.nano for one in mine if one.settlement is not None))


def _collector_of(owing: Collection[bytes], wanted: bytes | None, names: Mapping[bytes, str]) -> bytes:
    if wanted is not None:
        if wanted not in owing:
            raise DebitRefused("collector", f"nobody owes {names.get(wanted, wanted.hex())} anything")
        return wanted
    if not owing:
        raise DebitRefused("debit run", "has nothing to collect: nothing is due")
    if len(owing) > 1:
        listed = ", ".join(sorted(names[one] for one in owing))
        raise BadInput("collector", f"name one of: {listed}; each collects to its own account")
    return next(iter(owing))


def show(conn: Connection, community: str, number: int) -> Run:
    """Raises NotFound."""
    found = store.RUNS.find(conn, community, number=number)
    if found is not None:
        return _view(conn, found)
    raise NotFound("debit run", f"{number} does not exist in {community}; list them with `tallystick debit show`")


def show_all(conn: Connection, community: str) -> list[Run]:
    """The newest first."""
    return [_view(conn, one) for one in store.RUNS.all(conn, community)]


def show_named(
    conn: Connection, community: str, collector: bytes, ends: Collection[str], blocks: Collection[str]
) -> list[Run]:
    """A collector's runs that a bank's file may speak of: those on their way and those it names, the newest first."""
    named = store.runs_of_ends(conn, community, ends)
    if blocks:
        named |= {run for name, run in store.blocks(conn, community).items() if name in blocks}
    mine = [one for one in store.RUNS.all(conn, community) if one.collector == collector]
    return [_view(conn, one) for one in mine if one.state is RunState.SENT or one.id in named]


def approve(
    conn: Connection, community: str, number: int, party: bytes, now_ms: int, signed: Signed | None = None
) -> Run:
    """The yes of a second person. Raises NotSecondPerson, or DebitRefused when dues or mandates have changed."""
    lock(conn, community)
    run = show(conn, community, number)
    check_second(conn, community, run, party, frozenset(), "the collector")
    if party in run.approvers:
        return run
    if run.stored.state is not RunState.PROPOSED:
        raise DebitRefused(f"debit run {number}", f"is {run.stored.state.value}; only a proposed one is released")
    _check_still_true(conn, community, run, now_ms)
    _check_notice(conn, community, run, now_ms)
    store.RUNS.insert_approval(conn, approval_row(conn, community, run.stored.id, party, signed, now_ms))
    store.RUNS.move(conn, run.stored.id, RunState.APPROVED, approved_ms=now_ms)
    return show(conn, community, number)


def approve_signed(conn: Connection, context: Context, envelope: bytes, now_ms: int) -> Run:
    """`envelope`: a signed Approval of the run's id. Raises ProtocolError or CloudError."""
    said, signed = opened(conn, context, envelope)
    run = store.RUNS.find(conn, context.community, id=said.object)
    if run is None:
        raise NotFound("approval.object", f"{said.object.hex()} is no debit run here")
    return approve(conn, context.community, run.number, said.party, now_ms, signed)


def _check_still_true(conn: Connection, community: str, run: Run, now_ms: int) -> None:
    """Everything is still due, nothing of it is disputed, every mandate stands, and there is still time to tell."""
    number, day = run.stored.number, run.stored.collection_day
    owing = store.owing(conn, community).get(run.stored.collector, {})
    under_way = store.under_way(conn, community, run.stored.collector)
    kept = {one.id for one in mandates.standing(conn, community).values()}
    fees, unsettled = disputed_fees(conn, community), unsettled_fees(conn, community)
    if day <= mandates.day_of(now_ms):
        raise DebitRefused(f"debit run {number}", f"was to be collected on {day}; cancel it and propose again")
    account = payout_store.accounts(conn, community, now_ms).get(run.stored.collector)
    if checks.debtor_of(run.stored.creditor.name, account) != run.stored.creditor:
        raise DebitRefused(f"debit run {number}", "is for an account that has changed; cancel it and propose again")
    for one in run.debits:
        if one.mandate not in kept:
            detail = f"mandate {one.reference} was revoked since run {number} was proposed; cancel it, propose again"
            raise DebitRefused(one.debtor.name, detail)
        dues = owing.get(one.party, {})
        if whole_cents(sum(dues.values())) < under_way.get(one.party, 0):
            detail = f"owes less now than is under way with run {number}; cancel it and propose again"
            raise DebitRefused(one.debtor.name, detail)
        claim = _owing(run.stored.collector, one.party, dues, unsettled, fees)
        if claim.disputed and whole_cents(claim.collectable) < under_way.get(one.party, 0):
            detail = f"disputes a use since run {number} was proposed; cancel it and propose again, without that use"
            raise DebitRefused(one.debtor.name, detail)


def _check_notice(conn: Connection, community: str, run: Run, now_ms: int) -> None:
    """Payers are told when a run is released: that is early enough before the day, by every mandate in it."""
    number, day = run.stored.number, run.stored.collection_day
    kept = {one.id: one.about.notice_days for one in mandates.standing(conn, community).values()}
    days = max(kept[H32(one.mandate)] for one in run.debits)
    if day < mandates.day_of(now_ms) + timedelta(days=days):
        detail = f"collects on {day}, and {days} days of notice are agreed; cancel it and propose a later day"
        raise DebitRefused(f"debit run {number}", detail)


def bank_file(conn: Connection, community: str, number: int, now_ms: int, party: bytes | None = None) -> bytes:
    """The run's pain.008; the first call moves it to `written`, every later one gives the same bytes.

    `party`: who asks; None for whoever runs the server, who can read the database anyway.
    """
    lock(conn, community)
    run = show(conn, community, number)
    if party is not None:
        check_handler(conn, community, party, run.stored.collector, names_by_id(conn, community))
    check_released(f"debit run {number}", run.stored.state, run.missing, DebitRefused)
    is_first = run.stored.state is RunState.APPROVED
    if is_first:
        _check_still_true(conn, community, run, now_ms)
    data = write(file_of(run))
    if is_first:
        store.RUNS.move(conn, run.stored.id, RunState.WRITTEN, written_ms=now_ms, file_hash=sha256(data))
    else:
        check_same_bytes(f"debit run {number}", data, run.stored.file_hash)
    return data


def file_of(run: Run) -> DirectDebitFile:
    """From what is stored alone: the same run gives the same bytes for ever."""
    stored = run.stored
    if stored.approved_ms is None:
        raise InvariantError(f"debit run {stored.number} is {stored.state.value} without an approval")
    blocks = []
    for name, debits in blocks_of(run).items():
        payments = tuple(
            Payment(one.end_to_end, one.cents, one.debtor, one.reference, one.signed_day,
                    f"{one.reference}, collection {stored.number}")
            for one in debits
        )  # fmt: skip
        first = debits[0]
        blocks.append(Block(name, stored.creditor, first.creditor_id, first.sequence, stored.collection_day, payments))
    return DirectDebitFile(stored.id[:16].hex(), stored.approved_ms, stored.creditor.name, tuple(blocks))


def blocks_of(run: Run) -> dict[str, list[StoredDebit]]:
    """Payment information id -> its debits: one block per sequence type and creditor identifier, first ones first."""
    found: dict[str, list[StoredDebit]] = {}
    for one in sorted(run.debits, key=lambda each: (each.sequence.value, each.creditor_id)):  # stable
        name = model.block_id(run.stored.id, one.sequence.value, one.creditor_id)
        found.setdefault(name, []).append(one)
    return found


def mark_sent(conn: Connection, community: str, number: int, party: bytes, now_ms: int) -> Run:
    """The bank has the file. It cannot be undone."""
    lock(conn, community)
    run = show(conn, community, number)
    check_handler(conn, community, party, run.stored.collector, names_by_id(conn, community))
    if run.stored.state in HANDED_IN:
        return run
    if run.stored.state is not RunState.WRITTEN:
        raise DebitRefused(f"debit run {number}", f"is {run.stored.state.value}; write its bank file first")
    store.RUNS.move(conn, run.stored.id, RunState.SENT, sent_ms=now_ms)
    return show(conn, community, number)


def tell(
    conn: Connection, community: str, number: int, told: Mapping[bytes, tuple[Outcome, str | None]], now_ms: int
) -> Run:
    """What became of debits of a run, with the bank's reason. The books are the caller's."""
    run = show(conn, community, number)
    if run.stored.state is RunState.WRITTEN:  # the bank speaks of it, so it had it
        run = mark_sent(conn, community, number, run.stored.collector, now_ms)
    if run.stored.state not in HANDED_IN:
        raise DebitRefused(f"debit run {number}", f"is {run.stored.state.value}; mark it as sent first")
    known = {one.id for one in run.debits}
    if not known.issuperset(told):
        raise NotFound("debit", f"is not in run {number}; `tallystick debit show {number}` lists them")
    by_word: dict[tuple[Outcome, str | None], list[bytes]] = {}
    for one, word in told.items():
        by_word.setdefault(word, []).append(one)
    for (outcome, reason), ids in by_word.items():
        store.mark(conn, ids, outcome, now_ms, reason)
    if run.stored.state is RunState.SENT and all(one.outcome for one in store.debits_of(conn, run.stored.id)):
        store.RUNS.move(conn, run.stored.id, RunState.SETTLED, closed_ms=now_ms)
    return show(conn, community, number)


def reject(conn: Connection, community: str, number: int, party: bytes, now_ms: int, which: str | None = None) -> Run:
    """A person's word that the bank collects a debit, or what is left of a run, no more; due again."""
    lock(conn, community)
    run = show(conn, community, number)
    check_handler(conn, community, party, run.stored.collector, names_by_id(conn, community))
    left = [one for one in run.debits if one.outcome is None]
    if which is not None:
        left = [one for one in left if one.id.hex().startswith(which.lower())]
        if len(left) != 1:
            raise NotFound("debit", f"{which!r} is not one open debit of run {number}; see `tallystick debit show`")
    return tell(conn, community, number, {one.id: (Outcome.REJECTED, "said by hand") for one in left}, now_ms)


def cancel(conn: Connection, community: str, number: int, party: bytes, now_ms: int) -> Run:
    """End a run that no bank has seen. Raises DebitRefused once it is sent."""
    lock(conn, community)
    run = show(conn, community, number)
    check_handler(conn, community, party, run.stored.collector, names_by_id(conn, community))
    if run.stored.state is RunState.CANCELLED:
        return run
    if run.stored.state in HANDED_IN:
        raise DebitRefused(
            f"debit run {number}", "is at the bank; say what it refuses with `tallystick debit rejected`"
        )
    store.RUNS.move(conn, run.stored.id, RunState.CANCELLED, closed_ms=now_ms)
    return show(conn, community, number)


def _same(conn: Connection, community: str, run: StoredRun, asked: Proposal) -> Run:
    collector = asked.collector or run.collector
    if (collector, asked.proposer, asked.execution_day) != (run.collector, run.proposer, run.collection_day):
        raise DebitRefused("idempotency key", f"{asked.key!r} is of run {run.number} with other content")
    return _view(conn, run)


def _view(conn: Connection, run: StoredRun) -> Run:
    approvers = tuple(sorted(store.RUNS.approvers(conn, run.id)))
    waits = run.state is RunState.PROPOSED
    missing = ("a second person must approve it",) if waits else ()
    return Run(run, tuple(store.debits_of(conn, run.id)), model.held_of(run.held), approvers, missing)


def _run_row(community: str, asked: Proposal, draft: Draft, now_ms: int) -> dict[str, object]:
    return {
        "id": model.run_id(draft.seed, draft.plan.debits),
        "community": community,
        "number": draft.number,
        "key": asked.key,
        "collector": draft.collector,
        "creditor": draft.creditor.name,
        "creditor_iban": draft.creditor.iban,
        "unit": CURRENCY,
        "collection_day": asked.execution_day.isoformat(),
        "state": RunState.PROPOSED.value,
        "proposer": asked.proposer,
        "proposed_ms": now_ms,
        "held": model.held_json(draft.plan.held),
    }


def _debit_row(community: str, run: Mapping[str, object], position: int, one: Debit) -> dict[str, object]:
    about = one.mandate.about
    return {
        "id": one.id,
        "community": community,
        "run": run["id"],
        "position": position,
        "party": one.payer,
        "mandate": one.mandate.id,
        "reference": about.reference,
        "creditor_id": about.creditor_id,
        "signed_day": about.signed_day.isoformat(),
        "sequence": one.sequence.value,
        "due": one.due,
        "cents": one.cents,
        "debtor": about.debtor.name,
        "debtor_iban": about.debtor.iban,
    }
