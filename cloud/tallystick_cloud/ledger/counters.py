"""Where a counter stood at a moment.

It only reads; where one stands now is a row of its own.
"""

from collections.abc import Sequence

from sqlalchemy import Connection
from tallystick_protocol.ids import H32

from tallystick_cloud.contracts.store import versions_of

from . import store
from .model import DAY_MS, Kind, counter_scope
from .rows import keyed_steps

AHEAD_MS = 8 * DAY_MS  # a use is believed that ends up to a week after it is recorded: some clocks are ahead


def values_at(conn: Connection, chain: bytes, key: H32, moments: Sequence[int], from_ms: int = 0) -> list[int]:
    """Its values by the live uses recorded before each moment; from_ms: when its period began, 0 for life."""
    if key not in store.counters(conn, [key]):
        return [0] * len(moments)
    contracts = {h: one.contract for h, one in versions_of(conn, chain).items()}
    scope = counter_scope(chain, Kind.LIVE)

    def value(known_ms: int) -> int:
        for row in store.uses_until(conn, chain, Kind.LIVE, known_ms + AHEAD_MS, from_ms, known_ms):
            for of, _, after in keyed_steps(row, contracts[bytes(row.contract)], scope):
                if of == key:
                    return after
        return 0

    return [value(known_ms) for known_ms in moments]
