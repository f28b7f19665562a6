"""Routes of settlements: list, close, what stands open, decide about it, and one's own statements.

It never shows another party's statement to anybody but auditors and community managers.
"""

from typing import Any, Literal

from pydantic import BaseModel, Field
from sqlalchemy import Connection
from tallystick_protocol.codes import ResolutionAction
from tallystick_protocol.ids import H32, H32_BYTES

from tallystick_cloud.context import Aggregator
from tallystick_cloud.contracts.store import versions_of
from tallystick_cloud.db import Database
from tallystick_cloud.errors import BadInput, Forbidden, NotFound
from tallystick_cloud.http.authz import MEMBERS, Role
from tallystick_cloud.http.route import Call, RouteTable
from tallystick_cloud.parties.store import ids_by_name
from tallystick_cloud.ports import Clock

from . import report, service, statements, store
from .access import Read, write_down
from .decisions import Decision, decide
from .model import Stored
from .office import Office

MANAGERS = frozenset({Role.COMMUNITY_MANAGER})
READERS = frozenset({Role.COMMUNITY_MANAGER, Role.AUDITOR})
BASE = "/v1/communities/{community}"
WHY_MAX = 500

Answer = dict[str, Any]


class Period(BaseModel):
    """Any moment of the rating period that is to be closed."""

    at_ms: int


class Decided(BaseModel):
    """`chain` and `channel` as hex; `programme` where the price depends on it."""

    chain: str
    channel: str
    open_id: int
    action: Literal["bill", "waive"]
    why: str = Field(min_length=1, max_length=WHY_MAX)
    programme: str | None = None


def settlement_routes(database: Database, aggregator: Aggregator, clock: Clock) -> RouteTable:
    """On the people's port."""
    table = RouteTable()

    def office(community: str) -> Office:
        return Office(aggregator.of(community), aggregator.entropy)

    @table.route("GET", BASE + "/settlements", roles=MEMBERS, tag="settlements")
    async def list_settlements(call: Call, community: str) -> list[Answer]:
        """All settlements of the community, the newest period first."""
        return await database.read(_all, community)

    @table.route("POST", BASE + "/settlements", roles=MANAGERS, tag="settlements")
    async def close_period(call: Call, community: str, body: Period) -> list[Answer]:
        """Settle the rating period that holds a moment, for every contract; again it changes nothing."""
        closed = await database.write(service.close, office(community), body.at_ms, clock.utc_ms())
        return [report.as_json(one.settlement, one.contract) | {"again": one.again} for one in closed]

    @table.route("GET", BASE + "/open-spans", roles=READERS, tag="settlements")
    async def list_open_spans(call: Call, community: str) -> list[Answer]:
        """What the newest settlements left open, with the reason."""
        return await database.read(_open_spans, community)

    @table.route("POST", BASE + "/resolutions", roles=MANAGERS, tag="settlements")
    async def decide_open_span(call: Call, community: str, body: Decided) -> Answer:
        """Bill or waive an open span: signed, logged, carried out by the next settlement."""
        action = ResolutionAction[body.action.upper()]
        chain, channel = _h32(body.chain, "chain"), _h32(body.channel, "channel")
        decision = Decision(chain, channel, body.open_id, action, body.why, party_of(call), body.programme)
        said = await database.write(decide, office(community), decision, clock.utc_ms())
        return {"open_id": said.open_id, "action": body.action, "counts": [said.from_total, said.to_total]}

    @table.route("GET", BASE + "/statements", roles=MEMBERS, tag="settlements")
    async def list_statements(call: Call, community: str, party: str | None = None) -> list[Answer]:
        """One's own statements with all rows, the newest first; auditors and managers may name a party."""
        found = await database.write(_statements, community, call, party, clock.utc_ms())
        return [statements.as_json(one) for one in found]

    @table.route("GET", BASE + "/statements/{reference}.csv", roles=MEMBERS, gives="text/csv", tag="settlements")
    async def statement_csv(call: Call, community: str, reference: str, party: str | None = None) -> bytes:
        """The same rows as CSV."""
        found = await database.write(_statements, community, call, party, clock.utc_ms())
        for one in found:
            if one.reference == reference:
                return statements.as_csv(one)
        raise NotFound("statement", f"{reference} is none of yours; `GET .../statements` lists them")

    return table


def party_of(call: Call) -> bytes:
    """Raises Forbidden for a credential of a role without a person."""
    if call.principal.party is None:
        raise Forbidden("party", "this credential belongs to nobody in particular; sign in as a person")
    return call.principal.party


def party_asked(
    conn: Connection, community: str, call: Call, name: str | None, others: frozenset[Role] = READERS
) -> bytes:
    """Oneself, or for one of the roles `others` the party that is named; raises Forbidden for anybody else's."""
    if name is None:
        return party_of(call)
    found = ids_by_name(conn, community).get(name)
    if found is not None and found == call.principal.party:
        return found
    if not call.principal.roles_in(community) & others:
        roles = " or ".join(sorted(role.value.replace("_", " ") for role in others))
        raise Forbidden("party", f"you see your own; a {roles} may name another party")
    if found is None:
        raise BadInput("party", f"{name!r} is not in {community}; write the name as in the list of parties")
    return found


def _statements(conn: Connection, community: str, call: Call, name: str | None, now_ms: int) -> list[statements.Sheet]:
    party = party_asked(conn, community, call, name)
    found = statements.sheets(conn, community, party)
    rows = sum(len(one.rows) for one in found)
    write_down(conn, community, Read(call.principal.party, party, "statements", rows), now_ms)
    return found


def _all(conn: Connection, community: str) -> list[Answer]:
    return [report.as_json(one, _name(conn, one)) for one in store.of_community(conn, community)]


def _name(conn: Connection, stored: Stored) -> str:
    return [version.contract.name for version in versions_of(conn, stored.chain).values()][-1]


def _open_spans(conn: Connection, community: str) -> list[Answer]:
    newest: dict[bytes, Stored] = {}
    for one in store.of_community(conn, community):
        newest.setdefault(one.chain, one)
    return [report.open_json(one) for stored in newest.values() for one in report.opens(conn, stored)]


def _h32(text: str, field: str) -> H32:
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) != H32_BYTES:
        raise BadInput(field, "must be 64 hexadecimal digits")
    return H32(found)
