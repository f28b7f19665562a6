"""Moves money that nobody could be paid to the unclaimed account, by one journal, and back when it is claimed.

It never ends a debt: the holder owes it as before, and statements say so.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from tallystick_protocol import cbor
from tallystick_protocol.ids import sha256
from tallystick_protocol.money.contract import Mode

from tallystick_cloud.disputes.service import held as disputed
from tallystick_cloud.errors import BadInput, Conflict, Forbidden, NotFound
from tallystick_cloud.ledger import journals
from tallystick_cloud.ledger.model import DAY_MS, Account, Line
from tallystick_cloud.parties import service as parties
from tallystick_cloud.parties.store import names_by_id
from tallystick_cloud.payouts import epc
from tallystick_cloud.payouts import store as payouts
from tallystick_cloud.payouts.errors import PayoutRefused
from tallystick_cloud.payouts.pain import CURRENCY
from tallystick_cloud.runs.checks import check_none_open
from tallystick_cloud.runs.store import lock

from . import model, store
from .model import Due, Facts

TEXT_CHARS_MAX = 1000


@dataclass(frozen=True, slots=True)
class BankDetails:
    """A bank account that comes with a claim."""

    iban: str
    holder: str


def decide_rule(conn: Connection, community: str, days: int, decision: str, by: bytes, now_ms: int) -> None:
    """From now on, money that could not be paid for so many days may be moved. Raises BadInput."""
    if not model.DAYS_MIN <= days <= model.DAYS_MAX:
        raise BadInput("days", f"must be {model.DAYS_MIN} to {model.DAYS_MAX}, not {days}")
    row = {"community": community, "days": days, "decision": _text("decision", decision)}
    store.put_rule(conn, {**row, "decided_by": by, "decided_ms": now_ms})


def due(conn: Connection, community: str, now_ms: int, erased: bytes | None = None) -> list[Due]:
    """What may be moved now, in account order. `erased`: a party that is said to have been forgotten.

    Raises Conflict while the community has no rule.
    """
    rule = store.rule(conn, community)
    if rule is None:
        step = "`tallystick unclaimed rule --days 1095 --decision TEXT` sets one"
        raise Conflict("rule", f"{community} has not decided after how many days money is unclaimed; {step}")
    since_ms = now_ms - rule.days * DAY_MS
    terms, spans = payouts.terms(conn, community), store.account_spans(conn, community)
    last, held = store.last_payouts(conn, community), disputed(conn, community)
    found = []
    for one in sorted(payouts.owed(conn, community), key=lambda each: each.line.key()):
        payable = one.party != one.holder and one.unit == CURRENCY and terms[one.chain].mode is not Mode.PSP
        if one.nano <= 0 or not payable:
            continue
        is_erased = one.party == erased
        reason = model.unpayable(spans.get(one.party, ()), last.get(one.party), since_ms, is_erased=is_erased)
        if reason is None:
            continue
        moved, left = store.moves_since(conn, one.line, since_ms)
        nano = model.old_enough(Facts(one, one.nano + moved, left, held.get(one.line, 0)))
        if nano:
            found.append(Due(one, nano, reason))
    return found


def move(
    conn: Connection, community: str, by: bytes, why: str, now_ms: int,
    party: bytes | None = None, *, is_erased: bool = False,
) -> list[Any]:  # fmt: skip
    """Move all that is due, or what is due to one party; the rows.

    Raises Conflict when nothing is due, PayoutRefused while a payout run is open."""
    lock(conn, community)
    text = _text("why", why)
    names = names_by_id(conn, community)
    chosen = [
        one for one in due(conn, community, now_ms, party if is_erased else None) if party in (None, one.owed.party)
    ]
    if not chosen:
        raise Conflict("unclaimed", "nothing has waited long enough; `tallystick unclaimed due` says what waits")
    for holder in {one.owed.holder for one in chosen}:
        check_none_open(payouts.RUNS.find_open(conn, community, holder), "payout run", names, PayoutRefused)
    ids = [_move(conn, community, one, {"why": text, "moved_by": by, "moved_ms": now_ms}) for one in chosen]
    return [row for row in store.listed(conn, community) if bytes(row.id) in ids]


def _move(conn: Connection, community: str, one: Due, said: Mapping[str, Any]) -> bytes:
    """The id of the row."""
    owed, now_ms = one.owed, said["moved_ms"]
    number = sha256(cbor.encode([community, *owed.line.key(), one.nano, now_ms]))
    journals.post(conn, community, [_entry(number, "moved", model.moved_lines(owed.line, one.nano))], now_ms)
    row: dict[str, object] = {
        "id": number,
        "community": community,
        "holder": owed.holder,
        "account": owed.account.value,
    }
    row |= {"party": owed.party, "chain": owed.chain, "unit": owed.unit, "nano": one.nano, "reason": one.reason.value}
    store.insert_moved(conn, {**row, **said})
    return number


def claim(
    conn: Connection, community: str, number: bytes, by: bytes, identity: str, now_ms: int,
    account: BankDetails | None = None,
) -> Any:  # fmt: skip
    """The money is payable again; the row.

    Raises NotFound, Conflict (claimed before), Forbidden (claims for oneself) or BankFileError."""
    lock(conn, community)
    row = find(conn, community, number)
    if row.claimed_ms is not None:
        raise Conflict("unclaimed", "was claimed before; the next payout run pays it")
    if bytes(row.party) == by:
        raise Forbidden("party", "claims its own money; somebody else looks at the proof of identity")
    line = Line(bytes(row.holder), Account(row.account), bytes(row.party), bytes(row.chain), row.unit)
    entry = _entry(bytes(row.id), "claimed", model.claimed_lines(line, row.nano))
    journals.post(conn, community, [entry], now_ms)
    said = {"claimed_by": by, "claimed_ms": now_ms, "identity": _text("identity", identity)}
    store.mark_claimed(conn, bytes(row.id), **said)
    if account is not None:
        iban, holder = epc.bank_iban("--iban", account.iban), epc.bank_name("--account-holder", account.holder)
        parties.set_account(conn, community, bytes(row.party), iban, holder, now_ms)
    return find(conn, community, number)


def find(conn: Connection, community: str, number: bytes) -> Any:
    """By its id or the beginning of it. Raises NotFound."""
    rows = [row for row in store.listed(conn, community) if bytes(row.id).startswith(number)]
    if not number or len(rows) != 1:
        raise NotFound("unclaimed", f"{number.hex()} is none of {community}; see `tallystick unclaimed list`")
    return rows[0]


def amiss(conn: Connection, community: str) -> list[str]:
    """For the audit: what stands on unclaimed accounts is what was moved there and not claimed."""
    should: dict[Line, int] = {}
    for row in store.listed(conn, community):
        if row.claimed_ms is None:
            line = Line(bytes(row.holder), Account.UNCLAIMED, bytes(row.party), bytes(row.chain), row.unit)
            should[line] = should.get(line, 0) + row.nano
    has = store.standing(conn, community)
    return [
        f"{community}: unclaimed of {line.party.hex()} is {has.get(line, 0)}, what was moved says {should.get(line, 0)}"
        for line in has.keys() | should.keys()
        if has.get(line, 0) != should.get(line, 0)
    ]


def _entry(number: bytes, what: str, lines: Mapping[Line, int]) -> journals.Entry:
    return journals.Entry(f"unclaimed:{number.hex()}:{what}", f"unclaimed-{what}", number, lines)


def _text(field: str, said: str) -> str:
    if not said.strip() or len(said) > TEXT_CHARS_MAX:
        raise BadInput(field, f"must have 1 to {TEXT_CHARS_MAX} characters; an auditor reads it")
    return said.strip()
