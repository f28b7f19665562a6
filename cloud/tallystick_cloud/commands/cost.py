"""`tallystick cost check | bill | show | reverse | proof`: bills of a house, shared by the key that its owners fixed.

It never posts without being told: `check` says what everybody would pay.
"""

import argparse
import json
from pathlib import Path

from sqlalchemy import Connection
from tallystick_protocol.ids import PartyId
from tallystick_protocol.money.cost import Charge, Cost
from tallystick_protocol.money.toml_cost import load_cost

from tallystick_cloud.commands.common import Commands, Options, add_community, ask, command, community_of, group, opened
from tallystick_cloud.commands.evidence import file_name
from tallystick_cloud.commands.run_words import How, answered, common, yes
from tallystick_cloud.commands.settlement import sign_checkpoint
from tallystick_cloud.commands.signing import party_of
from tallystick_cloud.costs import report, service
from tallystick_cloud.costs.proof import prove as prove_
from tallystick_cloud.costs.proof import sign
from tallystick_cloud.costs.service import Asked, Shared
from tallystick_cloud.costs.store import bills
from tallystick_cloud.errors import BadInput
from tallystick_cloud.keys import write_private
from tallystick_cloud.parties.store import ids_by_name
from tallystick_cloud.settlement.access import Read, write_down
from tallystick_cloud.settlement.office import Office

FILE_BYTES_MAX = 2**20
HOW = How(report.as_json, report.as_text, "no bill yet; next: tallystick cost bill FILE")


def add(commands: Commands) -> None:
    words = group(commands, "cost", "Bills of a house: shared by use, people, shares or area, posted once.")
    found = command(
        words,
        "check",
        check,
        "Check a cost pool's file, and say what everybody would pay of its bill. Nothing is posted.",
        "  tallystick cost check house.toml --data D\n  tallystick cost check house.toml --json --data D\n",
    )
    found.add_argument("file", type=Path, metavar="FILE", help="the bill in TOML: its sum, its key, who lived where")
    common(found)
    found = command(
        words,
        "bill",
        bill,
        "Post the bill in the file: everybody owes a share. The same bill again changes nothing.",
        "  tallystick cost bill house.toml --party 'Lindenhof eG' --data D\n",
    )
    found.add_argument("file", type=Path, metavar="FILE", help="the bill in TOML: its sum, its key, who lived where")
    found.add_argument("--party", required=True, metavar="NAME", help="who posts it: the collector or a manager")
    yes(found)
    common(found)
    found = command(
        words,
        "show",
        show,
        "Show one bill or all, with every share and how it came about.",
        "  tallystick cost show --data D\n  tallystick cost show '2026 heating' --json --data D\n",
    )
    found.add_argument(
        "bill",
        nargs="?",
        metavar="BILL",
        help="its name in the file; without one, all are listed",
    )
    common(found)
    found = command(
        words,
        "reverse",
        reverse,
        "Take a bill back by one correction: balances are as if it had never been. Cannot be undone.",
        "  tallystick cost reverse '2026 heating' --party 'Lindenhof eG' --why 'wrong amount' --yes --data D\n",
    )
    found.add_argument("bill", metavar="BILL", help="its name, as `tallystick cost show` lists it")
    found.add_argument("--party", required=True, metavar="NAME", help="the collector or a manager")
    found.add_argument("--why", required=True, metavar="TEXT", help="stands beside it for ever")
    yes(found)
    common(found)
    found = command(
        words,
        "proof",
        prove,
        "Write a payer's proof of a bill: own stays in the sums of all, and the share by the key.",
        "  tallystick cost proof Anna '2026 heating' --data D\n"
        "  tallystick cost proof Anna '2026 heating' --out anna.cost --data D\n",
    )
    found.add_argument("payer", metavar="PAYER", help="who pays a share; a name")
    found.add_argument("bill", metavar="BILL", help="its name, as `tallystick cost show` lists it")
    found.add_argument("--out", type=Path, metavar="FILE", help="default: PAYER-BILL.cost in this folder")
    add_community(found)


