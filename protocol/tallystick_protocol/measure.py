"""What a count of a channel means, and whether a site's plan and the register that is read say the same. Pure.

A gateway that reads a channel before the plan has it names, in place of a descriptor, what it reads (docs/adr/0608).
Once a plan says just that, what was signed before counts as if it had been planned, and nothing else does.
"""

from dataclasses import dataclass
from hashlib import sha256

from tallystick_protocol import cbor
from tallystick_protocol.ids import H32

THOUSANDS = {"kWh": "Wh", "kW": "W", "m3": "l", "km": "m"}
PHYSICAL = frozenset((*THOUSANDS, *THOUSANDS.values()))  # what no count of washes is planned in


@dataclass(frozen=True, slots=True)
class Measure:
    """What a count of a register means: `quantity` (OBIS where one exists) in `unit` times 10^`exponent`."""

    quantity: str
    unit: str
    exponent: int


CYCLES = Measure("cycles", "cycle", 0)
"""What a machine's uses are counted in at the gateway; a plan may call them what it likes."""


def fits(planned: Measure, read: Measure) -> bool:
    """Whether a count read is a count planned."""
    if read == CYCLES:
        return _counts_uses(planned)
    obis = _is_obis(planned) and _is_obis(read)  # other names are each author's own
    return _plain(planned) == _plain(read) and (not obis or planned.quantity == read.quantity)


def unplanned_name(read: Measure) -> H32:
    """What a part names of a channel that no plan has yet."""
    return _name(read.quantity if _is_obis(read) else "", read)


def names_covered(planned: Measure) -> frozenset[H32]:
    """The names under which counts that are just this may have been signed before the plan said so."""
    found = {_name("", planned)}
    if _is_obis(planned):
        found.add(_name(planned.quantity, planned))
    if _counts_uses(planned):
        found.add(unplanned_name(CYCLES))
    return frozenset(found)


def _name(quantity: str, measure: Measure) -> H32:
    return H32(sha256(cbor.encode(["unplanned", quantity, *_plain(measure)])).digest())


def _counts_uses(planned: Measure) -> bool:
    return planned.exponent == 0 and planned.unit not in PHYSICAL


def _is_obis(measure: Measure) -> bool:
    return ":" in measure.quantity


def _plain(measure: Measure) -> tuple[str, int]:
    unit = THOUSANDS.get(measure.unit)
    return (measure.unit, measure.exponent) if unit is None else (unit, measure.exponent + 3)
