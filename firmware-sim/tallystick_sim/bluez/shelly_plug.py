"""A simulated Shelly Plug S Gen3 as Bluetooth shows it: manufacturer data and the JSON-RPC service over GATT.
It measures what its truth says and never switches anything (shelly-api-docs.shelly.cloud/gen2)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Final

from tallystick_sim.bluez.emulator import BluezEmulator
from tallystick_sim.bluez.peripheral import MTU_DEFAULT, Characteristic, Peripheral, Service
from tallystick_sim.bluez.rpc_channel import RpcChannel
from tallystick_sim.bluez.truth import PowerTruth

RPC_SERVICE: Final = "5f6d4f53-5f52-5043-5f53-56435f49445f"  # ASCII "_mOS_RPC_SVC_ID_"
RPC_DATA: Final = "5f6d4f53-5f52-5043-5f64-6174615f5f5f"  # "_mOS_RPC_data___"
RPC_TX_CONTROL: Final = "5f6d4f53-5f52-5043-5f74-785f63746c5f"  # "_mOS_RPC_tx_ctl_"
RPC_RX_CONTROL: Final = "5f6d4f53-5f52-5043-5f72-785f63746c5f"  # "_mOS_RPC_rx_ctl_"
COMPANY: Final = 0x0BA9  # Allterco Robotics, Bluetooth Assigned Numbers
MODEL: Final = "S3PL-00112EU"
READ_HEADER: Final = 1  # opcode of an ATT read response: a read carries at most MTU - 1 bytes

Json = dict[str, object]


class ShellyPlug:
    """The plug: `peripheral` for the air, `channel` to freeze or tamper with its answers."""

    def __init__(self, address: str, truth: PowerTruth, mtu: int = MTU_DEFAULT) -> None:
        self._mac = address.upper().replace(":", "")
        self._truth = truth
        self._methods: dict[str, Callable[[Mapping[str, object]], Json]] = {
            "Shelly.GetDeviceInfo": lambda _: self._device_info(),
            "Switch.GetStatus": self._switch_status,
        }
        self.channel = RpcChannel(self._answer, mtu - READ_HEADER)
        self.peripheral = Peripheral(
            address,
            self.id,
            services=(Service(RPC_SERVICE, self.channel.characteristics(RPC_DATA, RPC_TX_CONTROL, RPC_RX_CONTROL)),),
            manufacturer_data={COMPANY: b"\x01\x00\x00\x0a" + bytes.fromhex(self._mac)[::-1]},
            mtu=mtu,
            on_link=lambda up: self.channel.reset(),
        )

    @property
    def id(self) -> str:
        """The device id, which is what Shelly.GetDeviceInfo tells and the driver takes as serial."""
        return f"shellyplugsg3-{self._mac.lower()}"

    @property
    def characteristics(self) -> tuple[Characteristic, ...]:
        return self.peripheral.services[0].characteristics

    def advertise(self, air: BluezEmulator) -> bool:
        """One advert; True when a client was told of it."""
        return air.advertise(self.peripheral)

    async def run(self, air: BluezEmulator, every_s: float) -> None:
        """Advertise until cancelled, in real time as radios do."""
        while True:
            self.advertise(air)
            await asyncio.sleep(every_s)

    def _answer(self, frame: bytes) -> bytes:
        try:
            request = json.loads(frame)
        except ValueError:
            return _frame({"id": None, "src": self.id, "error": {"code": -32700, "message": "Invalid JSON"}})
        answer: Json = {"id": request.get("id"), "src": self.id}
        if "src" in request:
            answer["dst"] = request["src"]
        method = self._methods.get(request.get("method"))
        if method is None:
            answer["error"] = {"code": 404, "message": f"No handler for {request.get('method')}"}
        else:
            answer.update(method(request.get("params") or {}))
        return _frame(answer)

    def _device_info(self) -> Json:
        info = {
            "name": None,
            "id": self.id,
            "mac": self._mac,
            "slot": 0,
            "model": MODEL,
            "gen": 3,
            "fw_id": "20251107-102437/1.7.4",
            "ver": "1.7.4",
            "app": "PlugSG3",
            "auth_en": False,
            "auth_domain": None,
        }
        return {"result": info}

    def _switch_status(self, params: Mapping[str, object]) -> Json:
        if params.get("id") != 0:
            return {"error": {"code": -105, "message": f"Argument 'id', value {params.get('id')} not found!"}}
        power = self._truth.power_w()
        status = {
            "id": 0,
            "source": "init",
            "output": True,
            "apower": power,
            "voltage": 230.4,
            "freq": 50.0,
            "current": round(power / 230.4, 3),
            "aenergy": {"total": _thousandths(self._truth.energy_mwh()), "by_minute": [0.0, 0.0, 0.0], "minute_ts": 0},
            "ret_aenergy": {"total": 0.0, "by_minute": [0.0, 0.0, 0.0], "minute_ts": 0},
            "temperature": {"tC": 31.4, "tF": 88.5},
        }
        return {"result": status}


def _thousandths(mwh: int) -> float:
    """Wh as the firmware's double; exact in JSON up to 9e12 mWh, where a double still has three decimals."""
    return mwh / 1000


def _frame(answer: Json) -> bytes:
    return json.dumps(answer, separators=(",", ":")).encode()
