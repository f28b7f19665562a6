"""What a contract computed month by month, read for its office, and the step to live in a party's name.

It never compares without leaving an access row, and never signs for anybody but the party that is signed in.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, select
from tallystick_protocol import cose
from tallystick_protocol.keys import P256Signer
from tallystick_protocol.money.contract import ContractState

from tallystick_cloud.context import Aggregator
from tallystick_cloud.contracts import look
from tallystick_cloud.contracts import service as contracts
from tallystick_cloud.contracts.look import ChainView
from tallystick_cloud.contracts.service import Standing
from tallystick_cloud.contracts.store import book
from tallystick_cloud.contracts.switch import follow
from tallystick_cloud.errors import Forbidden
from tallystick_cloud.http.month import Span
from tallystick_cloud.ledger.model import Kind
from tallystick_cloud.schema import standing
from tallystick_cloud.uses.store import insert_access

from .model import MonthBeside, Piece, beside

MONTHS_MAX = 12
"""Before the newest: a year is what anybody compares."""

Bills = Mapping[str, Mapping[bytes, int]]
"""month -> payer -> nano."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A contract and its months; `spans`: the time of each as far as it is known."""

    chain: ChainView
    months: tuple[MonthBeside, ...]
    spans: Mapping[str, Span]


def compare(conn: Connection, community: str, chain: bytes, bills: Bills, actor: bytes | None, now_ms: int) -> Compared:
    """The months since the contract began, beside old bills. Raises NotFound. Writes an access row."""
    view = look.chain_of(conn, community, chain, None, True, now_ms)
    spans = {one.month.text: one for one in _spans(view, now_ms)}
    pieces = {text: _pieces(conn, chain, span) for text, span in spans.items()}
    payers = {
        bytes(one) for version in book(conn, community).versions if version.chain == chain for one in version.payers
    }
    uses = sum(one.uses for each in pieces.values() for one in each)
    row: dict[str, object] = {
        "community": community,
        "actor": actor,
        "on_behalf": None,
        "resource": "uses by payer and month",
    }
    purpose = "to compare with the old bill"
    insert_access(
        conn, {**row, "purpose": purpose, "basis": "office", "contract": chain, "row_count": uses, "at_ms": now_ms}
    )
    return Compared(view, beside(pieces, payers, bills), spans)


def _spans(view: ChainView, now_ms: int) -> list[Span]:
    """Months of the contract's zone in which a version of it held, the newest first."""
    zone = view.now.contract.zone
    begun = [one.contract.effective_from_ms for one in view.versions if one.in_force_ms is not None]
    if not begun or min(begun) > now_ms:
        return []
    span = Span.of(None, now_ms, zone)
    found: list[Span] = []
    while len(found) < MONTHS_MAX and span.to_ms > min(begun):
        found.append(span)
        span = Span.of(span.month.step(-1).text, now_ms, zone)
    return found


def _pieces(conn: Connection, chain: bytes, span: Span) -> list[Piece]:
    """Sums by payer, form and programme of a month's uses; one that ends at midnight is of the day before."""
    of = standing.c
    groups = (of.payer, of.form, of.programme)
    rows = conn.execute(
        select(*groups, func.count(), func.sum(of.to_total - of.from_total), func.sum(of.fee))
        .where(of.chain == chain, of.kind != Kind.TEST.value, of.end_ms > span.from_ms, of.end_ms <= span.to_ms)
        .group_by(*groups)
    )
    return [
        Piece(bytes(payer), form, programme, int(uses), int(counts), int(fee))
        for payer, form, programme, uses, counts, fee in rows
    ]


def go_live(
    conn: Connection,
    aggregator: Aggregator,
    community: str,
    chain: bytes,
    signer: P256Signer | None,
    now_ms: int,
) -> Standing:
    """Propose that the contract is live from its next rating period on, signed with the key of a party of it.

    Raises NotFound, Forbidden without a key, ContractRefused also for the key of nobody who is named in it.
    """
    view = look.chain_of(conn, community, chain, None, True, now_ms)
    if signer is None:
        raise Forbidden("party", "signs with a key of its own, which is not here; use `tallystick contract switch`")
    draft = follow(view, ContractState.LIVE, None, now_ms, aggregator.entropy.bytes)
    envelope = cose.sign(signer, cose.ContentType.CONTRACT, draft.contract.encode())
    return contracts.propose(conn, aggregator.of(community), envelope, now_ms, draft.openings)


def waits_for(view: ChainView) -> Sequence[str]:
    """Names of the parties that a proposed live version waits for; empty when none is proposed."""
    newest = view.versions[0]
    if newest.in_force_ms is not None or newest.contract.state is not ContractState.LIVE:
        return ()
    said = {party for party, _ in newest.yes}
    return tuple(one.name for one in newest.contract.parties if one.id not in said)
