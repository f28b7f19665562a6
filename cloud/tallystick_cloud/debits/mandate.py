"""A payer's written leave to collect from an account, and the rules it keeps; pure.

It never lets a collector use a mandate that is revoked, dormant or of another creditor.
Source: EPC016-06 (SDD Core rulebook), EPC130-08 (customer-to-bank guidelines), EPC262-08 (creditor identifier).
"""

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from tallystick_protocol import cbor
from tallystick_protocol.ids import H32, sha256

from tallystick_cloud.errors import BadInput
from tallystick_cloud.payouts import epc
from tallystick_cloud.payouts.errors import BankFileError
from tallystick_cloud.payouts.pain import BankParty

NOTICE_DAYS = 14  # the rulebook's pre-notification when nothing shorter is agreed
DORMANT_MONTHS = 36  # after its last collection, whatever became of that
KEPT_MONTHS = 14  # the 13 in which a payer can claim an unauthorised debit back (EPC016-06), and one to answer in
_CREDITOR_ID = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{3}[A-Z0-9+?/:().,'-]{1,28}")

# Outside of the European Economic Area a bank needs the payer's address too (EPC130-08), and none is kept here.
_NEEDS_ADDRESS = frozenset(["AD", "AL", "CH", "GB", "GI", "MC", "MD", "ME", "MK", "RS", "SM", "VA"])


class SequenceType(StrEnum):
    """Whether a collection is the first under its mandate."""

    FIRST = "FRST"
    RECURRENT = "RCUR"


class State(StrEnum):
    ACTIVE = "active"
    DORMANT = "dormant"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class NewMandate:
    """As it was signed. `used_day`: its last collection before this program kept it, None for a new one."""

    collector: bytes
    payer: bytes
    reference: str
    creditor_id: str
    debtor: BankParty
    signed_day: date
    sequence: SequenceType = SequenceType.FIRST
    used_day: date | None = None
    notice_days: int = NOTICE_DAYS


@dataclass(frozen=True, slots=True)
class Mandate:
    """A mandate that is kept; `revoked_ms` None while it stands."""

    id: H32
    about: NewMandate
    revoked_ms: int | None = None


@dataclass(frozen=True, slots=True)
class History:
    """What was collected under a mandate: the last day, and whether the bank took any without rejecting it."""

    last_day: date | None = None
    has_stood: bool = False


def mandate_id(collector: bytes, reference: str) -> H32:
    return sha256(cbor.encode([collector, reference]))


def checked(asked: NewMandate, today: date) -> NewMandate:
    """The mandate as the bank file will carry it. Raises BadInput naming the field."""
    try:
        debtor = BankParty(epc.bank_name("account holder", asked.debtor.name), epc.bank_iban("IBAN", asked.debtor.iban))
        reference = epc.bank_id("reference", asked.reference)
    except BankFileError as error:
        raise BadInput(error.field, error.reason) from None
    if debtor.iban[:2] in _NEEDS_ADDRESS:
        detail = f"is of {debtor.iban[:2]}, where a bank wants the payer's address as well; let them pay by transfer"
        raise BadInput("IBAN", detail)
    if asked.signed_day > today:
        raise BadInput("signed", f"is {asked.signed_day}, which is yet to come")
    if asked.used_day is not None and not asked.signed_day <= asked.used_day <= today:
        raise BadInput("last used", f"is {asked.used_day}; name a day from the signature to today")
    if not 1 <= asked.notice_days <= NOTICE_DAYS:
        raise BadInput("notice days", f"are {asked.notice_days}; agree on 1 to {NOTICE_DAYS}")
    return NewMandate(
        asked.collector, asked.payer, reference, check_creditor_id("creditor id", asked.creditor_id), debtor,
        asked.signed_day, asked.sequence, asked.used_day, asked.notice_days,
    )  # fmt: skip


def check_creditor_id(field: str, text: str) -> str:
    """A SEPA creditor identifier without blanks; the business code (places 5 to 7) is not in its check digits."""
    tight = "".join(text.split()).upper()
    if not _CREDITOR_ID.fullmatch(tight):
        raise BadInput(field, f"{text!r} is no creditor identifier; it looks like DE98ZZZ09999999999")
    if tight[:2] not in epc.IBAN_LENGTH:
        raise BadInput(field, f"{text!r} is not of a country of the single euro payments area")
    national = "".join(char for char in tight[7:] if char.isalnum())
    digits = "".join(str(int(char, 36)) for char in national + tight[:4])
    if int(digits) % 97 != 1:
        raise BadInput(field, f"{text!r} has wrong check digits; compare it with the letter that assigned it")
    return tight


def state_of(one: Mandate, history: History, on: date) -> State:
    """How it stands on a day."""
    if one.revoked_ms is not None:
        return State.REVOKED
    return State.DORMANT if on >= dormant_on(one.about, history) else State.ACTIVE


def dormant_on(about: NewMandate, history: History) -> date:
    """From this day on nothing may be collected under it: 36 months after its last use, or its signature."""
    last = max(day for day in (about.signed_day, about.used_day, history.last_day) if day is not None)
    return months_after(last, DORMANT_MONTHS)


def months_after(day: date, count: int) -> date:
    """The same day so many months later, or the last one of a shorter month."""
    months = day.month - 1 + count
    year, month = day.year + months // 12, months % 12 + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))


def sequence_of(about: NewMandate, history: History) -> SequenceType:
    """First until the bank took one: a rejected first is followed by a first again."""
    return SequenceType.RECURRENT if history.has_stood else about.sequence
