"""`tallystick contract template | simulate | diff`: begin with a contract, try it on uses, see what a version changes.

It never signs, books or stores anything.
"""

import argparse
import json
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from tallystick_protocol.ids import H32, PARTY_BYTES, PartyId, sha256
from tallystick_protocol.money.contract import Contract
from tallystick_protocol.money.contract_toml import Draft, draft_contract
from tallystick_protocol.money.errors import ContractError
from tallystick_protocol.money.rating import Usage
from tallystick_protocol.money.zone import offsets_of

from tallystick_cloud.commands.common import Commands, add_community, community_of, opened
from tallystick_cloud.contracts import diff, library, simulate, uses_file
from tallystick_cloud.contracts.file import contract_text
from tallystick_cloud.contracts.model import Version
from tallystick_cloud.counts import many
from tallystick_cloud.errors import BadInput
from tallystick_cloud.http.locale import Wording
from tallystick_cloud.ledger.reading import uses_of_assets
from tallystick_cloud.money import money
from tallystick_cloud.parties.store import ids_by_name

DAY_MS = 86_400_000


def add(words: Commands) -> None:
    found = _command(
        words,
        "template",
        show_template,
        "Print a contract to begin with; without a name, list them.",
        "  tallystick contract template\n  tallystick contract template laundry > laundry.toml\n",
    )
    found.add_argument("name", nargs="?", metavar="NAME", help="of the template; without one, all are listed")
    found = _command(
        words,
        "simulate",
        try_on_uses,
        "Price uses by a contract file, of a table or of the books, and say who would have paid and got what.",
        "  tallystick contract simulate laundry.toml --uses october.csv\n"
        "  tallystick contract simulate laundry.toml --uses october.csv --bill old-bill.csv --json\n"
        "  tallystick contract simulate laundry-2.toml --from 2026-10-01 --to 2026-12-31 --data D\n",
    )
    found.add_argument("file", type=Path, metavar="FILE", help="the contract in TOML")
    found.add_argument("--uses", type=Path, metavar="CSV", help="columns asset,start,end,amount[,programme][,user]")
    found.add_argument("--bill", type=Path, metavar="CSV", help="the old bill beside it: columns user,amount")
    found.add_argument("--from", dest="begin", metavar="YYYY-MM-DD", help="uses of the books from this day on")
    found.add_argument("--to", dest="end", metavar="YYYY-MM-DD", help="and until this day, which is in it")
    found.add_argument("--data", type=Path, metavar="DIR", help="the aggregator's folder, for uses of the books")
    found.add_argument("--db", metavar="URL", help="another database (default: SQLite in DIR)")
    add_community(found)
    found.add_argument("--json", action="store_true", help="print JSON; amounts in nano as strings")
    found = _command(
        words,
        "diff",
        compare,
        "Say in words what a contract file changes against another one; exit code 0 also when something differs.",
        "  tallystick contract diff laundry.toml laundry-2.toml\n",
    )
    found.add_argument("old", type=Path, metavar="OLD", help="the contract as it is")
    found.add_argument("new", type=Path, metavar="NEW", help="the one that is to follow")
    found.add_argument("--json", action="store_true", help="print JSON")


