"""How a settlement keeps what it said of a use: JSON of names in hex with nano or counts, in their order.

It never looks one up."""

import json
from collections.abc import Iterable


def pairs_json(pairs: Iterable[tuple[bytes, int]]) -> str:
    """[["hex", "number"], ...]: numbers are strings, for no reader may round them."""
    return "[" + ", ".join([f'["{name.hex()}", "{number}"]' for name, number in pairs]) + "]"


def pairs_of(text: str) -> tuple[tuple[bytes, int], ...]:
    return tuple((bytes.fromhex(name), int(number)) for name, number in json.loads(text))
