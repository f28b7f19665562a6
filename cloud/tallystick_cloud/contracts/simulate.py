"""Who would pay and get what if a contract priced these uses: the same rules, and nothing is booked.

It never reads the books: uses come in as values, from them or from a file.
"""

import csv
import io
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from tallystick_protocol.ids import PartyId, sha256
from tallystick_protocol.money.calendar import Period, days_in, period_of, use_period
from tallystick_protocol.money.contract import Contract
from tallystick_protocol.money.plan import problem
from tallystick_protocol.money.rating import (
    Rated,
    Usage,
    UsageForm,
    canonical,
    minimum_usage,
    rate,
    rebate_usage,
    standing_usage,
)
from tallystick_protocol.money.zone import offsets_of

from tallystick_cloud import sheet
from tallystick_cloud.errors import BadInput

CHAIN = sha256(b"a contract that is tried")
REASONS_MAX = 20
AT_CLOSE_MAX = 1_000_000  # periods times payers; more is a wrong year in a table


@dataclass(frozen=True, slots=True)
class PayerLine:
    """What one user would pay: `fee` of `uses`, of which `minimum` and `standing` charges were added at the end of
    periods, and from which `rebate`, negative, was taken off; nano."""

    payer: PartyId
    uses: int
    fee: int
    minimum: int
    rebate: int = 0
    standing: int = 0


@dataclass(frozen=True, slots=True)
class Simulation:
    """`shares` sum to the fees; `by_band`: band or programme -> (uses, nano). `unpriced`: why uses have no price."""

    payers: tuple[PayerLine, ...]
    shares: tuple[tuple[PartyId, int], ...]
    by_band: tuple[tuple[str, int, int], ...]
    unpriced: tuple[tuple[str, int], ...]

    @property
    def fee(self) -> int:
        return sum(line.fee for line in self.payers)


def simulate(
    contract: Contract,
    usages: Iterable[Usage],
    payers: Iterable[PartyId] = (),
    span: tuple[int, int] | None = None,
    exempt: Iterable[PartyId] = (),
) -> Simulation:
    """Price all of them by this one contract, whatever is in force at their time, with rebate and minimum of each
    period. Raises BadInput for uses over more periods than anybody means.

    `payers` owe the minimum also of a period without a use, as in the books; `exempt` never, for they pay only for what
    nobody claims of a shared asset. `span`: from and to in ms, whose periods count; None: from the first use to the
    last.
    """
    priced, unpriced = [], defaultdict[str, int](int)
    for usage in usages:
        reason = problem(contract, usage)
        if reason is None:
            priced.append(usage)
        else:
            unpriced[reason] += 1
    users = {usage.payer for usage in priced}
    owing = sorted(users.union(payers).difference(exempt))
    added = _at_close(contract, sorted(users), owing, _periods(contract, priced, span))
    rated = rate(contract, CHAIN, canonical([*priced, *added]), {})
    return Simulation(_payers(rated), _shares(rated), _bands(rated), tuple(sorted(unpriced.items())[:REASONS_MAX]))


def _periods(contract: Contract, usages: Sequence[Usage], span: tuple[int, int] | None) -> list[Period]:
    """All rating periods from the first moment to the last."""
    ends = [usage.end_ms for usage in usages]
    bounds = [] if span is None else [span[0] + 1, span[1]]
    if not ends and not bounds:
        return []
    found = [use_period(contract, min([*ends, *bounds]))]
    while found[-1].to_ms < max([*ends, *bounds]):
        found.append(period_of(contract, found[-1].to_ms))
    return found


def _at_close(
    contract: Contract, users: Sequence[PartyId], owing: Sequence[PartyId], periods: Sequence[Period]
) -> list[Usage]:
    """A rebate for everybody who used something, a standing charge of every day and a minimum for everybody who owes
    them, in every period."""
    tariff = contract.tariff
    added: list[tuple[str, Sequence[PartyId], Callable[[PartyId, Period], Usage]]] = []
    if tariff.standing_charge is not None:
        added.append(("a standing charge", owing, lambda payer, period: _standing(contract, payer, period)))
    if tariff.has_rebate:
        added.append(("a rebate", users, lambda payer, period: rebate_usage(CHAIN, payer, period, period.to_ms)))
    if tariff.minimum is not None:
        added.append(("a minimum", owing, lambda payer, period: minimum_usage(CHAIN, contract, payer, period)))
    if sum(len(payers) for _, payers, _ in added) * len(periods) > AT_CLOSE_MAX:
        reason = f"reach over {len(periods)} periods with {added[-1][0]}; check the years, or try a part of them"
        raise BadInput("uses", reason)
    return [made(payer, period) for _, payers, made in added for payer in payers for period in periods]


