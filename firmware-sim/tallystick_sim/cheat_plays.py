"""What a host may try: a play changes a copied database as whoever runs the server could, and says what must be named.
It never forges a gateway's or a party's signature; with those keys it would not be the host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from tallystick_protocol.codes import LineKind
from tallystick_protocol.evidence import Evidence
from tallystick_protocol.ids import H32, PartyId, use_id
from tallystick_protocol.money.rating import Usage, UsageForm, rate
from tallystick_protocol.settled_use import Use
from tallystick_protocol.statement import Line, Statement

from tallystick_sim.cheat_host import COVERS, STATEMENTS, USES, Book, Host, Row
from tallystick_sim.programs import ProgramError

WASHES, HOUSE = "Washes at Casa Aurora", "Electricity of Casa Aurora"
LENDER, WORKSHOP, BANK, COOPERATIVE = "Elena Moser", "Kofler Repairs", "Bank of Neighbours", "Casa Aurora"
TEN_CENTS = 100_000_000
MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class Play:
    """`kind` names it in reports, `tries` says it in words; `victim` is shown the evidence, in which `named` stands.

    `play` gets the host and the victim's honest file."""

    kind: str
    tries: str
    victim: str
    named: str
    play: Callable[[Host, Evidence], None]


def delete_wash(host: Host, _: Evidence) -> None:
    book = host.book(WASHES)
    index = _counted(book)
    gone = _id(book.uses()[index])
    del book.rows[USES][index]
    _edit_lines(book, lambda line: [] if line.ref == gone else [line])
    host.sign_again(book)


def add_wash(host: Host, _: Evidence) -> None:
    """Once more what the last wash of a machine was, and room for it in what the machine counted."""
    book = host.book(WASHES)
    uses = book.uses()
    index = _counted(book, last=True)
    like = uses[index]
    later = like.end_ms + 30 * MINUTE_MS
    more = replace(
        like,
        number=like.number + 1,
        start_ms=like.end_ms + MINUTE_MS,
        end_ms=later,
        from_total=like.to_total,
        to_total=like.to_total + 1,
    )
    old, new = _id(like), _id(more)
    place = sum(one.position < more.position for one in uses)
    kept = book.rows[USES][index]
    book.rows[USES].insert(place, Row(replace(kept.leaf, data=more.encode()), kept.party, new))
    for at, cover in enumerate(book.covers()):
        if cover.channel_hash == like.channel_hash:
            book.put(COVERS, at, replace(cover, to_total=cover.to_total + 1, to_use=cover.to_use + 1))
    _edit_lines(book, lambda line: [line, replace(line, ref=new)] if line.ref == old else [line])
    host.sign_again(book)


def change_share(host: Host, _: Evidence) -> None:
    """Ten cents of the workshop's fixed part go to the cooperative."""
    book = host.book(WASHES)
    index = _counted(book)
    use = book.uses()[index]
    move = {host.party(WORKSHOP): -TEN_CENTS, host.party(COOPERATIVE): TEN_CENTS}
    order = [party.id for party in host.versions(book.chain)[use.version].parties]
    shares = tuple((party, share + move.get(order[party], 0)) for party, share in use.shares)
    _restate(book, index, replace(use, shares=shares), move)
    host.sign_again(book)


def old_contract(host: Host, _: Evidence) -> None:
    """A wash by the dearer prices that were agreed before."""
    book = host.book(WASHES)
    index = _counted(book)
    use = book.uses()[index]
    versions = host.versions(book.chain)
    before = versions[0]
    payer = PartyId(book.rows[USES][index].party or b"")
    usage = Usage(
        use_id=_id(use),
        channel_hash=use.channel_hash,
        number=use.number,
        start_ms=use.start_ms,
        end_ms=use.end_ms,
        from_total=use.from_total,
        to_total=use.to_total,
        asset="",  # no price depends on it
        payer=payer,
        programme=use.programme,
        form=UsageForm.EVENT,
    )
    (rated,) = rate(lambda _: before, book.chain, [usage], dict(use.counters))
    order = [party.id for party in before.parties]
    old = {order[party]: share for party, share in use.shares}
    move = {party: share - old.get(party, 0) for party, share in rated.shares}
    shares = tuple(sorted((order.index(party), share) for party, share in rated.shares))
    _restate(book, index, replace(use, version=0, fee=rated.fee, shares=shares), move)
    host.sign_again(book)


