"""Whether a profile's own test vectors decode as they say: the last check before a meter is read by it.
It proves that file and decoder agree, not that the meter does; for that its display is compared."""

from __future__ import annotations

from tallystick_edge.profile import Profile, ProfileError, ProfileKind
from tallystick_edge.registers import NotRead, ValueAbsent, decode_text, decode_value


def check_vectors(profile: Profile) -> None:
    """Raises ProfileError for the first value that is not as expected, and for a register in no vector."""
    file = f"{profile.name}.toml"
    for index, vector in enumerate(profile.vectors):
        if profile.kind is not ProfileKind.MODBUS:
            _check_payload(profile, index)
            continue
        for name, wanted in vector.expect.items():
            seen = _decoded(profile, name, index)
            if seen != str(wanted):
                raise ProfileError(file, f"vector[{index}].expect.{name}", f"is {wanted}, but the words say {seen}")
        for name in vector.absent:
            if (seen := _decoded(profile, name, index)) != "no value":
                raise ProfileError(file, f"vector[{index}].absent", f"names {name}, but the words say {seen}")
        serial = profile.identity.serial if profile.identity else None
        if vector.serial is not None and serial is not None:
            said = decode_text(serial, vector.reads)
            if said != vector.serial:
                raise ProfileError(file, f"vector[{index}].serial", f"is {vector.serial}, but the words say {said}")
    untested = set(profile.registers) - {name for vector in profile.vectors for name in vector.expect}
    if untested:
        raise ProfileError(file, "vector", f"has no value for {', '.join(sorted(untested))}")


def _check_payload(profile: Profile, index: int) -> None:
    from tallystick_edge.drivers.ble_errors import BleError  # loaded only for the Bluetooth profiles
    from tallystick_edge.drivers.ble_vector import vector_values

    file, vector = f"{profile.name}.toml", profile.vectors[index]
    try:
        found = vector_values(profile, vector.payload)
    except BleError as error:
        raise ProfileError(file, f"vector[{index}].payload", f"gives no values: {error}") from None
    for name, wanted in vector.expect.items():
        if found[name] != wanted:
            raise ProfileError(file, f"vector[{index}].expect.{name}", f"is {wanted}, but the bytes say {found[name]}")


def _decoded(profile: Profile, name: str, index: int) -> str:
    try:
        return str(decode_value(profile.registers[name], profile.vectors[index].reads))
    except ValueAbsent:
        return "no value"
    except NotRead:
        return "nothing: no read of this vector covers it"
