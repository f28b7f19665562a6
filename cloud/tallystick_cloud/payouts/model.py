"""What is paid to whom, and what is held back with which reason; pure.

It never rounds up, never pays more than is owed, and never leaves anything out without saying why.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from tallystick_protocol import cbor
from tallystick_protocol.errors import InvariantError
from tallystick_protocol.ids import H32, sha256
from tallystick_protocol.money.contract import ContractState, Mode, PayoutApproval

from tallystick_cloud.ledger.model import Account, Amounts, Line, check_zero
from tallystick_cloud.money import CENT_NANO, money, whole_cents
from tallystick_cloud.runs.model import END_BYTES, end_to_end

from . import epc
from .errors import BankFileError
from .pain import CURRENCY, BankParty


class Outcome(StrEnum):
    PAID = "paid"
    RETURNED = "returned"


class Reason(StrEnum):
    """Why something owed is not paid now."""

    NO_ACCOUNT = "no account"
    BANK_REFUSES = "a bank would refuse it"
    BELOW_THRESHOLD = "below the threshold"
    NOT_SETTLED = "not settled yet"
    DISPUTED = "disputed"
    DEBT = "a debt"
    OWN = "the collector's own"
    OTHER_WAY = "paid another way"
    NOT_EURO = "not in euro"
    SET_OFF = "set off against what is due"


@dataclass(frozen=True, slots=True)
class Owed:
    """One account in the collector's books; `nano` is what is owed to the party, negative when the party owes.

    A receivable account is a payer's: its credit is owed to the payer.
    """

    holder: bytes
    account: Account
    party: bytes
    chain: bytes
    unit: str
    nano: int

    @property
    def line(self) -> Line:
        return Line(self.holder, self.account, self.party, self.chain, self.unit)

    @property
    def is_credit(self) -> bool:
        """Whether a payer gets back what it paid too much."""
        return self.account is Account.RECEIVABLE


@dataclass(frozen=True, slots=True)
class ChainTerms:
    """What a contract says about paying out, in its newest version in force."""

    name: str
    mode: Mode
    state: ContractState
    threshold_nano: int
    approval: PayoutApproval
    parties: frozenset[bytes]
    least_charge_nano: int = 0  # of a payment provider


@dataclass(frozen=True, slots=True)
class Held:
    """Something that is owed (or a debt) and is not paid in this run; `next_step` says what changes that."""

    party: str
    contract: str
    unit: str
    nano: int
    reason: Reason
    next_step: str


@dataclass(frozen=True, slots=True)
class Payout:
    """`entitlement` nano are owed, `cents` of it are paid; the remainder stays on the account (law 11)."""

    id: H32
    owed: Owed
    contract: str
    cents: int
    creditor: BankParty

    @property
    def remainder_nano(self) -> int:
        return self.owed.nano - self.cents * CENT_NANO

    @property
    def end_to_end(self) -> str:
        return end_to_end(self.id)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the plan needs to know. `settled`: what statements have closed with, None while nothing is settled;
    `disputed`: the shares of uses in open disputes."""

    terms: Mapping[bytes, ChainTerms]
    names: Mapping[bytes, str]
    accounts: Mapping[bytes, BankParty]
    settled: Mapping[Line, int] | None = None
    disputed: Mapping[Line, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    payouts: tuple[Payout, ...]
    held: tuple[Held, ...]


def plan(owed: Sequence[Owed], facts: Facts, seed: bytes) -> Plan:
    """What a run of one collector pays and what it holds back, in account order. Ids follow from `seed` and content."""
    payouts: list[Payout] = []
    held: list[Held] = []
    for one in sorted(owed, key=lambda found: found.line.key()):
        if one.nano == 0:
            continue
        found = _decide(one, facts, seed)
        if isinstance(found, Payout):
            payouts.append(found)
        else:
            held.append(found)
    return Plan(tuple(payouts), tuple(held))


def _decide(owed: Owed, facts: Facts, seed: bytes) -> Payout | Held:
    terms, name = facts.terms[owed.chain], facts.names[owed.party]
    settled = owed.nano if facts.settled is None else min(owed.nano, facts.settled.get(owed.line, 0))
    payable = settled - facts.disputed.get(owed.line, 0)
    reason = _kept(owed, payable, terms)
    if reason is not None and reason[0] in (Reason.NOT_SETTLED, Reason.BELOW_THRESHOLD) and payable < settled:
        reason = Reason.DISPUTED, "decide the dispute; see `tallystick dispute list`"
    if reason is not None:
        return Held(name, terms.name, owed.unit, owed.nano, *reason)
    return _to_bank(owed, payable, facts, seed)


def _to_bank(owed: Owed, payable: int, facts: Facts, seed: bytes) -> Payout | Held:
    """The whole cents of `payable` nano to the party's account, unless a bank would not carry them there."""
    terms, name = facts.terms[owed.chain], facts.names[owed.party]
    account = facts.accounts.get(owed.party)
    if account is None:
        then = "then it can be paid back" if owed.is_credit else "the next run pays"
        step = f"ask {name} for an IBAN and add it (tallystick party account); {then}"
        return Held(name, terms.name, owed.unit, owed.nano, Reason.NO_ACCOUNT, step)
    cents = whole_cents(payable)
    try:
        creditor = bank_party(name, account)
        epc.bank_amount(f"{name}, amount", cents)
    except BankFileError as error:
        return Held(name, terms.name, owed.unit, owed.nano, Reason.BANK_REFUSES, str(error))
    return Payout(payout_id(seed, owed, cents, creditor), owed, terms.name, cents, creditor)


def refunds(rows: Sequence[Owed], facts: Facts, seed: bytes) -> Plan:
    """What payers get back of what they paid too much, and what stays and why; `rows` as `free` takes them."""
    found = [decided for _, decided in decisions(rows, facts, seed)]
    payouts = tuple(one for one in found if isinstance(one, Payout))
    return Plan(payouts, tuple(one for one in found if isinstance(one, Held)))


def decisions(rows: Sequence[Owed], facts: Facts, seed: bytes) -> list[tuple[Owed, Payout | Held]]:
    """The same, credit by credit."""
    unbound, found = free(rows, facts.terms), []
    for one in sorted((row for row in rows if row.nano > 0), key=lambda row: row.line.key()):
        terms, part = facts.terms[one.chain], unbound.get(one.line, 0)
        reason = _kept_credit(one, part, terms)
        name = facts.names[one.party]
        decided = Held(name, terms.name, one.unit, one.nano, *reason) if reason else _to_bank(one, part, facts, seed)
        found.append((one, decided))
    return found


def free(rows: Sequence[Owed], terms: Mapping[bytes, ChainTerms]) -> dict[Line, int]:
    """nano of each credit that no debt of the same payer to the same collector stands against.

    rows: every receivable account of the payers, credits positive and debts negative. What a payment provider collects
    is set off there, with its next charge.
    """
    pairs: dict[tuple[bytes, bytes, str], list[Owed]] = {}
    for row in sorted(rows, key=lambda found: found.line.key()):
        if terms[row.chain].mode is not Mode.PSP:
            pairs.setdefault((row.holder, row.party, row.unit), []).append(row)
    found: dict[Line, int] = {}
    for mine in pairs.values():
        left = max(0, sum(row.nano for row in mine))
        for row in mine:
            if row.nano > 0:
                found[row.line] = min(row.nano, left)
                left -= found[row.line]
    return found


def _kept_credit(owed: Owed, part: int, terms: ChainTerms) -> tuple[Reason, str] | None:
    """Reason and next step when this credit is not paid back now, else None; `part` of it is free."""
    if terms.mode is Mode.PSP:
        return Reason.OTHER_WAY, "nothing to do: the payment provider charges as much less next time"
    if owed.unit != CURRENCY:
        return Reason.NOT_EURO, f"{owed.unit} is no money that banks move"
    if part >= CENT_NANO:
        return None
    if owed.nano >= CENT_NANO:
        return Reason.SET_OFF, "nothing to do: as much is due under another contract or bill"
    return Reason.BELOW_THRESHOLD, "nothing to do: less than a cent stays for the next use"


def _kept(owed: Owed, payable: int, terms: ChainTerms) -> tuple[Reason, str] | None:
    """Reason and next step when this account is not paid now, else None."""
    if owed.party == owed.holder:
        return Reason.OWN, "nothing to do: it is on the collector's account already"
    if terms.mode is Mode.PSP:
        return Reason.OTHER_WAY, "the contract's mode is psp: the collector's bank pays nothing"
    if owed.unit != CURRENCY:
        return Reason.NOT_EURO, f"{owed.unit} is no money that banks move"
    if owed.nano < 0:
        return Reason.DEBT, "nothing to do: the next earnings settle it first"
    if whole_cents(payable) == 0 and owed.nano >= CENT_NANO:
        return Reason.NOT_SETTLED, "close the period; what a statement closes with is paid"
    # where everybody pays directly now, a version before had the collector owe this, and nothing comes on top
    is_last = terms.state is ContractState.ENDED or terms.mode is Mode.DIRECT
    threshold = 0 if is_last else terms.threshold_nano
    if payable < max(threshold, CENT_NANO):
        least = money(max(threshold, CENT_NANO))
        return Reason.BELOW_THRESHOLD, f"nothing to do: it is paid from {least} {owed.unit} on"
    return None


def bank_party(name: str, account: BankParty) -> BankParty:
    """The account as the bank file will carry it; raises BankFileError naming the party."""
    bic = None if account.bic is None else epc.bank_bic(f"{name}, BIC", account.bic)
    return BankParty(
        epc.bank_name(f"{name}, account holder", account.name), epc.bank_iban(f"{name}, IBAN", account.iban), bic
    )


def payout_id(seed: bytes, owed: Owed, cents: int, creditor: BankParty) -> H32:
    """SHA-256 of what is paid to whom in which run; the bank file's ids are made of it."""
    about = [owed.holder, owed.account.value, owed.party, owed.chain, owed.unit, owed.nano, cents, creditor.iban]
    return sha256(cbor.encode([seed, *about]))


def block_id(run: bytes) -> str:
    """The payment information id that a run's bank file carries."""
    return run[END_BYTES:].hex()


def run_seed(community: str, collector: bytes, number: int, debtor: BankParty, day: date, now_ms: int) -> bytes:
    """What tells this run from every other one."""
    return cbor.encode([community, collector, number, debtor.iban, day.isoformat(), now_ms])


def run_id(seed: bytes, payouts: Iterable[Payout]) -> H32:
    """SHA-256 over the run and all its payouts: who approves it approves exactly these."""
    return sha256(seed + b"".join(payout.id for payout in payouts))


def sent_lines(owed: Owed, cents: int) -> Amounts:
    """payable (of a refund: receivable) -> in transit; the collector still owes it, now to its bank's execution."""
    return _moved(owed.line, _transit(owed), cents)


def paid_lines(owed: Owed, cents: int) -> Amounts:
    """in transit -> the collector's bank account."""
    return _moved(_transit(owed), _bank(owed), cents)


def returned_lines(owed: Owed, cents: int, *, was_paid: bool) -> Amounts:
    """Back to where it was owed, from the bank account when it had left it: it is owed to the payee again."""
    return _moved(_bank(owed) if was_paid else _transit(owed), owed.line, cents)


def _transit(owed: Owed) -> Line:
    account = Account.REFUND_IN_TRANSIT if owed.is_credit else Account.PAYOUT_IN_TRANSIT
    return Line(owed.holder, account, owed.party, owed.chain, owed.unit)


def _bank(owed: Owed) -> Line:
    return Line(owed.holder, Account.BANK, owed.holder, owed.chain, owed.unit)


def _moved(source: Line, target: Line, cents: int) -> Amounts:
    """What is owed (negative) moves from one account to the other."""
    if cents <= 0:
        raise InvariantError(f"a payout of {cents} cents")
    lines = {source: cents * CENT_NANO, target: -cents * CENT_NANO}
    check_zero(lines)
    return lines


def held_json(held: Iterable[Held]) -> str:
    return json.dumps([[h.party, h.contract, h.unit, str(h.nano), h.reason.value, h.next_step] for h in held])


def held_of(text: str) -> tuple[Held, ...]:
    rows = json.loads(text)
    return tuple(Held(party, about, unit, int(nano), Reason(why), step) for party, about, unit, nano, why, step in rows)
