"""Uses in a table that people keep (CSV), for trying a contract on them: exact quantities, one row a use.

It never prices one, and a row that cannot be read is refused by line, column and reason.
"""

import csv
import io
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from fractions import Fraction

from tallystick_protocol.errors import ProtocolError
from tallystick_protocol.ids import H32, PartyId, sha256, use_id
from tallystick_protocol.money.calendar import edges
from tallystick_protocol.money.contract import AssetTerms, Contract
from tallystick_protocol.money.intervals import Cut, Point, cut
from tallystick_protocol.money.rating import Usage, UsageForm
from tallystick_protocol.money.tariff import Form
from tallystick_protocol.money.zone import offsets_of

from tallystick_cloud import sheet
from tallystick_cloud.errors import BadInput

ROWS_MAX = 1_000_000
FILE_BYTES_MAX = 200 * 2**20
DAYS_MAX = 366  # of one row: a meter is cut at every hour at which its price may change
DIGITS_MAX = 30  # before or after the point of an amount
REQUIRED, OPTIONAL = ("asset", "start", "end", "amount"), ("programme", "user")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_DAY_MS = 86_400_000

Users = Mapping[str, PartyId]
"""Names that the column `user` may hold."""


def usages_of(text: str, contract: Contract, users: Users, payers: Mapping[str, PartyId]) -> list[Usage]:
    """The uses of a file: `amount` in what the tariff is per; times with an offset, or local in the contract's zone.

    `payers`: asset -> who pays when a row names nobody. Rows of one asset may not overlap when it is metered.
    Raises BadInput.
    """
    between = sheet.delimiter(text)
    reader = csv.DictReader(io.StringIO(sheet.plain(text)), delimiter=between)
    made = _Rows(contract, users, payers)
    try:
        _check_header(reader.fieldnames)
        for number, row in enumerate(reader, 1):
            if number > ROWS_MAX:
                raise BadInput("file", f"has more than {ROWS_MAX} rows; try a part of it")
            made.add(reader.line_num, row, between)
    except csv.Error as error:
        raise BadInput(f"line {reader.line_num + 1}", f"is not CSV: {error}") from None
    return made.usages()


def _check_header(found: object) -> None:
    names = list(found) if isinstance(found, (list, tuple)) else []
    missing = [name for name in REQUIRED if name not in names]
    strange = [str(name) for name in names if name not in REQUIRED + OPTIONAL]
    if missing:
        raise BadInput("line 1", f"has no column {', '.join(missing)}; the first line names the columns")
    if strange:
        raise BadInput("line 1", f"has the unknown column {', '.join(strange)}")


