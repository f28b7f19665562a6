"""Disputes as one reader may see them, each with its use, and whether a use can be disputed by that reader.

It never shows who pays a use, and shows no dispute to somebody who may not open its use."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from sqlalchemy import Connection, or_, select
from tallystick_protocol.money.contract import Contract
from tallystick_protocol.money.usage import UsageForm

from tallystick_cloud.contracts.store import chains_split_with, versions_of
from tallystick_cloud.disputes import service
from tallystick_cloud.errors import NotFound
from tallystick_cloud.ledger.model import Kind, Line
from tallystick_cloud.schema import dispute, use
from tallystick_cloud.uses import access
from tallystick_cloud.uses.model import Basis, Reader, UseView

SEEN_MAX = 100
"""Disputes of one list, the open ones first; a community decides a few in a year."""


@dataclass(frozen=True, slots=True)
class Told:
    """What somebody said, when (ms UTC), and whether a document goes with it."""

    by: bytes
    at_ms: int
    why: str
    has_document: bool


@dataclass(frozen=True, slots=True)
class Seen:
    """A dispute with its use. `state`: open, upheld or rejected; `given`: (party, nano) of what was given back."""

    use: UseView
    contract: Contract
    state: str
    opened: Told
    decided: Told | None
    given: tuple[tuple[bytes, int], ...]

    @property
    def fee(self) -> int:
        """Nano that it is about: what the use costs, or did before it was taken back."""
        return self.given[0][1] if self.given else self.use.standing.fee


class Bar(Enum):
    """Why a reader cannot dispute a use."""

    FREE = "free"  # or in a shadow contract: there is nothing to be held
    GIVEN = "given"  # a rebate: what is wrong about it is wrong in a use that it is about
    NOT_YOURS = "not yours"
    LATE = "late"


@dataclass(frozen=True, slots=True)
class Opened:
    """A use with its dispute if there is one, else what bars the reader from opening one (None: nothing does).

    `until_ms`: the last millisecond UTC in which it can be disputed by its contract."""

    use: UseView
    contract: Contract
    seen: Seen | None
    until_ms: int
    bar: Bar | None

    @property
    def fee(self) -> int:
        """Nano that it is about, or would be."""
        return self.use.standing.fee if self.seen is None else self.seen.fee

    @property
    def may_open(self) -> bool:
        """Whether the reader can open one now."""
        return self.seen is None and self.bar is None


_COLUMNS = (
    dispute.c.use_id, dispute.c.opened_by, dispute.c.opened_ms, dispute.c.why, dispute.c.state, dispute.c.decided_by,
    dispute.c.decided_ms, dispute.c.decision, dispute.c.given_back, dispute.c.shown.is_not(None).label("has_shown"),
    dispute.c.decision_shown.is_not(None).label("has_decision_shown"),
)  # fmt: skip


def seen_by(conn: Connection, reader: Reader) -> list[Seen]:
    """The reader's, or for an office all; the open ones first, then the newest. Writes: call it in a write."""
    query = select(*_COLUMNS).where(dispute.c.community == reader.community)
    if not reader.holds_office:
        party = reader.party or b""
        chains = sorted(chains_split_with(conn, reader.community, party))
        mine = or_(use.c.payer == party, use.c.chain.in_(chains))
        query = query.join(use, use.c.use_id == dispute.c.use_id).where(mine)
    order = (dispute.c.state != "open", dispute.c.opened_ms.desc())
    rows = conn.execute(query.order_by(*order).limit(SEEN_MAX)).all()
    uses = access.read_uses(conn, reader, [bytes(row.use_id) for row in rows])
    contracts: dict[bytes, Contract] = {}
    for chain in {one.chain for one in uses.values()}:
        contracts |= {h: version.contract for h, version in versions_of(conn, chain).items()}
    shown = [(row, uses[bytes(row.use_id)]) for row in rows if bytes(row.use_id) in uses]
    return [_seen(row, one, contracts[one.contract]) for row, one in shown]


def opened(conn: Connection, reader: Reader, use_id: bytes) -> Opened:
    """A use that the reader may see, with its dispute. Raises NotFound. Writes: call it in a write."""
    found = access.read_use(conn, reader, use_id)
    return beside(conn, reader, found, versions_of(conn, found.chain)[found.contract].contract)


def beside(conn: Connection, reader: Reader, found: UseView, contract: Contract) -> Opened:
    """The same of a use that was read already."""
    row = conn.execute(select(*_COLUMNS).where(dispute.c.use_id == found.use_id)).one_or_none()
    seen = None if row is None else _seen(row, found, contract)
    until_ms = found.end_ms + (contract.terms.dispute_days + 1) * service.DAY_MS - 1
    return Opened(found, contract, seen, until_ms, bar_of(found, contract, reader, until_ms))


def document(conn: Connection, reader: Reader, use_id: bytes, *, of_decision: bool) -> bytes:
    """What was shown by who opened it, or by who decided. Raises NotFound. Writes: call it in a write."""
    access.read_use(conn, reader, use_id)
    column = dispute.c.decision_shown if of_decision else dispute.c.shown
    data = conn.execute(select(column).where(dispute.c.use_id == use_id)).scalar_one_or_none()
    if data is None:
        raise NotFound("document", "none was handed in")
    return bytes(data)


def bar_of(found: UseView, contract: Contract, reader: Reader, until_ms: int) -> Bar | None:
    """What the service would refuse, said before somebody writes a reason."""
    uses_up = found.standing.fee or found.standing.counters
    if not uses_up or found.kind != Kind.LIVE.value:
        return Bar.FREE
    if found.form == UsageForm.REBATE:
        return Bar.GIVEN
    if found.basis is not Basis.PAYER and reader.party not in {one.id for one in contract.parties}:
        return Bar.NOT_YOURS
    return Bar.LATE if reader.now_ms > until_ms else None


def may_decide(seen: Seen, reader: Reader) -> bool:
    """Whether the service lets the reader decide: who opened it, pays or gets a share does not."""
    gets = {party for party, nano in seen.use.standing.shares if nano}
    is_involved = seen.use.basis is Basis.PAYER or reader.party in {seen.opened.by, *gets}
    return reader.holds_office and seen.state == "open" and not is_involved


def held_of(lines: Mapping[Line, int], party: bytes) -> int:
    """Nano of a party's that is not paid out now, of what `service.held` says."""
    return sum(nano for line, nano in lines.items() if line.party == party)


def _seen(row: Any, found: UseView, contract: Contract) -> Seen:
    said = Told(bytes(row.opened_by), row.opened_ms, row.why, bool(row.has_shown))
    decided = None
    if row.decided_by is not None:
        decided = Told(bytes(row.decided_by), row.decided_ms, row.decision, bool(row.has_decision_shown))
    given: Sequence[tuple[str, str]] = json.loads(row.given_back or "[]")
    back = tuple((bytes.fromhex(party), int(nano)) for party, nano in given)
    return Seen(found, contract, row.state, said, decided, back)
