"""A run of split instructions from proposal to provider: proposed, released, written, sent, paid or refused.

It never moves money, and books nothing before the provider says that it paid; a step done twice changes nothing.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection
from tallystick_protocol.errors import InvariantError

from tallystick_cloud.bank.reference import reference_of
from tallystick_cloud.context import Context
from tallystick_cloud.contracts.store import book
from tallystick_cloud.errors import BadInput, NotFound
from tallystick_cloud.ledger import journals
from tallystick_cloud.ledger.model import Account, Amounts
from tallystick_cloud.money import CENT_NANO
from tallystick_cloud.parties.store import names_by_id
from tallystick_cloud.payouts import checks
from tallystick_cloud.payouts import store as payout_store
from tallystick_cloud.payouts.pain import CURRENCY
from tallystick_cloud.runs.checks import check_day, check_handler, check_none_open, check_second
from tallystick_cloud.runs.model import HANDED_IN, Proposal, RunState, held_in_words
from tallystick_cloud.runs.release import Signed, approval_row, check_released, opened
from tallystick_cloud.runs.store import lock

from . import answer, instructions, model, store
from .errors import SplitRefused
from .instructions import Format
from .model import Chain, Facts, Held, Outcome, Pair, Payment, Plan
from .store import StoredPayment, StoredRun

NOTHING = Plan((), ())
_ACCOUNT = re.compile(r"[!-~]+")  # what can be printed and has no spaces


@dataclass(frozen=True, slots=True)
class Run:
    """A run as it stands; `missing` says in words what keeps it from being released."""

    stored: StoredRun
    payments: tuple[StoredPayment, ...]
    held: tuple[Held, ...]
    approvers: tuple[bytes, ...]
    missing: tuple[str, ...]

    @property
    def cents(self) -> int:
        return sum(one.cents for one in self.payments)


@dataclass(frozen=True, slots=True)
class Draft:
    """A run that is not stored."""

    collector: bytes
    number: int
    seed: bytes
    plan: Plan


# ------------------------------------------------------------ accounts at the provider


def set_account(conn: Connection, community: str, party: bytes, account: str, now_ms: int) -> str:
    """Keep how the provider calls a party; takes the place of the one before. Raises BadInput."""
    found = account.strip()
    if not _ACCOUNT.fullmatch(found) or len(found) > model.ACCOUNT_CHARS_MAX:
        raise BadInput("account", f"must have 1 to {model.ACCOUNT_CHARS_MAX} letters, digits or signs, without spaces")
    for other, taken in store.accounts(conn, community).items():
        if taken == found and other != party:
            name = names_by_id(conn, community)[other]
            raise BadInput("account", f"{found} is the account of {name} already; each party has one of its own")
    store.put_account(conn, community, party, found, now_ms)
    return found


# ------------------------------------------------------------ runs


def collectors(conn: Connection, community: str) -> list[bytes]:
    """Who collects under contracts that a provider splits."""
    return sorted({one.collector for one in _chains(conn, community).values()})


def recipients(conn: Connection, community: str) -> set[bytes]:
    """Everybody to whom a provider may pass something on."""
    return {party for one in _chains(conn, community).values() for party, _ in one.parties}


def propose(conn: Connection, community: str, asked: Proposal, now_ms: int) -> Run:
    """A run over everything that settlements made due and no run has instructed yet.

    Raises SplitRefused, BadInput or NotSecondPerson; then nothing is stored.
    """
    lock(conn, community)
    again = store.RUNS.find(conn, community, key=asked.key)
    if again is not None:
        return _same(conn, community, again, asked)
    draft = preview(conn, community, asked, now_ms)
    if not draft.plan.payments:
        why = held_in_words([f"{one.payer} ({one.contract}): {one.reason.value}" for one in draft.plan.held])
        raise SplitRefused("split run", f"has nothing to instruct; {why}")
    for chain in sorted({one.chain for one in draft.plan.payments}):
        store.keep_dues(conn, community, chain)
    row = _run_row(conn, community, asked, draft, now_ms)
    store.insert_run(conn, row, *_payment_rows(community, row, draft.plan.payments))
    return show(conn, community, draft.number)


def preview(conn: Connection, community: str, asked: Proposal, now_ms: int) -> Draft:
    """What a proposal would instruct and hold back; nothing is stored. Raises as `propose` does."""
    names = names_by_id(conn, community)
    chains = _chains(conn, community, now_ms)
    collector = _collector_of(chains, asked.collector, names)
    check_handler(conn, community, asked.proposer, collector, names)
    check_day(asked.execution_day, now_ms)
    check_none_open(store.RUNS.find_open(conn, community, collector), "split run", names, SplitRefused)
    mine = {chain: one for chain, one in chains.items() if one.collector == collector}
    number = store.RUNS.next_number(conn, community)
    seed = model.run_seed(community, collector, number, asked.execution_day.isoformat(), now_ms)
    dues = _dues(conn, community, mine)
    return Draft(collector, number, seed, model.plan(dues, _facts(conn, community, mine, dues, names), seed))


def _chains(conn: Connection, community: str, now_ms: int | None = None) -> dict[bytes, Chain]:
    """The contracts that are split by a provider, by their newest version; parties of older ones come last."""
    wanted, names = store.psp_chains(conn, community), names_by_id(conn, community)
    terms = payout_store.terms(conn, community, now_ms)
    found: dict[bytes, Chain] = {}
    for version in book(conn, community).versions:  # in order of version: the newest comes last
        if version.chain not in wanted:
            continue
        contract, before = version.contract, found.get(version.chain)
        parties = {bytes(one.id): names[one.id] for one in contract.parties}
        parties |= {} if before is None else {party: name for party, name in before.parties if party not in parties}
        funds = frozenset(bytes(one.id) for one in contract.parties if one.role == "fund")
        found[version.chain] = Chain(
            terms[version.chain], bytes(contract.collector), contract.unit, tuple(parties.items()), funds
        )
    return found


def _dues(conn: Connection, community: str, chains: Collection[bytes], but: bytes = b"") -> dict[Pair, int]:
    """What is due and not instructed by any run but that one."""
    done = store.instructed(conn, community, but)
    return {
        pair: nano - done.get(pair, 0) for chain in sorted(chains) for pair, nano in store.dues(conn, chain).items()
    }


def _facts(
    conn: Connection, community: str, chains: Mapping[bytes, Chain], dues: Collection[Pair], names: Mapping[bytes, str]
) -> Facts:
    return Facts(
        chains,
        names,
        store.accounts(conn, community),
        store.owed(conn, community, chains),
        {pair.payer: reference_of(community, chains[pair.chain].collector, pair.payer) for pair in dues},
        store.disputed(conn, community),
    )


def _collector_of(chains: Mapping[bytes, Chain], wanted: bytes | None, names: Mapping[bytes, str]) -> bytes:
    found = {one.collector for one in chains.values()}
    if wanted is not None and wanted not in found:
        who = names.get(wanted, wanted.hex())
        raise SplitRefused("collector", f"{who} collects under no contract whose mode is psp")
    if not found:
        raise SplitRefused("split run", 'has nothing to instruct: no contract here has `mode = "psp"`')
    if wanted is None and len(found) > 1:
        listed = ", ".join(sorted(names[one] for one in found))
        raise BadInput("collector", f"name one of: {listed}; each has an account of its own at the provider")
    return wanted or found.pop()


def show(conn: Connection, community: str, number: int) -> Run:
    """Raises NotFound."""
    found = store.RUNS.find(conn, community, number=number)
    if found is None:
        raise NotFound("split run", f"{number} does not exist in {community}; list them with `tallystick split show`")
    return _view(conn, community, found)


def show_all(conn: Connection, community: str) -> list[Run]:
    """The newest first."""
    return [_view(conn, community, one) for one in store.RUNS.all(conn, community)]


def approve(
    conn: Connection, community: str, number: int, party: bytes, now_ms: int, signed: Signed | None = None
) -> Run:
    """The yes of a second person; released when every contract in it has the one it asks for.

    Raises NotSecondPerson, or SplitRefused when dues or accounts have changed since the proposal.
    """
    lock(conn, community)
    run = show(conn, community, number)
    others = checks.parties_of(conn, community, {one.chain for one in run.payments})
    check_second(conn, community, run, party, others, "a party of its contracts")
    if party in run.approvers:
        return run
    if run.stored.state is not RunState.PROPOSED:
        raise SplitRefused(f"split run {number}", f"is {run.stored.state.value}; only a proposed one is released")
    _check_still_true(conn, community, run)
    store.RUNS.insert_approval(conn, approval_row(conn, community, run.stored.id, party, signed, now_ms))
    if not show(conn, community, number).missing:
        store.RUNS.move(conn, run.stored.id, RunState.APPROVED, approved_ms=now_ms)
    return show(conn, community, number)


def approve_signed(conn: Connection, context: Context, envelope: bytes, now_ms: int) -> Run:
    """`envelope`: a signed Approval of the run's id. Raises ProtocolError or CloudError."""
    said, signed = opened(conn, context, envelope)
    run = store.RUNS.find(conn, context.community, id=said.object)
    if run is None:
        raise NotFound("approval.object", f"{said.object.hex()} is no split run here")
    return approve(conn, context.community, run.number, said.party, now_ms, signed)


