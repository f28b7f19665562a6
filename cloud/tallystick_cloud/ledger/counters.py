"""Where a counter stood at a moment.

It only reads; where one stands now is a row of its own.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection
from tallystick_protocol.ids import H32
from tallystick_protocol.money.contract import Contract

from . import store
from .model import DAY_MS, Kind, counter_scope
from .rows import keyed_steps

AHEAD_MS = 8 * DAY_MS  # a use is believed that ends up to a week after it is recorded: some clocks are ahead


def values_at(
    conn: Connection,
    chain: bytes,
    contracts: Mapping[bytes, Contract],
    key: H32,
    moments: Sequence[int],
    from_ms: int = 0,
) -> list[int]:
    """Its values by the live uses recorded before each moment, which rise; from_ms: when its period began, 0 for life.

    `contracts`: h -> every version of the chain that was in force. Nothing is looked for before the first began, nor at
    moments before one by which nothing had been recorded.
    """
    if key not in store.counters(conn, [key]):
        return [0] * len(moments)
    scope = counter_scope(chain, Kind.LIVE)
    begin_ms = max(from_ms, min(one.effective_from_ms for one in contracts.values()))
    found: list[int] = []
    for known_ms in reversed(moments):
        value = _value(conn, (chain, key, scope), contracts, known_ms, begin_ms)
        if value is None:
            break
        found.append(value)
    return [0] * (len(moments) - len(found)) + found[::-1]


def _value(
    conn: Connection,
    named: tuple[bytes, H32, H32],
    contracts: Mapping[bytes, Contract],
    known_ms: int,
    begin_ms: int,
) -> int | None:
    """None: no use that was recorded before the moment stands in the counter. `named`: chain, counter, scope."""
    chain, key, scope = named
    for row in store.uses_until(conn, chain, Kind.LIVE, known_ms + AHEAD_MS, begin_ms, known_ms):
        for of, _, after in keyed_steps(row, contracts[bytes(row.contract)], scope):
            if of == key:
                return after
    return None
