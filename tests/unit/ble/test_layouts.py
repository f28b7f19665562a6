"""Formats by table: every profile's vector decodes, marks of "no value" are none, crooked frames are refused."""

from __future__ import annotations

import contextlib

import pytest
from bleak.backends.scanner import AdvertisementData
from hypothesis import given
from hypothesis import strategies as st
from support.ble import KEY, SENSOR, MemoryReplayStore, TestClock
from tallystick_edge.config import AdapterConfig, MeterConfig
from tallystick_edge.drivers.ble import CONNECTIONS_MAX, BleDriver
from tallystick_edge.drivers.ble_errors import BleError, BleReason
from tallystick_edge.drivers.ble_formats import ADVERTS, characteristics, read_values
from tallystick_edge.drivers.ble_layout import ATC1441, CHARACTERISTICS, PVVX, RUUVI_5, decode_frame
from tallystick_edge.drivers.ble_notified import seconds_of
from tallystick_edge.drivers.ble_vector import vector_values
from tallystick_edge.errors import ConfigError
from tallystick_edge.profile import Profile, ProfileError, ProfileKind, RadioFormat, load_profile, profile_names
from tallystick_edge.profile_check import check_vectors
from tallystick_edge.profile_toml import parse_profile

RUUVI_ADDRESS = "CB:B8:33:4C:88:4F"
PROFILES = [profile for profile in map(load_profile, profile_names()) if profile.kind is not ProfileKind.MODBUS]


@pytest.mark.parametrize(
    ("profile", "index"),
    [
        pytest.param(profile, index, id=f"{profile.name}-{index}")
        for profile in PROFILES
        for index in range(len(profile.vectors))
    ],
)
def test_profile_vectors_decode_to_what_they_promise(profile: Profile, index: int) -> None:
    vector = profile.vectors[index]
    assert vector_values(profile, vector.payload) == vector.expect


def test_ruuvis_fourth_vector_has_no_value_at_all() -> None:
    data = bytes.fromhex("058000ffffffff800080008000ffffffffffffffffffffff")
    frame = decode_frame(RUUVI_5, data, RUUVI_ADDRESS)
    assert set(frame.values) == {"address"}
    assert frame.counter_bits == 0


def test_ruuvis_first_vector_has_what_no_profile_asks_for_too() -> None:
    frame = decode_frame(RUUVI_5, load_profile("ruuvi-tag").vectors[0].payload, RUUVI_ADDRESS)
    assert frame.values["acceleration_x"] == 4
    assert frame.values["acceleration_y"] == -4
    assert frame.values["acceleration_z"] == 1_036
    assert frame.values["power"] == 4
    assert (frame.counter, frame.counter_bits) == (205, 16)


@pytest.mark.parametrize("layout", [RUUVI_5, ATC1441, PVVX], ids=lambda layout: layout.name)
@given(data=st.binary(max_size=32))
def test_any_bytes_decode_or_are_refused_by_name(layout, data: bytes) -> None:
    with contextlib.suppress(BleError):  # whatever else came out would fail the test
        decode_frame(layout, layout.head + data, SENSOR)


@pytest.mark.parametrize(
    ("layout", "data", "words"),
    [
        (RUUVI_5, "03 00", "begins with 0300, not 05"),
        (RUUVI_5, "05 00", "2 bytes end before temperature"),
        (RUUVI_5, "05" + "00" * 24, "25 bytes, 24 expected"),
        (ATC1441, "a4c138000009 00ea2d550ba707", "names the address a4c138000009, it came from"),
        (PVVX, "a4c138000001 2909d711a70b550704", "names the address"),
        (CHARACTERISTICS[0x2A5B], "01 e803", "3 bytes end before wheel_revolutions"),
        (CHARACTERISTICS[0x2A5B], "", "0 bytes end before flags"),
        (CHARACTERISTICS[0x2A9D], "01 a509", "weighs in pounds; set it to kilograms"),
    ],
)
def test_crooked_frames_are_refused_with_their_reason(layout, data: str, words: str) -> None:
    with pytest.raises(BleError, match=words) as caught:
        decode_frame(layout, bytes.fromhex(data), SENSOR)
    assert caught.value.reason is BleReason.FRAME


def test_a_wheel_sensor_that_tells_only_the_crank_has_no_distance() -> None:
    with pytest.raises(BleError, match="distance: the device sent no 2a5b/wheel_revolutions"):
        vector_values(load_profile("bicycle-csc"), bytes.fromhex("5b2a 0500 02 5802 0011"))


