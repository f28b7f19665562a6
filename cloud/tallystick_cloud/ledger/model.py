"""Uses as they are booked, postings that sum to zero, and the order in which uses count; all pure.

It never prices: the money rules do, and they are shared with the verifier.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from tallystick_protocol import cbor
from tallystick_protocol.codes import UseKind
from tallystick_protocol.errors import InvariantError
from tallystick_protocol.ids import H32
from tallystick_protocol.money.contract import Contract, Mode
from tallystick_protocol.money.errors import UsageError
from tallystick_protocol.money.numbers import NANO
from tallystick_protocol.money.rating import Rated, Usage, UsageForm
from tallystick_protocol.money.usage import counter_scope as scope_of

DAY_MS = 86_400_000
FAR_MS = 1 << 62  # later than every time in the books
_SIGN = 1 << 63  # makes signed numbers sort as unsigned bytes


class Kind(StrEnum):
    LIVE = "live"
    TEST = "test"
    SHADOW = "shadow"


class Account(StrEnum):
    """Account kinds of this release; receivable and bank grow to the positive, what is owed to the negative."""

    RECEIVABLE = "receivable"
    PAYABLE = "payable"
    FUND = "fund"
    PAYOUT_IN_TRANSIT = "payout-in-transit"
    REFUND_IN_TRANSIT = "refund-in-transit"  # a payer's credit that a bank is paying back
    BANK = "bank"
    SUSPENSE = "suspense"  # moved at the bank, and nobody knows yet for whom
    UNCLAIMED = "unclaimed"  # owed for long to somebody who cannot be paid
    OWN = "own"  # the holder's own income and costs at the bank, outside of any contract: fees, interest


class FreshUse(NamedTuple):
    """A use that is new in the books."""

    usage: Usage
    contract: H32
    chain: H32
    kind: Kind
    gid: bytes | None
    subject: bytes | None
    level: int
    batch: bytes | None


class Line(NamedTuple):
    """Where an amount stands: in whose books, on which account, about whom, under which contract."""

    holder: bytes
    account: Account
    party: bytes
    chain: bytes
    unit: str

    def key(self) -> tuple[bytes, str, bytes, bytes, str]:
        return self.holder, self.account.value, self.party, self.chain, self.unit


Amounts = Mapping[Line, int]


def counter_scope(chain: bytes, kind: Kind) -> H32:
    """What counters of uses of that kind are of."""
    return scope_of(H32(chain), UseKind[kind.name])


def position_of(usage: Any) -> bytes:
    """48 bytes that sort as (metered end, channel hash, number), the canonical order; of a use or of its row."""
    return usage.end_ms.to_bytes(8, "big") + usage.channel_hash + (usage.number + _SIGN).to_bytes(8, "big")  # type: ignore[no-any-return]


def end_of(position: bytes) -> int:
    """The metered end in a position."""
    return int.from_bytes(position[:8], "big")


def amounts(contract: Contract, chain: bytes, payer: bytes, fee: int, shares: Iterable[tuple[bytes, int]]) -> Amounts:
    """What a rated use does to the accounts. Sums to zero, else InvariantError.

    principal and psp: the payer owes the collector, who owes each party its share. direct: the payer owes each party.
    """
    found: dict[Line, int] = defaultdict(int)
    funds = {party.id for party in contract.parties if party.role == "fund"}
    direct = contract.mode is Mode.DIRECT
    if not direct:
        found[Line(contract.collector, Account.RECEIVABLE, payer, chain, contract.unit)] += fee
    for party, share in shares:
        holder = party if direct else contract.collector
        if direct:
            found[Line(holder, Account.RECEIVABLE, payer, chain, contract.unit)] += share
        owed = Account.FUND if party in funds else Account.PAYABLE
        found[Line(holder, owed, party, chain, contract.unit)] -= share
    check_zero(found)
    return found


def difference(after: Amounts, before: Amounts) -> Amounts:
    """What a correction posts: after minus before, without zeros."""
    found = {line: after.get(line, 0) - before.get(line, 0) for line in after.keys() | before.keys()}
    return {line: amount for line, amount in found.items() if amount}


def total(parts: Iterable[Amounts]) -> Amounts:
    found: dict[Line, int] = defaultdict(int)
    for part in parts:
        for line, amount in part.items():
            found[line] += amount
    return {line: amount for line, amount in found.items() if amount}


def check_zero(lines: Amounts) -> None:
    """Raise InvariantError unless the amounts sum to zero per unit."""
    sums: dict[str, int] = defaultdict(int)
    for line, amount in lines.items():
        sums[line.unit] += amount
    if any(sums.values()):
        raise InvariantError(f"a journal does not sum to zero: {dict(sums)}")


def check_rated(rated: Rated) -> None:
    """Law 2: shares sum to the fee and none is negative; of a rebate none is positive. Raises UsageError for a fee that
    no amount can hold."""
    if rated.fee > cbor.INT_MAX:
        reason = f"costs {rated.fee // NANO}, more than the {cbor.INT_MAX // NANO} that an amount can hold"
        raise UsageError("use", f"{reason}: check the meter's counts and the price")
    is_fit = sum(rated.amounts) == rated.fee
    if is_fit and min(rated.amounts, default=0) >= 0:
        return
    if is_fit and rated.usage.form is UsageForm.REBATE and max(rated.amounts) <= 0:
        return
    raise InvariantError(f"use {rated.usage.use_id.hex()}: shares do not make up the fee")