def bend_scale(host: Host, _: Evidence) -> None:
    """The house's meter is said to count in tens of watt-hours."""
    old, new = host.describe_again("house", "1-0:1.8.0", exponent=1)
    book = host.book(HOUSE)
    for at, cover in enumerate(book.covers()):
        if cover.descriptor_head == old:
            book.put(COVERS, at, replace(cover, descriptor_head=new))
    host.sign_again(book)


def fork_early(host: Host, honest: Evidence) -> None:
    """The workshop's log has another entry at a place that its gateways have seen."""
    seen = max((proof.size for proof in honest.proofs), default=0)
    host.rewrite(min(_hidden(honest, 0, seen)))


def fork_late(host: Host, honest: Evidence) -> None:
    """The workshop's log has another entry after the last that its gateways have seen."""
    seen = max((proof.size for proof in honest.proofs), default=0)
    size = host.query("SELECT size FROM log_head")[0]["size"]
    host.rewrite(max(_hidden(honest, seen, size)))


PLAYS = (
    Play("deleted-wash", "leaves out a wash", LENDER, "are not billed", delete_wash),
    Play("added-wash", "bills a wash that nobody had", LENDER, "no part that a gateway signed says so", add_wash),
    Play("changed-share", "moves ten cents of the workshop's part", WORKSHOP, "EUR by the contract", change_share),
    Play("old-contract", "prices a wash by the contract before", LENDER, "was in force", old_contract),
    Play("bent-scale", "says that the house meter counts in tens", BANK, "the scale was bent", bend_scale),
    Play("two-histories", "shows the workshop another history", WORKSHOP, "saw another log", fork_early),
)
NEIGHBOURS, PAST_THE_METER = "two-histories-compared", "load-past-the-meter"
NAMES: Mapping[str, str] = {play.kind: play.tries for play in PLAYS} | {
    NEIGHBOURS: "shows the workshop another history, too late for a gateway to see",
    PAST_THE_METER: "lets a machine take electricity past its meter",
}
"""Every kind, and what the host tries, in words."""


# ------------------------------------------------------------ what plays share


def _id(use: Use) -> H32:
    return use_id(use.channel_hash, use.number)


def _hidden(honest: Evidence, low: int, high: int) -> set[int]:
    """Entries of the log that the file does not show."""
    found = set(range(low, high)) - {one.leaf for one in honest.objects}
    if not found:
        raise ProgramError(f"the file shows every entry of the log from {low} to {high}: let a demo run longer")
    return found


def _counted(book: Book, *, last: bool = False) -> int:
    """A wash that was paid: the first one; or one that is the newest use of its machine."""
    uses = book.uses()
    newest: dict[H32, int] = {}
    for use in uses:
        newest[use.channel_hash] = max(use.number, newest.get(use.channel_hash, 0))
    paid = [index for index, use in enumerate(uses) if use.fee and use.to_total > use.from_total]
    if last:
        paid = [index for index in paid if uses[index].number == newest[uses[index].channel_hash]]
    if not paid:
        raise ProgramError("no wash was paid that a cheat could begin with: let a demo run longer")
    return paid[-1] if last else paid[0]


def _restate(book: Book, index: int, use: Use, move: Mapping[PartyId, int]) -> None:
    """Put the use in place of the old one, and every line about it after it."""
    by = use.fee - book.uses()[index].fee
    book.put(USES, index, use)
    for at, statement in enumerate(book.statements()):
        lines = [_moved(line, by, move.get(statement.party, 0)) if line.ref == _id(use) else line
                 for line in statement.lines]  # fmt: skip
        book.put(STATEMENTS, at, _with_lines(statement, lines))


def _moved(line: Line, fee: int, share: int) -> Line:
    match line.kind:
        case LineKind.CHARGE:
            return replace(line, amount=line.amount - fee)
        case LineKind.SHARE:
            return replace(line, amount=line.amount + share)
        case LineKind.PAYOUT | LineKind.PAYMENT | LineKind.CORRECTION:
            return line


def _edit_lines(book: Book, change: Callable[[Line], list[Line]]) -> None:
    for at, statement in enumerate(book.statements()):
        book.put(STATEMENTS, at, _with_lines(statement, [new for line in statement.lines for new in change(line)]))


def _with_lines(statement: Statement, lines: list[Line]) -> Statement:
    closing = statement.opening + sum(line.amount for line in lines)
    return replace(statement, lines=tuple(lines), closing=closing)
