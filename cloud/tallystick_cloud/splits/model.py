"""What a payment provider charges whom and passes on to whom, and what waits with which reason; pure.

It never charges more than is due, passes on exactly what it charges, and leaves nothing out without saying why.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from tallystick_protocol import cbor
from tallystick_protocol.errors import InvariantError
from tallystick_protocol.ids import H32, sha256
from tallystick_protocol.money.contract import ContractState

from tallystick_cloud.ledger.model import Account, Amounts, Line, check_zero
from tallystick_cloud.money import CENT_NANO, money, whole_cents
from tallystick_cloud.payouts.model import ChainTerms
from tallystick_cloud.payouts.pain import CURRENCY
from tallystick_cloud.runs.model import end_to_end

ACCOUNT_CHARS_MAX = 64  # ids of providers have 12 to 40


class Outcome(StrEnum):
    """What the provider did with a payment. `returned`: paid, and taken back by the payer's bank later."""

    PAID = "paid"
    REFUSED = "refused"
    RETURNED = "returned"


class Reason(StrEnum):
    """Why something due is not instructed now."""

    NO_ACCOUNT = "no account at the provider"
    BELOW_THRESHOLD = "below the threshold"
    DISPUTED = "disputed"
    LESS_OWED = "less is owed now"
    NOT_EURO = "not in euro"


class Pair(NamedTuple):
    """A payer's debt to one party under one contract."""

    chain: bytes
    payer: bytes
    party: bytes


Dues = Mapping[Pair, int]
"""nano of settled uses that no run has instructed; negative: more was instructed than is due now."""


@dataclass(frozen=True, slots=True)
class Chain:
    """A contract whose money a provider splits. `parties`: id and name in the contract's order."""

    terms: ChainTerms
    collector: bytes
    unit: str
    parties: tuple[tuple[bytes, str], ...]
    funds: frozenset[bytes]

    def ledger_account(self, party: bytes) -> Account:
        return Account.FUND if party in self.funds else Account.PAYABLE


@dataclass(frozen=True, slots=True)
class Facts:
    """`owed`: (chain, payer) -> nano on the payer's account now; `accounts`: party -> its id at the provider."""

    chains: Mapping[bytes, Chain]
    names: Mapping[bytes, str]
    accounts: Mapping[bytes, str]
    owed: Mapping[tuple[bytes, bytes], int]
    references: Mapping[bytes, str]
    disputed: Dues = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Held:
    """Something due that is not instructed in this run; `next_step` says what changes that."""

    payer: str
    contract: str
    unit: str
    nano: int
    reason: Reason
    next_step: str


@dataclass(frozen=True, slots=True)
class Part:
    """What one party gets of a payment; `due` nano were due to it from this payer."""

    party: bytes
    account: Account
    name: str
    provider_account: str
    due: int
    cents: int


@dataclass(frozen=True, slots=True)
class Payment:
    """What one payer is charged under one contract; `payer_account` empty where the provider's id is not known."""

    id: H32
    chain: bytes
    contract: str
    payer: bytes
    reference: str
    payer_account: str
    parts: tuple[Part, ...]

    @property
    def cents(self) -> int:
        return sum(one.cents for one in self.parts)

    @property
    def name(self) -> str:
        """As the provider gets it and says it back."""
        return end_to_end(self.id)


@dataclass(frozen=True, slots=True)
class Plan:
    payments: tuple[Payment, ...]
    held: tuple[Held, ...]


def plan(dues: Dues, facts: Facts, seed: bytes) -> Plan:
    """Payments of one collector in order of contract and payer, and what waits. Ids follow from `seed` and content."""
    by_payer: dict[tuple[bytes, bytes], dict[bytes, int]] = {}
    for pair, nano in dues.items():
        if nano:
            by_payer.setdefault((pair.chain, pair.payer), {})[pair.party] = nano
    payments: list[Payment] = []
    held: list[Held] = []
    for (chain, payer), due in sorted(by_payer.items()):
        found = _decide(chain, payer, due, facts, seed)
        if isinstance(found, Payment):
            payments.append(found)
        elif found is not None:
            held.append(found)
    return Plan(tuple(payments), tuple(held))


