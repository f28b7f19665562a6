"""Reads a contract as people write it (TOML, decimals) into exact values, or refuses it with line, field and next step.
It never reads a file, never rounds and never invents a party: names are looked up among those it is given."""

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from itertools import count

from tallystick_protocol.ids import H32, NONCE_BYTES, PartyId
from tallystick_protocol.money.contract import (
    DAY_MS,
    AssetTerms,
    Contract,
    ContractState,
    GapRule,
    Mode,
    Notice,
    PartyRef,
    PayoutApproval,
    RatingPeriod,
    Terms,
    TimeRule,
)
from tallystick_protocol.money.errors import ContractError
from tallystick_protocol.money.pool import Pool
from tallystick_protocol.money.tariff import Tariff
from tallystick_protocol.money.toml_lines import lines_of
from tallystick_protocol.money.toml_pool import pool_of
from tallystick_protocol.money.toml_sense import check_gap
from tallystick_protocol.money.toml_table import Table, hint
from tallystick_protocol.money.toml_tariff import steps_of, tariff_of
from tallystick_protocol.money.user import USER_SALT_BYTES, UserOpening, commit_user
from tallystick_protocol.money.zone import Offsets, offsets_of

__all__ = ["ContractError", "Draft", "draft_contract", "load_contract"]

