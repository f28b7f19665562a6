"""Shelly answers into integers, exactly, and a named error for everything else a device could say."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.ble import PLUG, Truth
from tallystick_edge.drivers import shelly
from tallystick_edge.drivers.ble_errors import BleError, BleReason
from tallystick_edge.profile import ProfileKind, load_profile
from tallystick_sim.bluez import ShellyPlug

PROFILE = load_profile("shelly-plug-gen3")
REGISTERS = tuple(PROFILE.registers.values())


class DirectGatt:
    """The simulated plug's characteristics without a radio in between."""

    def __init__(self, plug: ShellyPlug) -> None:
        self._by_uuid = {c.uuid: c for c in plug.characteristics}

    async def read(self, uuid: str) -> bytes:
        return self._by_uuid[uuid].read()

    async def write(self, uuid: str, data: bytes) -> None:
        self._by_uuid[uuid].write(data)


async def status(plug: ShellyPlug, number: int = 1) -> dict[str, int]:
    result, frame = await shelly.call(DirectGatt(plug), number, "Switch.GetStatus", {"id": 0}, 0)
    assert shelly.parse_answer(frame, number) == result
    return shelly.values_of(result, REGISTERS)


def answer(**fields: object) -> bytes:
    return json.dumps({"id": 1, "src": "x", **fields}).encode()


@pytest.mark.parametrize("vector", PROFILE.vectors, ids=lambda v: v.name)
def test_profile_vectors_decode_to_what_they_promise(vector) -> None:
    assert PROFILE.kind is ProfileKind.BLE_GATT
    assert shelly.values_of(shelly.parse_answer(vector.payload, 1), REGISTERS) == vector.expect


@given(mwh=st.integers(0, 10**12), watts=st.integers(0, 3_000))
async def test_what_the_plug_measures_is_what_the_driver_reads(mwh: int, watts: int) -> None:
    assert await status(ShellyPlug(PLUG, Truth(0, mwh, watts))) == {"energy": mwh, "power": watts}


@pytest.mark.parametrize("mtu", [23, 48, 247, 517])
async def test_answer_in_pieces_of_any_size_is_put_together(mtu: int) -> None:
    assert await status(ShellyPlug(PLUG, Truth(0, 42, 1), mtu)) == {"energy": 42, "power": 1}


async def test_device_tells_its_id() -> None:
    plug = ShellyPlug(PLUG, Truth())
    info, _ = await shelly.call(DirectGatt(plug), 7, "Shelly.GetDeviceInfo", {}, 0)
    assert shelly.device_id(info) == plug.id == "shellyplugsg3-a4c138000002"


async def test_refusal_carries_the_devices_words() -> None:
    plug = DirectGatt(ShellyPlug(PLUG, Truth()))
    with pytest.raises(BleError, match=r"refused: .*No handler for Gas\.GetStatus"):
        await shelly.call(plug, 1, "Gas.GetStatus", {}, 0)
    with pytest.raises(BleError, match="value 3 not found"):
        await shelly.call(plug, 1, "Switch.GetStatus", {"id": 3}, 0)


@pytest.mark.parametrize(
    ("frame", "field"),
    [
        (b"", "answer"),
        (b"\xff\xfe", "answer"),
        (b"[1]", "answer"),
        (b"[" * 16_000, "answer"),
        (b'{"id":1,"result":{"x":NaN}}', "answer"),
        (answer(id=2, result={}), "id"),
        (answer(), "result"),
        (answer(result=[1]), "result"),
    ],
)
def test_bad_answers_are_refused_naming_the_field(frame: bytes, field: str) -> None:
    with pytest.raises(BleError, match=rf"bad-frame: {field}"):
        shelly.parse_answer(frame, 1)


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        ({}, BleReason.ABSENT),
        ({"aenergy": 5, "apower": 1}, BleReason.ABSENT),
        ({"aenergy": {"total": None}, "apower": 1}, BleReason.ABSENT),
        ({"aenergy": {"total": "12"}, "apower": 1}, BleReason.FRAME),
        ({"aenergy": {"total": True}, "apower": 1}, BleReason.FRAME),
    ],
)
def test_values_that_are_no_numbers_are_refused(result: dict[str, object], reason: BleReason) -> None:
    with pytest.raises(BleError, match=r"aenergy\.total") as caught:
        shelly.values_of(shelly.parse_answer(answer(result=result), 1), REGISTERS)
    assert caught.value.reason is reason


def test_number_with_a_huge_exponent_costs_nothing_and_is_refused() -> None:
    frame = b'{"id":1,"result":{"aenergy":{"total":1e999999999},"apower":1}}'
    with pytest.raises(BleError, match="beyond"):
        shelly.values_of(shelly.parse_answer(frame, 1), REGISTERS)


class Scripted:
    """A device that answers reads from a list."""

    def __init__(self, *reads: bytes) -> None:
        self._reads = list(reads)

    async def read(self, uuid: str) -> bytes:
        return self._reads.pop(0)

    async def write(self, uuid: str, data: bytes) -> None:
        pass


@pytest.mark.parametrize(
    ("reads", "words"),
    [
        ([b"\0\0\1"], "RX control: 3 bytes"),
        ([b"\xff\xff\xff\xff"], "4294967295 bytes announced"),
        ([b"\0\0\0\5", b"{", b""], "ended after 1 of 5"),
        ([b"\0\0\0\2", b"{}{}"], "4 bytes, 2 were announced"),
    ],
)
async def test_bad_framing_is_refused(reads: list[bytes], words: str) -> None:
    with pytest.raises(BleError, match=words):
        await shelly.call(Scripted(*reads), 1, "Switch.GetStatus", {"id": 0}, 0)
