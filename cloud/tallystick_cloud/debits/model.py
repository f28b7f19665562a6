"""What is collected from whom, and what is held back with which reason; pure.

It never collects more than is due, never twice at a time, and never leaves anybody out without saying why.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from tallystick_protocol import cbor
from tallystick_protocol.ids import H32, sha256

from tallystick_cloud.money import whole_cents
from tallystick_cloud.payouts import epc
from tallystick_cloud.payouts.errors import BankFileError
from tallystick_cloud.payouts.pain import BankParty

from .mandate import History, Mandate, SequenceType, State, dormant_on, sequence_of, state_of

TAIL_CHARS = 4  # of an IBAN: enough to know one's own


class Outcome(StrEnum):
    COLLECTED = "collected"
    RETURNED = "returned"  # it came, and the payer's bank took it back
    REJECTED = "rejected"  # it never came


class Reason(StrEnum):
    """Why something due is not collected now."""

    NO_MANDATE = "no mandate"
    DORMANT = "the mandate is dormant"
    TOLD_TOO_LATE = "told too late"
    UNDER_WAY = "under way already"
    NOT_SETTLED = "not settled yet"
    DISPUTED = "disputed"
    BANK_REFUSES = "a bank would refuse it"


DECIDE = "decide the dispute; see `tallystick dispute list`"


@dataclass(frozen=True, slots=True)
class Owing:
    """What a payer owes a collector in all; `settled` None while nothing is settled at all. Nano.

    `disputed`: how much of the settled part is for uses in open disputes.
    """

    payer: bytes
    nano: int
    settled: int | None = None
    disputed: int = 0

    @property
    def collectable(self) -> int:
        return (self.nano if self.settled is None else min(self.nano, self.settled)) - self.disputed


@dataclass(frozen=True, slots=True)
class Held:
    """Something due that is not collected in this run; `next_step` says what changes that."""

    payer: str
    nano: int
    reason: Reason
    next_step: str


@dataclass(frozen=True, slots=True)
class Debit:
    """`due` nano are owed, `cents` of it are collected; the remainder stays on the account."""

    id: H32
    payer: bytes
    mandate: Mandate
    sequence: SequenceType
    due: int
    cents: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What the plan needs to know. `mandates`: of each payer, not revoked; `under_way`: cents that a bank may take."""

    names: Mapping[bytes, str]
    mandates: Mapping[bytes, Mandate]
    history: Mapping[bytes, History]
    under_way: Mapping[bytes, int]
    today: date
    day: date


@dataclass(frozen=True, slots=True)
class Plan:
    debits: tuple[Debit, ...]
    held: tuple[Held, ...]


def plan(owing: Sequence[Owing], facts: Facts, seed: bytes) -> Plan:
    """What a run of one collector takes and what it holds back, in order of payers. Ids follow from `seed`."""
    debits: list[Debit] = []
    held: list[Held] = []
    for one in sorted(owing, key=lambda found: found.payer):
        if whole_cents(one.nano) == 0:
            continue
        found = _decide(one, facts, seed)
        if isinstance(found, Debit):
            debits.append(found)
            if one.disputed:
                held.append(Held(facts.names[one.payer], one.disputed, Reason.DISPUTED, DECIDE))
        else:
            held.append(found)
    return Plan(tuple(debits), tuple(held))


def _decide(one: Owing, facts: Facts, seed: bytes) -> Debit | Held:
    name, mandate = facts.names[one.payer], facts.mandates.get(one.payer)
    if mandate is None:
        step = f"{name} pays by transfer; with a signed mandate, tallystick mandate add --payer {name!r}"
        return Held(name, one.nano, Reason.NO_MANDATE, step)
    history = facts.history.get(mandate.id, History())
    cents = whole_cents(one.collectable) - facts.under_way.get(one.payer, 0)
    reason = _kept(one, cents, mandate, history, facts)
    if reason is not None:
        return Held(name, one.nano, *reason)
    try:
        epc.bank_amount(f"{name}, amount", cents)
    except BankFileError as error:
        return Held(name, one.nano, Reason.BANK_REFUSES, str(error))
    sequence = sequence_of(mandate.about, history)
    h = sha256(cbor.encode([seed, one.payer, mandate.id, sequence.value, mandate.about.debtor.iban, one.nano, cents]))
    return Debit(h, one.payer, mandate, sequence, one.nano, cents)


def _kept(one: Owing, cents: int, mandate: Mandate, history: History, facts: Facts) -> tuple[Reason, str] | None:
    """Reason and next step when nothing is collected now, else None."""
    if cents <= 0 and facts.under_way.get(one.payer, 0):
        return Reason.UNDER_WAY, "nothing to do: a run that is not done collects it"
    if cents <= 0 and one.disputed:
        return Reason.DISPUTED, DECIDE
    if cents <= 0:
        return Reason.NOT_SETTLED, "close the period; what a statement closes with is collected"
    if state_of(mandate, history, facts.day) is State.DORMANT:
        since = dormant_on(mandate.about, history)
        return Reason.DORMANT, f"unused for 36 months on {since}; revoke {mandate.about.reference}, sign a new one"
    earliest = facts.today + timedelta(days=mandate.about.notice_days)
    if facts.day < earliest:
        days = mandate.about.notice_days
        return Reason.TOLD_TOO_LATE, f"{days} days of notice are agreed; collect on {earliest} or later"
    return None


def run_seed(community: str, collector: bytes, number: int, creditor: BankParty, day: date, now_ms: int) -> bytes:
    """What tells this run from every other one."""
    return cbor.encode([community, collector, number, "debits", creditor.iban, day.isoformat(), now_ms])


def run_id(seed: bytes, debits: Iterable[Debit]) -> H32:
    """SHA-256 over the run and all its debits: who approves it approves exactly these."""
    return sha256(seed + b"".join(one.id for one in debits))


def block_id(run: bytes, sequence: str, creditor_id: str) -> str:
    """The payment information id of a block: 32 of the 35 characters that banks carry."""
    return sha256(cbor.encode([run, sequence, creditor_id]))[:16].hex()


def held_json(held: Iterable[Held]) -> str:
    return json.dumps([[one.payer, str(one.nano), one.reason.value, one.next_step] for one in held])


def held_of(text: str) -> tuple[Held, ...]:
    return tuple(Held(payer, int(nano), Reason(why), step) for payer, nano, why, step in json.loads(text))
