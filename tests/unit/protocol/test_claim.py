"""A claim is typed by people: every single slip is found, and the wrong group is named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tallystick_protocol.claim import fingerprint8, new_claim, parse_claim
from tallystick_protocol.errors import BadValue

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
RANDOM = bytes.fromhex("786ece5bc2c441146280fa88a8b5a79b")
CLAIM = new_claim(RANDOM)


@given(st.binary(min_size=16, max_size=16))
def test_a_claim_is_read_back(random16: bytes) -> None:
    text = new_claim(random16)
    assert parse_claim(text) == random16
    assert parse_claim(text.lower().replace("-", " ")) == random16
    assert [len(group) for group in text.split("-")] == [4] * 9


def test_letters_that_look_like_digits_are_taken_for_them() -> None:
    assert "0" in CLAIM
    assert parse_claim(CLAIM.replace("0", "O").replace("1", "I")) == RANDOM


def test_every_single_wrong_character_is_found_and_its_group_named() -> None:
    for place, right in enumerate(CLAIM):
        if right == "-":
            continue
        for wrong in set(ALPHABET) - {right}:
            with pytest.raises(BadValue) as caught:
                parse_claim(CLAIM[:place] + wrong + CLAIM[place + 1 :])
            assert f"group {place // 5 + 1} " in caught.value.reason


def test_every_exchange_of_two_characters_in_a_group_is_found() -> None:
    groups = CLAIM.split("-")
    for number, group in enumerate(groups):
        for one in range(4):
            for other in range(one + 1, 4):
                letters = list(group)
                letters[one], letters[other] = letters[other], letters[one]
                if "".join(letters) == group:
                    continue
                with pytest.raises(BadValue, match=f"group {number + 1} "):
                    parse_claim("-".join([*groups[:number], "".join(letters), *groups[number + 1 :]]))


def test_exchanged_groups_are_found() -> None:
    groups = CLAIM.split("-")
    for number in range(8):
        swapped = [*groups[:number], groups[number + 1], groups[number], *groups[number + 2 :]]
        with pytest.raises(BadValue, match=f"group {number + 1} "):
            parse_claim("-".join(swapped))


@pytest.mark.parametrize(
    ("typed", "says"),
    [("", "0 characters"), (CLAIM[:-5], "32 characters"), (CLAIM + "0", "37 characters"), ("U" + CLAIM[1:], "group 1"),
     (CLAIM[:7], "group 2 is short"), ("\x00" * 36, "group 1"), ("ß" * 36, "group 1")],
)  # fmt: skip
def test_what_is_typed_wrong_is_said(typed: str, says: str) -> None:
    with pytest.raises(BadValue, match=says):
        parse_claim(typed)


def test_a_claim_is_made_of_16_bytes_only() -> None:
    with pytest.raises(BadValue, match="15 bytes"):
        new_claim(bytes(15))


def test_fingerprint_has_eight_characters_and_depends_on_the_key() -> None:
    assert len(fingerprint8(b"one")) == 8
    assert fingerprint8(b"one") != fingerprint8(b"two")
    assert set(fingerprint8(b"one")) <= set(ALPHABET)
