"""The register map of an Eastron SDM120-Modbus over a truth: FC 4 floats, high word first, and FC 3 identity.
It holds no consumption; two reads of the same truth give the same words."""

from __future__ import annotations

from tallystick_sim.modbus.registers import HOLDING, INPUT, Block, float32, place, read_blocks, uint32
from tallystick_sim.modbus.source import EnergySource

METER_CODE = 0x0020  # holding register 464515 of Eastron's map
VOLTAGE_DECIVOLT = 2_305
REGISTERS_MAX = 80  # 40 parameters of two registers in one request


class Sdm120:
    """`serial`: 0 to 2^32 - 1, as printed on the meter."""

    def __init__(self, source: EnergySource, serial: int) -> None:
        self.source = source
        self.serial = serial

    def read(self, function: int, address: int, count: int) -> tuple[int, ...]:
        """Words of one request. Raises Refusal."""
        return read_blocks(self._blocks(), REGISTERS_MAX, function, address, count)

    def _blocks(self) -> tuple[Block, ...]:
        power_w, energy_wh = self.source.power_w(), self.source.energy_wh()
        energy_kwh = float32(energy_wh, 1_000)
        now = (
            place(0x0000, float32(VOLTAGE_DECIVOLT, 10))
            | place(0x0006, float32(power_w * 10, VOLTAGE_DECIVOLT))
            | place(0x000C, float32(power_w))
            | place(0x0046, float32(50))
            | place(0x0048, energy_kwh)
        )
        identity = place(0xFC00, (*uint32(self.serial), METER_CODE))
        return (
            Block(INPUT, 0x0000, 0x005A, now),
            Block(INPUT, 0x0102, 0x0058, place(0x0156, energy_kwh)),
            Block(HOLDING, 0xFC00, 3, identity),
        )
