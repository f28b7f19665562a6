"""A use as the price sees it, and its place in the canonical order.
It never holds a price, and its order depends on nothing but what was metered."""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from tallystick_protocol import cbor, ids
from tallystick_protocol.ids import H32, H32_BYTES, PartyId
from tallystick_protocol.money.calendar import Period
from tallystick_protocol.money.contract import Contract

LAST_BYTES = 12
"""A minimum's channel hash begins with so many bytes 0xff, so that it comes after every use that ends with its period:
a real channel would need 2^96 tries to come later."""


class UsageForm(StrEnum):
    """What a use was made from."""

    EVENT = "event"
    INTERVAL = "interval"
    MINIMUM = "minimum"


class Usage(NamedTuple):
    """One use; a named tuple, because many are made and a frozen dataclass takes several times as long.

    Times in UTC ms, totals in counts of its channel; `end_ms` is the metered end. An event use priced per programme
    ends, for the order, at its billable point; a cycle counts from_total + 1 = to_total. An interval use's number is
    its from-total. `gap` marks a slice over a hole.
    """

    use_id: H32
    channel_hash: H32
    number: int
    start_ms: int
    end_ms: int
    from_total: int
    to_total: int
    asset: str
    payer: PartyId
    programme: str | None = None
    form: UsageForm = UsageForm.INTERVAL
    aborted: bool = False
    gap: bool = False

    @property
    def position(self) -> tuple[int, H32, int]:
        """The canonical order inside a counter: metered end, channel hash, use number; never the order of arrival."""
        return (self.end_ms, self.channel_hash, self.number)


def canonical(usages: Iterable[Usage]) -> list[Usage]:
    """The uses in canonical order."""
    return sorted(usages, key=lambda usage: usage.position)


def minimum_usage(chain: H32, contract: Contract, payer: PartyId, period: Period) -> Usage:
    """The pseudo use that brings a payer's rating period up to the minimum, ordered after every use of the period.

    `contract` is the last version in force in the period. Its `start_ms` is the last moment of period and contract.
    """
    tag = ids.sha256(cbor.encode([chain, payer, "minimum"]))
    channel = H32(b"\xff" * LAST_BYTES + tag[: H32_BYTES - LAST_BYTES])
    end_ms = period.to_ms
    start_ms = min(end_ms, contract.effective_to_ms or end_ms) - 1
    use_id = ids.use_id(channel, period.from_ms)
    return Usage(use_id, channel, period.from_ms, start_ms, end_ms, 0, 0, "", payer, form=UsageForm.MINIMUM)
