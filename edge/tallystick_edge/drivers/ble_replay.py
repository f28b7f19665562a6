"""Whether an advert is new, a repeat or an old one played again, by its packet counter.
It remembers the last accepted counter in a `ReplayStore` and never looks at the values.

The rule. Counters go round, so "newer" means less than half a turn ahead (RFC 1982 arithmetic). An equal counter is new
only with a different plaintext, else it is the same advert heard again, which is no fault.
Encrypted adverts (32 bits, authenticated): half a turn is 68 years at one advert a second, so wrapping never opens a
door. A sensor that starts again at 0 looks exactly like a replay and is refused until the installer confirms it
(`restarted` in edge.toml) or gives it a new key, under which nothing that was heard before verifies.
Plain adverts (8 or 16 bits, not authenticated): more than half a turn lost puts the next ones in the "old" half.
After `RESYNC_RUN` refused adverts in a row that count upwards the sensor is believed again. Whoever can record that
many could as well forge plain adverts; what then falls or jumps is caught by the metering, since totals never fall."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from typing import Final

from tallystick_edge.drivers.ble_formats import Counted
from tallystick_edge.ports import ReplayStore

RESYNC_RUN: Final = 16  # longer than any burst one advert is repeated in, shorter than a minute of a chatty sensor
PLACE_DIGITS: Final = 16  # tells the few keys one sensor ever has from each other
RESYNC_BITS_MAX: Final = 16  # longer counters are authenticated, or a scale's clock


class Freshness(Enum):
    """What an advert is."""

    NEW = "new"
    REPEAT = "repeat"
    OLD = "old"


@dataclass(frozen=True, slots=True)
class Last:
    """The advert accepted last."""

    counter: int
    digest: bytes


def freshness(last: Last | None, counter: int, bits: int, digest: bytes) -> Freshness:
    """Judge a counter of `bits` bits (0: the sensor has none, so only the plaintext can tell)."""
    if last is None:
        return Freshness.NEW
    turn = 1 << bits
    ahead = (counter - last.counter) % turn
    if ahead == 0:
        return Freshness.REPEAT if digest == last.digest else Freshness.NEW
    return Freshness.NEW if ahead < turn // 2 else Freshness.OLD


def place_of(address: str, key: bytes | None, restarted: str | None) -> str:
    """Where the counter of a sensor is remembered: another key or another confirmed restart begins a place of its own.

    The key is shortened to a hash of it, because the store and its copies are no place for keys."""
    if key is None:
        return address
    return f"{address}/{sha256(key + (restarted or '').encode()).hexdigest()[:PLACE_DIGITS]}"


class ReplayGuard:
    """Judges adverts of all sensors and remembers those accepted."""

    def __init__(self, store: ReplayStore) -> None:
        self._store = store
        self._runs: dict[str, tuple[int, int]] = {}  # address -> (last refused counter, how many in a row)

    def judge(self, address: str, advert: Counted) -> Freshness:
        """NEW is remembered at once; REPEAT and OLD change nothing in the store."""
        digest = sha256(advert.plaintext).digest()
        before = self._store.last(address)
        verdict = freshness(Last(*before) if before else None, advert.counter, advert.counter_bits, digest)
        if verdict is Freshness.OLD and self._counts_upwards(address, advert):
            verdict = Freshness.NEW
        if verdict is Freshness.NEW:
            self._runs.pop(address, None)
            self._store.save(address, advert.counter, digest)
        return verdict

    def _counts_upwards(self, address: str, advert: Counted) -> bool:
        if advert.counter_bits > RESYNC_BITS_MAX:
            return False
        counter, length = self._runs.get(address, (advert.counter - 1, 0))
        ahead = (advert.counter - counter) % (1 << advert.counter_bits)
        if ahead == 0:
            return False  # the same refused advert heard again
        length = length + 1 if ahead < (1 << advert.counter_bits) // 2 else 1
        self._runs[address] = (advert.counter, length)
        return length >= RESYNC_RUN