def _check_still_true(conn: Connection, community: str, run: Run) -> None:
    """Everything is still due, nothing of it is disputed, and every account is the one that was proposed."""
    number, chains = run.stored.number, {one.chain for one in run.payments}
    dues, disputed = _dues(conn, community, chains, but=run.stored.id), store.disputed(conn, community)
    owed, accounts = store.owed(conn, community, chains), store.accounts(conn, community)
    again = "cancel it and propose again"
    for one in run.payments:
        if owed.get((one.chain, one.payer), 0) < one.cents * CENT_NANO:
            raise SplitRefused(f"payment {one.name}", f"charges more than is owed now; {again}")
        if accounts.get(one.payer, "") != one.payer_account:
            raise SplitRefused(f"payment {one.name}", f"is from an account that has changed since; {again}")
        for part in one.parts:
            pair = Pair(one.chain, one.payer, part.party)
            if dues.get(pair, 0) - disputed.get(pair, 0) < part.cents * CENT_NANO:
                raise SplitRefused(part.name, f"is due less now than run {number} gives; {again}")
            if accounts.get(part.party) != part.provider_account:
                raise SplitRefused(part.name, f"has another account at the provider than in run {number}; {again}")


def file(conn: Connection, community: str, number: int, form: Format, now_ms: int, party: bytes | None = None) -> bytes:
    """The run's instructions; the first call moves it to `written`, every later one gives the same bytes.

    `party`: who asks; None for whoever runs the server, who can read the database anyway.
    """
    lock(conn, community)
    run = show(conn, community, number)
    if party is not None:
        check_handler(conn, community, party, run.stored.collector, names_by_id(conn, community))
    check_released(f"split run {number}", run.stored.state, run.missing, SplitRefused)
    if any(one.is_erased for one in run.payments):
        detail = "is over, and names an account of somebody who was erased; its file cannot be written again"
        raise SplitRefused(f"split run {number}", detail)
    if run.stored.state is RunState.APPROVED:
        _check_still_true(conn, community, run)
        store.RUNS.move(conn, run.stored.id, RunState.WRITTEN, written_ms=now_ms)
    _check_id(run)
    return instructions.write(run.stored, run.payments, form)


