"""BTHome v2 decoding: every documented object, encryption, and a named error for every bad frame."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.ble import KEY, SENSOR, Truth
from tallystick_edge.drivers import bthome
from tallystick_edge.drivers.ble_errors import BleError, BleReason
from tallystick_edge.profile import ProfileKind, load_profile
from tallystick_sim.bluez import BthomeSensor

PROFILE = load_profile("bthome-water")

# Our own encrypted advert (address, key, counter 287454020, water 87,654.321 L); bthome-ble 3.25 read the same from it.
SEALED = bytes.fromhex("41cff34327e4443322113bc67b39")
SEALED_ADDRESS = "A4:C1:38:00:00:01"


def refused(data: bytes, key: bytes | None = None) -> BleReason:
    with pytest.raises(BleError) as caught:
        bthome.decode_advert(data, SENSOR, key)
    return caught.value.reason


@pytest.mark.parametrize("vector", PROFILE.vectors, ids=lambda v: v.name)
def test_profile_vectors_decode_to_what_they_promise(vector) -> None:
    assert PROFILE.kind is ProfileKind.BLE_ADVERT
    assert bthome.values_of(bthome.decode_advert(vector.payload, SENSOR, None), PROFILE.registers) == vector.expect


def test_recorded_encrypted_advert_decodes() -> None:
    advert = bthome.decode_advert(SEALED, SEALED_ADDRESS, KEY)
    assert (advert.counter, advert.counter_bits) == (0x11223344, 32)
    assert bthome.values_of(advert, PROFILE.registers) == {"water": 87_654_321}


@given(ml=st.integers(0, 2**32 - 1), counter=st.integers(0, 2**32 - 1), encrypted=st.booleans())
def test_what_the_sensor_counts_is_what_the_driver_reads(ml: int, counter: int, encrypted: bool) -> None:
    key = KEY if encrypted else None
    sensor = BthomeSensor(SENSOR, Truth(ml), key, counter)
    advert = bthome.decode_advert(sensor.next_advert(), SENSOR, key)
    assert bthome.values_of(advert, PROFILE.registers) == {"water": ml}
    assert advert.counter == (counter if encrypted else counter & 0xFF)


@given(data=st.binary(max_size=40), key=st.sampled_from([None, KEY]))
def test_any_bytes_decode_or_are_refused_by_name(data: bytes, key: bytes | None) -> None:
    with contextlib.suppress(BleError):  # whatever else came out would fail the test
        bthome.decode_advert(data, SENSOR, key)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", BleReason.FRAME),
        (bytes(256), BleReason.FRAME),
        (bytes.fromhex("20 00 01"), BleReason.VERSION),
        (bytes.fromhex("40 4f 01 02 03"), BleReason.FRAME),
        (bytes.fromhex("40 53"), BleReason.FRAME),
        (bytes.fromhex("40 54 05 01"), BleReason.FRAME),
        (bytes.fromhex("42 01 02 03"), BleReason.FRAME),
        (SEALED, BleReason.KEY_MISSING),
    ],
)
def test_bad_frames_are_refused_with_their_reason(data: bytes, reason: BleReason) -> None:
    assert refused(data) is reason


def test_encrypted_frame_with_any_bit_flipped_is_refused() -> None:
    for position in range(1, len(SEALED)):
        tampered = bytearray(SEALED)
        tampered[position] ^= 0x10
        assert refused(bytes(tampered), KEY) is BleReason.KEY_WRONG


def test_encrypted_frame_from_another_address_is_refused() -> None:
    with pytest.raises(BleError, match="wrong-key-or-forged"):
        bthome.decode_advert(SEALED, "A4:C1:38:00:00:02", KEY)


def test_plain_advert_is_refused_when_a_key_is_set() -> None:
    assert refused(bytes.fromhex("40 00 01 4f 00 00 00 00"), KEY) is BleReason.DOWNGRADE


def test_short_encrypted_frame_is_refused() -> None:
    assert refused(b"\x41" + bytes(8), KEY) is BleReason.FRAME


def test_missing_object_is_named_and_so_is_the_unknown_one_before_it() -> None:
    advert = bthome.decode_advert(bytes.fromhex("40 00 01 99 01 02 4f 00 00 00 00"), SENSOR, None)
    with pytest.raises(BleError, match=r"value-absent: water: .*0x4f; reading stopped at unknown object 0x99"):
        bthome.values_of(advert, PROFILE.registers)


def test_included_address_is_used_for_the_nonce() -> None:
    from cryptography.hazmat.primitives.ciphers.aead import AESCCM

    mac = bytes.fromhex("a4c138000009")
    value = bytes.fromhex("4f 01 00 00 00")
    sealed = AESCCM(KEY, tag_length=4).encrypt(mac + b"\xd2\xfc\x43" + b"\x05\0\0\0", value, None)
    data = b"\x43" + mac[::-1] + sealed[:-4] + b"\x05\0\0\0" + sealed[-4:]
    assert bthome.decode_advert(data, SENSOR, KEY).plaintext == value


def test_text_and_raw_objects_are_stepped_over() -> None:
    advert = bthome.decode_advert(bytes.fromhex("40 53 02 68 69 54 01 ff 4f 07 00 00 00"), SENSOR, None)
    assert advert.objects == ((0x4F, 7),)
