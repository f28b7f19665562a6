"""Who answers under a unit address: compares identity registers with what a profile says they hold.
Pure over the words read; it asks nothing itself."""

from __future__ import annotations

from collections.abc import Sequence

from tallystick_edge.drivers.modbus_errors import WrongMeter, WrongSerial
from tallystick_edge.errors import InvariantError
from tallystick_edge.profile import Identity, Limits, Probe, Profile, RawRead, Span
from tallystick_edge.registers import NotRead, ValueAbsent, decode_text


def identity_of(profile: Profile) -> tuple[Identity, Limits]:
    """Identity and limits, which every Modbus profile has; the loader refuses one without."""
    if profile.identity is None or profile.limits is None:
        raise InvariantError(f"profile {profile.name} is not a Modbus profile")
    return profile.identity, profile.limits


def identity_spans(profile: Profile) -> list[Span]:
    """What has to be read to recognise the meter."""
    identity, _ = identity_of(profile)
    spans = {probe.wire.span for probe in identity.probes}
    return sorted(spans | ({identity.serial.span} if identity.serial else set()))


def matches(profile: Profile, reads: Sequence[RawRead]) -> bool:
    """Whether every probe of the profile finds what it looks for."""
    return all(_matches(probe, reads) for probe in identity_of(profile)[0].probes)


def serial_of(profile: Profile, reads: Sequence[RawRead]) -> str | None:
    """The serial number as text, None when this type tells none."""
    serial = identity_of(profile)[0].serial
    try:
        return (decode_text(serial, reads) or None) if serial else None
    except (ValueAbsent, NotRead):
        return None


def check_identity(profile: Profile, reads: Sequence[RawRead], planned: str | None) -> str | None:
    """The serial number of the meter that answered. Raises WrongMeter or WrongSerial when it is not the planned one."""
    for probe in identity_of(profile)[0].probes:
        if not _matches(probe, reads):
            seen = _seen(probe, reads)
            wanted = _wanted(probe)
            place = f"register {probe.wire.span.address:#06x}"
            raise WrongMeter(f"{place} says {seen!r}, where {profile.vendor} {profile.model} says {wanted}")
    serial = serial_of(profile, reads)
    if planned is not None and serial is not None and not same_serial(serial, planned):
        raise WrongSerial(f"serial number {serial} answers, {planned} is planned")
    return serial


def same_serial(seen: str, planned: str) -> bool:
    """Numbers are compared as numbers, because labels print leading zeros that registers do not have."""
    if seen.isdecimal() and planned.isdecimal():
        return int(seen) == int(planned)
    return seen == planned


def _matches(probe: Probe, reads: Sequence[RawRead]) -> bool:
    try:
        seen = decode_text(probe.wire, reads)
    except (ValueAbsent, NotRead):
        return False
    if probe.equals is not None:
        return seen == probe.equals
    if probe.between is not None:
        return probe.between[0] <= int(seen) <= probe.between[1]
    return probe.contains is not None and probe.contains in seen


def _wanted(probe: Probe) -> str:
    if probe.between is not None:
        return f"{probe.between[0]} to {probe.between[1]}"
    return probe.equals if probe.equals is not None else f"text with {probe.contains!r}"


def _seen(probe: Probe, reads: Sequence[RawRead]) -> str:
    try:
        return decode_text(probe.wire, reads)
    except ValueAbsent as absent:
        return absent.reason
    except NotRead:
        return "nothing: it refuses this register"
