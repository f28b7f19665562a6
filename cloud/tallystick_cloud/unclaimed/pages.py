"""The page of money that nobody could be paid: the rule, what has waited long enough, what was moved, what was claimed.

It never moves money by a link, and never before the community has a rule; the service asks who may.
"""

from typing import Annotated, Any

from aiohttp import web
from pydantic import Field, StringConstraints
from sqlalchemy import Connection

from tallystick_cloud.db import Database
from tallystick_cloud.errors import BadInput
from tallystick_cloud.http.amounts import exact
from tallystick_cloud.http.authz import Role
from tallystick_cloud.http.forms import FORM, SureForm
from tallystick_cloud.http.locale import Wording
from tallystick_cloud.http.pages import Pages, csv_response, see_other
from tallystick_cloud.http.place import here, look_of, person
from tallystick_cloud.http.rail import TREASURY
from tallystick_cloud.http.route import Call, RouteTable
from tallystick_cloud.ledger.model import DAY_MS
from tallystick_cloud.parties.store import named, names_by_id
from tallystick_cloud.payouts.store import accounts
from tallystick_cloud.ports import Clock

from . import report, service, store, view
from .model import DAYS_MAX, DAYS_MIN, Due
from .service import TEXT_CHARS_MAX, BankDetails

ACTORS = frozenset({Role.COMMUNITY_MANAGER})
BASE = "/unclaimed"
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=TEXT_CHARS_MAX)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, max_length=80)]
RowHex = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class RuleForm(SureForm):
    """After how many days, and what fixed that."""

    days: Annotated[int, Field(ge=DAYS_MIN, le=DAYS_MAX)]
    decision: Text


class MoveForm(SureForm):
    """Why; `party` empty: what is due to everybody."""

    party: Name = ""
    why: Text


class ClaimForm(SureForm):
    """How the payee showed who it is; `iban` empty: the account is known or comes later."""

    identity: Text
    iban: Name = ""
    account_holder: Name = ""


def unclaimed_pages(database: Database, pages: Pages, clock: Clock) -> RouteTable:
    """The page, its file and its forms."""
    table = RouteTable()
    _page(table, database, pages, clock)
    _forms(table, database, clock)
    return table


def _page(table: RouteTable, database: Database, pages: Pages, clock: Clock) -> None:
    @table.route("GET", BASE, roles=TREASURY, gives="text/html", tag="unclaimed")
    async def unclaimed_page(call: Call) -> web.StreamResponse:
        """What waits too long and why, what was moved, and what was claimed back."""
        place, now_ms = await here(database, call), clock.utc_ms()
        found = await database.read(_look, place.id, now_ms)
        w = pages.wording(call.request, place.zone)
        return pages.page(
            call,
            "unclaimed.html",
            look_of(place),
            title=w.gettext("Unclaimed money"),
            may_act=bool(call.principal.roles_in(place.id) & ACTORS),
            text_max=TEXT_CHARS_MAX,
            days_min=DAYS_MIN,
            days_max=DAYS_MAX,
            **_shown(found, call.principal.party, now_ms, w),
        )

    @table.route("GET", BASE + ".csv", roles=TREASURY, gives="text/csv", tag="unclaimed")
    async def unclaimed_file(call: Call) -> web.StreamResponse:
        """Everything that was moved, as `tallystick unclaimed list --csv` has it."""
        place = await here(database, call)
        return csv_response("unclaimed.csv", await database.read(_csv, place.id))


def _forms(table: RouteTable, database: Database, clock: Clock) -> None:
    @table.route("POST", BASE + "/rule", roles=ACTORS, gives="text/html", takes=FORM, tag="unclaimed")
    async def unclaimed_rule_on_page(call: Call, form: RuleForm) -> web.StreamResponse:
        """After how many days money that cannot be paid may be moved."""
        place = await here(database, call)
        by, now_ms = person(call), clock.utc_ms()
        await database.write(service.decide_rule, place.id, form.days, form.decision, by, now_ms)
        return see_other(BASE)

    @table.route("POST", BASE + "/move", roles=ACTORS, gives="text/html", takes=FORM, tag="unclaimed")
    async def move_on_page(call: Call, form: MoveForm) -> web.StreamResponse:
        """Move what is due; it stays owed, and can be claimed."""
        place, by, now_ms = await here(database, call), person(call), clock.utc_ms()

        def act(conn: Connection) -> None:
            party = named(conn, place.id, "party", form.party) if form.party else None
            service.move(conn, place.id, by, form.why, now_ms, party)

        await database.write(act)
        return see_other(f"{BASE}#moved")

    @table.route("POST", BASE + "/{row}/claim", roles=ACTORS, gives="text/html", takes=FORM, tag="unclaimed")
    async def claim_on_page(call: Call, row: RowHex, form: ClaimForm) -> web.StreamResponse:
        """Make it payable again to who has shown who it is; the next payout run pays it."""
        place, by, now_ms = await here(database, call), person(call), clock.utc_ms()
        number = bytes.fromhex(row)
        if form.account_holder and not form.iban:
            raise BadInput("account_holder", "is of an account; give its IBAN too")

        def act(conn: Connection) -> None:
            payee = names_by_id(conn, place.id)[bytes(service.find(conn, place.id, number).party)]
            bank = BankDetails(form.iban, form.account_holder or payee) if form.iban else None
            service.claim(conn, place.id, number, by, form.identity, now_ms, bank)

        await database.write(act)
        return see_other(f"{BASE}#claimed")


Found = tuple[Any, list[Due], list[Any], dict[bytes, str], set[bytes]]
"""The rule, what is due, all rows, names, and who has a bank account."""


def _look(conn: Connection, community: str, now_ms: int) -> Found:
    rule = store.rule(conn, community)
    due = [] if rule is None else service.due(conn, community, now_ms)
    known = set(accounts(conn, community, now_ms))
    return rule, due, list(store.listed(conn, community)), names_by_id(conn, community), known


def _shown(found: Found, reader: bytes | None, now_ms: int, w: Wording) -> dict[str, Any]:
    rule, due, rows, names, known = found
    waits = [row for row in rows if row.claimed_ms is None]
    sums: dict[str, int] = {}
    for row in waits:
        sums[row.unit] = sums.get(row.unit, 0) + row.nano
    return {
        "rule": None if rule is None else (rule.days, rule.decision),
        "by": None if rule is None else (names[bytes(rule.decided_by)], w.date(rule.decided_ms)),
        "due": [view.due_view(one, rule.days, names, w) for one in due],
        "due_parties": sorted({names[one.owed.party] for one in due}),
        "totals": [(unit, exact(nano, w)) for unit, nano in sorted(sums.items())],
        "waits": [
            view.row_view(row, names, w, days=(now_ms - row.moved_ms) // DAY_MS, has_account=bytes(row.party) in known,
                          is_reader=bytes(row.party) == reader)
            for row in waits
        ],
        "claimed": [view.claimed_view(row, names, w) for row in rows if row.claimed_ms is not None],
    }  # fmt: skip


def _csv(conn: Connection, community: str) -> str:
    return report.csv_text(store.listed(conn, community), names_by_id(conn, community))
