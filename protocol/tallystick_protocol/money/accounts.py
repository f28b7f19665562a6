"""Statements out of rated uses: one line per use and kind, joined slices under one line, chained to the one before.
It never nets a charge against a share.
"""

from collections.abc import Callable, Sequence

from tallystick_protocol.codes import LineKind, UseKind
from tallystick_protocol.ids import H32, NONCE_BYTES, PartyId, use_id
from tallystick_protocol.money.books import (
    Account,
    Books,
    RatedUse,
)
from tallystick_protocol.money.grouping import group_of
from tallystick_protocol.money.rating import UsageForm
from tallystick_protocol.statement import Line, Statement

Random = Callable[[int], bytes]


def statements_of(books: Books, random: Random) -> list[Statement]:
    """One per party with a line, a balance or a statement before, by party id."""
    lines: dict[PartyId, list[Line]] = {}
    for party, account in books.accounts.items():
        lines.setdefault(party, []).extend(account.lines)
    for one in books.uses:
        if one.kind is UseKind.LIVE:
            _lines_of(one, lines)
    made = []
    for party in sorted(lines):
        account = books.accounts.get(party, Account())
        joined = _joined(books, party, lines[party])
        closing = account.opening + sum(line.amount for line in joined)
        nonce = random(NONCE_BYTES)
        made.append(Statement(nonce, party, account.prev, account.opening, joined, closing, account.payout_cents))
    return made


def _lines_of(one: RatedUse, lines: dict[PartyId, list[Line]]) -> None:
    """Charge and shares of a use; of a corrected one the difference. Nothing makes no line but a use without price."""
    usage, was = one.rated.usage, one.was
    ref = use_id(usage.channel_hash, usage.number)
    before = dict(was.shares) if was is not None else {}
    charge = one.rated.fee - (was.fee if was is not None else 0)
    lines.setdefault(usage.payer, []).append(Line(LineKind.CHARGE, ref, -charge))
    for party, amount in one.rated.shares:
        share = amount - before.get(party, 0)
        if share:
            lines.setdefault(party, []).append(Line(LineKind.SHARE, ref, share))


def _joined(books: Books, party: PartyId, lines: Sequence[Line]) -> tuple[Line, ...]:
    """Lines of slices under the id of the settled use they were joined into; the order of first mention stays."""
    heads = heads_of(books)
    sums: dict[tuple[LineKind, H32], int] = {}
    for line in lines:
        key = (line.kind, heads.get(line.ref, line.ref))
        sums[key] = sums.get(key, 0) + line.amount
    return tuple(Line(kind, ref, amount) for (kind, ref), amount in sums.items())


def heads_of(books: Books) -> dict[H32, H32]:
    """use id of an interval slice -> use id of the settled use, which has the number of its first slice."""
    by_hash = {version.h: version.contract for version in books.versions}
    first: dict[tuple[object, ...], H32] = {}
    heads: dict[H32, H32] = {}
    for one in books.uses:
        usage = one.rated.usage
        if usage.form is UsageForm.INTERVAL:
            here = use_id(usage.channel_hash, usage.number)
            heads[here] = first.setdefault(group_of(by_hash[one.version], books.chain, one), here)
    return heads