def _decide(chain: bytes, payer: bytes, due: Mapping[bytes, int], facts: Facts, seed: bytes) -> Payment | Held | None:
    about, name = facts.chains[chain], facts.names[payer]
    total = sum(due.values())
    free = {party: nano - facts.disputed.get(Pair(chain, payer, party), 0) for party, nano in due.items()}
    cents = shared_cents(free, min(sum(free.values()), facts.owed.get((chain, payer), 0)))
    charge, held = sum(cents.values()), _why(about, due, free, cents, facts, (chain, payer))
    if held is not None:
        return Held(name, about.terms.name, about.unit, total, *held) if total >= CENT_NANO else None
    parts = tuple(
        Part(party, about.ledger_account(party), label, facts.accounts[party], due[party], cents[party])
        for party, label in about.parties
        if cents.get(party)
    )
    if sum(one.cents for one in parts) != charge:
        raise InvariantError("a share is due to somebody whom the contract does not name")
    account, reference = facts.accounts.get(payer, ""), facts.references[payer]
    return Payment(payment_id(seed, chain, payer, parts), chain, about.terms.name, payer, reference, account, parts)


def _why(
    about: Chain, due: Mapping[bytes, int], free: Mapping[bytes, int], cents: Mapping[bytes, int],
    facts: Facts, key: tuple[bytes, bytes],
) -> tuple[Reason, str] | None:  # fmt: skip
    """Reason and next step when this payer is not charged now, else None."""
    if about.unit != CURRENCY:
        return Reason.NOT_EURO, f"{about.unit} is no money that a payment provider moves"
    nameless = [facts.names[party] for party in due if party not in facts.accounts and cents.get(party)]
    if nameless:
        who = ", ".join(sorted(nameless))
        return Reason.NO_ACCOUNT, f"tallystick split account '{sorted(nameless)[0]}' ID; it is missing for {who}"
    charge = sum(cents.values())
    least = 0 if about.terms.state is ContractState.ENDED else about.terms.least_charge_nano
    if charge and charge * CENT_NANO >= least:
        return None
    if free != due:
        return Reason.DISPUTED, "decide the dispute; see `tallystick dispute list`"
    if whole_cents(facts.owed.get(key, 0)) < whole_cents(sum(due.values())):
        return Reason.LESS_OWED, "close the period again: a use was priced anew, or was paid for in another way"
    if not charge:
        return Reason.BELOW_THRESHOLD, "nothing to do: it is charged once somebody's share is a whole cent"
    return Reason.BELOW_THRESHOLD, f"nothing to do: it is charged from {money(least)} {about.unit} on"


def shared_cents(free: Mapping[bytes, int], most: int) -> dict[bytes, int]:
    """Whole cents of what each party is due, floored, in all no more than `most` nano; the rest stays on the accounts.

    Where a party was given too much before, the others wait for as much: the largest share first, then by id.
    """
    left = whole_cents(most)
    found: dict[bytes, int] = {}
    for party, nano in sorted(free.items(), key=lambda one: (-one[1], one[0])):
        cents = min(whole_cents(nano), left)
        if cents:
            found[party] = cents
            left -= cents
    return found


def payment_id(seed: bytes, chain: bytes, payer: bytes, parts: Sequence[Part]) -> H32:
    """SHA-256 of who is charged for whom in which run."""
    about = [[one.party, one.account.value, one.provider_account, one.due, one.cents] for one in parts]
    return sha256(cbor.encode([seed, chain, payer, about]))


def run_seed(community: str, collector: bytes, number: int, day: str, now_ms: int) -> bytes:
    """What tells this run from every other one."""
    return cbor.encode(["split", community, collector, number, day, now_ms])


def run_id(seed: bytes, payments: Iterable[bytes]) -> H32:
    """SHA-256 over the run and all its payments: who approves it approves exactly these."""
    return sha256(seed + b"".join(payments))


def paid_lines(holder: bytes, payer: bytes, chain: bytes, parts: Iterable[tuple[bytes, Account, int]]) -> Amounts:
    """The payer owes the collector no more, who owes the parties no more: the provider paid all of them.

    parts: (party, account, cents). Nothing passes through the collector's bank account.
    """
    lines: dict[Line, int] = {}
    for party, account, cents in parts:
        lines[Line(holder, account, party, chain, CURRENCY)] = cents * CENT_NANO
    total = sum(lines.values())
    if total <= 0:
        raise InvariantError(f"a payment of {total} nano")
    lines[Line(holder, Account.RECEIVABLE, payer, chain, CURRENCY)] = -total
    check_zero(lines)
    return lines


def returned_lines(holder: bytes, payer: bytes, chain: bytes, parts: Iterable[tuple[bytes, Account, int]]) -> Amounts:
    """The same back: the payer owes again, and so does the collector."""
    return {line: -nano for line, nano in paid_lines(holder, payer, chain, parts).items()}


def held_json(held: Iterable[Held]) -> str:
    return json.dumps([[h.payer, h.contract, h.unit, str(h.nano), h.reason.value, h.next_step] for h in held])


def held_of(text: str) -> tuple[Held, ...]:
    rows = json.loads(text)
    return tuple(Held(payer, about, unit, int(nano), Reason(why), step) for payer, about, unit, nano, why, step in rows)
