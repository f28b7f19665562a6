"""What the situation room shows, as plain values, and the rules that make them from rows.

It never reads a database or a clock, and holds no words for people. Times in ms UTC, money in nano of the unit."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

LATE_MS = 17 * 60_000
"""Not heard for this long: late. A gateway seals a heartbeat every 15 min; two minutes are the road."""
OFFLINE_MS = 32 * 60_000
"""Not heard for this long: offline. Two heartbeats missed."""
BUCKET_MS = 5 * 60_000
"""Width of a point of the chart."""
HEARTBEAT_MS = 15 * 60_000
"""A running gateway seals at least this often; the chart knows nothing where none did."""
SHARES_MAX = 5
"""Parts of the split bar before the rest becomes 'other'; more colours cannot be told apart."""
CENT_NANO = 10_000_000


class Period(StrEnum):
    """How far back the chart looks; it is in the address of the page."""

    TWO_HOURS = "2h"
    SIX_HOURS = "6h"
    DAY = "24h"

    @property
    def buckets(self) -> int:
        """How many points that is."""
        return {Period.TWO_HOURS: 24, Period.SIX_HOURS: 72, Period.DAY: 288}[self]


class GatewayState(StrEnum):
    """One word per gateway, from last contact and open alarms."""

    ONLINE = "online"
    LATE = "late"
    FAULT = "fault"
    OFFLINE = "offline"


@dataclass(frozen=True, slots=True)
class Place:
    """A true position in 1e-7 degrees."""

    latitude_e7: int
    longitude_e7: int


@dataclass(frozen=True, slots=True)
class Community:
    """The community looked at."""

    id: str
    name: str
    zone: str
    unit: str
    centre: Place | None


@dataclass(frozen=True, slots=True)
class Gateway:
    """One gateway now; `uses` and `fees_nano` are of today."""

    gid: bytes
    name: str
    site: str
    place: Place | None
    software: str
    state: GatewayState
    last_seen_ms: int | None
    uses: int
    fees_nano: int

    @property
    def id(self) -> str:
        """Hex id, as in addresses."""
        return self.gid.hex()


@dataclass(frozen=True, slots=True)
class Alarm:
    """One open alarm; `taken_by` is the name of the person who has it."""

    id: int
    code: str
    severity: str
    text: str
    gid: bytes | None
    gateway: str
    site: str
    raised_ms: int
    times: int
    taken_by: str | None

    @property
    def rank(self) -> str:
        """Worst first, then newest: sorts downwards as text, in Python and in the browser alike."""
        weight = {"critical": 3, "warning": 2}.get(self.severity, 1)
        return f"{weight}{self.raised_ms:015d}{self.id:012d}"


@dataclass(frozen=True, slots=True)
class Share:
    """What one party got of today's fees; an empty name stands for all others together."""

    name: str
    nano: int


@dataclass(frozen=True, slots=True)
class Bucket:
    """One point of the chart; `known` is False where no gateway was running: a gap, not a zero."""

    start_ms: int
    uses: int
    fees_nano: int
    known: bool


@dataclass(frozen=True, slots=True)
class Slowest:
    """The batch of today that took longest from its sealing to its receipt."""

    took_ms: int
    gateway: str
    received_ms: int


@dataclass(frozen=True, slots=True)
class Today:
    """The facts of the counters since local midnight, by the time the ledger recorded them."""

    batches: int
    readings: int
    uses: int
    shadow_uses: int
    fees_nano: int
    slowest: Slowest | None
    imbalance_nano: int
    log_size: int
    log_root: bytes
    quarantined: int


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything the page shows, true at `now_ms`."""

    community: Community
    now_ms: int
    day_ms: int
    today: Today
    gateways: tuple[Gateway, ...]
    alarms: tuple[Alarm, ...]
    shares: tuple[Share, ...]
    buckets: tuple[Bucket, ...]

    def count(self, state: GatewayState) -> int:
        """How many gateways are in a state."""
        return sum(one.state is state for one in self.gateways)


def state_of(last_seen_ms: int | None, has_critical: bool, now_ms: int) -> GatewayState:
    """Offline says more than fault: what is not heard cannot be judged; fault says more than late."""
    silent_ms = now_ms - last_seen_ms if last_seen_ms is not None else None
    if silent_ms is None or silent_ms > OFFLINE_MS:
        return GatewayState.OFFLINE
    if has_critical:
        return GatewayState.FAULT
    return GatewayState.LATE if silent_ms > LATE_MS else GatewayState.ONLINE


def day_start_ms(now_ms: int, zone: str) -> int:
    """Local midnight before `now_ms`; right on the days the clocks change."""
    local = datetime.fromtimestamp(now_ms // 1000, UTC).astimezone(ZoneInfo(zone))
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    return int(midnight.timestamp()) * 1000


def first_bucket_ms(now_ms: int, period: Period) -> int:
    """Start of the oldest point; the newest is the one `now_ms` is in."""
    return (now_ms // BUCKET_MS - period.buckets + 1) * BUCKET_MS


def buckets_of(
    first_ms: int, now_ms: int, uses: dict[int, tuple[int, int]], sealed: frozenset[int]
) -> tuple[Bucket, ...]:
    """All points from `first_ms` to now. `uses`: bucket number -> (uses, fees); `sealed`: numbers with a sealed batch.

    A point is known when some gateway sealed a batch in it or within a heartbeat after it."""
    ahead = HEARTBEAT_MS // BUCKET_MS
    found = []
    for number in range(first_ms // BUCKET_MS, now_ms // BUCKET_MS + 1):
        count, fees = uses.get(number, (0, 0))
        known = count > 0 or any(number + step in sealed for step in range(ahead + 1))
        found.append(Bucket(number * BUCKET_MS, count, fees, known))
    return tuple(found)


def fitting_period(buckets: Sequence[Bucket]) -> Period:
    """What is shown when nobody chose: two hours while no more is known, else six."""
    known = [index for index, one in enumerate(buckets) if one.known]
    is_young = not known or len(buckets) - known[0] <= Period.TWO_HOURS.buckets
    return Period.TWO_HOURS if is_young else Period.SIX_HOURS


def main_shares(shares: Sequence[Share]) -> tuple[Share, ...]:
    """The largest first; from SHARES_MAX on they become one 'other', so that the parts always sum to the whole."""
    ordered = sorted((one for one in shares if one.nano), key=lambda one: (-one.nano, one.name))
    if len(ordered) <= SHARES_MAX:
        return tuple(ordered)
    rest = sum(one.nano for one in ordered[SHARES_MAX - 1 :])
    return (*ordered[: SHARES_MAX - 1], Share("", rest))


def in_cents(parts: Sequence[int], total: int) -> tuple[int, ...]:
    """Whole cents per part that sum exactly to `total` rounded half up: what a person adds up must agree.

    The parts sum to `total`, all in nano; the largest remainders get the cents that flooring left over."""
    wanted = (total + CENT_NANO // 2) // CENT_NANO
    floors = [part // CENT_NANO for part in parts]
    order = sorted(range(len(parts)), key=lambda i: (-(parts[i] % CENT_NANO), i))
    for index in order[: max(0, wanted - sum(floors))]:
        floors[index] += 1
    return tuple(floors)
