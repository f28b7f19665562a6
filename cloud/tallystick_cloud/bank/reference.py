"""The reference under which a user pays: a creditor reference (ISO 11649) that a bank carries back unchanged.

It never holds a name: it is made of ids that say nothing outside of this community.
"""

import re

from tallystick_protocol.ids import sha256

BODY_CHARS = 16  # 80 bits in base 32; the standard allows 21 characters
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford: no I, L, O, U to misread
_SHAPE = re.compile(r"RF\d{2}[0-9A-Z]{1,21}")
_IN_TEXT = re.compile(r"RF(?:\s?[0-9A-Z]){3,23}")


def reference_of(community: str, collector: bytes, payer: bytes) -> str:
    """The same two parties always have the same reference."""
    digest = sha256(b"tallystick payment reference 1" + community.encode() + b"\0" + collector + payer)
    number = int.from_bytes(digest[:10], "big")
    body = "".join(_ALPHABET[number >> shift & 31] for shift in range(5 * (BODY_CHARS - 1), -1, -5))
    return f"RF{98 - _remainder(body + 'RF00'):02d}{body}"


def is_reference(text: str) -> bool:
    """Whether shape and check digits hold (mod 97)."""
    return _SHAPE.fullmatch(text) is not None and _remainder(text[4:] + text[:4]) == 1


def references_in(text: str) -> list[str]:
    """Every valid reference that a person may have typed into the free text, with or without blanks."""
    found = []
    for match in _IN_TEXT.finditer(text.upper()):
        tight = "".join(match[0].split())
        wanted = 4 + BODY_CHARS
        found += [tight[:wanted]] if is_reference(tight[:wanted]) else [tight] if is_reference(tight) else []
    return found


def in_groups(reference: str) -> str:
    """As people read and type it: groups of four."""
    return " ".join(reference[at : at + 4] for at in range(0, len(reference), 4))


def _remainder(text: str) -> int:
    return int("".join(str(int(char, 36)) for char in text)) % 97
