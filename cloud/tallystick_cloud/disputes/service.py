"""Opens and decides disputes: the shares of a disputed use are not paid out, and one that is right is given back.

It never prices and never posts: a use whose dispute is right is reversed, which is the ledger's.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, exists, insert, or_, select, update
from tallystick_protocol import cbor
from tallystick_protocol.ids import sha256
from tallystick_protocol.money.usage import UsageForm

from tallystick_cloud.contracts.store import versions_of
from tallystick_cloud.errors import BadInput, Conflict, Forbidden, NotFound
from tallystick_cloud.ledger.model import Account, Amounts, Kind, Line, amounts
from tallystick_cloud.ledger.reversal import reverse
from tallystick_cloud.ledger.rows import shares_of
from tallystick_cloud.ledger.store import rated_uses
from tallystick_cloud.schema import dispute, reversal, settled_use

IS_REVERSED = exists().where(reversal.c.use_id == dispute.c.use_id)
DAY_MS = 86_400_000
WHY_CHARS_MAX = 1000
SHOWN_BYTES_MAX = 2**20  # a photograph or a page; larger files have a place of their own


@dataclass(frozen=True, slots=True)
class Said:
    """Who says what of which use, and a document for it."""

    use_id: bytes
    party: bytes
    why: str
    shown: bytes | None = None

    def __post_init__(self) -> None:
        if not self.why.strip() or len(self.why) > WHY_CHARS_MAX:
            raise BadInput("why", f"must have 1 to {WHY_CHARS_MAX} characters; the others read it")
        if self.shown is not None and len(self.shown) > SHOWN_BYTES_MAX:
            raise BadInput("document", f"has {len(self.shown)} bytes; the limit is {SHOWN_BYTES_MAX}")


def open_dispute(conn: Connection, community: str, said: Said, now_ms: int) -> Any:
    """The row. Raises NotFound, Forbidden (neither payer nor party) or Conflict (too late, free, a
    rebate, or disputed).

    A free use that fills a tier or a quota can be disputed: nothing is held, and its place can be given back.
    """
    use = _use(conn, community, said.use_id)
    version = versions_of(conn, bytes(use.chain))[bytes(use.contract)]
    if said.party != bytes(use.payer) and said.party not in {one.id for one in version.contract.parties}:
        raise Forbidden("party", "neither pays for this use nor is a party of its contract; ask one who is")
    days = (now_ms - use.end_ms) // DAY_MS
    if days > version.contract.terms.dispute_days:
        detail = f"ended {days} days ago; by its contract it can be disputed for {version.contract.terms.dispute_days}"
        raise Conflict("use", detail)
    if use.kind != Kind.LIVE.value or not (use.fee or use.counters):
        raise Conflict("use", "costs nothing and uses nothing up; there is nothing to be held or taken back")
    if use.form == UsageForm.REBATE:
        raise Conflict("use", "is a rebate, which follows from the uses of its period: dispute the one that is wrong")
    if find(conn, said.use_id) is not None:
        raise Conflict("use", "was disputed before; see `tallystick dispute list`")
    row: dict[str, object] = {
        "id": sha256(cbor.encode([community, said.use_id])),
        "community": community,
        "use_id": said.use_id,
    }
    row |= {"chain": bytes(use.chain), "opened_by": said.party, "opened_ms": now_ms, "why": said.why}
    conn.execute(insert(dispute), {**row, "shown": said.shown, "state": "open"})
    return find(conn, said.use_id)


def decide(conn: Connection, community: str, said: Said, *, is_right: bool, now_ms: int) -> Any:
    """The row. Right: the use is reversed, as if it had never been. Raises NotFound, Forbidden or Conflict."""
    row = find(conn, said.use_id)
    if row is None or row.community != community:
        raise NotFound("dispute", "there is none of this use; see `tallystick dispute list`")
    if row.state != "open":
        raise Conflict("dispute", f"is {row.state} already; what is decided stays")
    use = _use(conn, community, said.use_id)
    gets = {party for party, amount in shares_of(use) if amount}
    if said.party in {bytes(row.opened_by), bytes(use.payer)} | gets:
        raise Forbidden("party", "opened it, pays or gets a share; somebody else decides")
    given: list[tuple[bytes, int]] = []
    if is_right:
        cost = reverse(conn, community, said.use_id, said.why, now_ms)
        given = [(bytes(use.payer), cost.fee), *((party, -amount) for party, amount in cost.shares if amount)]
    values: dict[str, object] = {
        "state": "upheld" if is_right else "rejected",
        "decided_by": said.party,
        "decided_ms": now_ms,
    }
    values |= {"decision": said.why, "decision_shown": said.shown}
    values["given_back"] = json.dumps([[party.hex(), str(nano)] for party, nano in given]) if is_right else None
    conn.execute(update(dispute).where(dispute.c.use_id == said.use_id).values(**values))
    return find(conn, said.use_id)


def find(conn: Connection, use_id: bytes) -> Any:
    return conn.execute(select(dispute).where(dispute.c.use_id == use_id)).one_or_none()


def listed(conn: Connection, community: str) -> Sequence[Any]:
    """All of a community, the open ones first, then the newest."""
    query = select(dispute).where(dispute.c.community == community)
    return conn.execute(query.order_by(dispute.c.state != "open", dispute.c.opened_ms.desc())).all()


def held(conn: Connection, community: str) -> Mapping[Line, int]:
    """Account -> nano of the shares of uses in open disputes, which are not to be paid out meanwhile."""
    found: dict[Line, int] = defaultdict(int)
    for use in _open_uses(conn, community):
        for line, nano in _lines(conn, use).items():
            if line.account in (Account.PAYABLE, Account.FUND):
                found[line] -= nano
    return found


@dataclass(frozen=True, slots=True)
class Fee:
    """What a payer owes a holder for a use in an open dispute; nano. `settlement`: the first that holds the use."""

    holder: bytes
    payer: bytes
    chain: bytes
    nano: int
    settlement: bytes | None


def disputed_fees(conn: Connection, community: str) -> list[Fee]:
    """What is not to be collected while it is in dispute."""
    uses = _open_uses(conn, community)
    ids = [bytes(use.use_id) for use in uses]
    query = select(settled_use.c.use_id, settled_use.c.settlement).where(settled_use.c.use_id.in_(ids))
    rows = conn.execute(query.order_by(settled_use.c.number.desc())).all()  # the first settlement of each comes last
    settled = {bytes(use_id): bytes(h) for use_id, h in rows}
    return [
        Fee(line.holder, line.party, line.chain, nano, settled.get(bytes(use.use_id)))
        for use in uses
        for line, nano in _lines(conn, use).items()
        if line.account is Account.RECEIVABLE
    ]


def _open_uses(conn: Connection, community: str) -> list[Any]:
    """Uses in open disputes with their standing ratings."""
    query = select(dispute.c.use_id).where(dispute.c.community == community, dispute.c.state == "open")
    return list(rated_uses(conn, [bytes(one) for one in conn.execute(query).scalars()]).values())


@dataclass(frozen=True, slots=True)
class Given:
    """What one dispute gave back to a party, or took back from it (negative); nano, and when."""

    id: bytes
    chain: bytes
    decided_ms: int
    nano: int


def given_between(conn: Connection, chain: bytes, from_ms: int, to_ms: int) -> list[tuple[bytes, bytes, int]]:
    """(dispute, party, nano) of what was given back under a contract by a journal alone, and of what was taken back
    when its use was reversed later, in [from_ms, to_ms), as lines of statements.

    So it was before uses could be reversed; a reversed use has lines of its own.
    """
    found: dict[tuple[bytes, bytes], int] = defaultdict(int)
    for party, one in _given(conn, dispute.c.chain == chain):
        if from_ms <= one.decided_ms < to_ms:
            found[one.id, party] += one.nano
    return [(*key, nano) for key, nano in found.items() if nano]  # both in one statement are no line


def given_to(conn: Connection, community: str, party: bytes) -> list[Given]:
    """The same of one party, whenever it was, oldest first."""
    return [one for who, one in _given(conn, dispute.c.community == community) if who == party]


def _given(conn: Connection, where: ColumnElement[bool]) -> list[tuple[bytes, Given]]:
    """(party, what it was given or gave), by time: of disputes that were no reversals when they were decided."""
    rows = conn.execute(
        select(dispute, reversal.c.at_ms.label("reversed_ms"))
        .outerjoin(reversal, reversal.c.use_id == dispute.c.use_id)
        .where(where, dispute.c.state == "upheld")
        .where(or_(reversal.c.at_ms.is_(None), reversal.c.at_ms > dispute.c.decided_ms))
    )
    found = []
    for row in rows:
        for party, nano in json.loads(row.given_back or "[]"):
            at = bytes(row.id), bytes(row.chain)
            found.append((bytes.fromhex(party), Given(*at, row.decided_ms, int(nano))))
            if row.reversed_ms is not None:
                found.append((bytes.fromhex(party), Given(*at, row.reversed_ms, -int(nano))))
    return sorted(found, key=lambda one: (one[1].decided_ms, one[1].id))


def _use(conn: Connection, community: str, use_id: bytes) -> Any:
    use = rated_uses(conn, [use_id]).get(use_id)
    if use is None or use.community != community:
        raise NotFound("use", f"{use_id.hex()} is none of {community}; its page shows the whole id")
    return use


def _lines(conn: Connection, use: Any) -> Amounts:
    contract = versions_of(conn, bytes(use.chain))[bytes(use.contract)].contract
    return amounts(contract, bytes(use.chain), bytes(use.payer), use.fee, shares_of(use))