def _check_id(run: Run) -> None:
    """The file is made of exactly what was approved: every payment's id is the hash of what is in it."""
    stored = run.stored
    seed = model.run_seed(stored.community, stored.collector, stored.number, stored.execution_day, stored.proposed_ms)
    ids = []
    for one in run.payments:
        if one.cents != sum(part.cents for part in one.parts):
            raise InvariantError(f"payment {one.name} charges {one.cents} cents and passes on another amount")
        ids.append(model.payment_id(seed, one.chain, one.payer, one.parts))
    if ids != [one.id for one in run.payments] or model.run_id(seed, ids) != stored.id:
        raise InvariantError(f"split run {stored.number} is not the one that was approved")


def mark_sent(conn: Connection, community: str, number: int, party: bytes, now_ms: int) -> Run:
    """The provider has the file. It cannot be undone."""
    lock(conn, community)
    run = show(conn, community, number)
    check_handler(conn, community, party, run.stored.collector, names_by_id(conn, community))
    if run.stored.state in HANDED_IN:
        return run
    if run.stored.state is not RunState.WRITTEN:
        raise SplitRefused(f"split run {number}", f"is {run.stored.state.value}; write its file first")
    store.RUNS.move(conn, run.stored.id, RunState.SENT, sent_ms=now_ms)
    return show(conn, community, number)


