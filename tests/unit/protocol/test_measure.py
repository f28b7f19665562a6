"""What is planned and what is read: the name of an unplanned channel is covered by just those plans that it fits."""

from dataclasses import replace
from itertools import product
from types import SimpleNamespace

from support.protocol_samples import DESCRIPTOR
from tallystick_protocol.ids import H32, ZERO_H32
from tallystick_protocol.measure import CYCLES, Measure, fits, names_covered, unplanned_name
from tallystick_protocol.records import Descriptor
from tallystick_protocol.verify.meter import _described_by

QUANTITIES = ("1-0:1.8.0", "1-0:2.8.0", "import")
SCALES = [("Wh", 0), ("Wh", -3), ("kWh", -3), ("kWh", 0), ("m3", -3), ("l", 0), ("wash", 0), ("wash", 1)]
MEASURES = [Measure(quantity, *scale) for quantity, scale in product(QUANTITIES, SCALES)]


def test_a_plan_covers_what_fits_it_and_nothing_else() -> None:
    covered = 0
    for planned, read in product(MEASURES, [*MEASURES, CYCLES]):
        is_covered = unplanned_name(read) in names_covered(planned)
        only_the_register_has_obis = ":" in read.quantity and ":" not in planned.quantity
        assert is_covered == (fits(planned, read) and not only_the_register_has_obis)
        covered += is_covered
    assert covered > len(MEASURES)


def test_thousands_are_the_same_and_a_thousandth_is_not() -> None:
    assert fits(Measure("1-0:1.8.0", "kWh", -3), Measure("1-0:1.8.0", "Wh", 0))
    assert not fits(Measure("1-0:1.8.0", "Wh", 0), Measure("1-0:1.8.0", "Wh", -3))


def test_the_verifier_takes_what_a_later_description_covers_and_nothing_else() -> None:
    channel, descriptor = H32(bytes(32)), replace(DESCRIPTOR, unit="Wh", exponent=0, since_ms=1)
    read, other = Measure(descriptor.quantity, "Wh", 0), Measure(descriptor.quantity, "Wh", -3)

    def described(named: H32, body: Descriptor) -> H32 | None:
        items = {channel: [SimpleNamespace(h=H32(bytes([1] * 32)), body=body)]}
        return _described_by(SimpleNamespace(descriptors=items), channel, named)  # type: ignore[arg-type]

    assert described(ZERO_H32, descriptor) == ZERO_H32
    assert described(H32(bytes([1] * 32)), descriptor) == bytes([1] * 32)
    assert described(unplanned_name(read), descriptor) == bytes([1] * 32)
    assert described(unplanned_name(other), descriptor) is None
    assert described(unplanned_name(read), replace(descriptor, since_ms=None)) is None
