"""A use with its price, its shares and what it did to its counters; it never computes any of them."""

from collections.abc import Sequence
from typing import NamedTuple

from tallystick_protocol.ids import H32, PartyId
from tallystick_protocol.money.usage import Usage


class Shape(NamedTuple):
    """What many rated uses have in common: whose the amounts are, which counters the values are of, what priced them.

    `parties`: every party that the split names, in contract order. `keys`: quantity of the band, money of the period,
    then the split's counters in step order; of a rebate the quantities of all volume bands, of a standing charge the
    split's alone. `band`: the band or
    programme, None for what a period's closing makes.
    """

    parties: tuple[PartyId, ...]
    keys: tuple[H32, ...]
    band: str | None


class Rated(NamedTuple):
    """A use with its fee and its parts in nano; `old` and `new` are the values of its counters before and after it.

    A named tuple of numbers beside one shared shape, because one is made per use: a frozen dataclass takes three times
    as long to make, and pairs with their keys again as long. `amounts` sum to the fee.
    """

    usage: Usage
    fee: int
    amounts: tuple[int, ...]
    old: tuple[int, ...]
    new: tuple[int, ...]
    shape: Shape

    @property
    def shares(self) -> tuple[tuple[PartyId, int], ...]:
        """Each party with its amount, in contract order."""
        return tuple(zip(self.shape.parties, self.amounts, strict=True))

    @property
    def before(self) -> tuple[tuple[H32, int], ...]:
        """Each counter's key with its value before the use."""
        return tuple(zip(self.shape.keys, self.old, strict=True))

    @property
    def after(self) -> tuple[tuple[H32, int], ...]:
        """Each counter's key with its value after the use, in the same order."""
        return tuple(zip(self.shape.keys, self.new, strict=True))

    @property
    def band(self) -> str | None:
        """The band or programme that priced it, None for what a period's closing makes."""
        return self.shape.band

    @classmethod
    def of(
        cls,
        usage: Usage,
        fee: int,
        before: Sequence[tuple[H32, int]],
        after: Sequence[tuple[H32, int]],
        shares: Sequence[tuple[PartyId, int]],
        band: str | None,
    ) -> "Rated":
        """From pairs; `before` and `after` name the same counters in the same order."""
        shape = Shape(tuple(party for party, _ in shares), tuple(key for key, _ in before), band)
        old, new = tuple(value for _, value in before), tuple(value for _, value in after)
        return cls(usage, fee, tuple(amount for _, amount in shares), old, new, shape)