def tell(
    conn: Connection, community: str, number: int, told: Mapping[bytes, Outcome] | Outcome, party: bytes, now_ms: int
) -> Run:
    """What the provider did with payments; an Outcome alone is of all that have none yet. Paid ones are booked.

    The same again changes nothing. Raises NotFound, NotSecondPerson or SplitRefused.
    """
    lock(conn, community)
    run = show(conn, community, number)
    check_handler(conn, community, party, run.stored.collector, names_by_id(conn, community))
    if run.stored.state not in HANDED_IN:
        raise SplitRefused(f"split run {number}", f"is {run.stored.state.value}; mark it as sent first")
    if isinstance(told, Outcome):
        told = {one.id: told for one in run.payments if one.outcome is None}
    by_id = {one.id: one for one in run.payments}
    if not by_id.keys() >= told.keys():
        raise NotFound("payment", f"is not in run {number}; `tallystick split show {number}` lists them")
    for payment, outcome in sorted(told.items()):
        _tell(conn, community, run.stored.collector, by_id[payment], outcome, now_ms)
    if run.stored.state is RunState.SENT and all(one.outcome for one in store.payments_of(conn, run.stored.id)):
        store.RUNS.move(conn, run.stored.id, RunState.SETTLED, closed_ms=now_ms)
    return show(conn, community, number)


def tell_named(
    conn: Connection, community: str, number: int, outcome: Outcome, name: str | None, party: bytes, now_ms: int
) -> Run:
    """The same by a payment's name or the beginning of it; None: all of the run that have no outcome yet."""
    if name is None:
        return tell(conn, community, number, outcome, party, now_ms)
    found = [one.id for one in show(conn, community, number).payments if name and one.name.startswith(name.lower())]
    if len(found) != 1:
        raise NotFound("payment", f"{name!r} is not one of run {number}; `tallystick split show {number}` lists them")
    return tell(conn, community, number, {found[0]: outcome}, party, now_ms)


def take(conn: Connection, community: str, data: bytes, party: bytes, now_ms: int) -> list[Run]:
    """Book what the provider's file says, all of it or nothing; the runs it speaks of, the oldest first.

    The same file again changes nothing. Raises BadInput, NotFound, NotSecondPerson or SplitRefused."""
    said = answer.read(data)
    lock(conn, community)
    known = store.find_named(conn, community, said)
    unknown = sorted(said.keys() - known.keys())
    if unknown:
        raise NotFound("payment", f"{unknown[0]} was never instructed here; is it the file of another collector?")
    by_run: dict[int, dict[bytes, Outcome]] = {}
    for name, outcome in said.items():
        payment, number = known[name]
        by_run.setdefault(number, {})[payment] = outcome
    return [tell(conn, community, number, told, party, now_ms) for number, told in sorted(by_run.items())]