def test_a_weighing_that_failed_has_no_weight() -> None:
    with pytest.raises(BleError, match="deposited"):
        vector_values(load_profile("waste-scale"), bytes.fromhex("9d2a 0a00 02 ffff ea07 0b 1d 0a 0f 1e"))


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        ("9d2a 0300 00 a509", "gives no time with its weighings; set its clock"),
        ("9d2a 0a00 02 a509 ea07 0d 1d 0a 0f 1e", "a time that is none"),
        ("9d2a 0a00 02 a509 b207 01 01 0a 0f 1e", "clock says 1970-01-01; set it"),
        ("9d2a 0a00 02 a509 0000 01 01 0a 0f 1e", "gives no time"),
    ],
)
def test_a_scale_without_a_clock_is_refused(payload: str, words: str) -> None:
    with pytest.raises(BleError, match=words):
        seconds_of(read_values(bytes.fromhex(payload)))


def test_formats_on_one_service_are_told_apart_by_length() -> None:
    def advert(size: int) -> AdvertisementData:
        data = {"0000181a-0000-1000-8000-00805f9b34fb": bytes(size)}
        return AdvertisementData(None, {}, data, [], None, -60, ())

    for size, found in ((13, RadioFormat.ATC1441), (15, RadioFormat.PVVX), (14, None)):
        takes = [name for name in (RadioFormat.ATC1441, RadioFormat.PVVX) if ADVERTS[name].payload(advert(size))]
        assert takes == ([] if found is None else [found])


def meter(profile: str, number: int = 1, key: bytes | None = None) -> MeterConfig:
    return MeterConfig(f"m{number}", profile, 1_000, adapter="bt", address=f"A4:C1:38:00:00:{number:02X}", key=key)


def driver(*meters: MeterConfig) -> BleDriver:
    return BleDriver(AdapterConfig("bt"), meters, TestClock(), MemoryReplayStore())


def test_a_key_for_a_format_without_encryption_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"m1\.key: is set, but ruuvi-5 has no encryption"):
        driver(meter("ruuvi-tag", key=KEY))


def test_scales_that_would_have_to_take_turns_are_refused() -> None:
    scales = [meter("waste-scale", number) for number in range(1, CONNECTIONS_MAX + 2)]
    driver(*scales[:-1])
    with pytest.raises(ConfigError, match="give it another adapter"):
        driver(*scales)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('format = "gatt-read"', 'format = "ruuvi-5"', "format: is not one of shelly-rpc, gatt-read, gatt-notify"),
        ('format = "gatt-read"', 'format = "morse"', "format: is not one of"),
        ('key = "2a6e/temperature"', 'key = "2a6e/temperature"\nsum = true', "temperature.sum: adds up"),
        ('key = "2a6e/temperature"', 'key = "2a6e/temperature"\nsum = 1', "temperature.sum: is not true or false"),
        ('key = "2a6e/temperature"', 'key = "2a6e/temperature"\ntimes = 0', "temperature.times: is not an integer"),
    ],
)
def test_wrong_profiles_are_refused_by_key(old: str, new: str, words: str) -> None:
    from importlib import resources

    text = resources.files("tallystick_edge.profiles").joinpath("environmental-sensing.toml").read_text()
    assert old in text
    with pytest.raises(ProfileError, match=words):
        parse_profile("environmental-sensing", text.replace(old, new, 1).encode())


@pytest.mark.parametrize(
    ("name", "old", "new", "words"),
    [
        ("ruuvi-tag", "temperature = 24300", "temperature = 24301", r"vector\[0\].expect.temperature: is 24301, but"),
        ("waste-scale", "9d2a 0a00 02", "9d2a 0a00 03", r"vector\[0\].payload: gives no values: .*pounds"),
        ("shelly-plug-gen3", "energy = 1234567", "energy = 1", r"expect.energy: is 1, but the bytes say 1234567"),
    ],
)
def test_a_vector_that_does_not_decode_as_it_says_is_named(name: str, old: str, new: str, words: str) -> None:
    from importlib import resources

    text = resources.files("tallystick_edge.profiles").joinpath(f"{name}.toml").read_text()
    assert old in text
    with pytest.raises(ProfileError, match=words):
        check_vectors(parse_profile(name, text.replace(old, new, 1).encode()))


@pytest.mark.parametrize("key", ["2aff/x", "2a6e/pressure", "temperature", "zz/x"])
def test_a_place_that_no_layout_has_is_refused(key: str) -> None:
    from dataclasses import replace

    register = load_profile("environmental-sensing").registers["temperature"]
    with pytest.raises(BleError):
        characteristics([replace(register, wire=replace(register.wire, key=key))])
