"""A payout run from proposal to bank: proposed, released by a second person, written, sent, paid or returned.

It never pays what the books do not owe, and a step done twice changes nothing the second time.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection
from tallystick_protocol.ids import sha256

from tallystick_cloud.context import Context
from tallystick_cloud.disputes.service import held as disputed
from tallystick_cloud.errors import NotFound
from tallystick_cloud.ledger import journals
from tallystick_cloud.ledger.model import Line
from tallystick_cloud.parties.store import names_by_id
from tallystick_cloud.runs.checks import check_day, check_handler, check_none_open, check_second
from tallystick_cloud.runs.model import HANDED_IN, OPEN_STATES, Proposal, RunState, held_in_words
from tallystick_cloud.runs.release import Signed, approval_row, check_released, check_same_bytes, opened
from tallystick_cloud.runs.store import lock

from . import checks, model, store
from .bankfile import file_of
from .checks import Run
from .errors import PayoutRefused
from .model import Outcome, Owed, Payout, Plan
from .pain import BankParty
from .pain001 import write
from .store import StoredPayout, StoredRun


@dataclass(frozen=True, slots=True)
class Draft:
    """A run that is not stored: who pays from which account, under which number, and what."""

    collector: bytes
    number: int
    debtor: BankParty
    seed: bytes
    plan: Plan


def propose(
    conn: Connection, community: str, asked: Proposal, now_ms: int, settled: Mapping[Line, int] | None = None
) -> Run:
    """A run over everything that a collector owes. `settled` limits it to what statements closed with.

    Raises PayoutRefused, BadInput or NotSecondPerson; then nothing is stored.
    """
    lock(conn, community)
    again = store.RUNS.find(conn, community, key=asked.key)
    if again is not None:
        return _same(conn, community, again, asked)
    draft = preview(conn, community, asked, now_ms, settled)
    if not draft.plan.payouts:
        raise PayoutRefused("payout run", f"has nothing to pay; {_held_in_words(draft.plan)}")
    return _store(conn, community, asked, draft, now_ms)


def propose_refunds(conn: Connection, community: str, asked: Proposal, payers: Collection[bytes], now_ms: int) -> Run:
    """A run that pays back the credits of these payers, all of each in whole cents, and nothing else.

    No statement need have closed with them: what was paid is with the bank, and what was used since is on the account.
    Raises as `propose` does, also when one of the payers cannot be paid back; then nothing is stored.
    """
    lock(conn, community)
    again = store.RUNS.find(conn, community, key=asked.key)
    if again is not None:
        return _same(conn, community, again, asked, payers)
    draft = preview_refunds(conn, community, asked, payers, now_ms)
    paid = {one.owed.party for one in draft.plan.payouts}
    for payer in payers:
        if payer not in paid:
            name = names_by_id(conn, community)[payer]
            mine = replace(draft.plan, held=tuple(one for one in draft.plan.held if one.party == name))
            raise PayoutRefused(name, f"has no credit that can be paid back; {_held_in_words(mine)}")
    return _store(conn, community, asked, draft, now_ms)


def _held_in_words(plan: Plan) -> str:
    return held_in_words([f"{one.party} ({one.contract}): {one.reason.value}" for one in plan.held])


def _store(conn: Connection, community: str, asked: Proposal, draft: Draft, now_ms: int) -> Run:
    row = _run_row(community, asked, draft, now_ms)
    payouts = [_payout_row(community, row, at, one) for at, one in enumerate(draft.plan.payouts)]
    store.insert_run(conn, row, payouts)
    return show(conn, community, draft.number)


def preview(
    conn: Connection, community: str, asked: Proposal, now_ms: int, settled: Mapping[Line, int] | None = None
) -> Draft:
    """What a proposal would pay and hold back; nothing is stored. Raises as `propose` does."""
    owed = store.owed(conn, community)

    def planned(collector: bytes, facts: model.Facts, seed: bytes) -> Plan:
        held = replace(facts, settled=settled, disputed=disputed(conn, community))
        return model.plan([one for one in owed if one.holder == collector], held, seed)

    return _draft(conn, community, asked, now_ms, owed, planned)


def preview_refunds(
    conn: Connection, community: str, asked: Proposal, payers: Collection[bytes] | None, now_ms: int
) -> Draft:
    """What a run of refunds would pay and what stays; None: to everybody with a credit. Raises as `propose` does."""
    rows = store.payers_credits(conn, community, payers)

    def planned(collector: bytes, facts: model.Facts, seed: bytes) -> Plan:
        return model.refunds([one for one in rows if one.holder == collector], facts, seed)

    return _draft(conn, community, asked, now_ms, [one for one in rows if one.nano > 0], planned)


def _draft(
    conn: Connection,
    community: str,
    asked: Proposal,
    now_ms: int,
    owed: Sequence[Owed],
    planned: Callable[[bytes, model.Facts, bytes], Plan],
) -> Draft:
    names = names_by_id(conn, community)
    collector = checks.collector_of(owed, asked.collector, names)
    check_handler(conn, community, asked.proposer, collector, names)
    check_day(asked.execution_day, now_ms)
    check_none_open(store.RUNS.find_open(conn, community, collector), "payout run", names, PayoutRefused)
    accounts = store.accounts(conn, community, now_ms)
    debtor = checks.debtor_of(names[collector], accounts.get(collector))
    number = store.RUNS.next_number(conn, community)
    seed = model.run_seed(community, collector, number, debtor, asked.execution_day, now_ms)
    facts = model.Facts(store.terms(conn, community, now_ms), names, accounts)
    return Draft(collector, number, debtor, seed, planned(collector, facts, seed))


def show(conn: Connection, community: str, number: int) -> Run:
    """Raises NotFound."""
    found = store.RUNS.find(conn, community, number=number)
    if found is None:
        raise NotFound("payout run", f"{number} does not exist in {community}; list them with `tallystick payout show`")
    return _view(conn, community, found)


def show_all(conn: Connection, community: str) -> list[Run]:
    """The newest first."""
    return [_view(conn, community, one) for one in store.RUNS.all(conn, community)]


def show_named(
    conn: Connection, community: str, collector: bytes, ends: Collection[str], blocks: Collection[str]
) -> list[Run]:
    """A collector's runs that a bank's file may speak of: those on their way and those it names, the newest first."""
    named = store.runs_of_ends(conn, community, ends)
    mine = [one for one in store.RUNS.all(conn, community) if one.collector == collector]
    wanted = [one for one in mine if one.state is RunState.SENT or one.id in named or model.block_id(one.id) in blocks]
    return [_view(conn, community, one) for one in wanted]


def approve(
    conn: Connection, community: str, number: int, party: bytes, now_ms: int, signed: Signed | None = None
) -> Run:
    """The yes of a second person; released when every contract in it has the one it asks for.

    Raises NotSecondPerson, or PayoutRefused when books or accounts have changed since the proposal.
    """
    lock(conn, community)
    run = show(conn, community, number)
    others = checks.parties_of(conn, community, {one.owed.chain for one in run.payouts})
    check_second(conn, community, run, party, others, "a party of its contracts")
    if party in run.approvers:
        return run
    if run.stored.state is not RunState.PROPOSED:
        raise PayoutRefused(f"payout run {number}", f"is {run.stored.state.value}; only a proposed one is released")
    checks.check_still_true(conn, community, run, now_ms)
    store.RUNS.insert_approval(conn, approval_row(conn, community, run.stored.id, party, signed, now_ms))
    if not show(conn, community, number).missing:
        store.RUNS.move(conn, run.stored.id, RunState.APPROVED, approved_ms=now_ms)
    return show(conn, community, number)


def approve_signed(conn: Connection, context: Context, envelope: bytes, now_ms: int) -> Run:
    """`envelope`: a signed Approval of the run's id. Raises ProtocolError or CloudError."""
    said, signed = opened(conn, context, envelope)
    run = store.RUNS.find(conn, context.community, id=said.object)
    if run is None:
        raise NotFound("approval.object", f"{said.object.hex()} is no payout run here")
    return approve(conn, context.community, run.number, said.party, now_ms, signed)