def _command(words: Commands, name: str, run: object, about: str, examples: str) -> argparse.ArgumentParser:
    found = words.add_parser(
        name,
        help=about,
        description=about,
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    found.set_defaults(run=run)
    return found


def show_template(parsed: argparse.Namespace) -> int:
    if parsed.name is None:
        width = max(len(name) for name in library.names())
        print("\n".join(f"{name:{width}}  {library.about(name)}" for name in library.names()))
        return 0
    print(library.template(parsed.name), end="")
    return 0


def compare(parsed: argparse.Namespace) -> int:
    people = People()
    old, new = _read(parsed.old, people), _read(parsed.new, people)
    wording = Wording("en", ZoneInfo(new.contract.zone))
    who = (_named_payers(draft, people) for draft in (old, new))
    changes = diff.differences(old.contract, new.contract, wording, *who)
    if parsed.json:
        print(json.dumps([{"about": c.about, "before": c.before, "after": c.after} for c in changes], indent=1))
        return 0
    for one in changes:
        if one.before is None:
            print(f"new      {one.about}: {one.after}")
        elif one.after is None:
            print(f"gone     {one.about}: {one.before}")
        else:
            print(f"changed  {one.about}: {one.before} -> {one.after}")
    if not changes:
        print("nothing changes: both say the same")
    return 0


def _named_payers(draft: Draft, people: "People") -> dict[bytes, str]:
    """Commitment -> the user whom the file names and the contract does not."""
    names = {party: name for name, party in people.items()}
    return {one.commitment: names[one.party] for one in draft.openings}


def try_on_uses(parsed: argparse.Namespace) -> int:
    people, span = People(), None
    if parsed.uses is None:
        draft, usages, span = _of_books(parsed, people)
    else:
        draft = _read(parsed.file, people)
        usages = _of_file(parsed, draft, people)
    if draft.contract.pool is not None:
        reason = "has a [pool], which shares the energy of its meters: try it in shadow with tallystick pool show"
        raise BadInput(str(parsed.file), reason)
    known = Version(b"", b"", draft.contract, draft.openings)
    exempt = known.payers - known.period_payers
    found = simulate.simulate(draft.contract, usages, known.payers, span, exempt)
    bill = {} if parsed.bill is None else simulate.old_bill(_text(parsed.bill), people)
    names = {party: name for name, party in people.items()}
    if parsed.json:
        print(json.dumps(_as_json(found, bill, names), indent=1))
    else:
        print(_as_text(found, bill, names, draft.contract, is_compared=parsed.bill is not None))
    return 0


def _of_file(parsed: argparse.Namespace, draft: Draft, people: "People") -> list[Usage]:
    if parsed.begin or parsed.end:
        raise BadInput("--from", "goes with uses of the books; leave away --uses")
    if parsed.uses.stat().st_size > uses_file.FILE_BYTES_MAX:
        raise BadInput("--uses", f"is larger than {uses_file.FILE_BYTES_MAX} bytes; try a part of it")
    return uses_file.usages_of(_text(parsed.uses), draft.contract, people, _payers(draft))


def _payers(draft: Draft) -> dict[str, PartyId]:
    """asset -> who the contract says pays for it, where it is shared for what nobody claims."""
    opened_to = {opening.commitment: opening.party for opening in draft.openings}
    terms = reversed(draft.contract.assets)  # the first user of each asset stays
    return {one.asset: one.named_user or opened_to[H32(one.user)] for one in terms}


def _of_books(parsed: argparse.Namespace, people: "People") -> tuple[Draft, list[Usage], tuple[int, int]]:
    """As they were booked: the same slices, paid by whoever paid; names are those of the community."""
    if parsed.data is None:
        raise BadInput("--uses", "is missing; give a table of uses, or --data, --from and --to for uses of the books")
    begin, end = _day("--from", parsed.begin), _day("--to", parsed.end)
    if end < begin:
        raise BadInput("--to", f"is before {begin}")
    options = opened(parsed)
    try:
        name = community_of(options, parsed.community)
        people.update({key: PartyId(value) for key, value in options.database.read_now(ids_by_name, name).items()})
        draft = _read(parsed.file, people)
        span = _midnight(draft.contract, begin), _midnight(draft.contract, end + timedelta(days=1))
        wanted = list(dict.fromkeys((one.asset, one.quantity) for one in draft.contract.assets))
        after = (span[0] + 1, span[1] + 1)  # a use that ends at midnight is of the day before
        return draft, options.database.read_now(uses_of_assets, name, wanted, *after), span
    finally:
        options.database.close()


def _day(option: str, text: str | None) -> date:
    if text is None:
        raise BadInput(option, "is missing; write YYYY-MM-DD")
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()
    except ValueError:
        raise BadInput(option, f"is {text!r}; write YYYY-MM-DD") from None


def _midnight(contract: Contract, day: date) -> int:
    """When a day begins on the clocks of the contract's zone."""
    return offsets_of(contract.zone).first_at((day - date(1970, 1, 1)).days * DAY_MS)


class People(dict[str, PartyId]):
    """Every name that a contract file uses, with an id made of it; those of a community come in beside them."""

    def __contains__(self, name: object) -> bool:
        if isinstance(name, str):
            self.setdefault(name, PartyId(sha256(name.encode())[:PARTY_BYTES]))
        return isinstance(name, str)

    def __missing__(self, name: str) -> PartyId:
        self[name] = found = PartyId(sha256(name.encode())[:PARTY_BYTES])
        return found


def _read(path: Path, people: People | None = None) -> Draft:
    numbers = iter(range(1, 1 << 30))
    try:
        return draft_contract(
            contract_text(path), People() if people is None else people, lambda n: next(numbers).to_bytes(n)
        )
    except ContractError as error:
        raise BadInput(str(path), str(error)) from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(str(path), f"cannot be read: {error}") from None


Names = Mapping[PartyId, str]


def _as_json(found: simulate.Simulation, bill: Mapping[PartyId, int], names: Names) -> dict[str, object]:
    return {
        "fee_nano": str(found.fee),
        "payers": [
            {
                "user": names.get(one.payer, one.payer.hex()),
                "uses": one.uses,
                "fee_nano": str(one.fee),
                "minimum_nano": str(one.minimum),
                "rebate_nano": str(one.rebate),
                "standing_charge_nano": str(one.standing),
                **({"old_nano": str(bill.get(one.payer, 0))} if bill else {}),
            }
            for one in found.payers
        ],
        "shares_nano": {names.get(party, party.hex()): str(nano) for party, nano in found.shares},
        "bands": [{"band": band, "uses": uses, "fee_nano": str(nano)} for band, uses, nano in found.by_band],
        "unpriced": [{"reason": reason, "uses": count} for reason, count in found.unpriced],
    }


def _as_text(
    found: simulate.Simulation, bill: Mapping[PartyId, int], names: Names, contract: Contract, *, is_compared: bool
) -> str:
    unit = contract.unit
    lines = [f"{contract.name}: {many(sum(one.uses for one in found.payers), 'use')}, {money(found.fee)} {unit}"]
    for one in found.payers:
        added = f", {money(one.minimum)} of it minimum" if one.minimum else ""
        added += f", {money(one.standing)} of it standing charge" if one.standing else ""
        added += f", {money(-one.rebate)} of rebate taken off" if one.rebate else ""
        old = bill.get(one.payer, 0)
        beside = f"; old bill {money(old)}, difference {money(one.fee - old)}" if is_compared else ""
        lines.append(
            f"  pays {money(one.fee):>14}  {names.get(one.payer, '?')} ({many(one.uses, 'use')}{added}){beside}"
        )
    lines += [f"  gets {money(nano):>14}  {names.get(party, '?')}" for party, nano in found.shares]
    lines += [f"  {band}: {many(uses, 'use')}, {money(nano)} {unit}" for band, uses, nano in found.by_band]
    lines += [f"  not priced: {many(count, 'use')}, because {reason}" for reason, count in found.unpriced]
    missing = [names.get(payer, "?") for payer in bill if payer not in {one.payer for one in found.payers}]
    lines += [f"  on the old bill only: {name}" for name in sorted(missing)]
    return "\n".join(lines)