def check(parsed: argparse.Namespace) -> int:
    _, cost = _file(parsed.file)
    options = opened(parsed)
    try:
        name = community_of(options, parsed.community)
        charges = options.database.write_now(service.check, name, cost, None, options.clock.utc_ms())
    finally:
        options.database.close()
    _say(parsed, cost, charges)
    return 0


def _say(parsed: argparse.Namespace, cost: Cost, charges: list[Charge]) -> None:
    as_json = json.dumps(report.preview_json(cost, charges), indent=1)
    print(as_json if parsed.json else report.preview_text(cost, charges))


def bill(parsed: argparse.Namespace) -> int:
    text, cost = _file(parsed.file)

    def act(options: Options, name: str, ids: dict[str, bytes]) -> list[Shared]:
        asked = Asked(cost, text, party_of(name, ids, parsed.party))
        if cost.bill is not None:
            ask(parsed.yes, f"Post bill {cost.bill.id} over {len(cost.flats)} flats?")
        office, now_ms = _office(options, name), options.clock.utc_ms()

        def post(conn: Connection) -> Shared:
            shared = service.bill(conn, name, asked, now_ms)
            sign(conn, office, shared.stored.bill, now_ms)
            return shared

        return [options.database.write_now(post)]

    return answered(parsed, act, HOW)


def show(parsed: argparse.Namespace) -> int:
    def act(options: Options, name: str, ids: dict[str, bytes]) -> list[Shared]:
        def read(conn: Connection) -> list[Shared]:
            wanted = [one.bill for one in bills(conn, name)] if parsed.bill is None else [parsed.bill]
            return [service.show(conn, name, one) for one in wanted]

        return options.database.read_now(read)

    return answered(parsed, act, HOW, is_list=parsed.bill is None)


def reverse(parsed: argparse.Namespace) -> int:
    def act(options: Options, name: str, ids: dict[str, bytes]) -> list[Shared]:
        party = party_of(name, ids, parsed.party)
        ask(parsed.yes, f"Take bill {parsed.bill} back? This cannot be undone.")
        office, now_ms = _office(options, name), options.clock.utc_ms()

        def take_back(conn: Connection) -> Shared:
            shared = service.reverse(conn, name, parsed.bill, party, parsed.why, now_ms)
            sign(conn, office, shared.stored.bill, now_ms)
            return shared

        return [options.database.write_now(take_back)]

    return answered(parsed, act, HOW)


def prove(parsed: argparse.Namespace) -> int:
    """The file is 0600: it holds a person's measures. A bill of before bills were signed when posted is signed now."""
    options = opened(parsed)
    try:
        name, now_ms = community_of(options, parsed.community), options.clock.utc_ms()
        party = PartyId(party_of(name, options.database.read_now(ids_by_name, name), parsed.payer))
        options.database.write_now(sign, _office(options, name), parsed.bill, now_ms)
        sign_checkpoint(options, name)
        data = options.database.read_now(prove_, options.aggregator.of(name), parsed.bill, party).encode()
        options.database.write_now(write_down, name, Read(None, party, f"proof of bill {parsed.bill}", 1), now_ms)
    finally:
        options.database.close()
    out = parsed.out or Path(f"{file_name(parsed.payer)}-{file_name(parsed.bill)}.cost")
    write_private(out, data)
    print(f"{out}: {len(data)} bytes")
    print(f"next: tallystick-verify cost {out} --policy POLICY")
    return 0


def _office(options: Options, name: str) -> Office:
    return Office(options.aggregator.of(name), options.entropy)


def _file(path: Path) -> tuple[str, Cost]:
    if path.stat().st_size > FILE_BYTES_MAX:
        raise BadInput(str(path), f"is larger than {FILE_BYTES_MAX} bytes")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(str(path), f"is not UTF-8 at byte {error.start}") from None
    return text, load_cost(text)