FILE_VERSION = 1
KEEP_MAX = "36525 d"  # a hundred years: longer than anybody may keep what people used
FILE_CHARACTERS_MAX = 256 * 1024  # a contract over a thousand meters is about 100 kB
POINTS_MAX = 256  # in one line; a paragraph of a notice has some ten
_SEE = "see docs/reference/contract.md"
_MOSTLY = {
    "Expected newline": "a line has one field; decimals have a point (1.50), dates are written 2026-12-01",
    "Invalid value": 'texts stand in straight quotes, such as "EUR"',
    "Invalid statement": "a line is a field (name = value), a [table] or a # comment",
    "Invalid date": "there is no such day",
    "Illegal character": "close the quotes on the line where they begin",
    "Cannot overwrite": "it stands there twice, or with [one] bracket where [[two]] are needed",
    "Cannot declare": "it stands there twice: put the two together",
}
"""What tomllib says, and the next step."""
_AT_LINE = re.compile(r"\(at line (\d+), column \d+\)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


Random = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Draft:
    """A contract ready to be signed, and what opens its commitments: those who hold the openings know its users."""

    contract: Contract
    openings: tuple[UserOpening, ...]


def load_contract(text: str, parties: Mapping[str, PartyId]) -> Contract:
    """The contract to be looked at, never to be signed: its nonce and its users' salts are no secret."""
    numbers = count(1)
    return draft_contract(text, parties, lambda size: next(numbers).to_bytes(size)).contract


def draft_contract(
    text: str, parties: Mapping[str, PartyId], random: Random, *, prev: H32 | None = None, version: int = 1
) -> Draft:
    """The contract that `text` describes; `parties` are those of the community by name.

    `random(n)` gives n fresh random bytes: for the nonce, and for a salt per asset whose user the contract does not
    name. `prev` and `version` place it in its chain.
    Raises ContractError (line, field, reason) for anything that is missing, wrong, unknown or does not fit together.
    """
    table = parsed(text)
    if table.count("version", 0) != FILE_VERSION:
        raise table.fail("version", f"must be {FILE_VERSION}, the version of this file format")
    refs = tuple(_party(item, parties) for item in table.tables("party"))
    known = {ref.name: ref.id for ref in refs}
    unit = table.text("unit")
    asset_tables = table.tables("asset")
    pool, tariff = _pool_and_tariff(table, asset_tables, known, unit)
    nonce = random(NONCE_BYTES)
    users = _users(table.tables("user") if table.has("user") else [], known, parties)
    assets, openings = _assets(asset_tables, known, users, random)
    split = steps_of(table.tables("split"), known, unit)
    terms = _terms(table.table("terms"), unit)
    notice = _notice(table.table("notice"), tariff)
    head = _head(table, known)
    table.done()
    body = {"parties": refs, "assets": assets, "tariff": tariff, "split": split, "terms": terms, "notice": notice}
    contract = _contract(table, nonce=nonce, prev=prev, version=version, unit=unit, pool=pool, **head, **body)
    return Draft(contract, openings)


def _pool_and_tariff(
    table: Table, assets: list[Table], known: Mapping[str, PartyId], unit: str
) -> tuple[Pool | None, Tariff]:
    """A contract has a tariff, or a pool whose classes are its prices."""
    if not table.has("pool"):
        return None, tariff_of(table.table("tariff"), unit)
    if table.has("tariff"):
        raise table.fail("tariff", "stands beside a [pool], whose classes are the prices: leave one of the two away")
    zone = table.text("zone")
    offsets = table.built("zone", lambda: offsets_of(zone))
    return pool_of(table.table("pool"), assets, known, lambda one, key: _moment(one, key, offsets))


def _head(table: Table, known: Mapping[str, PartyId]) -> dict[str, object]:
    """The fields above the first table."""
    zone, collector = table.text("zone"), table.text("collector")
    offsets = table.built("zone", lambda: offsets_of(zone))
    if collector not in known:
        raise table.fail("collector", f"{collector!r} is not a party of this contract: {hint(collector, known)}")
    if table.text("change_rule", "all") == "decision" and not table.has("decision_ref"):
        raise table.fail("change_rule", "asks for a decision: add decision_ref, where that decision stands")
    return {
        "name": table.text("name"),
        "community": table.text("community"),
        "zone": zone,
        "state": table.word("state", ContractState, ContractState.SHADOW),
        "mode": table.word("mode", Mode, Mode.PRINCIPAL),
        "collector": known[collector],
        "change_rule": table.text("change_rule", "all"),
        "decision_ref": table.text("decision_ref") if table.has("decision_ref") else None,
        "effective_from_ms": _moment(table, "effective_from", offsets),
        "effective_to_ms": _moment(table, "effective_to", offsets) if table.has("effective_to") else None,
    }


def parsed(text: str) -> Table:
    """The fields of a TOML file with their lines; raises ContractError for one that is too long or no TOML."""
    if len(text) > FILE_CHARACTERS_MAX:
        reason = f"is {len(text)} characters long, the limit is {FILE_CHARACTERS_MAX}: make two contracts of it"
        raise ContractError(0, "file", reason)
    if text.startswith("\ufeff"):
        raise ContractError(1, "file", "begins with a byte order mark: save it as UTF-8 without one")
    for number, line in enumerate(text.splitlines(), 1):
        if line.count(".") > POINTS_MAX:  # tomllib needs a minute for a key of 10,000 parts
            raise ContractError(number, "file", f"has more than {POINTS_MAX} points: break the line")
    try:
        data = tomllib.loads(text, parse_float=Decimal)
    except RecursionError as error:
        raise ContractError(0, "file", "is nested too deeply: a contract has tables, and lists in them") from error
    except tomllib.TOMLDecodeError as error:
        raise _not_toml(text, str(error)) from error
    except (ArithmeticError, ValueError) as error:
        raise ContractError(0, "file", "holds a number that is too long to be meant") from error
    return Table(data, lines_of(text))


def _not_toml(text: str, said: str) -> ContractError:
    """What tomllib said, with what people mostly did there."""
    found = _AT_LINE.search(said)
    line = int(found[1]) if found else text.count("\n") + 1
    reason = _AT_LINE.sub("", said).replace("(at end of document)", "").strip()
    step = next((step for begin, step in _MOSTLY.items() if reason.startswith(begin)), _SEE)
    return ContractError(line, "file", f"is not TOML: {reason}; {step}")


def _contract(table: Table, **values: object) -> Contract:
    """Build the whole, pointing at the part of the file that breaks a rule between parts."""
    try:
        return Contract(**values)  # type: ignore[arg-type]
    except ContractError:
        raise
    except ValueError as error:
        field = getattr(error, "field", "file")
        path = _FILE_NAMES.get(field.removeprefix("contract."), field.removeprefix("contract."))
        raise table.fail(path, getattr(error, "reason", str(error))) from error


_FILE_NAMES = {
    "parties": "party",
    "assets": "asset",
    "effective_to_ms": "effective_to",
    "effective_from_ms": "effective_from",
    "pool.points": "asset",
}


def _party(table: Table, parties: Mapping[str, PartyId]) -> PartyRef:
    name, role = table.text("name"), table.text("role")
    if name not in parties:
        step = hint(name, parties, "add the party there first")
        raise table.fail("name", f"{name!r} is not a party of the community: {step}")
    table.done()
    return table.built("name", lambda: PartyRef(name, parties[name], role))


def _users(
    tables: list[Table], known: Mapping[str, PartyId], parties: Mapping[str, PartyId]
) -> dict[str, tuple[PartyId, Table]]:
    """Users who do not sign, by name, with where they are written."""
    users: dict[str, tuple[PartyId, Table]] = {}
    for table in tables:
        name = table.text("name")
        if name not in parties:
            step = hint(name, parties, "add it there first")
            raise table.fail("name", f"{name!r} is not a party of the community: {step}")
        if name in known:
            raise table.fail("name", f"{name!r} is a party of this contract already: leave away one of the two")
        if name in users:
            raise table.fail("name", f"{name!r} is there twice: one [[user]] is enough for all its assets")
        table.done()
        users[name] = parties[name], table
    return users


def _assets(
    tables: list[Table], known: Mapping[str, PartyId], users: Mapping[str, tuple[PartyId, Table]], random: Random
) -> tuple[tuple[AssetTerms, ...], tuple[UserOpening, ...]]:
    """Assets in file order, once for each user; an opening with a salt of its own for each user who is not named."""
    assets: list[AssetTerms] = []
    openings: list[UserOpening] = []
    paying: set[str] = set()
    for table in tables:
        asset, quantity, first = table.text("asset"), table.text("quantity"), table.text("user")
        shared = table.texts("shared_by")
        table.done()
        if any((one.asset, one.quantity) == (asset, quantity) for one in assets):
            raise table.fail(
                "asset", f"{asset!r} is there twice with {quantity!r}: name all its users in one shared_by"
            )
        if len({first, *shared}) != len(shared) + 1:
            raise table.fail("shared_by", "names somebody twice; user, who pays for what nobody claims, is one already")
        for user in (first, *shared):
            paying.add(user)
            if user in known:
                assets.append(_asset(table, asset, quantity, known[user]))
            elif user in users:
                opening = UserOpening(asset, quantity, random(USER_SALT_BYTES), users[user][0])
                openings.append(opening)
                assets.append(_asset(table, asset, quantity, commit_user(opening.salt, opening.party)))
            else:
                step = hint(user, [*known, *users], "add a [[user]] with this name, or a [[party]] if it signs")
                why = f"{user!r} is neither a user nor a party of this contract: {step}"
                raise table.fail("user" if user == first else "shared_by", why)
    for name, (_, table) in users.items():
        if name not in paying:
            raise table.fail("name", f"{name!r} pays for no asset: make it the user of an [[asset]], or leave it away")
    return tuple(assets), tuple(openings)


def _asset(table: Table, asset: str, quantity: str, user: PartyId | H32) -> AssetTerms:
    return table.built("asset", lambda: AssetTerms(asset, quantity, user))


def _terms(table: Table, unit: str) -> Terms:
    ruled = Terms()
    rating_period = table.word("rating_period", RatingPeriod, ruled.rating_period)
    interval_ms = table.duration_ms("interval", "15 min", "1 min", "1 d")
    max_gap_ms = table.duration_ms("max_gap", "2 h", "1 min", "366 d")
    check_gap(table, interval_ms, max_gap_ms)
    gap_rule = table.word("gap_rule", GapRule, ruled.gap_rule)
    late_days = table.count("late_days", ruled.late_days)
    unknown_time = table.word("unknown_time", TimeRule, ruled.unknown_time)
    unknown_days = table.count("unknown_time_days", ruled.unknown_time_days)
    threshold = table.amount("payout_threshold", unit) or ruled.payout_threshold
    least_charge = table.amount("charge_threshold", unit)
    dispute_days = table.count("dispute_days", ruled.dispute_days)
    payout_approval = table.word("payout_approval", PayoutApproval, ruled.payout_approval)
    table.done()

    def made() -> Terms:
        late = (late_days, unknown_time, unknown_days)
        terms = Terms(rating_period, interval_ms, max_gap_ms, gap_rule, *late, threshold, dispute_days, payout_approval)
        return replace(terms, charge_threshold=least_charge)

    return table.built("interval", made)


def _notice(table: Table, tariff: Tariff) -> Notice:
    what, why, who = (table.text(key, is_paragraph=True) for key in ("what", "why", "who"))
    if not table.has("keep"):
        raise table.fail("keep", 'is missing: say how long readings are kept, such as "3650 d"')
    keep_days = table.duration_ms("keep", "", "1 d", KEEP_MAX) // DAY_MS
    shares = table.flag("shares_price_counter", False)
    if tariff.shared != shares:
        reason = "must be true when the tariff is shared, and only then: one payer's use moves the other's price"
        raise table.fail("shares_price_counter", reason)
    table.done()
    return table.built("what", lambda: Notice(what, why, keep_days, who))


def _moment(table: Table, key: str, offsets: Offsets) -> int:
    """A date is its local midnight, a local date-time the first such moment in the zone, one with an offset exact."""
    value = table.moment(key)
    if isinstance(value, datetime) and value.tzinfo is not None:
        return (value - _EPOCH) // _MS
    local = value if isinstance(value, datetime) else datetime.combine(value, time())
    return table.built(key, lambda: offsets.first_at((local.replace(tzinfo=UTC) - _EPOCH) // _MS))
