"""A simulated BTHome v2 water sensor: cumulative litres in its adverts, plain or encrypted (bthome.io).
It counts what its truth says and never connects."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from tallystick_sim.bluez.emulator import BluezEmulator
from tallystick_sim.bluez.names import uuid_of_16
from tallystick_sim.bluez.peripheral import Peripheral
from tallystick_sim.bluez.truth import WaterTruth

BTHOME_16: Final = 0xFCD2
BTHOME_UUID: Final = uuid_of_16(BTHOME_16)
INFO_PLAIN: Final = 0x40  # bthome.io/format: bits 5-7 version 2
INFO_ENCRYPTED: Final = 0x41
PACKET_ID: Final = 0x00
WATER: Final = 0x4F  # uint32, 0.001 L
MIC_BYTES: Final = 4
HISTORY_MAX: Final = 1_000  # adverts kept for replay: a quarter of an hour at one per second


class BthomeSensor:
    """The sensor. With a 16-byte `key` adverts are encrypted and counted in 32 bits, else by the 8-bit packet id."""

    def __init__(
        self, address: str, truth: WaterTruth, key: bytes | None = None, counter: int = 0, object_id: int = WATER
    ) -> None:
        self.peripheral = Peripheral(address, "Water " + address[-5:].replace(":", ""), connectable=False)
        self.counter = counter
        self._truth = truth
        self._cipher = AESCCM(key, tag_length=MIC_BYTES) if key is not None else None
        self._object_id = object_id
        self._sent: deque[bytes] = deque(maxlen=HISTORY_MAX)

    def next_advert(self) -> bytes:
        """The service data of the next advert; the counter moves on."""
        count = (self._truth.volume_ml() & 0xFFFF_FFFF).to_bytes(4, "little")
        value = bytes([self._object_id]) + count
        data = self._plain(value) if self._cipher is None else self._encrypted(self._cipher, value)
        self.counter += 1
        return data

    def advertise(self, air: BluezEmulator) -> bool:
        """Send the next advert; True when a client was told of it."""
        data = self.next_advert()
        self._sent.append(data)
        return self.send(air, data)

    def replay(self, air: BluezEmulator, back: int = 1) -> bytes:
        """Send an old advert again, as a recording attacker would; `back` 1 is the one before the last.

        Raises ValueError when so many were not sent yet."""
        if back >= len(self._sent):
            raise ValueError(f"back: only {len(self._sent)} adverts were sent so far")
        data = self._sent[-1 - back]
        self.send(air, data)
        return data

    def send(self, air: BluezEmulator, service_data: bytes) -> bool:
        """Send any bytes as this sensor's service data."""
        self.peripheral.service_data = {BTHOME_UUID: service_data}
        return air.advertise(self.peripheral)

    async def run(self, air: BluezEmulator, every_s: float) -> None:
        """Advertise until cancelled, in real time as radios do."""
        while True:
            self.advertise(air)
            await asyncio.sleep(every_s)

    def _plain(self, value: bytes) -> bytes:
        return bytes([INFO_PLAIN, PACKET_ID, self.counter & 0xFF]) + value

    def _encrypted(self, cipher: AESCCM, value: bytes) -> bytes:
        counter = (self.counter & 0xFFFF_FFFF).to_bytes(4, "little")
        address = bytes.fromhex(self.peripheral.address.replace(":", ""))
        nonce = address + BTHOME_16.to_bytes(2, "little") + bytes([INFO_ENCRYPTED]) + counter
        sealed = cipher.encrypt(nonce, value, None)
        return bytes([INFO_ENCRYPTED]) + sealed[:-MIC_BYTES] + counter + sealed[-MIC_BYTES:]
