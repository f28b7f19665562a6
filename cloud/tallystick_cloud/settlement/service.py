"""Closes a period of a contract: everything in it is committed to, signed, logged and kept with its salts.

It never settles a period twice or out of order, and never changes a settlement.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

from sqlalchemy import Connection
from tallystick_protocol import cose
from tallystick_protocol.codes import LineKind, LogType
from tallystick_protocol.counter_line import Counter
from tallystick_protocol.errors import InvariantError
from tallystick_protocol.ids import H32, PartyId
from tallystick_protocol.money import settle
from tallystick_protocol.money.calendar import Period, period_of
from tallystick_protocol.money.contract import Contract
from tallystick_protocol.statement import CENT_NANO, Line

from tallystick_cloud.bank.store import payments_between
from tallystick_cloud.contracts import store as contracts
from tallystick_cloud.contracts.model import Version, held_until
from tallystick_cloud.disputes.service import given_between
from tallystick_cloud.errors import NotFound
from tallystick_cloud.ledger import period as ledger_period
from tallystick_cloud.ledger.store import lock_chains
from tallystick_cloud.log import service as log
from tallystick_cloud.splits import store as splits
from tallystick_cloud.trials.service import take_back

from . import facts, keep, reversals, sources, store
from .errors import SettlementRefused
from .model import Closed, Stored, TreeKey
from .office import Office
from .uses import Gathered, gather

DAY_MS = 86_400_000


def close(
    conn: Connection, office: Office, at_ms: int, now_ms: int, only: Collection[bytes] | None = None
) -> list[Closed]:
    """Settle, for every contract or those named, the rating period that holds `at_ms`; again it changes nothing.

    Contracts whose longer period runs on are left out, unless they are named or none is over. Raises Conflict when the
    period is not over, NotFound for an unknown chain, SettlementRefused for a gap.
    """
    community = office.context.community
    known = _by_chain(conn, community)
    only = _over(known, at_ms, now_ms) if only is None else only
    contracts.lock_versions(conn, [community])
    lock_chains(conn, known if only is None else only)  # from here on nobody else changes these contracts
    take_back(conn, community, now_ms, only=only)
    ledger_period.close(conn, community, at_ms, now_ms, only)
    books = _by_chain(conn, community)
    chains = {chain: versions for chain, versions in books.items() if versions[-1].contract.pool is None}
    for chain in only or ():
        if chain not in books:
            raise NotFound("contract", f"{chain.hex()} has no version in force in {community}")
    wanted = sorted(chains if only is None else chains.keys() & only)
    lock_chains(conn, wanted)
    closed = []
    for one in wanted:
        held, before = held_until([version.contract for version in chains[one]], at_ms), store.last(conn, one)
        if held is None:
            continue
        period, is_over = period_of(held[0], at_ms), held[1] < at_ms
        is_again = before is not None and period.to_ms <= before.to_ms
        if is_over and not is_again and not has_more(conn, community, one, before, period.to_ms):
            continue  # it has ended, and all of it is settled
        closed.append(_close_chain(conn, office, chains[one], period, before, now_ms))
    return closed


def has_more(conn: Connection, community: str, chain: bytes, before: Stored | None, to_ms: int) -> bool:
    """Whether a settlement until then says anything that the one before it does not: of a contract that has ended."""
    if sources.fresh_uses(conn, chain, to_ms) or sources.first_reversed(conn, chain) is not None:
        return True
    return bool(_money_lines(conn, community, H32(chain), None if before is None else before.to_ms, to_ms))


def _by_chain(conn: Connection, community: str) -> dict[bytes, list[Version]]:
    """Versions in force, in order; of pools too, which close their own periods."""
    found: dict[bytes, list[Version]] = {}
    for version in contracts.book(conn, community).versions:
        found.setdefault(version.chain, []).append(version)
    return found


def _over(books: Mapping[bytes, Sequence[Version]], at_ms: int, now_ms: int) -> set[bytes] | None:
    """Contracts whose period that holds `at_ms` is over, where those of others run on; None: all alike."""
    found = {chain: held_until([one.contract for one in versions], at_ms) for chain, versions in books.items()}
    held = {chain: one for chain, one in found.items() if one is not None}
    over = {chain for chain, (contract, _) in held.items() if period_of(contract, at_ms).to_ms <= now_ms}
    stands = {chain for chain, (_, last_ms) in held.items() if last_ms == at_ms}
    return over if over & stands and len(over) < len(held) else None


def _close_chain(
    conn: Connection,
    office: Office,
    versions: list[Version],
    period: Period,
    before: Stored | None,
    now_ms: int,
) -> Closed:
    chain = H32(versions[0].chain)
    name, zone = versions[-1].contract.name, versions[-1].contract.zone
    if before is not None and period.to_ms <= before.to_ms:
        return _again(conn, chain, period, name, zone)
    listed = [one for one in versions if one.contract.effective_from_ms < period.to_ms]
    gathered = gather(conn, office.context.community, chain, _by_h(versions), period.to_ms, office.entropy)
    gathered = reversals.signed(conn, office, gathered, now_ms)
    decided = store.undone_resolutions(conn, chain, period.to_ms)
    contracts_listed = [one.contract for one in listed]
    community = office.context.community
    covers = facts.covers(conn, community, chain, contracts_listed, before, gathered, decided)
    from_ms = ledger_period.first_ms(conn, chain, period) if before is None else before.to_ms
    books = settle.Books(
        versions=[settle.Version(H32(one.h), one.contract) for one in listed],
        from_ms=from_ms,
        to_ms=period.to_ms,
        uses=gathered.rated,
        covers=covers,
        prev=None if before is None else before.h,
        counters=_counters_before(conn, before),
        accounts=_accounts(conn, community, chain, listed, before, period.to_ms),
        late_ms=_counters_kept_ms(conn, chain, contracts_listed, from_ms),
    )
    built = settle.build(books, office.entropy.bytes)
    _check_late_uses(gathered, listed)
    stored = _sign_and_log(conn, office, chain, before, built, now_ms)
    keep.keep(conn, community, stored, books, built, gathered)
    store.carry_out(conn, [bytes(one.h) for one in decided], stored.h)
    opens = sum(len(cover.opens) for cover in built.covers)
    return Closed(stored, name, zone, len(built.uses), opens, len(built.statements), again=False)


def _counters_kept_ms(conn: Connection, chain: H32, listed: Iterable[Contract], from_ms: int) -> int:
    """How long a counter stays after its period: as long as a late use or a dispute may still move it."""
    days = max(max(one.terms.late_days, one.terms.dispute_days) for one in listed)
    oldest = sources.first_disputed_ms(conn, chain)
    return max(days * DAY_MS, 0 if oldest is None else from_ms - oldest + 1)


def _again(conn: Connection, chain: H32, period: Period, name: str, zone: str) -> Closed:
    for one in store.of_chain(conn, chain):
        if one.from_ms < period.to_ms <= one.to_ms:
            return Closed(one, name, zone, 0, 0, 0, again=True)
    first = store.of_chain(conn, chain)[0]
    reason = f"ends before the first settlement of {name!r} began; what was used then is in settlement {first.number}"
    raise SettlementRefused("period", reason)


def _by_h(versions: Iterable[Version]) -> Mapping[bytes, Contract]:
    return {one.h: one.contract for one in versions}


def _check_late_uses(gathered: Gathered, listed: Iterable[Version]) -> None:
    known = {one.h for one in listed}
    if any(one.version not in known for one in gathered.rated):
        raise InvariantError("a use is priced by a version that is not in force in its period")


def _counters_before(conn: Connection, before: Stored | None) -> dict[H32, settle.CounterOpening]:
    if before is None:
        return {}
    found = {}
    for row in store.leaves(conn, before.h, TreeKey.COUNTERS):
        if row.data is None:
            raise InvariantError("a counter was erased, though it names nobody")
        counter = Counter.decode(row.data)
        period = None if counter.period is None else Period(*counter.period)
        found[counter.key] = settle.CounterOpening(period, counter.closing)
    return found


def _accounts(
    conn: Connection, community: str, chain: H32, versions: Iterable[Version], before: Stored | None, to_ms: int
) -> dict[PartyId, settle.Account]:
    """Every party and every user of the contract has a statement each time, so that statements chain without a gap."""
    past = {} if before is None else {bytes(row.party): row for row in store.statements_of(conn, before.h)}
    lines = _money_lines(conn, community, chain, None if before is None else before.to_ms, to_ms)
    parties = {one for version in versions for one in (*(p.id for p in version.contract.parties), *version.payers)}
    parties |= {PartyId(party) for party in past} | set(lines)
    accounts = {}
    for party in parties:
        row = past.get(party)
        prev, opening = (None, 0) if row is None else (H32(bytes(row.h)), row.closing)
        accounts[party] = settle.Account(prev, opening, tuple(lines.get(party, ())))
    return accounts


def _money_lines(
    conn: Connection, community: str, chain: H32, from_ms: int | None, to_ms: int
) -> dict[PartyId, list[Line]]:
    """Payouts that were sent since the last settlement, those that came back, and what users paid."""
    low = from_ms or 0
    found: dict[PartyId, list[Line]] = {}
    for row in store.payouts_between(conn, chain, from_ms, to_ms):
        mine = found.setdefault(PartyId(bytes(row.party)), [])
        if row.sent_ms is not None and low <= row.sent_ms < to_ms:
            mine.append(Line(LineKind.PAYOUT, H32(bytes(row.id)), -row.cents * CENT_NANO))
        if row.outcome == "returned" and low <= row.outcome_ms < to_ms:
            mine.append(Line(LineKind.PAYMENT, H32(bytes(row.id)), row.cents * CENT_NANO))
    for ref, party, nano in given_between(conn, chain, low, to_ms):
        found.setdefault(PartyId(party), []).append(Line(LineKind.CORRECTION, H32(ref), nano))
    for payment, payer, nano in payments_between(conn, chain, low, to_ms):
        found.setdefault(PartyId(payer), []).append(Line(LineKind.PAYMENT, H32(payment), nano))
    for move in splits.moves(conn, community, chain=chain, from_ms=low, to_ms=to_ms):
        found.setdefault(PartyId(move.party), []).append(Line(move.kind, H32(move.ref), move.nano))
    return found


def _sign_and_log(
    conn: Connection, office: Office, chain: H32, before: Stored | None, built: settle.Built, now_ms: int
) -> Stored:
    signed = built.settlement
    envelope = cose.sign(office.context.keys.settlement, cose.ContentType.SETTLEMENT, signed.encode())
    h = cose.parse(envelope).hash
    (leaf,) = log.append(conn, office.context.community, [log.Entry(LogType.SETTLEMENT, h)], now_ms)
    number = 1 if before is None else before.number + 1
    span = (signed.from_ms, signed.to_ms)
    return Stored(h, chain, number, signed.prev, signed.unit, *span, envelope, leaf, now_ms)