def bank_file(conn: Connection, community: str, number: int, now_ms: int, party: bytes | None = None) -> bytes:
    """The run's pain.001; the first call moves it to `written`, every later one gives the same bytes.

    `party`: who asks; None for whoever runs the server, who can read the database anyway.
    """
    lock(conn, community)
    run = show(conn, community, number)
    if party is not None:
        check_handler(conn, community, party, run.stored.collector, names_by_id(conn, community))
    check_released(f"payout run {number}", run.stored.state, run.missing, PayoutRefused)
    is_first = run.stored.state is RunState.APPROVED
    if is_first:
        checks.check_still_true(conn, community, run, now_ms)
    data = write(file_of(run))
    if is_first:
        store.RUNS.move(conn, run.stored.id, RunState.WRITTEN, written_ms=now_ms, file_hash=sha256(data))
    else:
        check_same_bytes(f"payout run {number}", data, run.stored.file_hash)
    return data


def mark_sent(conn: Connection, community: str, number: int, party: bytes, now_ms: int) -> Run:
    """The bank has the file: payable -> payout in transit, one journal per payout. It cannot be undone."""
    lock(conn, community)
    run = show(conn, community, number)
    check_handler(conn, community, party, run.stored.collector, names_by_id(conn, community))
    if run.stored.state in HANDED_IN:
        return run
    if run.stored.state is not RunState.WRITTEN:
        raise PayoutRefused(f"payout run {number}", f"is {run.stored.state.value}; write its bank file first")
    _post(conn, community, run.payouts, "sent", now_ms)
    store.mark_payouts(conn, [one.id for one in run.payouts], sent_ms=now_ms)
    store.RUNS.move(conn, run.stored.id, RunState.SENT, sent_ms=now_ms)
    return show(conn, community, number)