class _Rows:
    """Rows in the order of the file, and how far each asset has counted."""

    def __init__(self, contract: Contract, users: Users, payers: Mapping[str, PartyId]) -> None:
        self._contract, self._users, self._payers = contract, users, payers
        self._offsets = offsets_of(contract.zone)
        per = contract.tariff.counts_per_unit
        self._per_unit = Fraction(per.n, per.d)
        self._terms: dict[str, AssetTerms] = {one.asset: one for one in contract.assets}
        self._rows: dict[str, list[tuple[int, int, int, str | None, PartyId, int]]] = {}

    def add(self, line: int, row: Mapping[str, str | None], between: str) -> None:
        cells = {name: (value or "").strip() for name, value in row.items() if isinstance(name, str)}
        if None in row or any(row.get(name) is None for name in REQUIRED):
            raise BadInput(f"line {line}", "has another number of columns than the first line")
        asset = cells["asset"]
        if asset not in self._terms:
            known = ", ".join(sorted(self._terms))
            raise BadInput(f"line {line}, asset", f"{asset!r} is not under this contract; it has {known}")
        start, end = self._moment(line, "start", cells["start"]), self._moment(line, "end", cells["end"])
        if end < start:
            raise BadInput(f"line {line}, end", "is before the start")
        if end - start > DAYS_MAX * _DAY_MS:
            raise BadInput(
                f"line {line}, end", f"is more than {DAYS_MAX} days after the start; write a row per reading"
            )
        payer = self._payer(line, asset, cells.get("user", ""))
        counts = self._counts(line, sheet.number(cells["amount"], between))
        rows = self._rows.setdefault(asset, [])
        rows.append((start, end, counts, cells.get("programme") or None, payer, line))

    def _payer(self, line: int, asset: str, name: str) -> PartyId:
        if not name:
            return self._payers[asset]
        if name not in self._users:
            raise BadInput(f"line {line}, user", f"{name!r} is neither a user nor a party of the contract")
        return self._users[name]

    def _counts(self, line: int, text: str) -> int:
        """An amount in price units as whole counts of the meter."""
        try:
            amount = Decimal(text)
        except (InvalidOperation, ValueError):
            amount = Decimal("NaN")
        if not amount.is_finite():
            raise BadInput(f"line {line}, amount", f"{text!r} is not a number such as 1.250")
        unit = self._contract.tariff.price_unit
        if amount < 0:
            raise BadInput(f"line {line}, amount", f"{text} {unit} is below 0; leave out what was not used")
        is_far = abs(amount.adjusted()) > DIGITS_MAX  # as a fraction it would have millions of digits
        counts = Fraction(-1) if is_far and amount else Fraction(amount) * self._per_unit
        if counts.denominator != 1 or counts < 0 or counts >= 1 << 62:
            raise BadInput(f"line {line}, amount", f"{text} {unit} is not a whole number of the meter's counts")
        return int(counts)

    def _moment(self, line: int, column: str, text: str) -> int:
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            reason = f"{text!r} is no time such as 2026-10-31T18:00 or 2026-10-31T18:00+01:00"
            raise BadInput(f"line {line}, {column}", reason) from None
        try:
            if found.tzinfo is None:
                return self._offsets.first_at((found.replace(tzinfo=UTC) - _EPOCH) // _MS)
            t_ms = (found - _EPOCH) // _MS
            self._offsets.at(t_ms)  # refuses years without zone rules
            return t_ms
        except ProtocolError as error:
            raise BadInput(f"line {line}, {column}", f"{text} {error.reason}") from None

    def usages(self) -> list[Usage]:
        found: list[Usage] = []
        for asset in sorted(self._rows):
            rows = sorted(self._rows[asset], key=lambda row: (row[1], row[0], row[5]))
            is_event = self._contract.tariff.form is Form.EVENT
            found += self._events(asset, rows) if is_event else self._intervals(asset, rows)
        return found

    def _events(self, asset: str, rows: list[tuple[int, int, int, str | None, PartyId, int]]) -> Iterator[Usage]:
        total, channel = 0, _channel(asset)
        for number, (start, end, counts, programme, payer, _) in enumerate(rows, 1):
            here = use_id(channel, number)
            span = (number, start, end, total, total + counts)
            yield Usage(here, channel, *span, asset, payer, programme, UsageForm.EVENT)
            total += counts

    def _intervals(self, asset: str, rows: list[tuple[int, int, int, str | None, PartyId, int]]) -> Iterator[Usage]:
        """Cut where the contract cuts, evenly inside a row."""
        total, channel, until = 0, _channel(asset), None
        for start, end, counts, _, payer, line in rows:
            if until is not None and start < until:
                raise BadInput(f"line {line}, start", f"is before the end of another row of {asset}")
            until = end
            marks = [*edges([self._contract], start, end), end]
            points = [Point(start, total), Point(end, total + counts)]
            slices, _state = cut(points, Cut(start, total), sorted(set(marks)), end - start + 1)
            for one in slices:
                here = use_id(channel, one.from_total)
                span = (one.from_total, one.start_ms, one.end_ms, one.from_total, one.to_total)
                yield Usage(here, channel, *span, asset, payer)
            total += counts


def _channel(asset: str) -> H32:
    return sha256(b"a file of uses\0" + asset.encode())
