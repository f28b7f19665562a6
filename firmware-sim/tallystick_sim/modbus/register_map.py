"""A simulated meter as data: which registers it has, what each shows of the truth, and what it refuses.
The maps are TOML files in `maps/`, written from the makers' documents, not from the agent's profiles."""

from __future__ import annotations

import struct
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from tallystick_sim.modbus.registers import Refusal, RefusalCode

INTEGERS = {"uint16": (1, False), "int16": (1, True), "uint32": (2, False), "int32": (2, True)}
INTEGERS |= {"uint64": (4, False), "int64": (4, True)}
Quantities = Mapping[str, "Callable[[], int] | Callable[[], str]"]


class MapError(ValueError):
    """A register map that cannot be simulated; the message names the file and what is wrong."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One value in the map. raw = quantity * times // over % modulo; `constant` needs no quantity.

    `text_count`: registers of a text; `spread`: one letter to a register. `low_first`: order of the words."""

    address: int
    type: str
    quantity: str | None = None
    constant: int | str = 0
    times: int = 1
    over: int = 1
    modulo: int | None = None
    low_first: bool = False
    text_count: int = 0
    spread: bool = False

    def words(self, quantities: Quantities) -> tuple[int, ...]:
        """The registers at this instant."""
        now: int | str = quantities[self.quantity]() if self.quantity else self.constant
        if self.type == "text":
            return _text(str(now), self.text_count, self.spread)
        raw = int(now) * self.times
        if self.type == "float32":
            return _ordered(struct.pack(">f", raw / self.over), self.low_first)
        raw = raw // self.over
        raw = raw if self.modulo is None else raw % self.modulo
        count, signed = INTEGERS[self.type]
        limit = 1 << (16 * count)
        data = raw.to_bytes(2 * count, "big", signed=True) if signed else (raw % limit).to_bytes(2 * count, "big")
        return _ordered(data, self.low_first)


@dataclass(frozen=True, slots=True)
class Area:
    """A readable stretch; registers without a value read as 0. `alone`: only a request for exactly it is answered."""

    function: int
    address: int
    count: int
    shown: tuple[Shown, ...]
    alone: bool = False

    def answers(self, function: int, address: int, count: int) -> bool:
        if function != self.function:
            return False
        if self.alone:
            return (address, count) == (self.address, self.count)
        return self.address <= address and address + count <= self.address + self.count

    def read(self, address: int, count: int, quantities: Quantities) -> tuple[int, ...]:
        cells = {each.address + i: word for each in self.shown for i, word in enumerate(each.words(quantities))}
        return tuple(cells.get(place, 0) for place in range(address, address + count))


@dataclass(frozen=True, slots=True)
class RegisterMap:
    """A type of meter; `quantities` names what the truth has to supply."""

    name: str
    request_max: int
    areas: tuple[Area, ...]

    @property
    def quantities(self) -> frozenset[str]:
        return frozenset(each.quantity for area in self.areas for each in area.shown if each.quantity)


class MappedMeter:
    """A MeterModel over a map and a truth; both are looked at anew for each request."""

    def __init__(self, kind: RegisterMap, quantities: Quantities) -> None:
        missing = sorted(kind.quantities - set(quantities))
        if missing:
            raise MapError(f"{kind.name}: the truth supplies no {', '.join(missing)}")
        self._map, self._quantities = kind, quantities

    def read(self, function: int, address: int, count: int) -> tuple[int, ...]:
        """Words of one request. Raises Refusal."""
        if all(area.function != function for area in self._map.areas):
            raise Refusal(RefusalCode.ILLEGAL_FUNCTION)
        if not 1 <= count <= self._map.request_max:
            raise Refusal(RefusalCode.ILLEGAL_VALUE)
        for area in sorted(self._map.areas, key=lambda each: not each.alone):
            if area.answers(function, address, count):
                return area.read(address, count, self._quantities)
        raise Refusal(RefusalCode.ILLEGAL_ADDRESS)


def map_names() -> tuple[str, ...]:
    """Every type of meter that can be simulated, sorted."""
    files = resources.files("tallystick_sim.modbus.maps").iterdir()
    return tuple(sorted(entry.name.removesuffix(".toml") for entry in files if entry.name.endswith(".toml")))


def load_map(name: str) -> RegisterMap:
    """The map of that name. Raises MapError."""
    if name not in map_names():
        raise MapError(f"no simulated meter {name!r}; there are: {', '.join(map_names())}")
    text = resources.files("tallystick_sim.modbus.maps").joinpath(f"{name}.toml").read_text("utf-8")
    try:
        return _map(name, tomllib.loads(text))
    except (KeyError, TypeError, ValueError) as error:
        raise MapError(f"{name}.toml: {error}") from error


def map_of_reads(name: str, reads: Sequence[tuple[int, int, Sequence[int]]]) -> RegisterMap:
    """A meter that answers what was once read of one, for ever: (function, address, words) of each request."""
    joined: list[tuple[int, int, list[int]]] = []
    for function, address, words in sorted(reads, key=lambda each: each[:2]):
        if joined and joined[-1][0] == function and joined[-1][1] + len(joined[-1][2]) == address:
            joined[-1][2].extend(words)
        else:
            joined.append((function, address, list(words)))
    areas = tuple(
        Area(
            function, address, len(words), tuple(Shown(address + i, "uint16", constant=w) for i, w in enumerate(words))
        )
        for function, address, words in joined
    )
    return RegisterMap(name, 125, areas)


def _map(name: str, table: Mapping[str, Any]) -> RegisterMap:
    areas = []
    for each in table["area"]:
        shown = tuple(Shown(**value) for value in each.get("value", ()))
        area = Area(each["function"], each["address"], each["count"], shown, each.get("alone", False))
        for value in shown:
            if value.type not in (*INTEGERS, "float32", "text"):
                raise MapError(f"{name}.toml: {value.address}: no type {value.type!r}")
            if not area.address <= value.address < area.address + area.count:
                raise MapError(f"{name}.toml: {value.address}: outside its area")
        areas.append(area)
    return RegisterMap(name, table["request_max"], tuple(areas))


def _text(value: str, count: int, spread: bool) -> tuple[int, ...]:
    if spread:
        return tuple(value.encode().ljust(count, b"\0")[:count])
    return _ordered(value.encode().ljust(2 * count, b"\0")[: 2 * count], False)


def _ordered(data: bytes, low_first: bool) -> tuple[int, ...]:
    words = struct.unpack(f">{len(data) // 2}H", data)
    return words[::-1] if low_first else words
