"""Decodes the test vectors of a Bluetooth profile, by the very decoders that a device's bytes go through.
It opens no adapter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tallystick_edge.drivers import shelly
from tallystick_edge.drivers.ble_formats import ADVERTS, read_values, scaled
from tallystick_edge.profile import Profile, RadioFormat

REQUEST: Final = 1  # the number that the answers in vectors carry
ANY_ADDRESS: Final = "A4:C1:38:00:00:01"


def vector_values(profile: Profile, payload: bytes) -> Mapping[str, int]:
    """Values of all registers out of `payload`. Raises BleError."""
    if profile.format in ADVERTS:
        address = _address(profile.format, payload)
        return ADVERTS[profile.format].decode(payload, address, None, profile.registers)[1]
    if profile.format is RadioFormat.SHELLY_RPC:
        return shelly.values_of(shelly.parse_answer(payload, REQUEST), profile.registers.values())
    return scaled(read_values(payload), profile.registers.values())


def _address(form: RadioFormat, payload: bytes) -> str:
    """The address in the payload, for the formats that hold it and compare it with the sender's."""
    match form:
        case RadioFormat.ATC1441:
            return payload[:6].hex(":")
        case RadioFormat.PVVX:
            return payload[:6][::-1].hex(":")
        case _:
            return ANY_ADDRESS
