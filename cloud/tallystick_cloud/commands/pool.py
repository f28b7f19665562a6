"""`tallystick pool upload | prices | coefficients | show | compare | close`: from the grid's files to shares.

It never closes a period that is not over, and closing again posts only what changed.
"""

import argparse
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import Connection
from tallystick_protocol.ids import PartyId
from tallystick_protocol.pool_settlement import CloseKind

from tallystick_cloud.commands.common import Commands, Options, add_community, command, community_of, group, opened
from tallystick_cloud.commands.evidence import file_name
from tallystick_cloud.commands.settlement import sign_checkpoint
from tallystick_cloud.commands.signing import party_of
from tallystick_cloud.contracts.model import Version
from tallystick_cloud.errors import BadInput
from tallystick_cloud.keys import write_private
from tallystick_cloud.money import money
from tallystick_cloud.parties.store import ids_by_name, names_by_id
from tallystick_cloud.pools import compare, report, service
from tallystick_cloud.pools.grid_file import FILE_BYTES_MAX
from tallystick_cloud.pools.proof import prove as prove_
from tallystick_cloud.settlement.access import Read, write_down
from tallystick_cloud.settlement.office import Office

PERIOD_HELP = "YYYY-MM; YYYY for a year's true-up, YYYY-MM-DD for a day, YYYY-Q1 for a quarter, YYYY-W01 for a week"


def add(commands: Commands) -> None:
    words = group(commands, "pool", "Energy communities: take the grid's data, show what was shared, close a period.")
    found = command(
        words,
        "upload",
        upload,
        "Take a file of energy by meter and interval. The same file again changes nothing.",
        "  tallystick pool upload grid-2026-01.csv --data D\n"
        "  tallystick pool upload grid-2026-01b.csv --correct 'distributor corrected plant 1' --data D\n",
    )
    _file(found, "columns meter,start,injected_wh,withdrawn_wh (or _kwh)")
    found = command(
        words,
        "prices",
        prices,
        "Take a file of the price series that the pool's classes depend on.",
        "  tallystick pool prices nord-2026-01.csv --data D\n",
    )
    _file(found, "columns start,price")
    found = command(
        words,
        "coefficients",
        coefficients,
        "Take the file of hourly coefficients that the contract names by its SHA-256.",
        "  tallystick pool coefficients CAU_2026.txt --year 2026 --data D\n",
    )
    _file(found, "lines METER;HHHH;0,dddddd", is_correctable=False)
    found.add_argument("--year", type=int, required=True, metavar="YYYY", help="whose hours they are")
    found = command(
        words,
        "show",
        show,
        "Show what was shared, interval by interval, as the data say now; nothing is posted.",
        "  tallystick pool show 2026-01-01 --data D\n  tallystick pool show 2026-01 --json --data D\n",
    )
    _period(found)
    found = command(
        words,
        "compare",
        compare_,
        "Show where own meters differ from the grid's file, or what was shared from the scheme's statement.",
        "  tallystick pool compare 2026-01 --data D\n"
        "  tallystick pool compare 2026-01 --statement gse-2026-01.csv --json --data D\n",
    )
    _period(found)
    found.add_argument("--statement", type=Path, metavar="FILE", help="columns start,shared_wh (or shared_kwh)")
    found = command(
        words,
        "close",
        close,
        "Post a period's shares. Closing again posts what changed in the data as a correction.",
        "  tallystick pool close 2026-01 --data D\n  tallystick pool close 2026 --data D\n",
    )
    _period(found)
    found = command(
        words,
        "proof",
        prove,
        "Write a member's proof of an interval, day or month: own meters in the sums, own part, own money.",
        "  tallystick pool proof Anna 2026-01-01T12:00 --data D\n"
        "  tallystick pool proof Anna 2026-01 --out anna.pool --data D\n",
    )
    found.add_argument("member", metavar="MEMBER", help="the member's name")
    found.add_argument(
        "interval", metavar="INTERVAL", help="YYYY-MM-DDTHH:MM (with an offset, or local), a day or month"
    )
    found.add_argument("--out", type=Path, metavar="FILE", help="default: MEMBER-INTERVAL.pool in this folder")
    _common(found)


def _file(found: argparse.ArgumentParser, about: str, *, is_correctable: bool = True) -> None:
    found.add_argument("file", type=Path, metavar="FILE", help=about)
    found.add_argument("--json", action="store_true", help="print JSON")
    if is_correctable:
        found.add_argument("--correct", metavar="REASON", help="store rows that differ as corrections, with the reason")
    _common(found)


def _period(found: argparse.ArgumentParser) -> None:
    found.add_argument("period", metavar="PERIOD", help=PERIOD_HELP)
    _common(found)
    found.add_argument("--json", action="store_true", help="print JSON; amounts in nano as strings")


def _common(found: argparse.ArgumentParser) -> None:
    add_community(found)
    found.add_argument("--contract", metavar="HASH", help="of the pool's first version, where there are several pools")


def upload(parsed: argparse.Namespace) -> int:
    return _take(parsed, lambda conn, name, pool, data, now: service.take_energy(
        conn, name, pool, data, parsed.file.name, parsed.correct, now
    ))  # fmt: skip


def prices(parsed: argparse.Namespace) -> int:
    return _take(parsed, lambda conn, name, pool, data, now: service.take_prices(
        conn, name, pool, data, parsed.file.name, parsed.correct, now
    ))  # fmt: skip


def coefficients(parsed: argparse.Namespace) -> int:
    return _take(parsed, lambda conn, name, pool, data, now: service.take_coefficients(
        conn, name, pool, data, parsed.file.name, parsed.year, now
    ))  # fmt: skip


