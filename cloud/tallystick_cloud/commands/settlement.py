"""`tallystick settlement close | show | open | decide` and `tallystick statement`.

It never settles a period that is not over; what cannot be undone is asked for first.
"""

import argparse
import json
import re
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection
from tallystick_protocol.codes import ResolutionAction
from tallystick_protocol.ids import H32

from tallystick_cloud.closing.service import close_or_tell
from tallystick_cloud.commands.common import Commands, Options, add_community, command, community_of, group, opened
from tallystick_cloud.commands.moment import place_of
from tallystick_cloud.commands.signing import party_of
from tallystick_cloud.contracts.store import versions_of
from tallystick_cloud.counts import many
from tallystick_cloud.errors import BadInput
from tallystick_cloud.http.month import Span
from tallystick_cloud.keys import write_private
from tallystick_cloud.log.signing import checkpoint
from tallystick_cloud.parties.store import ids_by_name
from tallystick_cloud.settlement import report, statements, store
from tallystick_cloud.settlement.decisions import Decision, decide
from tallystick_cloud.settlement.model import Stored
from tallystick_cloud.settlement.office import Office
from tallystick_cloud.settlement.service import close

MONTH = re.compile(r"[0-9]{4}-[0-9]{2}")
MIDDLE = 15  # the day that stands for a month: far from its edges in every time zone


def add(commands: Commands) -> None:
    words = group(commands, "settlement", "Settlements: close a period, list them, decide what stayed open.")
    found = command(
        words,
        "close",
        close_period,
        "Settle the periods of a month or the one of a day, for every contract; doing it again changes nothing.",
        "  tallystick settlement close 2026-10 --data D\n  tallystick settlement close 2026-10-31 --json --data D\n",
    )
    found.add_argument("period", metavar="PERIOD", help="YYYY-MM, or any day of the period: YYYY-MM-DD")
    _common(found)
    found = command(
        words, "show", show, "List all settlements, the newest first.", "  tallystick settlement show --data D\n"
    )
    _common(found)
    found = command(
        words,
        "open",
        show_open,
        "List what the newest settlements left open, with the reason.",
        "  tallystick settlement open --data D\n",
    )
    _common(found)
    _add_decide(words)
    _add_statement(commands)


def _add_decide(words: Commands) -> None:
    found = command(
        words,
        "decide",
        decide_open,
        "Bill or waive what stayed open: signed, logged, carried out by the next settlement. Cannot be undone.",
        "  tallystick settlement decide washer-1 3 waive --why 'lost with the card' --party 'Maria' --data D\n"
        "  tallystick settlement decide washer-1 4 bill --programme 60 --why 'agreed' --party 'Maria' --data D\n",
    )
    found.add_argument("asset", metavar="ASSET", help="its id, as `tallystick settlement open` lists it")
    found.add_argument("open_id", type=int, metavar="ID", help="as `tallystick settlement open` lists it")
    found.add_argument("action", choices=("bill", "waive"), help="bill it as one use, or take nothing")
    found.add_argument(
        "--why", required=True, metavar="TEXT", help="signed, and in evidence files for ever: name no person in it"
    )
    found.add_argument("--party", required=True, metavar="NAME", help="who decides")
    found.add_argument("--programme", metavar="NAME", help="what it is billed as, where the price depends on it")
    _common(found)


def _add_statement(commands: Commands) -> None:
    found = command(
        commands,
        "statement",
        show_statement,
        "A party's statements of a period, as CSV.",
        "  tallystick statement 'Elena Rossi' 2026-10 --data D\n"
        "  tallystick statement 'Elena Rossi' 2026-10 --out elena.csv --data D\n",
    )
    found.add_argument("party", metavar="PARTY", help="whose statements; a name")
    found.add_argument("period", metavar="PERIOD", help="YYYY-MM, or any day of the period: YYYY-MM-DD")
    found.add_argument("--out", type=Path, metavar="FILE", help="the CSV file to write (default: print it)")
    add_community(found)


def _common(found: argparse.ArgumentParser) -> None:
    add_community(found)
    found.add_argument("--json", action="store_true", help="print JSON")


def moment_of(period: str) -> int:
    """A moment in ms UTC inside the period; raises BadInput."""
    for text, form in ((f"{period}-{MIDDLE}", "%Y-%m-%d"), (period, "%Y-%m-%d")):
        try:
            day = datetime.strptime(text, form).replace(hour=12, tzinfo=UTC)
        except ValueError:
            continue
        return int(day.timestamp()) * 1000
    raise BadInput("PERIOD", f"is {period!r}; write YYYY-MM or YYYY-MM-DD")


