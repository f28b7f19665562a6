"""A party as it enters a community, and the rules its fields keep.

It never holds a private key and never reads a database.
"""

from dataclasses import dataclass
from enum import StrEnum

from tallystick_cloud.errors import BadInput

NAME_CHARS_MAX = 70  # what a bank file can carry (EPC, name)
_IBAN_LENGTH = range(15, 35)


class Form(StrEnum):
    PERSON = "person"
    ORGANISATION = "organisation"
    FUND = "fund"


MANAGER = "community_manager"
ROLES = frozenset(
    {
        MANAGER,
        "owner",
        "user",
        "servicer",
        "financier",
        "city_operator",
        "installer",
        "auditor",
        "developer",
    }
)


@dataclass(frozen=True, slots=True)
class NewParty:
    name: str
    form: Form
    roles: tuple[str, ...]
    iban: str | None
    email: str | None


def check_name(field: str, name: str) -> str:
    if not name.strip() or len(name) > NAME_CHARS_MAX:
        raise BadInput(field, f"{name!r} must have 1 to {NAME_CHARS_MAX} characters")
    return name


def check_new_name(field: str, name: str) -> str:
    """The name of somebody who joins; it stays."""
    if check_name(field, name) != name.strip():
        raise BadInput(field, f"{name!r} begins or ends with a space; write it without")
    return name


def check_role(field: str, role: str) -> str:
    if role not in ROLES:
        raise BadInput(field, f"{role!r} is not a role; use one of {', '.join(sorted(ROLES))}")
    return role


HIDDEN_TO = 4
"""Characters of an IBAN that a list shows at its end."""


def masked(iban: str) -> str:
    """An IBAN as lists show it: enough to tell accounts apart, not to pay by."""
    return f"{iban[:2]}...{iban[-HIDDEN_TO:]}"


def check_iban(field: str, text: str) -> str:
    """The IBAN without spaces; raises BadInput when its check digits do not fit (ISO 13616, mod 97)."""
    iban = text.replace(" ", "").upper()
    if len(iban) not in _IBAN_LENGTH or not iban.isalnum() or not iban.isascii():
        raise BadInput(field, f"{text!r} is not an IBAN; write country, check digits and account")
    digits = "".join(str(int(char, 36)) for char in iban[4:] + iban[:4])
    if int(digits) % 97 != 1:
        raise BadInput(field, f"{text!r} has wrong check digits; compare it with the bank card")
    return iban