def _standing(contract: Contract, payer: PartyId, period: Period) -> Usage:
    days = days_in(period, period.to_ms, offsets_of(contract.zone))
    return standing_usage(CHAIN, payer, period, period.from_ms, (0, days))


def _payers(rated: Iterable[Rated]) -> tuple[PayerLine, ...]:
    found: dict[PartyId, list[int]] = {}
    for one in rated:
        line = found.setdefault(one.usage.payer, [0, 0, 0, 0, 0])
        form = one.usage.form
        line[0] += form.is_metered
        line[1] += one.fee
        line[2] += one.fee if form is UsageForm.MINIMUM else 0
        line[3] += one.fee if form is UsageForm.REBATE else 0
        line[4] += one.fee if form is UsageForm.STANDING else 0
    return tuple(PayerLine(payer, *line) for payer, line in sorted(found.items()))


def _shares(rated: Iterable[Rated]) -> tuple[tuple[PartyId, int], ...]:
    found: dict[PartyId, int] = {}
    for one in rated:
        for party, amount in one.shares:
            found[party] = found.get(party, 0) + amount
    return tuple(found.items())


def _bands(rated: Iterable[Rated]) -> tuple[tuple[str, int, int], ...]:
    found: dict[str, list[int]] = {}
    for one in rated:
        line = found.setdefault(one.band or f"{one.usage.form.replace('-', ' ')} of the period", [0, 0])
        line[0] += 1
        line[1] += one.fee
    return tuple((band, uses, nano) for band, (uses, nano) in found.items())


BILL_COLUMNS = ["user", "amount"]
BILL_COLUMNS_BY_MONTH = ["user", "month", "amount"]
_MONTH = re.compile(r"20[0-9]{2}-(0[1-9]|1[0-2])")


def old_bill(text: str, names: Mapping[str, PartyId]) -> dict[PartyId, int]:
    """user -> nano, from a table with the columns user and amount; several lines of a user, also of several months,
    add up. Raises BadInput."""
    found: dict[PartyId, int] = {}
    for bill in old_bills(text, names).values():
        for party, nano in bill.items():
            found[party] = found.get(party, 0) + nano
    return found


def old_bills(text: str, names: Mapping[str, PartyId]) -> dict[str | None, dict[PartyId, int]]:
    """month (YYYY-MM; None where the table has no such column) -> user -> nano. Raises BadInput."""
    between = sheet.delimiter(text)
    rows = csv.reader(io.StringIO(sheet.plain(text), newline=""), delimiter=between)
    found: dict[str | None, dict[PartyId, int]] = {}
    try:
        columns = [cell.strip() for cell in next(rows, [])]
        if columns not in (BILL_COLUMNS, BILL_COLUMNS_BY_MONTH):
            raise BadInput("bill, line 1", "must be: user,amount or user,month,amount")
        for row in rows:
            if any(cell.strip() for cell in row):
                if len(row) != len(columns):
                    raise BadInput(
                        f"bill, line {rows.line_num}", f"has {len(row)} columns; put a name with a comma in quotes"
                    )
                month = _month(rows.line_num, row[1].strip()) if len(columns) > len(BILL_COLUMNS) else None
                bill, name = found.setdefault(month, {}), _named(rows.line_num, row[0].strip(), names)
                bill[name] = bill.get(name, 0) + _nano(rows.line_num, sheet.number(row[-1].strip(), between))
    except csv.Error as error:
        raise BadInput(f"bill, line {rows.line_num}", f"is not CSV: {error}") from None
    return found


def _month(number: int, text: str) -> str:
    if not _MONTH.fullmatch(text):
        raise BadInput(f"bill, line {number}", f"{text!r} is no month; write 2026-11")
    return text


def _named(number: int, name: str, names: Mapping[str, PartyId]) -> PartyId:
    if name not in names:
        raise BadInput(f"bill, line {number}", f"{name!r} is neither a user nor a party of the contract")
    return names[name]


def _nano(number: int, text: str) -> int:
    try:
        nano = Decimal(text).scaleb(9)
    except ArithmeticError:
        raise BadInput(f"bill, line {number}", f"{text!r} is no amount such as 18.95") from None
    if not nano.is_finite() or nano != nano.to_integral_value() or abs(nano) >= 1 << 62:
        raise BadInput(f"bill, line {number}", f"{text!r} is no amount such as 18.95")
    return int(nano)
