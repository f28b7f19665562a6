"""The facts of a month, read from the books of every part, and the close of what is due in it.

It never closes a period that is not over; the settlement of each contract refuses that too.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, select
from tallystick_protocol.money.calendar import Period, period_of
from tallystick_protocol.money.contract import Contract, ContractState, Mode

from tallystick_cloud.bank.model import Standing
from tallystick_cloud.bank.store import entries, last_statements
from tallystick_cloud.contracts.model import Version, held_until
from tallystick_cloud.contracts.store import book, proposals
from tallystick_cloud.costs.store import bills
from tallystick_cloud.debits import mandates
from tallystick_cloud.debits import store as debits
from tallystick_cloud.debits.upcoming import DAYS_AHEAD as DEBIT_DAYS_AHEAD
from tallystick_cloud.debits.upcoming import upcoming as upcoming_debits
from tallystick_cloud.http.month import Span
from tallystick_cloud.ingest.quarantine import IS_QUARANTINED
from tallystick_cloud.invoices.store import prefixes, waiting_buyers
from tallystick_cloud.ledger.model import DAY_MS
from tallystick_cloud.parties.store import names_by_id
from tallystick_cloud.payouts import store as payouts
from tallystick_cloud.payouts.credit import payers_to_repay
from tallystick_cloud.payouts.upcoming import DAYS_AHEAD as PAYOUT_DAYS_AHEAD
from tallystick_cloud.payouts.upcoming import upcoming as upcoming_payouts
from tallystick_cloud.pools.store import closes as pool_closes
from tallystick_cloud.runs.checks import working_day
from tallystick_cloud.runs.model import Names, RunState, StoredRun
from tallystick_cloud.schema import dispute, gateway, part
from tallystick_cloud.settlement import report
from tallystick_cloud.settlement import service as settlement
from tallystick_cloud.settlement import store as settlements
from tallystick_cloud.settlement.model import Closed, Stored
from tallystick_cloud.settlement.office import Office
from tallystick_cloud.settlement.report import StandsOpen
from tallystick_cloud.unclaimed import service as unclaimed
from tallystick_cloud.unclaimed.store import rule

from .model import Banking, Billing, Facts, Proposed, Running, Settling, next_bills

_FOREVER = 2**62  # ms: decisions whenever they were made
NOON_MS = DAY_MS // 2
"""Before the end of a month: a moment of its last day in every zone of a country."""


def facts(conn: Connection, community: str, span: Span, opens: int, now_ms: int) -> Facts:
    """What the month needs, as the books are now; `opens`: spans that the last close left open."""
    chains, names = _chains(conn, community), names_by_id(conn, community)
    last_day = _day_before(span.to_ms, span)
    until = min(last_day, _day_before(now_ms, span))
    return Facts(
        is_over=span.to_ms <= now_ms,
        last_day=last_day,
        set_aside=_set_aside(conn, community),
        left_open=opens,
        disputes=_disputes(conn, community),
        proposed=_proposed(conn, community),
        bills=_bills(conn, community, until),
        settling=settling(conn, community, span, now_ms),
        pools=_pools(conn, chains, span, now_ms),
        documents=_documents(conn, community, span),
        debits=_debits(conn, community, names, now_ms),
        banking=_banking(conn, community, chains, names, now_ms),
        suspense=len(entries(conn, community, Standing.SUSPENSE)),
        payouts=_payouts(conn, community, names, now_ms),
        credits=payers_to_repay(conn, community, now_ms),
        unclaimed=0 if rule(conn, community) is None else len(unclaimed.due(conn, community, now_ms)),
        is_new=not chains and not _has_gateway(conn, community),
    )


def first_span(conn: Connection, community: str, now_ms: int, zone: str) -> Span:
    """The month that a manager works on: the last one while something of it is to be settled, else this one."""
    running = Span.of(None, now_ms, zone)
    last = Span.of(running.previous, now_ms, zone)
    is_due = any(one.settled is None and one.is_over for one in settling(conn, community, last, now_ms))
    return last if is_due else running


def settling(conn: Connection, community: str, span: Span, now_ms: int) -> list[Settling]:
    """Contracts that hold in the month, by name; pools close their own periods."""
    found = []
    for chain, versions in _chains(conn, community).items():
        held = _held_in(versions, span)
        last = settlements.last(conn, chain)
        if held is None or versions[-1].contract.pool is not None:
            continue
        contract, at_ms, period, ended_ms = held
        is_settled = last is not None and last.to_ms >= period.to_ms
        is_over = ended_ms is not None and ended_ms <= (span.from_ms if last is None else last.to_ms)
        if is_over and not is_settled and not settlement.has_more(conn, community, chain, last, period.to_ms):
            continue  # it has ended, and all of it is settled
        mine = None
        if is_settled:
            mine = next(one for one in settlements.of_chain(conn, chain) if one.to_ms >= period.to_ms)
        settled = None if mine is None else (mine.number, mine.closed_ms)
        found.append(Settling(chain, contract.name, at_ms, period.to_ms, period.to_ms <= now_ms, settled))
    return sorted(found, key=lambda one: (one.name, one.chain))


def close_month(conn: Connection, office: Office, span: Span, now_ms: int) -> list[Closed]:
    """Settle every contract whose period of the month is over and not settled; again it changes nothing."""
    held = settling(conn, office.context.community, span, now_ms)
    return _settle(conn, office, [one for one in held if one.settled is None and one.is_over], now_ms)


def close_or_tell(conn: Connection, office: Office, span: Span, now_ms: int) -> list[Closed]:
    """The same for who names the month: what is settled already is among it, and when no period is over, Conflict says
    when the first one will be."""
    held = settling(conn, office.context.community, span, now_ms)
    return _settle(conn, office, [one for one in held if one.is_over] or held[:1], now_ms)


def _settle(conn: Connection, office: Office, wanted: Sequence[Settling], now_ms: int) -> list[Closed]:
    due: dict[int, list[bytes]] = defaultdict(list)
    for one in wanted:
        due[one.at_ms].append(one.chain)
    found = []
    for at_ms, chains in sorted(due.items()):
        found += settlement.close(conn, office, at_ms, now_ms, chains)
    return found


def left_open(conn: Connection, community: str) -> list[StandsOpen]:
    """What the newest settlements left open and nobody has decided about yet."""
    newest: dict[bytes, Stored] = {}
    for one in settlements.of_community(conn, community):
        newest.setdefault(one.chain, one)
    found = []
    for chain, stored in newest.items():
        opens = report.opens(conn, stored)
        past = settlements.undone_resolutions(conn, chain, _FOREVER) if opens else []
        decided = {(bytes(row.channel_hash), row.open_id) for row in past}
        found += [one for one in opens if (bytes(one.channel_hash), one.span.id) not in decided]
    return found


def _chains(conn: Connection, community: str) -> dict[bytes, list[Version]]:
    """Versions in force, in order."""
    found: dict[bytes, list[Version]] = {}
    for version in book(conn, community).versions:
        found.setdefault(version.chain, []).append(version)
    return found


def _held_in(versions: Sequence[Version], span: Span) -> tuple[Contract, int, Period, int | None] | None:
    """The contract that holds last in a month, or held before it; a moment of the month, if it can be one at which it
    holds, and the rating period of that; and when the contract ended."""
    last_ms = span.to_ms - NOON_MS
    held = held_until([one.contract for one in versions], last_ms)
    if held is None:
        return None
    contract, held_ms = held
    ended_ms = contract.effective_from_ms if contract.state is ContractState.ENDED else None
    if held_ms < last_ms:
        ended_ms = held_ms + 1
    at_ms = last_ms if held_ms < span.from_ms else held_ms
    return contract, at_ms, period_of(contract, at_ms), ended_ms


def _pools(conn: Connection, chains: Mapping[bytes, Sequence[Version]], span: Span, now_ms: int) -> list[Settling]:
    found = []
    for chain, versions in chains.items():
        held = _held_in(versions, span)
        if held is None or versions[-1].contract.pool is None:
            continue
        contract, at_ms, period, ended_ms = held
        if ended_ms is not None and ended_ms <= span.from_ms and contract.state is not ContractState.ENDED:
            continue
        closes = pool_closes(conn, chain, period.from_ms, period.to_ms)
        settled = (len(closes), closes[-1].closed_ms) if closes else None
        found.append(Settling(chain, contract.name, at_ms, period.to_ms, period.to_ms <= now_ms, settled))
    return sorted(found, key=lambda one: (one.name, one.chain))


def _set_aside(conn: Connection, community: str) -> int:
    return int(
        conn.execute(
            select(func.count()).select_from(part).where(part.c.community == community, IS_QUARANTINED)
        ).scalar_one()
    )


def _disputes(conn: Connection, community: str) -> int:
    mine = (dispute.c.community == community, dispute.c.state == "open")
    return int(conn.execute(select(func.count()).select_from(dispute).where(*mine)).scalar_one())


def _has_gateway(conn: Connection, community: str) -> bool:
    return conn.execute(select(gateway.c.gid).where(gateway.c.community == community).limit(1)).first() is not None


def _proposed(conn: Connection, community: str) -> list[Proposed]:
    """Versions that are not agreed, and who has not said yes."""
    return [
        Proposed(
            one.chain,
            one.contract.name,
            tuple(party.name for party in one.contract.parties if not one.answers.get(party.id)),
        )
        for one in proposals(conn, community)
    ]


def _bills(conn: Connection, community: str, until: date) -> list[Billing] | None:
    past = [one for one in bills(conn, community) if one.reversed_ms is None]
    return next_bills([(one.name, one.first_day, one.last_day) for one in past], until) if past else None


def _documents(conn: Connection, community: str, span: Span) -> int | None:
    """Payers whose settled statements stand in no document; None where nobody issues any."""
    issuers = set(prefixes(conn, community).values())
    return sum(waiting_buyers(conn, community, one, span.to_ms) for one in issuers) if issuers else None


def _debits(conn: Connection, community: str, names: Names, now_ms: int) -> Running | None:
    """None where nobody ever signed a mandate."""
    runs = debits.RUNS.all(conn, community)
    if not runs and not mandates.standing(conn, community):
        return None
    nexts = upcoming_debits(conn, community, names, working_day(now_ms, DEBIT_DAYS_AHEAD), now_ms)
    return _running(runs, sum(one.draft is not None and bool(one.draft.plan.debits) for one in nexts))


def _payouts(conn: Connection, community: str, names: Names, now_ms: int) -> Running:
    nexts = upcoming_payouts(conn, community, names, working_day(now_ms, PAYOUT_DAYS_AHEAD), now_ms)
    to_propose = sum(one.draft is not None and bool(one.draft.plan.payouts) for one in nexts)
    return _running(payouts.RUNS.all(conn, community), to_propose)


def _running(runs: Sequence[StoredRun], to_propose: int) -> Running:
    states = [run.state for run in runs]
    to_hand_in = states.count(RunState.APPROVED) + states.count(RunState.WRITTEN)
    return Running(to_propose, states.count(RunState.PROPOSED), to_hand_in)


def _banking(
    conn: Connection, community: str, chains: Mapping[bytes, Sequence[Version]], names: Names, now_ms: int
) -> list[Banking]:
    """Accounts that a bank has told of, and those of whoever collects money under a contract."""
    told = {one.iban: one for one in last_statements(conn, community)}
    found = [Banking(names[one.holder], date.fromisoformat(one.closing_day)) for one in told.values()]
    collectors = {
        version.contract.collector
        for versions in chains.values()
        for version in versions[-1:]
        if version.live and version.contract.mode is Mode.PRINCIPAL
    }
    accounts = payouts.accounts(conn, community, now_ms)
    for collector in collectors & accounts.keys():
        if accounts[collector].iban not in told:
            found.append(Banking(names[collector], None))
    return sorted(found, key=lambda one: one.holder)


def _day_before(ms: int, span: Span) -> date:
    """The last day that is over at a moment, where the community is."""
    return datetime.fromtimestamp(ms // 1000, ZoneInfo(span.zone)).date() - timedelta(days=1)
