"""Records that a meter signed itself, and the uses they lift to evidence level 3. Pure.

It never changes what is billed: a record that does not fit leaves the use at its gateway's level, with the reason.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from tallystick_protocol.errors import ProtocolError
from tallystick_protocol.ocmf_session import check_record


@dataclass(frozen=True, slots=True)
class MeterSigned:
    """The records that came with a batch for one channel, by their SHA-256, and what is registered of its meter."""

    key: bytes
    serial: str | None
    unit: str
    exponent: int
    records: Mapping[bytes, bytes]

    def misfit(self, record_hash: bytes, from_total: int, to_total: int) -> str | None:
        """Why the record does not bear out what is billed; None when the meter signed exactly that.

        KeyError for a record that did not come."""
        counts = (self.unit, self.exponent)
        try:
            check_record(self.records[record_hash], self.key, self.serial, counts, (from_total, to_total))
        except ProtocolError as error:
            return f"the record its meter signed does not fit: {error}"
        return None
