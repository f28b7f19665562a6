"""The register map of a Schneider Electric iEM3155 over a truth: FC 3, the manual's register numbers less one.
It holds no consumption; energy is INT64 in watt-hours, so nothing is lost to a float."""

from __future__ import annotations

from tallystick_sim.modbus.registers import HOLDING, Block, float32, int64, place, read_blocks, text, uint32
from tallystick_sim.modbus.source import EnergySource

VOLTAGE_DECIVOLT = 2_305
REGISTERS_MAX = 125
NAME_REGISTER, MODEL_REGISTER, MAKER_REGISTER, SERIAL_REGISTER = 30, 50, 70, 130  # user manual, System
VOLTAGE_L1_N, ACTIVE_POWER_KW = 3_028, 3_060  # user manual, Meter data
ENERGY_IMPORT = 3_204  # user manual, Energy values, 64-bit integer; export follows at 3208


class Iem3155:
    """`serial`: 0 to 2^32 - 1, as printed on the meter."""

    def __init__(self, source: EnergySource, serial: int) -> None:
        self.source = source
        self.serial = serial

    def read(self, function: int, address: int, count: int) -> tuple[int, ...]:
        """Words of one request. Raises Refusal."""
        return read_blocks(self._blocks(), REGISTERS_MAX, function, address, count)

    def _blocks(self) -> tuple[Block, ...]:
        identity = (
            place(NAME_REGISTER - 1, text("Energy Meter", 20))
            | place(MODEL_REGISTER - 1, text("iEM3155", 20))
            | place(MAKER_REGISTER - 1, text("Schneider Electric", 20))
        )
        now = place(VOLTAGE_L1_N - 1, float32(VOLTAGE_DECIVOLT, 10)) | place(
            ACTIVE_POWER_KW - 1, float32(self.source.power_w(), 1_000)
        )
        energy = place(ENERGY_IMPORT - 1, int64(self.source.energy_wh()) + int64(0))
        return (
            Block(HOLDING, NAME_REGISTER - 1, 60, identity),
            Block(HOLDING, SERIAL_REGISTER - 1, 2, place(SERIAL_REGISTER - 1, uint32(self.serial))),
            Block(HOLDING, 2_999, 112, now),
            Block(HOLDING, ENERGY_IMPORT - 1, 8, energy),
        )
