"""Where counters stood at a moment.

It only reads; where one stands now is a row of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from tallystick_protocol.ids import H32
from tallystick_protocol.money.contract import Contract

from . import store
from .model import DAY_MS, FAR_MS, Kind, counter_scope, position_of
from .rows import keyed_steps

AHEAD_MS = 8 * DAY_MS  # a use is believed that ends up to a week after it is recorded: some clocks are ahead


@dataclass(frozen=True, slots=True)
class Counted:
    """A counter of a chain; `contracts`: h -> every version of the chain that was in force. `from_ms`: when its period
    began, or the first version that counts in it: no use before that does."""

    chain: bytes
    contracts: Mapping[bytes, Contract]
    key: H32
    from_ms: int

    def after(self, row: Any) -> int | None:
        """Where it stood after the use of a row; None where that does not count in it."""
        steps = keyed_steps(row, self.contracts[bytes(row.contract)], counter_scope(self.chain, Kind.LIVE))
        return next((after for key, _, after in steps if key == self.key), None)


def values_now(conn: Connection, counters: Sequence[Counted]) -> list[int]:
    """Where each stands; 0 where nothing has counted in it."""
    rows = store.counters(conn, [one.key for one in counters])
    return [rows[one.key].value if one.key in rows else 0 for one in counters]


def value_at(conn: Connection, counter: Counted, known_ms: int) -> int:
    """Its value by the live uses recorded before a moment."""
    if counter.key not in store.counters(conn, [counter.key]):
        return 0
    return _value(conn, counter, known_ms + AHEAD_MS, known_ms)


def histories(
    conn: Connection, counters: Sequence[Counted], moments: Sequence[int], known_ms: int = FAR_MS
) -> list[list[int]]:
    """Where each stood after the last live use that had ended by each moment, of those recorded before `known_ms`.

    So many statements for each moment, however many counters: a lender may have hundreds, each of years.
    """
    found: list[list[int]] = [[] for _ in counters]
    there = store.counters(conn, [one.key for one in counters])
    chains = {one.chain for one in counters if one.key in there}
    for moment in moments:
        last = {
            chain: max(rows, key=position_of)
            for chain, rows in store.last_uses(conn, chains, Kind.LIVE, moment, known_ms).items()
        }
        for values, counter in zip(found, counters, strict=True):
            row = last.get(counter.chain) if counter.key in there and counter.from_ms <= moment else None
            value = 0 if row is None else counter.after(row)
            values.append(_value(conn, counter, moment, known_ms) if value is None else value)
    return found


def _value(conn: Connection, counter: Counted, to_ms: int, known_ms: int) -> int:
    """After the newest use that counts in it, ended by then and was recorded before `known_ms`."""
    for row in store.uses_until(conn, counter.chain, Kind.LIVE, to_ms, counter.from_ms, known_ms):
        value = counter.after(row)
        if value is not None:
            return value
    return 0
