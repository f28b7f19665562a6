"""A claim is 128 random bits that a person can type: nine groups of four characters, the fourth of each its check.
It never guesses: a wrong group is named while it is typed, and no swap of two characters or two groups passes.

Base 32 after Crockford (no I, L, O, U), so what is read as I, L or O is taken for 1, 1 and 0. The check character is a
sum over GF(32) with another factor per place and another constant per group, which finds every single wrong character
and every exchange of two characters of a group.
"""

from tallystick_protocol.errors import BadValue
from tallystick_protocol.ids import sha256

CLAIM_BYTES = 16
GROUPS = 9
FINGERPRINT_BYTES = 5  # 40 bits: 8 characters

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_VALUE = {character: value for value, character in enumerate(_ALPHABET)} | {"O": 0, "I": 1, "L": 1}
_DATA_PER_GROUP = 3
_FACTORS = (2, 3, 4)  # distinct, and none 1, so that an exchange with the check character is found as well
_PAD_BITS = GROUPS * _DATA_PER_GROUP * 5 - CLAIM_BYTES * 8
_GF32_MODULUS = 0b100101  # x^5 + x^2 + 1


def new_claim(random16: bytes) -> str:
    """The text of 16 random bytes: `XXXX-XXXX-...`, nine groups."""
    if len(random16) != CLAIM_BYTES:
        raise BadValue("claim", f"is made of {len(random16)} bytes, must be {CLAIM_BYTES}")
    number = int.from_bytes(random16, "big") << _PAD_BITS
    total = GROUPS * _DATA_PER_GROUP
    values = [number >> 5 * (total - 1 - place) & 31 for place in range(total)]
    groups = [values[start : start + _DATA_PER_GROUP] for start in range(0, total, _DATA_PER_GROUP)]
    return "-".join(_text([*group, _check(index, group)]) for index, group in enumerate(groups))


def parse_claim(text: str) -> bytes:
    """The 16 bytes of a typed claim; blanks, dashes and case do not matter. BadValue names the first wrong group."""
    typed = "".join(character for character in text.upper() if character not in " -\t\r\n")
    expected = GROUPS * (_DATA_PER_GROUP + 1)
    values: list[int] = []
    for index in range(GROUPS):
        group = typed[index * 4 : index * 4 + 4]
        if group:
            values += _group(index, group)
    if len(typed) != expected:
        raise BadValue("claim", f"has {len(typed)} characters, must be {expected} in {GROUPS} groups of four")
    number = 0
    for value in values:
        number = number << 5 | value
    if number & (1 << _PAD_BITS) - 1:
        raise BadValue("claim", f"group {GROUPS} is wrong: type it again")
    return (number >> _PAD_BITS).to_bytes(CLAIM_BYTES, "big")


def fingerprint8(spki: bytes) -> str:
    """Eight characters of SHA-256(spki) that two screens show and a person compares."""
    number = int.from_bytes(sha256(spki)[:FINGERPRINT_BYTES], "big")
    return _text([number >> shift & 31 for shift in range(35, -1, -5)])


def _group(index: int, group: str) -> list[int]:
    if len(group) < _DATA_PER_GROUP + 1:
        raise BadValue("claim", f"group {index + 1} is short: it has {len(group)} of 4 characters")
    if any(character not in _VALUE for character in group):
        raise BadValue("claim", f"group {index + 1} holds a character that claims do not use: type it again")
    *data, check = (_VALUE[character] for character in group)
    if _check(index, data) != check:
        raise BadValue("claim", f"group {index + 1} is wrong: type it again")
    return data


def _check(index: int, data: list[int]) -> int:
    result = index + 1
    for factor, value in zip(_FACTORS, data, strict=True):
        result ^= _gf32(factor, value)
    return result


def _gf32(left: int, right: int) -> int:
    product = 0
    for bit in range(5):
        if right >> bit & 1:
            product ^= left << bit
    for bit in range(8, 4, -1):
        if product >> bit & 1:
            product ^= _GF32_MODULUS << bit - 5
    return product


def _text(values: list[int]) -> str:
    return "".join(_ALPHABET[value] for value in values)
