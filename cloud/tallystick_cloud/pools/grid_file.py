"""Files of the grid (CSV): energy of meters by the interval, prices of a series, coefficients of a year.

It never stores one, and a row that cannot be read is refused by line, column and reason.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TypeVar

from tallystick_protocol.errors import ProtocolError
from tallystick_protocol.money.numbers import Exact
from tallystick_protocol.money.pool import Direction
from tallystick_protocol.money.pool_energy import WH_MAX
from tallystick_protocol.money.zone import Offsets

from tallystick_cloud import sheet
from tallystick_cloud.errors import BadInput
from tallystick_cloud.given_file import text_of

ROWS_MAX = 2_000_000  # a year of quarters of an hour for 57 meters
FILE_BYTES_MAX = 100 * 2**20
WEIGHT_DIGITS = 6  # of a coefficient, as the Spanish distributors' files have them
WHOLE_WEIGHT = 10**WEIGHT_DIGITS
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_HOUR = re.compile(r"[0-9]{1,4}")
_NIGHT_MS = 4 * 3_600_000  # no zone turns its clocks by more
_SCALES = {"wh": 1, "kwh": 1000}


@dataclass(frozen=True, slots=True)
class Energy:
    """What a meter counted in the interval that starts then; `line` of the file."""

    meter: str
    direction: Direction
    start_ms: int
    wh: int
    line: int

    @property
    def value(self) -> int:
        return self.wh


@dataclass(frozen=True, slots=True)
class Price:
    """What the series says from a moment on."""

    start_ms: int
    price: Exact
    line: int

    @property
    def value(self) -> Exact:
        return self.price


K = TypeVar("K")
R = TypeVar("R", Energy, Price)


def text_in(data: bytes) -> str:
    """A file of the grid as text. Raises BadInput."""
    return text_of(data, FILE_BYTES_MAX, "a CSV file", has_parts=True)


def energy_rows(text: str, offsets: Offsets, span_ms: int) -> list[Energy]:
    """Columns meter, start and injected or withdrawn (_wh or _kwh); an empty cell says nothing.

    `start` has an offset or is local in the contract's zone, on an edge of `span_ms`. Raises BadInput.
    """
    found: dict[tuple[str, Direction, int], Energy] = {}
    for line, row, columns in _rows(text, ("meter", "start"), [f"{d.value}_{u}" for d in Direction for u in _SCALES]):
        if not row["meter"]:
            raise BadInput(f"line {line}, meter", "is empty; name the meter as the contract does")
        start_ms = _start(line, row["start"], offsets, span_ms)
        for column in columns:
            if row[column]:
                name, unit = column.split("_")
                one = Energy(row["meter"], Direction(name), start_ms, _wh(line, column, row[column], unit), line)
                _add(found, (one.meter, one.direction, start_ms), one)
    return list(found.values())


def shared_rows(text: str, offsets: Offsets, span_ms: int) -> dict[int, int]:
    """Columns start and shared_wh or shared_kwh, as a scheme states what was shared. Raises BadInput."""
    found: dict[int, int] = {}
    for line, row, columns in _rows(text, ("start",), [f"shared_{unit}" for unit in _SCALES]):
        start_ms = _start(line, row["start"], offsets, span_ms)
        for column in columns:
            wh = _wh(line, column, row[column], column.removeprefix("shared_"))
            if found.setdefault(start_ms, wh) != wh:
                raise BadInput(f"line {line}", f"says {wh} Wh of {row['start']}, a line before says {found[start_ms]}")
    return found


def price_rows(text: str, offsets: Offsets) -> list[Price]:
    """Columns start and price; a price holds for the interval or the hour that starts then. Raises BadInput."""
    found: dict[int, Price] = {}
    for line, row, _ in _rows(text, ("start", "price"), []):
        start_ms = _start(line, row["start"], offsets, 60_000)
        one = Price(start_ms, _exact(line, row["price"]), line)
        _add(found, start_ms, one)
    return list(found.values())


def coefficient_columns(text: str) -> tuple[int, dict[str, list[int]]]:
    """(hours of the year, meter -> millionths by the hour) of lines `meter;hour;0,dddddd`, hour from 0001 on.

    Raises BadInput: every meter has every hour once, and each hour's coefficients make 1.
    """
    found: dict[str, dict[int, int]] = {}
    for line, raw in enumerate(text.splitlines(), 1):
        if raw.strip():
            meter, hour, weight = _coefficient(line, raw)
            if hour in found.setdefault(meter, {}):
                raise BadInput(f"line {line}", f"has hour {hour} of {meter} a second time")
            found[meter][hour] = weight
    if not found:
        raise BadInput("file", "has no line such as ES0021000000000001XX;0001;0,250000")
    hours = max(len(one) for one in found.values())
    if hours not in (8760, 8784):
        raise BadInput("file", f"has {hours} hours of a meter; a year has 8,760 or 8,784")
    for meter, weights in found.items():
        if sorted(weights) != list(range(1, hours + 1)):
            raise BadInput(f"meter {meter}", f"has not every hour from 1 to {hours}")
    for hour in range(1, hours + 1):
        whole = sum(weights[hour] for weights in found.values())
        if whole != WHOLE_WEIGHT:
            raise BadInput(f"hour {hour:04d}", f"has coefficients that make {Decimal(whole) / WHOLE_WEIGHT}, not 1")
    return hours, {meter: [weights[hour] for hour in range(1, hours + 1)] for meter, weights in found.items()}


def _coefficient(line: int, raw: str) -> tuple[str, int, int]:
    cells = [cell.strip() for cell in raw.split(";")]
    if len(cells) != 3 or not cells[0] or _HOUR.fullmatch(cells[1]) is None:
        raise BadInput(f"line {line}", f"is {raw.strip()[:60]!r}; write METER;HOUR;0,dddddd")
    try:
        weight = Decimal(cells[2].replace(",", ".")).scaleb(WEIGHT_DIGITS)
    except ArithmeticError:
        weight = Decimal(-1)
    if not 0 <= weight <= WHOLE_WEIGHT or weight != int(weight):
        raise BadInput(f"line {line}", f"has the coefficient {cells[2]!r}; write 0,000000 to 1,000000")
    return cells[0], int(cells[1]), int(weight)


def _rows(
    text: str, required: Sequence[str], optional: Sequence[str]
) -> Iterator[tuple[int, Mapping[str, str], Sequence[str]]]:
    """(line, cells, the optional columns that there are) of every row."""
    reader = csv.DictReader(io.StringIO(sheet.plain(text)), delimiter=sheet.delimiter(text))
    try:
        names = [name.strip() for name in reader.fieldnames or []]
    except csv.Error as error:
        raise BadInput("line 1", f"is not CSV: {error}") from None
    missing = [name for name in required if name not in names]
    strange = [name for name in names if name not in (*required, *optional)]
    columns = [name for name in optional if name in names]
    if missing or (optional and not columns):
        wanted = ", ".join(missing) or " or ".join(optional)
        raise BadInput("line 1", f"has no column {wanted}; the first line names the columns")
    if strange or len(set(names)) != len(names):
        raise BadInput("line 1", f"has the unknown or doubled column {', '.join(strange) or 'in it'}")
    reader.fieldnames = names
    for number, row in enumerate(_read(reader), 1):
        if number > ROWS_MAX:
            raise BadInput("file", f"has more than {ROWS_MAX} rows; upload it in parts")
        if None in row or None in row.values():
            raise BadInput(f"line {reader.line_num}", "has another number of columns than the first line")
        yield reader.line_num, {name: value.strip() for name, value in row.items()}, columns


def _read(reader: "csv.DictReader[str]") -> Iterator[dict[str, str]]:
    try:
        yield from reader
    except csv.Error as error:
        raise BadInput(f"line {reader.line_num + 1}", f"is not CSV: {error}") from None


def _add(found: dict[K, R], key: K, one: R) -> None:
    """One row per key; the same again is left out, another value is refused."""
    before = found.setdefault(key, one)
    if before.value != one.value:
        reason = f"says {one.value}, line {before.line} says {before.value} of the same interval"
        raise BadInput(f"line {one.line}", reason)


def _start(line: int, text: str, offsets: Offsets, span_ms: int) -> int:
    start_ms = moment(f"line {line}, start", text, offsets)
    if start_ms % span_ms:
        raise BadInput(f"line {line}, start", f"{text} is not on an edge of {span_ms // 60_000} minutes")
    return start_ms


def moment(field: str, text: str, offsets: Offsets) -> int:
    """A time with an offset, or local: then the one moment with this local time. Raises BadInput for a time that the
    clocks skip or show twice."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(field, f"{text!r} is no time such as 2026-10-31T18:00 or 2026-10-31T18:00+01:00") from None
    try:
        if found.tzinfo is not None:
            start_ms = (found - _EPOCH) // _MS
            offsets.at(start_ms)  # refuses years without zone rules
            return start_ms
        local_ms = (found.replace(tzinfo=UTC) - _EPOCH) // _MS
        first = offsets.first_at(local_ms)
    except ProtocolError as error:
        raise BadInput(field, f"{text} {error.reason}") from None
    later = [t for t in offsets.changes(first, first + _NIGHT_MS) if offsets.local(t) <= local_ms]
    if offsets.local(first) != local_ms or later:
        what = "is there twice that night" if later else "does not exist: the clocks skip it"
        raise BadInput(field, f"{text} {what}; write the offset behind it, such as {text}+02:00")
    return first


def _wh(line: int, column: str, text: str, unit: str) -> int:
    try:
        wh = Decimal(text) * _SCALES[unit]
    except ArithmeticError:
        raise BadInput(f"line {line}, {column}", f"{text!r} is not a number such as 1.250") from None
    if not wh.is_finite() or not 0 <= wh <= WH_MAX or wh != int(wh):
        raise BadInput(f"line {line}, {column}", f"{text} is not a whole number of Wh from 0 to {WH_MAX}")
    return int(wh)


def _exact(line: int, text: str) -> Exact:
    try:
        return Exact.of(text)
    except (ArithmeticError, ValueError):
        raise BadInput(f"line {line}, price", f"{text!r} is not a number such as 112.45") from None
