"""A document as the bytes that are stored and hashed: JSON with a version, one form for one document.

It never reads a form that it did not write.
"""

import dataclasses
import json
from enum import StrEnum
from fractions import Fraction
from typing import Any

from tallystick_protocol.errors import InvariantError
from tallystick_protocol.money.cost import By

from tallystick_cloud.costs.words import Measure

from .model import Address, Apportioned, Cited, Debit, Document, Identity, Kind, Line, TaxLine, Transfer
from .tax import Category, Treatment

VERSION = 1


def encode(one: Document) -> str:
    """Amounts and quantities are text: no reader may round them. What is not disputed says nothing of disputes, and
    what no provider collects says nothing of one."""
    raw = {"version": VERSION, **_plain(one)}
    if not one.transfer.by_provider:
        del raw["transfer"]["by_provider"]
    if not one.disputed:
        del raw["disputed"]
    return json.dumps(raw, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def decode(text: str) -> Document:
    """Raises InvariantError for another version."""
    raw = json.loads(text)
    if raw.pop("version") != VERSION:
        raise InvariantError("a stored document is of another version")
    raw["kind"] = Kind(raw["kind"])
    raw["seller"], raw["buyer"] = _identity(raw["seller"]), _identity(raw["buyer"])
    raw["cites"] = tuple(Cited(**one) for one in raw["cites"])
    raw["lines"] = tuple(_line(one) for one in raw["lines"])
    raw["taxes"] = tuple(_tax(one) for one in raw["taxes"])
    raw["transfer"] = _transfer(raw["transfer"])
    return Document(**{**raw, "disputed": int(raw.get("disputed", "0"))})


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, Fraction) or (isinstance(value, int) and not isinstance(value, bool)):
        return str(value)
    return value


def _identity(raw: dict[str, Any]) -> Identity:
    address = raw["address"]
    return Identity(**{**raw, "address": None if address is None else Address(**address)})


def _transfer(raw: dict[str, Any]) -> Transfer:
    debit = raw["debit"]
    return Transfer(**{**raw, "debit": None if debit is None else Debit(**debit)})


def _line(raw: dict[str, Any]) -> Line:
    numbers = {name: int(raw[name]) for name in ("uses", "gross", "net", "rate")}
    price = None if raw["price"] is None else int(raw["price"])
    bill = _bill(raw.get("bill"))  # there is none in documents of before there were any
    return Line(**{**raw, **numbers, "price": price, "quantity": Fraction(raw["quantity"]), "bill": bill})


def _bill(raw: dict[str, Any] | None) -> Apportioned | None:
    if raw is None:
        return None
    measures = tuple(
        Measure(Fraction(one["portion"]), By(one["by"]), Fraction(one["own"]), Fraction(one["total"]))
        for one in raw["measures"]
    )
    return Apportioned(**{**raw, "cents": int(raw["cents"]), "measures": measures})


def _tax(raw: dict[str, Any]) -> TaxLine:
    said = raw["treatment"]
    return TaxLine(
        Treatment(Category(said["category"]), int(said["rate"]), said["reason"]), int(raw["net"]), int(raw["tax"])
    )
