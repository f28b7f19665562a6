"""A charging session as a meter signed it (OCMF): its two readings, exactly, and whether they are what was billed.
It never believes a value before `check_record` saw the meter's signature over it.
"""

import json
import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

from tallystick_protocol.codes import TimeQuality
from tallystick_protocol.errors import BadEnvelope, BadValue
from tallystick_protocol.ocmf import read_ocmf

DIGITS_MAX = 15  # of a reading: a register of 10^12 Wh with three decimals; also keeps 10^exponent small
READINGS_MAX = 1_000  # a session of a day told every quarter of an hour, ten times over
ENDS = frozenset("ELRAP")  # OCMF 1.4 table 7: ended, locally, remotely, aborted, by power failure
_UNITS = {"Wh": 1, "kWh": 1_000}
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d),(\d{3})([+-]\d{4}) ([UISR])", re.ASCII)
_NUMBER = re.compile(r"\d+(\.\d+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class MeterReading:
    """A reading: ms UTC by the meter's clock, how far that clock is to be believed, and the register in Wh."""

    t_ms: int
    quality: TimeQuality
    wh: Fraction


@dataclass(frozen=True, slots=True)
class Session:
    """What one record says: the meter, its register (OBIS) and the readings at begin and end."""

    serial: str | None
    register: str
    begin: MeterReading
    end: MeterReading


def read_session(record: bytes) -> Session:
    """The session in a record that holds both its ends; BadEnvelope or BadValue names what is missing or crooked."""
    body = _object(read_ocmf(record).payload)
    rows = body.get("RD")
    if not isinstance(rows, list) or not 2 <= len(rows) <= READINGS_MAX or not all(isinstance(r, dict) for r in rows):
        raise BadValue("ocmf.RD", f"must hold 2 to {READINGS_MAX} readings: the session's begin and end in one record")
    whole: list[dict[str, Any]] = []
    for row in rows:  # a reading may leave out what is as in the one before it
        whole.append({**(whole[-1] if whole else {}), **row})
    first, last = whole[0], whole[-1]
    if first.get("TX") != "B" or last.get("TX") not in ENDS:
        raise BadValue("ocmf.RD.TX", "must begin with B and end with one of E, L, R, A, P")
    if (first.get("RI"), first.get("RU")) != (last.get("RI"), last.get("RU")) or not isinstance(first.get("RI"), str):
        raise BadValue("ocmf.RD.RI", "must name one register and unit for begin and end")
    session = Session(_serial(body), first["RI"], _reading(first), _reading(last))
    if session.end.wh < session.begin.wh:
        raise BadValue("ocmf.RD.RV", "falls from begin to end")
    if session.end.t_ms < session.begin.t_ms and TimeQuality.U not in (session.begin.quality, session.end.quality):
        raise BadValue("ocmf.RD.TM", "ends before it begins")
    return session


def counts_of(wh: Fraction, unit: str, exponent: int) -> int:
    """A reading in a channel's counts of 10^`exponent` `unit`; BadValue when it does not come out whole."""
    if unit not in _UNITS:
        raise BadValue("ocmf.RD.RU", f"is energy, and the channel counts {unit}")
    counts = wh / _UNITS[unit] / Fraction(10) ** exponent
    if counts.denominator != 1:
        raise BadValue("ocmf.RD.RV", f"has more digits than a channel of 10^{exponent} {unit} counts")
    return counts.numerator


def check_record(
    record: bytes, key: bytes, serial: str | None, counts: tuple[str, int], totals: tuple[int, int]
) -> Session:
    """The session, when the meter's `key` (DER SPKI) signed the record and it says exactly what was billed.

    `counts`: unit and exponent of the channel; `totals`: from and to in these counts. Raises ProtocolError with the
    first thing that does not fit."""
    read_ocmf(record).verify(key)
    session = read_session(record)
    if serial is not None and session.serial != serial:
        raise BadValue("ocmf.MS", f"is {session.serial}, the channel's meter is {serial}")
    said = counts_of(session.begin.wh, *counts), counts_of(session.end.wh, *counts)
    if said != totals:
        raise BadValue("ocmf.RD.RV", f"says {said[0]} to {said[1]}, billed was {totals[0]} to {totals[1]}")
    return session


def _object(payload: bytes) -> dict[str, Any]:
    try:
        value = json.loads(payload, object_pairs_hook=_once, parse_float=Decimal, parse_constant=_refuse)
    except (ValueError, RecursionError, InvalidOperation):
        raise BadEnvelope("ocmf.payload", "is not JSON with each name once") from None
    if not isinstance(value, dict):
        raise BadEnvelope("ocmf.payload", "is not a JSON object")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A name that stands twice is read one way by one reader and another way by the next."""
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a name stands twice")
    return dict(pairs)


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not a number")


def _serial(body: dict[str, Any]) -> str | None:
    """The meter's serial number; a charge point that is its own meter gives only the gateway's."""
    found = body.get("MS") or body.get("GS")
    return found if isinstance(found, str) and 0 < len(found) <= 64 else None


def _reading(row: dict[str, Any]) -> MeterReading:
    if row.get("ST") != "G":
        raise BadValue("ocmf.RD.ST", f"is {str(row.get('ST'))[:8]!r}: the meter does not call this reading good")
    if "E" in str(row.get("EF") or ""):
        raise BadValue("ocmf.RD.EF", "says that the energy is not to be relied on")
    if row.get("RU") not in _UNITS:
        raise BadValue("ocmf.RD.RU", "is not Wh or kWh")
    t_ms, quality = _time(row.get("TM"))
    return MeterReading(t_ms, quality, _value(row.get("RV")) * _UNITS[row["RU"]])


def _value(raw: Any) -> Fraction:
    """A number, or, as some meters write it, text with blanks before it."""
    text = raw.strip() if isinstance(raw, str) else str(raw)
    if isinstance(raw, bool) or len(text) > DIGITS_MAX + 1 or not _NUMBER.fullmatch(text):
        raise BadValue("ocmf.RD.RV", f"is not a plain number of at most {DIGITS_MAX} digits")
    return Fraction(text)


def _time(raw: Any) -> tuple[int, TimeQuality]:
    found = _TIME.fullmatch(raw) if isinstance(raw, str) else None
    if found is None:
        raise BadValue("ocmf.RD.TM", "is not a time like 2026-11-29T12:00:00,000+0100 S")
    try:
        at = datetime.strptime(f"{found[1]}{found[3]}", "%Y-%m-%dT%H:%M:%S%z")
        t_ms = int(at.timestamp()) * 1_000 + int(found[2])
    except (ValueError, OverflowError):
        raise BadValue("ocmf.RD.TM", "is not a time that exists") from None
    if t_ms < 0:
        raise BadValue("ocmf.RD.TM", "lies before 1970")
    return t_ms, TimeQuality[found[4]]
