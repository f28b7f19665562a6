"""A use as the price sees it, and its place in the canonical order.
It never holds a price, and its order depends on nothing but what was metered."""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from tallystick_protocol import cbor, ids
from tallystick_protocol.codes import UseKind
from tallystick_protocol.ids import H32, H32_BYTES, PartyId
from tallystick_protocol.money.calendar import Period
from tallystick_protocol.money.contract import Contract

LAST_BYTES = 12
"""What a period's closing adds has a channel hash that begins with so many bytes, so that it comes after every use that
ends with the period: a real channel would need 2^96 tries to come later."""
_STANDING = b"\xff" * (LAST_BYTES - 1) + b"\xfd"
_REBATE = b"\xff" * (LAST_BYTES - 1) + b"\xfe"  # before the minimum, which counts what is left after it
_MINIMUM = b"\xff" * LAST_BYTES


class UsageForm(StrEnum):
    """What a use was made from."""

    EVENT = "event"
    INTERVAL = "interval"
    STANDING = "standing-charge"
    REBATE = "rebate"
    MINIMUM = "minimum"

    @property
    def is_metered(self) -> bool:
        """Whether something was used; the others are what closing a rating period adds or takes off."""
        return self in (UsageForm.EVENT, UsageForm.INTERVAL)


_FORMS = {_STANDING: UsageForm.STANDING, _REBATE: UsageForm.REBATE, _MINIMUM: UsageForm.MINIMUM}
_HEADS = {form: head for head, form in _FORMS.items()}
AT_CLOSE = tuple(form.value for form in UsageForm if not form.is_metered)
"""Forms of uses that no meter counted, as rows have them."""


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


def counter_scope(chain: H32, kind: UseKind) -> H32:
    """What counters, and channels of what a closing makes, are of: those of shadow and test uses are others than those
    of live ones, so that trying a contract uses up no cap."""
    return chain if kind is UseKind.LIVE else ids.sha256(chain + kind.name.lower().encode())


def canonical(usages: Iterable[Usage]) -> list[Usage]:
    """The uses in canonical order."""
    return sorted(usages, key=lambda usage: usage.position)


def form_at_close(channel_hash: bytes) -> UsageForm | None:
    """What kind of use a period's closing made, by its channel hash; None for what a meter counted."""
    head = channel_hash[:LAST_BYTES]
    return _FORMS.get(head)


def minimum_usage(chain: H32, contract: Contract, payer: PartyId, period: Period) -> Usage:
    """The pseudo use that brings a payer's rating period up to the minimum, ordered after every use of the period.

    `contract` is the last version in force in the period. Its `start_ms` is the last moment of period and contract.
    """
    until_ms = min(period.to_ms, contract.effective_to_ms or period.to_ms)
    return _at_close(chain, payer, period, UsageForm.MINIMUM, until_ms)


def rebate_usage(chain: H32, payer: PartyId, period: Period, until_ms: int) -> Usage:
    """The pseudo use that gives back what volume tiers make cheaper, ordered after every use of the period and before
    its minimum. `until_ms`: when the last version that priced anything in the period ended, or the period did."""
    return _at_close(chain, payer, period, UsageForm.REBATE, until_ms)


def standing_usage(chain: H32, payer: PartyId, period: Period, from_ms: int, days: tuple[int, int]) -> Usage:
    """The pseudo use that charges a payer for the days of a period in which a version stood, ordered after every use of
    the period. `from_ms`: when the version began to stand in the period; `days`: of the period's, from and to."""
    channel = _closing_channel(chain, payer, UsageForm.STANDING)
    use_id = ids.use_id(channel, from_ms)
    return Usage(use_id, channel, from_ms, from_ms, period.to_ms, *days, "", payer, form=UsageForm.STANDING)


def _at_close(chain: H32, payer: PartyId, period: Period, form: UsageForm, until_ms: int) -> Usage:
    channel = _closing_channel(chain, payer, form)
    use_id = ids.use_id(channel, period.from_ms)
    return Usage(use_id, channel, period.from_ms, until_ms - 1, period.to_ms, 0, 0, "", payer, form=form)


def _closing_channel(chain: H32, payer: PartyId, form: UsageForm) -> H32:
    tag = ids.sha256(cbor.encode([chain, payer, form.value]))
    return H32(_HEADS[form] + tag[: H32_BYTES - LAST_BYTES])
