"""Every profile loads and decodes its own vectors; a bad one is refused with file, key and reason."""

from __future__ import annotations

import hashlib
from importlib import resources
from pathlib import Path

import pytest
from tallystick_edge.profile import ModbusWire, ProfileError, ProfileKind, RegisterKind, load_profile, profile_names
from tallystick_edge.profile_toml import parse_profile
from tallystick_edge.registers import ValueAbsent, decode_registers, decode_text

GOOD = resources.files("tallystick_edge.profiles").joinpath("eastron-sdm120.toml").read_text("utf-8")


@pytest.mark.parametrize("name", profile_names())
def test_every_profile_loads_and_its_vectors_decode(name: str) -> None:
    profile = load_profile(name)
    assert profile.name == name
    data = resources.files("tallystick_edge.profiles").joinpath(f"{name}.toml").read_bytes()
    assert profile.sha256 == hashlib.sha256(data).digest()
    assert profile.vectors
    if profile.kind is not ProfileKind.MODBUS:
        return  # Bluetooth payloads are decoded with their own decoders, tests/unit/ble
    assert profile.identity is not None
    for vector in profile.vectors:
        assert decode_registers(profile, vector.reads, vector.expect) == dict(vector.expect)
        for register in vector.absent:
            with pytest.raises(ValueAbsent):
                decode_registers(profile, vector.reads, [register])
        if vector.serial is not None:
            assert profile.identity.serial is not None
            assert decode_text(profile.identity.serial, vector.reads) == vector.serial


@pytest.mark.parametrize("name", profile_names())
def test_every_register_of_a_profile_is_in_a_vector(name: str) -> None:
    profile = load_profile(name)
    tested = {register for vector in profile.vectors for register in vector.expect}
    assert tested == set(profile.registers)


def test_billed_registers_of_the_first_meters_stand_where_their_manuals_say() -> None:
    sdm120, iem3155 = load_profile("eastron-sdm120"), load_profile("schneider-iem3155")
    place = {}
    for profile in (sdm120, iem3155):
        wire = profile.registers["energy_import"].wire
        assert isinstance(wire, ModbusWire)
        place[profile.name] = (wire.span.function, wire.span.address, wire.type.value)
    assert place == {"eastron-sdm120": (4, 0x48, "float32"), "schneider-iem3155": (3, 3204 - 1, "int64")}
    assert sdm120.registers["energy_import"].kind is RegisterKind.COUNTER
    assert sdm120.registers["power"].kind is RegisterKind.GAUGE


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("version = 1", "version = 2", "version: is not 1"),
        ('kind = "modbus"', 'kind = "zigbee"', "kind: is not one of: modbus"),
        ('name = "eastron-sdm120"', 'name = "other"', "name: is not 'eastron-sdm120'"),
        ("registers_max = 80", "registers_max = 126", "limits.registers_max: is not an integer from 1 to 125"),
        ("registers_max = 80", "registers_max = true", "limits.registers_max: is not an integer from 1 to 125"),
        ("registers_max = 80", "registers_max = 80\nfuse = 1", "limits.fuse: is not a key of this table"),
        ('equals = "32"', 'equals = "32"\ncontains = "3"', "identity.probe[0].equals: or `contains` or"),
        ("address = 0x0048", "address = 0x10000", "register.energy_import.address: is not an integer from 0 to 65535"),
        ("address = 0x0048", "address = 0xFFFF", "register.energy_import.address: reaches beyond"),
        ("address = 0x0048", "adress = 0x48", "register.energy_import.address: is missing"),
        ("[register.voltage]", "[register.Voltage]", "register.Voltage: is not a register name"),
        ("exponent = -1", "exponent = -1.5", "register.voltage.exponent: is not an integer"),
        ("rated_max_per_h = 13500  #", "#", "register.energy_import.rated_max_per_h: is missing"),
        ('words = "449a 5225"', 'words = "449a 522"', "vector[0].reads[2].words: is not a text of registers"),
        ('words = "449a 5225"', 'words = "449a 522g"', "vector[0].reads[2].words: has a digit"),
        ("voltage = 2305, current = 8870", "volts = 2305", "vector[0].expect.volts: is not a register"),
        ("[source]", "[source", "(file): is not TOML"),
        ("[limits]\nregisters_max = 80", "", "limits: is missing"),
        (
            "registers_max = 80",
            "registers_max = 80\nforbidden = [{function = 4, address = 0x49, count = 2}]",
            "register.energy_import.address: lies in a hole",
        ),
    ],
)
def test_a_bad_profile_is_refused_with_file_key_and_reason(old: str, new: str, error: str) -> None:
    assert old in GOOD
    with pytest.raises(ProfileError) as caught:
        parse_profile("eastron-sdm120", GOOD.replace(old, new, 1).encode())
    assert str(caught.value).startswith(f"eastron-sdm120.toml: {error}")