def _tell(
    conn: Connection, community: str, collector: bytes, one: StoredPayment, outcome: Outcome, now_ms: int
) -> None:
    if one.outcome is outcome:
        return
    match one.outcome, outcome:
        case (None, Outcome.PAID):
            lines = model.paid_lines(collector, one.payer, one.chain, _parts(one))
            _post(conn, community, one.id, "paid", lines, now_ms)
            store.mark(conn, [one.id], outcome, outcome_ms=now_ms, paid_ms=now_ms)
        case (None, Outcome.REFUSED):
            store.mark(conn, [one.id], outcome, outcome_ms=now_ms)
        case (Outcome.PAID, Outcome.RETURNED):
            lines = model.returned_lines(collector, one.payer, one.chain, _parts(one))
            _post(conn, community, one.id, "returned", lines, now_ms)
            store.mark(conn, [one.id], outcome, outcome_ms=now_ms)
        case (None, _):
            raise SplitRefused(f"payment {one.name}", "was not paid yet, so nothing can come back; say refused")
        case _:
            was = "" if one.outcome is None else one.outcome.value
            step = "the next run instructs it again" if one.outcome is not Outcome.PAID else "say returned"
            raise SplitRefused(f"payment {one.name}", f"is {was} already and cannot become {outcome.value}; {step}")


def _parts(one: StoredPayment) -> list[tuple[bytes, Account, int]]:
    return [(part.party, part.account, part.cents) for part in one.parts]


def _post(conn: Connection, community: str, payment: bytes, what: str, lines: Amounts, now_ms: int) -> None:
    entry = journals.Entry(f"split:{payment.hex()}:{what}", f"payout-split-{what}", payment, lines)
    journals.post(conn, community, [entry], now_ms)


def cancel(conn: Connection, community: str, number: int, party: bytes, now_ms: int) -> Run:
    """End a run that no provider has seen. Raises SplitRefused once it is sent."""
    lock(conn, community)
    run = show(conn, community, number)
    check_handler(conn, community, party, run.stored.collector, names_by_id(conn, community))
    if run.stored.state is RunState.CANCELLED:
        return run
    if run.stored.state in HANDED_IN:
        raise SplitRefused(
            f"split run {number}", "is at the provider; say what it refuses with `tallystick split paid`"
        )
    store.RUNS.move(conn, run.stored.id, RunState.CANCELLED, closed_ms=now_ms)
    return show(conn, community, number)


def _same(conn: Connection, community: str, run: StoredRun, asked: Proposal) -> Run:
    wanted = asked.collector or run.collector, asked.proposer, asked.execution_day.isoformat()
    if wanted != (run.collector, run.proposer, run.execution_day):
        raise SplitRefused("key", f"{asked.key!r} named run {run.number} with other content; use a new key")
    return _view(conn, community, run)


def _view(conn: Connection, community: str, run: StoredRun) -> Run:
    payments, said = store.payments_of(conn, run.id), store.RUNS.approvers(conn, run.id)
    missing: tuple[str, ...] = ()
    if run.state is RunState.PROPOSED:
        terms = payout_store.terms(conn, community)
        missing = checks.missing({one.chain for one in payments}, terms, run.collector, run.proposer, said)
    return Run(run, payments, model.held_of(run.held), tuple(sorted(said)), missing)


def _run_row(conn: Connection, community: str, asked: Proposal, draft: Draft, now_ms: int) -> dict[str, object]:
    return {
        "id": model.run_id(draft.seed, [one.id for one in draft.plan.payments]),
        "community": community,
        "number": draft.number,
        "key": asked.key,
        "collector": draft.collector,
        "collector_name": names_by_id(conn, community)[draft.collector],
        "unit": CURRENCY,
        "execution_day": asked.execution_day.isoformat(),
        "state": RunState.PROPOSED.value,
        "proposer": asked.proposer,
        "proposed_ms": now_ms,
        "held": model.held_json(draft.plan.held),
    }


def _payment_rows(
    community: str, run: Mapping[str, object], payments: Sequence[Payment]
) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    rows: list[dict[str, object]] = []
    parts: list[dict[str, object]] = []
    for position, one in enumerate(payments):
        row: dict[str, object] = {"id": one.id, "community": community, "run": run["id"], "position": position}
        row |= {"chain": one.chain, "contract": one.contract, "payer": one.payer, "reference": one.reference}
        rows.append(row | {"payer_account": one.payer_account, "cents": one.cents})
        for at, part in enumerate(one.parts):
            about = {"payment": one.id, "position": at, "community": community, "party": part.party}
            about |= {"account": part.account.value, "name": part.name, "provider_account": part.provider_account}
            parts.append(about | {"due": part.due, "cents": part.cents})
    return rows, parts
