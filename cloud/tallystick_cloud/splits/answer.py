"""Reads what a payment provider says became of its payments: CSV with the columns `payment` and `outcome`.

It takes a whole file or nothing, and every refusal names line and column.
"""

import csv
import io
import re

from tallystick_cloud.errors import BadInput
from tallystick_cloud.runs.model import END_BYTES

from .model import Outcome

FILE_BYTES_MAX = 1 << 22  # 80,000 payments with columns that nobody reads
NAME, OUTCOME = "payment", "outcome"
_NAME = re.compile(f"[0-9a-f]{{{2 * END_BYTES}}}")


def read(data: bytes) -> dict[str, Outcome]:
    """payment's name -> outcome; other columns are passed over. Raises BadInput."""
    if len(data) > FILE_BYTES_MAX:
        raise BadInput("file", f"has {len(data)} bytes; the limit is {FILE_BYTES_MAX}")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput("file", f"is no UTF-8 at byte {error.start}; save it as CSV in UTF-8") from error
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    found: dict[str, Outcome] = {}
    try:
        header = [cell.strip().lower() for cell in next(rows, [])]
        for wanted in (NAME, OUTCOME):
            if header.count(wanted) != 1:
                raise BadInput(f"line 1, {wanted}", f"must be the name of one column; the first line has {header}")
        name_at, outcome_at = header.index(NAME), header.index(OUTCOME)
        for row in rows:
            if row:
                _take(found, row, rows.line_num, (name_at, outcome_at), len(header))
    except csv.Error as error:
        raise BadInput(f"line {rows.line_num}", f"is no CSV: {error}") from error
    if not found:
        raise BadInput("file", "names no payment; it needs a line for each that the provider decided")
    return found


def _take(found: dict[str, Outcome], row: list[str], line: int, places: tuple[int, int], width: int) -> None:
    if len(row) != width:
        raise BadInput(f"line {line}", f"has {len(row)} columns, the first line has {width}")
    name, word = (row[at].strip().lower() for at in places)
    if not _NAME.fullmatch(name):
        raise BadInput(f"line {line}, {NAME}", f"is {name!r}; write the {2 * END_BYTES} characters of the instruction")
    if word not in list(Outcome):
        raise BadInput(f"line {line}, {OUTCOME}", f"is {word!r}; write one of {', '.join(Outcome)}")
    if found.setdefault(name, Outcome(word)) is not Outcome(word):
        raise BadInput(f"line {line}, {OUTCOME}", f"is {word}, and {found[name]} on a line before")