@pytest.mark.parametrize("name", ["../secret", "Eastron", "", "no-such-meter"])
def test_a_profile_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ProfileError, match="name: "):
        load_profile(name)


def test_an_oversized_profile_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(ProfileError, match="is longer than"):
        parse_profile("eastron-sdm120", b"#" * 70_000)


def test_an_atomic_group_that_fits_no_request_is_refused() -> None:
    group = 'atomic = "kwh"\nfunction = 4\n'
    both = GOOD.replace("function = 4\naddress = 0x0048", f"{group}address = 0x0048")
    far = both.replace("function = 4\naddress = 0x0156", f"{group}address = 0x0156")
    near = both.replace("function = 4\naddress = 0x0156", f"{group}address = 0x004A")
    assert parse_profile("eastron-sdm120", near.encode()).registers
    with pytest.raises(ProfileError, match=r"register.\(any\).atomic: 'kwh' does not fit one request"):
        parse_profile("eastron-sdm120", far.encode())


def test_a_folder_of_ones_own_adds_profiles_and_never_replaces_one(tmp_path: Path) -> None:
    own = GOOD.replace('name = "eastron-sdm120"', 'name = "my-meter"')
    (tmp_path / "my-meter.toml").write_text(own)
    assert load_profile("my-meter", tmp_path).name == "my-meter"
    assert set(profile_names(tmp_path)) == {*profile_names(), "my-meter"}
    with pytest.raises(ProfileError, match="no such profile"):
        load_profile("my-meter")
    (tmp_path / "eastron-sdm120.toml").write_text(GOOD)
    with pytest.raises(ProfileError, match=r"eastron-sdm120\.toml: name: is the name of a profile that comes with"):
        load_profile("my-meter", tmp_path)


@pytest.mark.parametrize(
    ("added", "error"),
    [
        (
            '[register.power.scale_register]\nfunction = 4\naddress = 9\ntype = "uint32"',
            "scale_register.type: is not int16",
        ),
        (
            '[register.power.unit_register]\nfunction = 4\naddress = 9\ntype = "uint16"',
            "unit_register.codes: is missing",
        ),
        (
            '[register.power.unit_register]\nfunction = 4\naddress = 9\ntype = "uint16"\ncodes = { kWh = 3 }',
            "unit_register.codes.kWh: is not a unit code",
        ),
        (
            '[register.power.plus]\nfunction = 4\naddress = 0x200\ntype = "uint32"\nbelow = 10',
            "(any).atomic: 'power and plus' does not fit one request",
        ),
        (
            '[register.power.plus]\nfunction = 4\naddress = 14\ntype = "float32"\nbelow = 10',
            "plus.type: is not a whole",
        ),
    ],
)
def test_what_stands_beside_a_register_is_checked_as_strictly(added: str, error: str) -> None:
    with pytest.raises(ProfileError) as caught:
        parse_profile("eastron-sdm120", (GOOD + "\n" + added).encode())
    assert error in str(caught.value)


def test_a_range_in_a_probe_is_two_numbers_in_order() -> None:
    for bad in ("[70]", "[73, 70]", '["a", "b"]'):
        with pytest.raises(ProfileError, match="between"):
            parse_profile("eastron-sdm120", GOOD.replace('equals = "32"', f"between = {bad}").encode())