Take = Callable[[Connection, str, list[Version], bytes, int], service.Taken]


def _take(parsed: argparse.Namespace, take: Take) -> int:
    data = _read(parsed.file)
    options = opened(parsed)
    try:
        name, now_ms = community_of(options, parsed.community), options.clock.utc_ms()

        def write(conn: Connection) -> service.Taken:
            return take(conn, name, _pool(conn, name, parsed), data, now_ms)

        taken = options.database.write_now(write)
    finally:
        options.database.close()
    if parsed.json:
        print(json.dumps({"new": taken.new, "known": taken.known, "corrected": taken.corrected, "evidence_level": 0}))
        return 0
    print(f"{parsed.file}: {taken.new} new, {taken.known} known, {taken.corrected} corrected; {report.LEVEL_0}")
    return 0


def show(parsed: argparse.Namespace) -> int:
    options = opened(parsed)
    try:
        name = community_of(options, parsed.community)
        pool = options.database.read_now(_pool, name, parsed)
        contract = pool[-1].contract
        worked = options.database.read_now(service.look, name, pool, service.span_of(contract, parsed.period))
        names = options.database.read_now(names_by_id, name)
    finally:
        options.database.close()
    if parsed.json:
        print(json.dumps(report.as_json(worked, names), indent=1, ensure_ascii=False))
    else:
        print(report.as_text(worked, ZoneInfo(contract.zone)))
    return 0


def compare_(parsed: argparse.Namespace) -> int:
    data = None if parsed.statement is None else _read(parsed.statement)
    options = opened(parsed)
    try:
        name = community_of(options, parsed.community)
        pool = options.database.read_now(_pool, name, parsed)
        span = service.span_of(pool[-1].contract, parsed.period)
        if data is None:
            pairs = options.database.read_now(compare.meters, name, pool, span.period)
        else:
            worked = options.database.read_now(service.look, name, pool, span)
            pairs = compare.statement(worked, compare.rows_of(data, pool[-1]))
    finally:
        options.database.close()
    if parsed.json:
        print(json.dumps(report.pairs_json(pairs), indent=1, ensure_ascii=False))
    elif pairs:
        print(report.pairs_text(pairs, ZoneInfo(pool[-1].contract.zone)))
    else:
        print("nothing to compare: no own meter and no statement speaks of that time")
    return 0


def close(parsed: argparse.Namespace) -> int:
    options = opened(parsed)
    try:
        name = community_of(options, parsed.community)
        closed, names, zone = _close(options, name, parsed)
    finally:
        options.database.close()
    if parsed.json:
        print(json.dumps(report.closed_json(closed, names), indent=1, ensure_ascii=False))
        return 0
    day = datetime.fromtimestamp(closed.worked.period.from_ms / 1000, zone).date()
    kind = "on account" if closed.kind is CloseKind.ACCOUNT else "final"
    counts = f"{len(closed.worked.intervals)} intervals, {len(closed.worked.opens)} open"
    print(f"period from {day} ({kind}): {counts}")
    if not closed.posted:
        print("nothing to post: the books say this already" if closed.again else "nothing to post")
    for line, amount in sorted(closed.posted.items(), key=lambda one: one[0].key()):
        print(
            f"  {line.account.value:<12} {money(amount):>18} {line.unit}  {names.get(line.party, line.party.hex()[:8])}"
        )
    for why, count in report.reasons(closed.worked):
        print(f"  open: {count} intervals, because {why}")
    return 0


def _close(
    options: Options, name: str, parsed: argparse.Namespace
) -> tuple[service.Closed, dict[bytes, str], ZoneInfo]:
    now_ms, office = options.clock.utc_ms(), Office(options.aggregator.of(name), options.entropy)

    def write(conn: Connection) -> tuple[service.Closed, dict[bytes, str], ZoneInfo]:
        pool = _pool(conn, name, parsed)
        contract = pool[-1].contract
        closed = service.close(conn, office, pool, service.span_of(contract, parsed.period), now_ms)
        return closed, names_by_id(conn, name), ZoneInfo(contract.zone)

    return options.database.write_now(write)


def prove(parsed: argparse.Namespace) -> int:
    """The file is 0600: it holds a person's readings."""
    options = opened(parsed)
    try:
        name = community_of(options, parsed.community)
        sign_checkpoint(options, name)
        party = PartyId(party_of(name, options.database.read_now(ids_by_name, name), parsed.member))
        pool = options.database.read_now(_pool, name, parsed)
        period = service.moment_span(pool[-1].contract, parsed.interval)
        proof = options.database.read_now(prove_, options.aggregator.of(name), pool, party, period)
        read = Read(None, party, "pool proof", len(proof.intervals))
        options.database.write_now(write_down, name, read, options.clock.utc_ms())
    finally:
        options.database.close()
    data = proof.encode()
    out = parsed.out or Path(f"{file_name(parsed.member)}-{parsed.interval.replace(':', '')}.pool")
    write_private(out, data)
    print(f"{out}: {len(data)} bytes, {len(proof.intervals)} intervals")
    print(f"next: tallystick-verify pool {out} --policy POLICY")
    return 0


def _pool(conn: Connection, name: str, parsed: argparse.Namespace) -> list[Version]:
    try:
        chain = None if parsed.contract is None else bytes.fromhex(parsed.contract)
    except ValueError:
        raise BadInput("--contract", f"{parsed.contract!r} is not in hex digits") from None
    return service.pool_versions(conn, name, chain)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(FILE_BYTES_MAX + 1)
    if len(data) > FILE_BYTES_MAX:
        raise BadInput(str(path), f"is larger than {FILE_BYTES_MAX} bytes; upload it in parts")
    return data
