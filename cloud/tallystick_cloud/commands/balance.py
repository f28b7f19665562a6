"""`tallystick balance`: what every account holds, now, as it was known then, and of what had been metered by a day.

It writes no access row: it is for whoever runs the server, who can read the database anyway.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from tallystick_cloud.commands.common import Commands, add_community, command, community_of, opened
from tallystick_cloud.commands.moment import end_of, place_of
from tallystick_cloud.commands.signing import party_of
from tallystick_cloud.db import Database
from tallystick_cloud.errors import BadInput
from tallystick_cloud.ledger.balances import Key, as_of, balances, metered_until
from tallystick_cloud.money import money
from tallystick_cloud.parties.store import ids_by_name, names_by_id

HEAD = ("in the books of", "account", "about", "amount")


def add(commands: Commands) -> None:
    found = command(
        commands,
        "balance",
        show,
        "Balances of all accounts or of one party's: now, or as they were known at the end of a day.",
        "  tallystick balance --data D\n"
        "  tallystick balance 'Anna Rossi' --as-of 2026-10-31 --data D\n"
        "  tallystick balance --metered-until 2026-10-31 --as-of 2026-11-05T12:00+01:00 --json --data D\n",
    )
    found.add_argument("party", nargs="?", metavar="PARTY", help="a name; all parties when there is none")
    found.add_argument(
        "--as-of", metavar="WHEN", help="as it was known then: a day to its end, or a moment (default: now)"
    )
    found.add_argument(
        "--metered-until", metavar="WHEN", help="only what had been metered by then: uses that had ended (default: all)"
    )
    add_community(found)
    found.add_argument("--json", action="store_true", help="print JSON; amounts in nano as strings")


@dataclass(frozen=True, slots=True)
class _Asked:
    """The two times of the ledger, None for all that there is, and whose accounts."""

    community: str
    party: bytes | None
    known_ms: int | None
    metered_ms: int | None


def show(parsed: argparse.Namespace) -> int:
    options = opened(parsed)
    try:
        name = community_of(options, parsed.community)
        now_ms = options.clock.utc_ms()
        zone, _ = options.database.read_now(place_of, name)
        ids = options.database.read_now(ids_by_name, name)
        party = None if parsed.party is None else party_of(name, ids, parsed.party)
        known_ms = _moment("--as-of", parsed.as_of, zone, now_ms)
        asked = _Asked(name, party, known_ms, _moment("--metered-until", parsed.metered_until, zone, now_ms))
        found = _read(options.database, asked, now_ms)
        names = options.database.read_now(names_by_id, name)
    finally:
        options.database.close()
    print(_as_json(asked, found, names) if parsed.json else _as_text(asked, found, names, zone, now_ms))
    return 0


def _moment(option: str, text: str | None, zone: str, now_ms: int) -> int | None:
    """None where nothing is said. A day that has begun is as it is known now. Raises BadInput for what is to come."""
    if text is None:
        return None
    found = end_of(option, text, zone)
    today = datetime.fromtimestamp(now_ms / 1000, ZoneInfo(zone)).date().isoformat()
    if found > now_ms and text != today:
        raise BadInput(option, f"{text} is still to come; name a day until {today}, or leave it out for now")
    return min(found, now_ms)


def _read(database: Database, asked: _Asked, now_ms: int) -> Mapping[Key, int]:
    if asked.metered_ms is not None:
        known_ms = now_ms if asked.known_ms is None else asked.known_ms
        return database.read_now(metered_until, asked.community, asked.metered_ms, known_ms, asked.party)
    if asked.known_ms is None:
        return database.glance_now(balances, asked.community, asked.party)
    return database.glance_now(as_of, asked.community, asked.known_ms, asked.party)


def _as_json(asked: _Asked, found: Mapping[Key, int], names: Mapping[bytes, str]) -> str:
    rows = [
        {
            "holder": _name(names, holder),
            "account": account,
            "party": _name(names, party),
            "unit": unit,
            "nano": str(nano),
        }
        for (holder, account, party, unit), nano in _sorted(found, names)
    ]
    times = {"as_of_ms": asked.known_ms, "metered_until_ms": asked.metered_ms}
    return json.dumps({"community": asked.community, **times, "balances": rows}, indent=1, ensure_ascii=False)


def _as_text(asked: _Asked, found: Mapping[Key, int], names: Mapping[bytes, str], zone: str, now_ms: int) -> str:
    known = _at(now_ms if asked.known_ms is None else asked.known_ms, zone)
    title = f"{asked.community}, as known at {known}"
    if asked.metered_ms is not None:
        title += f", of what was metered until {_at(asked.metered_ms, zone)}"
    if not found:
        return f"{title}\nno account holds anything"
    rows = [
        (_name(names, holder), account, _name(names, party), f"{money(nano)} {unit}")
        for (holder, account, party, unit), nano in _sorted(found, names)
    ]
    widths = [max(len(row[at]) for row in (HEAD, *rows)) for at in range(len(HEAD))]
    lines = [title, *(_line(row, widths) for row in (HEAD, *rows))]
    if asked.party is None:
        sums: dict[str, int] = defaultdict(int)
        for (*_, unit), nano in found.items():
            sums[unit] += nano
        lines.append("in all: " + ", ".join(f"{money(nano)} {unit}" for unit, nano in sorted(sums.items())))
    else:
        lines.append("positive: it owes that; negative: it is owed that")
    return "\n".join(lines)


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    words = [f"{cell:{width}}" for cell, width in zip(row[:-1], widths, strict=False)]
    return "  ".join((*words, f"{row[-1]:>{widths[-1]}}"))


def _name(names: Mapping[bytes, str], party: bytes) -> str:
    return names.get(party, party.hex())


def _sorted(found: Mapping[Key, int], names: Mapping[bytes, str]) -> list[tuple[Key, int]]:
    return sorted(
        found.items(), key=lambda one: (_name(names, one[0][0]), one[0][1], _name(names, one[0][2]), one[0][3])
    )


def _at(ms: int, zone: str) -> str:
    return datetime.fromtimestamp(ms // 1000, UTC).astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M %Z")
