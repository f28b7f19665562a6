"""What the European Payments Council asks of a credit transfer beyond the XSD: characters, names, accounts, amounts.

It never cuts a name short and never guesses a letter: what cannot be carried is refused, naming the party.
Source: EPC115-06 (SCT customer-to-bank guidelines), EPC217-08 (characters), ISO 13616 (IBAN).
"""

import re
import unicodedata
from collections.abc import Mapping

from tallystick_cloud.errors import BadInput
from tallystick_cloud.money import decimal
from tallystick_cloud.parties.model import NAME_CHARS_MAX, check_iban

from .errors import BankFileError

CENTS_MIN, CENTS_MAX = 1, 99_999_999_999  # 0.01 .. 999,999,999.99 EUR
ID_CHARS_MAX = 35
REMITTANCE_CHARS_MAX = 140
_ALLOWED = re.compile(r"[A-Za-z0-9/?:().,'+ -]*")  # EPC217-08, 1.4
_ID = re.compile(r"(?!/)(?!.*//)[A-Za-z0-9/?:().,'+ -]{1,35}(?<!/)")
_BIC = re.compile(r"[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}(?:[A-Z0-9]{3})?")

# Letters that Unicode does not decompose, and signs with a usual substitute.
_SUBSTITUTES = (
    "ä=ae ö=oe ü=ue Ä=Ae Ö=Oe Ü=Ue ß=ss ẞ=SS æ=ae Æ=Ae œ=oe Œ=Oe ø=o Ø=O đ=d Đ=D ð=d Ð=D ł=l Ł=L ħ=h Ħ=H ı=i þ=th Þ=Th"
    " ŀ=l ·=. &=+ _=- –=- —=- ’=' ‘=' `=' ´=' \"=' “=' ”=' „=' @=(at)"
)
_LETTERS: Mapping[str, str] = dict(pair.split("=") for pair in _SUBSTITUTES.split())

# Length of an IBAN per country of the single euro payments area (IBAN registry).
_LENGTHS = (
    "AD24 AL28 AT20 BE16 BG22 CH21 CY28 CZ24 DE22 DK18 EE20 ES24 FI18 FR27 GB22 GI23 GR27 HR21 HU28 IE22 IS26 IT27 LI21"
    " LT20 LU20 LV21 MC27 MD24 ME22 MK19 MT31 NL18 NO15 PL28 PT25 RO24 RS22 SE24 SI19 SK24 SM27 VA22"
)
IBAN_LENGTH: Mapping[str, int] = {entry[:2]: int(entry[2:]) for entry in _LENGTHS.split()}


def bank_text(field: str, text: str) -> str:
    """The text in the characters that every bank takes (umlauts as ae, accents dropped); raises BankFileError."""
    if _ALLOWED.fullmatch(text):
        return " ".join(text.split())
    found = []
    for char in unicodedata.normalize("NFC", text):
        plain = _LETTERS.get(char, char)
        if not _ALLOWED.fullmatch(plain):
            plain = "".join(c for c in unicodedata.normalize("NFKD", char) if not unicodedata.combining(c))
        if not plain or not _ALLOWED.fullmatch(plain):
            raise BankFileError(field, f"{text!r} holds {char!r}, which banks do not carry; write it in Latin letters")
        found.append(plain)
    return " ".join("".join(found).split())


def bank_name(field: str, name: str) -> str:
    """A name of 1 to 70 characters as banks carry it; raises BankFileError."""
    found = bank_text(field, name)
    if not found:
        raise BankFileError(field, "is empty; write the name as it stands on the account")
    if len(found) > NAME_CHARS_MAX:
        detail = f"{name!r} has {len(found)} characters in a bank file, the limit is {NAME_CHARS_MAX}; shorten it"
        raise BankFileError(field, detail)
    return found


def bank_iban(field: str, text: str) -> str:
    """The IBAN without spaces, with right check digits and the length of its country; raises BankFileError."""
    try:
        iban = check_iban(field, text)
    except BadInput as error:
        raise BankFileError(field, error.reason) from None
    wanted = IBAN_LENGTH.get(iban[:2])
    if wanted is None:
        raise BankFileError(field, f"{iban!r} is not of a country of the single euro payments area")
    if len(iban) != wanted:
        raise BankFileError(field, f"{iban!r} has {len(iban)} characters, an IBAN of {iban[:2]} has {wanted}")
    return iban


def bank_bic(field: str, text: str) -> str:
    if not _BIC.fullmatch(text):
        raise BankFileError(field, f"{text!r} is not a BIC of 8 or 11 characters; leave it out, the IBAN is enough")
    return text


def bank_id(field: str, text: str) -> str:
    """An id of at most 35 characters, no slash at its ends and no two in a row; raises BankFileError."""
    if not _ID.fullmatch(text):
        raise BankFileError(field, f"{text!r} is not 1 to {ID_CHARS_MAX} characters without // that banks carry")
    return text


def bank_amount(field: str, cents: int) -> str:
    """Euro with two decimals; raises BankFileError outside 0.01 .. 999,999,999.99."""
    if not CENTS_MIN <= cents <= CENTS_MAX:
        detail = f"{decimal(cents)} EUR is not in 0.01 .. 999999999.99; pay it outside of this run"
        raise BankFileError(field, detail)
    return decimal(cents)