def confirm(
    conn: Connection,
    community: str,
    number: int,
    outcome: Outcome,
    now_ms: int,
    payouts: Collection[bytes] | None = None,
) -> Run:
    """What the bank did: paid, or returned to be owed again. `payouts` None: all that have no outcome yet."""
    lock(conn, community)
    run = show(conn, community, number)
    if run.stored.state not in HANDED_IN:
        raise PayoutRefused(f"payout run {number}", f"is {run.stored.state.value}; mark it as sent first")
    chosen = [one for one in run.payouts if (one.outcome is None if payouts is None else one.id in payouts)]
    if payouts is not None and len(chosen) != len(set(payouts)):
        raise NotFound("payout", f"is not in run {number}; `tallystick payout show {number}` lists them")
    moving = [one for one in chosen if one.outcome != outcome.value]
    for one in moving:
        if one.outcome == Outcome.RETURNED.value:
            raise PayoutRefused(f"payout to {one.creditor.name}", "came back before; the next run pays it again")
    _post(conn, community, moving, outcome.value, now_ms)
    store.mark_payouts(conn, [one.id for one in moving], outcome=outcome.value, outcome_ms=now_ms)
    if run.stored.state is RunState.SENT and all(one.outcome for one in store.payouts_of(conn, run.stored)):
        store.RUNS.move(conn, run.stored.id, RunState.SETTLED, closed_ms=now_ms)
    return show(conn, community, number)


def cancel(conn: Connection, community: str, number: int, party: bytes, now_ms: int) -> Run:
    """End a run that no bank has seen. Raises PayoutRefused once it is sent."""
    lock(conn, community)
    run = show(conn, community, number)
    check_handler(conn, community, party, run.stored.collector, names_by_id(conn, community))
    if run.stored.state is RunState.CANCELLED:
        return run
    if run.stored.state in HANDED_IN:
        raise PayoutRefused(f"payout run {number}", "is at the bank; record what comes back as returned")
    store.RUNS.move(conn, run.stored.id, RunState.CANCELLED, closed_ms=now_ms)
    return show(conn, community, number)


def _same(conn: Connection, community: str, run: StoredRun, asked: Proposal, refunded: Collection[bytes] = ()) -> Run:
    collector = asked.collector or run.collector
    stands = {one.owed.party for one in store.payouts_of(conn, run) if one.owed.is_credit}
    if (collector, asked.proposer, asked.execution_day.isoformat(), set(refunded)) != (
        run.collector,
        run.proposer,
        run.execution_day,
        stands,
    ):
        raise PayoutRefused("key", f"{asked.key!r} named run {run.number} with other content; use a new key")
    return _view(conn, community, run)


def _view(conn: Connection, community: str, run: StoredRun) -> Run:
    payouts = tuple(store.payouts_of(conn, run))
    said = store.RUNS.approvers(conn, run.id)
    missing: tuple[str, ...] = ()
    if run.state is RunState.PROPOSED:
        terms, chains = store.terms(conn, community), {one.owed.chain for one in payouts}
        missing = checks.missing(chains, terms, run.collector, run.proposer, said)
    before = store.last_accounts(conn, community, run) if run.state in OPEN_STATES else {}
    elsewhere = {
        party for one in payouts if before.get(party := one.owed.party, one.creditor.iban) != one.creditor.iban
    }
    return Run(run, payouts, model.held_of(run.held), tuple(sorted(said)), missing, frozenset(elsewhere))


def _run_row(community: str, asked: Proposal, draft: Draft, now_ms: int) -> dict[str, object]:
    return {
        "id": model.run_id(draft.seed, draft.plan.payouts),
        "community": community,
        "number": draft.number,
        "key": asked.key,
        "collector": draft.collector,
        "debtor": draft.debtor.name,
        "debtor_iban": draft.debtor.iban,
        "unit": draft.plan.payouts[0].owed.unit,
        "execution_day": asked.execution_day.isoformat(),
        "state": RunState.PROPOSED.value,
        "proposer": asked.proposer,
        "proposed_ms": now_ms,
        "held": model.held_json(draft.plan.held),
    }


def _payout_row(community: str, run: Mapping[str, object], position: int, one: Payout) -> dict[str, object]:
    return {
        "id": one.id,
        "community": community,
        "run": run["id"],
        "position": position,
        "party": one.owed.party,
        "account": one.owed.account.value,
        "chain": one.owed.chain,
        "unit": one.owed.unit,
        "contract": one.contract,
        "entitlement": one.owed.nano,
        "cents": one.cents,
        "creditor": one.creditor.name,
        "creditor_iban": one.creditor.iban,
    }


def _post(conn: Connection, community: str, payouts: Sequence[StoredPayout], what: str, now_ms: int) -> None:
    entries = []
    for one in payouts:
        match what:
            case "sent":
                lines = model.sent_lines(one.owed, one.cents)
            case Outcome.PAID:
                lines = model.paid_lines(one.owed, one.cents)
            case _:
                lines = model.returned_lines(one.owed, one.cents, was_paid=one.outcome == Outcome.PAID.value)
        entries.append(journals.Entry(f"payout:{one.id.hex()}:{what}", f"payout-{what}", one.id, lines))
    journals.post(conn, community, entries, now_ms)