def close_period(parsed: argparse.Namespace) -> int:
    """Signs a checkpoint too, so that evidence can be made at once."""
    at_ms = moment_of(parsed.period)
    options = opened(parsed)
    try:
        name = community_of(options, parsed.community)
        now_ms = options.clock.utc_ms()
        if MONTH.fullmatch(parsed.period):  # also of contracts that begin or end within it
            span = Span.of(parsed.period, now_ms, options.database.read_now(place_of, name)[0])
            closed = options.database.write_now(close_or_tell, _office(options, name), span, now_ms)
        else:
            closed = options.database.write_now(close, _office(options, name), at_ms, now_ms)
        sign_checkpoint(options, name)
    finally:
        options.database.close()
    if parsed.json:
        rows = [report.as_json(one.settlement, one.contract) | {"again": one.again} for one in closed]
        print(json.dumps(rows, indent=1))
        return 0
    print("\n".join(report.closed_text(one) for one in closed) or "no contract was in force then; nothing to settle")
    return 0


def show(parsed: argparse.Namespace) -> int:
    def read(conn: Connection) -> list[tuple[Stored, str]]:
        return [(one, _contract(conn, one)) for one in store.of_community(conn, name)]

    options = opened(parsed)
    try:
        name = community_of(options, parsed.community)
        found = options.database.read_now(read)
    finally:
        options.database.close()
    if parsed.json:
        print(json.dumps([report.as_json(*one) for one in found], indent=1))
        return 0
    lines = [f"{contract}, settlement {one.number}: leaf {one.leaf}, {one.h.hex()[:16]}" for one, contract in found]
    print("\n".join(lines) or "nothing is settled yet; next: tallystick settlement close PERIOD")
    return 0


def show_open(parsed: argparse.Namespace) -> int:
    options = opened(parsed)
    try:
        name = community_of(options, parsed.community)
        found = options.database.read_now(_open_spans, name)
    finally:
        options.database.close()
    if parsed.json:
        print(json.dumps([report.open_json(one) for one in found], indent=1))
        return 0
    print("\n".join(_open_line(one) for one in found) or "nothing is open in what is settled")
    return 0


def decide_open(parsed: argparse.Namespace) -> int:
    options = opened(parsed)
    try:
        name = community_of(options, parsed.community)
        party = party_of(name, options.database.read_now(ids_by_name, name), parsed.party)
        spans = options.database.read_now(_open_spans, name)
        mine = [one for one in spans if (one.asset, one.span.id) == (parsed.asset, parsed.open_id)]
        if len(mine) != 1:
            raise BadInput("ID", f"{parsed.open_id} is not one open span of {parsed.asset!r}; see `settlement open`")
        action = ResolutionAction[parsed.action.upper()]
        one = mine[0]
        asked = Decision(one.chain, one.channel_hash, one.span.id, action, parsed.why, party, parsed.programme)
        options.database.write_now(decide, _office(options, name), asked, options.clock.utc_ms())
    finally:
        options.database.close()
    print(f"{parsed.asset}, open span {parsed.open_id}: {parsed.action}; the next settlement closes it")
    return 0


def show_statement(parsed: argparse.Namespace) -> int:
    """The file is 0600: it says what a person used."""
    at_ms = moment_of(parsed.period)
    options = opened(parsed)
    try:
        name = community_of(options, parsed.community)
        party = party_of(name, options.database.read_now(ids_by_name, name), parsed.party)
        found = [
            one for one in options.database.read_now(statements.sheets, name, party) if one.from_ms <= at_ms < one.to_ms
        ]
    finally:
        options.database.close()
    if not found:
        raise BadInput("PERIOD", f"{parsed.period} is not settled, or {parsed.party} has no statement in it")
    text = b"\r\n".join(statements.as_csv(one) for one in found)
    if parsed.out is None:
        print(text.decode(), end="")
    else:
        write_private(parsed.out, text)
        print(f"{many(len(found), 'statement')} in {parsed.out}")
    return 0


def sign_checkpoint(options: Options, name: str) -> None:
    """What was just logged stands under a checkpoint from now on."""
    options.database.write_now(checkpoint, options.aggregator.of(name), options.clock.utc_ms())


def _office(options: Options, name: str) -> Office:
    return Office(options.aggregator.of(name), options.entropy)


def _contract(conn: Connection, stored: Stored) -> str:
    return [version.contract.name for version in versions_of(conn, stored.chain).values()][-1]


def _open_spans(conn: Connection, name: str) -> list[report.StandsOpen]:
    newest: dict[H32, Stored] = {}
    for one in store.of_community(conn, name):
        newest.setdefault(one.chain, one)
    return [found for stored in newest.values() for found in report.opens(conn, stored)]


def _open_line(one: report.StandsOpen) -> str:
    span = one.span
    what = [f"counts {span.from_total} to {span.to_total}"] if span.to_total > span.from_total else []
    what += [f"uses {span.from_use + 1} to {span.to_use}"] if span.to_use > span.from_use else []
    return f"{one.asset}, open span {span.id}: {', '.join(what)}, {span.reason.name.lower().replace('_', ' ')}"
