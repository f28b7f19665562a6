"""A use as one reader sees it, a line of that reader's account, and the rule of who may open a use.

It never holds a subject, a curve, or who paid a use that is not the reader's own. Money in nano, times in ms UTC."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from tallystick_protocol.codes import LineKind
from tallystick_protocol.money.usage import AT_CLOSE


class Basis(StrEnum):
    """Why somebody may open a use; written into the access row."""

    PAYER = "payer"
    SPLIT = "party to the split"
    OFFICE = "office"  # a community manager or an auditor


@dataclass(frozen=True, slots=True)
class Reader:
    """Who looks, for what; `holds_office` opens any use of the community, still without subject and payer."""

    community: str
    party: bytes | None
    holds_office: bool
    purpose: str
    now_ms: int


@dataclass(frozen=True, slots=True)
class Line:
    """What one rating of one use did to the reader's account: a share (positive) or a charge (negative).

    `revision` 1 is the use itself, a later one a correction of `nano` more or less."""

    kind: LineKind
    use_id: bytes
    revision: int
    asset: str
    asset_name: str
    chain: bytes
    contract: str
    form: str
    number: int
    start_ms: int
    end_ms: int
    from_total: int
    to_total: int
    programme: str | None
    nano: int
    booked_ms: int


@dataclass(frozen=True, slots=True)
class Rating:
    """One revision of a use's price. `counters`: (key, value before).

    `cause`: the use that came late or was reversed, this very use when it was reversed itself; None for the first."""

    revision: int
    fee: int
    shares: tuple[tuple[bytes, int], ...]
    counters: tuple[tuple[bytes, int], ...]
    cause: bytes | None
    journal: int | None
    rated_ms: int


@dataclass(frozen=True, slots=True)
class UseView:
    """A use that the reader may see, with all its ratings, oldest first."""

    use_id: bytes
    channel_hash: bytes
    gid: bytes | None
    gateway: str
    channel: int | None
    quantity: str
    count_unit: str
    number: int
    form: str
    kind: str
    asset: str
    asset_name: str
    start_ms: int
    end_ms: int
    from_total: int
    to_total: int
    programme: str | None
    aborted: bool
    gap: bool
    level: int
    recorded_ms: int
    contract: bytes
    chain: bytes
    batch: bytes | None
    basis: Basis
    ratings: tuple[Rating, ...]

    @property
    def standing(self) -> Rating:
        """The rating that holds now."""
        return self.ratings[-1]

    @property
    def is_metered(self) -> bool:
        """Whether something was used, or a period's closing made it."""
        return self.form not in AT_CLOSE

    @property
    def is_reversed(self) -> bool:
        """Whether it counts no more: it is itself what made its last rating."""
        return self.standing.cause == self.use_id


def basis_of(reader: Reader, payer: bytes, *, splits: bool) -> Basis | None:
    """Why this reader may open a use, None when it may not. `splits`: whether it takes part in the split."""
    if reader.party is not None and reader.party == payer:
        return Basis.PAYER
    if reader.party is not None and splits:
        return Basis.SPLIT
    return Basis.OFFICE if reader.holds_office else None


@dataclass(frozen=True, slots=True)
class UnsettledUse:
    """What a use will do to the reader's next statement: `share` and `charge` (negative) in nano.

    `is_correction`: it stands in a statement already and was priced again since; the amounts are the difference.
    `is_reversed`: it counts no more. Of uses that are told together it is the last; `share_uses` and
    `charge_uses` say how many have a share and a charge."""

    use_id: bytes
    chain: bytes
    asset: str
    asset_name: str
    form: str
    number: int
    end_ms: int
    programme: str | None
    share: int
    charge: int
    is_correction: bool
    is_reversed: bool
    rated_ms: int
    share_uses: int = 1
    charge_uses: int = 1


@dataclass(frozen=True, slots=True)
class SettledUse:
    """What a line of a statement is about; `is_reversed`: it counts no more."""

    use_id: bytes
    asset: str
    asset_name: str
    form: str
    number: int
    end_ms: int
    programme: str | None
    is_reversed: bool


@dataclass(frozen=True, slots=True)
class Joined:
    """A line, or the slices of one meter on one local day together: `last` is the newest of `uses`."""

    last: Line
    day: str
    uses: int
    nano: int


@dataclass(frozen=True, slots=True)
class Brought:
    """What uses of an asset brought the reader, or (`uses` 0) what corrections changed of it."""

    asset: str
    asset_name: str
    form: str
    uses: int
    nano: int


def joined(lines: Iterable[Joined], zone: str) -> list[Joined]:
    """In their order, slices of a meter joined per day, kind and contract at the place of the last."""
    where = ZoneInfo(zone)
    groups: dict[tuple[object, ...], Joined] = {}
    for one in lines:
        line, day = one.last, local_day(one.last.end_ms - 1, where)
        is_slice = line.form == "interval" and line.revision == 1
        key = (line.kind, line.chain, line.asset, day) if is_slice else (line.use_id, line.kind, line.revision)
        before = groups.pop(key, None)
        uses, nano = (0, 0) if before is None else (before.uses, before.nano)
        groups[key] = Joined(line, day, one.uses + uses, one.nano + nano)
    return list(groups.values())


def local_day(ms: int, zone: ZoneInfo) -> str:
    """YYYY-MM-DD in a zone."""
    return datetime.fromtimestamp(ms // 1000, UTC).astimezone(zone).date().isoformat()
