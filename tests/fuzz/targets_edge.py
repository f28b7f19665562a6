"""Fuzz targets of the meters' side: radio frames, JSON-RPC, Modbus frames and registers, the journal's rows.
What a driver may raise is a fault it has a name for."""

from __future__ import annotations

import itertools
import ssl
import zlib
from functools import partial
from pathlib import Path

from fuzz import seeds
from fuzz.target import Target, as_file, choosing, chosen
from pymodbus.exceptions import ModbusException
from pymodbus.framer import FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU
from support import protocol_samples as samples
from tallystick_edge.certificate_dates import validity_dates
from tallystick_edge.config import LineConfig, LineKind
from tallystick_edge.drivers import bthome, shelly
from tallystick_edge.drivers.ble_errors import BleError
from tallystick_edge.drivers.ble_formats import ADVERTS, packed, read_values, scaled
from tallystick_edge.drivers.ble_notified import seconds_of
from tallystick_edge.drivers.charge_log import record_of
from tallystick_edge.drivers.modbus_errors import ReadFailure
from tallystick_edge.drivers.modbus_link import ModbusLink
from tallystick_edge.dump import RawReading, dump_text, parse_dump
from tallystick_edge.enrolment import load_enrolment
from tallystick_edge.errors import EdgeError, JournalError
from tallystick_edge.identity import Identity
from tallystick_edge.items import Happening, Moment, Reading
from tallystick_edge.journal_rows import (
    decode_channel,
    decode_items,
    decode_wash,
    encode_channel,
    encode_items,
    encode_wash,
)
from tallystick_edge.metering.channel import Break, ChannelState, Suspect
from tallystick_edge.profile import RadioFormat, RawRead, Span, load_profile, profile_names
from tallystick_edge.registers import ValueAbsent, decode_present
from tallystick_edge.settings import load_settings
from tallystick_edge.uplink.https import _commands
from tallystick_edge.uplink.problem import problem_text
from tallystick_edge.usage.wash import Phase, WashSample, WashState
from tallystick_protocol import cbor
from tallystick_protocol.codes import EventCode, MeterState, Reason, TimeQuality
from tallystick_protocol.errors import ProtocolError

_KEY = bytes.fromhex("00112233445566778899aabbccddeeff")
_ADDRESS = "A4:C1:38:00:00:01"
_WATER = load_profile("bthome-water").registers
_PLUG = load_profile("shelly-plug-gen3")
_RADIO = tuple(profile for profile in map(load_profile, profile_names()) if profile.limits is None)
_RUUVI = "CB:B8:33:4C:88:4F"
_CLIMATE = "environmental-sensing"
_SCALE = load_profile("waste-scale")
_REGISTERS = {profile.name: tuple(profile.registers.values()) for profile in _RADIO}
_PROFILES = tuple(profile for profile in map(load_profile, profile_names()) if profile.limits is not None)
_SPAN = Span(4, 0x0048, 2)
_DECODER = DecodePDU(False)
_RTU, _TCP = FramerRTU(_DECODER), FramerSocket(_DECODER)
_SERIAL = ModbusLink(LineConfig("line", LineKind.RTU, device="/dev/null"))
_ANSWER = (
    '{"id":1,"src":"shellyplugsg3-0","dst":"tallystick","result":{"id":0,"output":true,"apower":2043.6,'
    '"aenergy":{"total":1234.567,"by_minute":[0.0],"minute_ts":0}}}'
)
_IDENTITY = Identity(samples.GATEWAY, Path("tls.pem"))
_REFUSAL = '{"id":1,"src":"shellyplugsg3-0","error":{"code":404,"message":"No handler"}}'


def _bthome(key: bytes | None, data: bytes) -> None:
    bthome.values_of(bthome.decode_advert(data, _ADDRESS, key), _WATER)


def _advert(format_: RadioFormat, data: bytes) -> None:
    profile = next(each for each in _RADIO if each.format is format_)
    ADVERTS[format_].decode(data, _RUUVI if format_ is RadioFormat.RUUVI_5 else _ADDRESS, None, profile.registers)


def _advert_seeds(format_: RadioFormat) -> list[bytes]:
    return [vector.payload for each in _RADIO if each.format is format_ for vector in each.vectors]


def _gatt(profile: str, data: bytes) -> None:
    scaled(read_values(data), _REGISTERS[profile])


def _weighing(data: bytes) -> None:
    """A raw value as it comes in an indication."""
    found = read_values(data if data[:2] == b"\x9d\x2a" else packed({0x2A9D: data[:512]}))
    seconds_of(found)
    scaled(found, _SCALE.registers.values())


def _shelly(data: bytes) -> None:
    result = shelly.parse_answer(data, 1)
    shelly.values_of(result, _PLUG.registers.values())


def _tcp_frame(data: bytes) -> None:
    _take(_TCP, data)


def _rtu_frame(data: bytes) -> None:
    """With the checksum that a line's noise would never give, so that the decoder behind it is reached."""
    _take(_RTU, data + FramerRTU.compute_CRC(data).to_bytes(2, "big"))


def _take(framer: FramerRTU | FramerSocket, data: bytes) -> None:
    """As a chunk that came on a line: pymodbus's framer and decoder, then our checks on what it calls a success."""
    _, answer = framer.handleFrame(data, 0, 0)
    if answer is not None:
        words = _SERIAL._checked(11, _SPAN, answer)
        if len(words) != _SPAN.count:
            raise AssertionError("another number of registers than was asked for")


def _registers(data: bytes) -> None:
    """The requests of the profile's own vector, answered with any words."""
    profile = _PROFILES[data[0] % len(_PROFILES)] if data else _PROFILES[0]
    words = itertools.chain(
        (int.from_bytes(data[at : at + 2], "big") for at in range(1, len(data), 2)), itertools.repeat(0)
    )
    spans = [read.span for read in profile.vectors[0].reads]
    reads = [RawRead(span, tuple(itertools.islice(words, span.count))) for span in spans]
    decode_present([profile.registers[name] for name in profile.vectors[0].expect], reads)


def _register_seeds() -> list[bytes]:
    return [
        bytes([index]) + b"".join(word.to_bytes(2, "big") for read in profile.vectors[0].reads for word in read.words)
        for index, profile in enumerate(_PROFILES)
    ]


def _vectors(profile: str) -> list[bytes]:
    return [vector.payload for vector in load_profile(profile).vectors]


def _journal_seeds() -> list[bytes]:
    moment = Moment(bytes(6), 1_000, 1_795_000_000_000, TimeQuality.S)
    reading = Reading(1, moment, 0, 0, 12, MeterState.OK, "7")
    suspect = Suspect(Reason.IMPLAUSIBLE_JUMP, 5, 9, moment, 2, moment, 5)
    channel = ChannelState(1, 0, 0, 12, moment, "7", 3, 1, suspect, 6, Break(moment, 1))
    event = Happening(1, moment, EventCode.USE_ENDED, 12, 3, "60")
    wash = WashState(Phase.RUNNING, 3, 4, WashSample(moment, 5, 6), 7, 8, 9, 10, moment)
    items = encode_items([reading, event])
    return choosing([zlib.decompress(items)], [encode_channel(channel)], [encode_wash(wash)], [items])


def _dump_seeds() -> list[bytes]:
    vector = _PROFILES[0].vectors[0]
    reading = RawReading("washer-1", 11, 1_795_000_000_000, _PROFILES[0].name, "00", tuple(vector.reads))
    return [dump_text([reading]).encode()]


def _kept_seeds() -> list[bytes]:
    answer = samples.ENROL_ANSWER.encode()
    whole = cbor.encode([1, answer, "https://tally.example:8443", "-----BEGIN CERTIFICATE-----", None, None])
    return choosing([cbor.encode([1, 5_000, None, 60_000])], [whole])


def _certificate_seeds() -> list[bytes]:
    """The first bytes of a certificate: what comes after the dates is never looked at."""
    name = bytes.fromhex("300d310b3009060355040613024954")
    dates = b"\x30\x1e\x17\x0d261101000000Z\x17\x0d270201000000Z"
    fields = bytes.fromhex("a003020102020105300a06082a8648ce3d040302") + name + dates
    der = b"\x30\x81" + bytes([len(fields) + 3]) + b"\x30\x81" + bytes([len(fields)]) + fields
    return [ssl.DER_cert_to_PEM_cert(der).encode()]


EDGE = (
    Target("meter-dump", lambda data: parse_dump("dump.json", data), (EdgeError,), _dump_seeds),
    Target(
        "kept-file",
        chosen(
            lambda data: load_settings(as_file(data)),
            lambda data: load_enrolment(as_file(data), _IDENTITY),
        ),
        (EdgeError,),
        _kept_seeds,
        ci=5_000,
    ),
    Target("certificate-dates", validity_dates, (ValueError,), _certificate_seeds, bytes_max=1024),
    Target(
        "server-answer",
        chosen(problem_text, _commands),
        (ProtocolError,),
        lambda: choosing([b'{"detail": "is revoked", "status": 403}', b"busy"], [cbor.encode([b"command"])]),
        bytes_max=16_384,  # what is looked at of a refusal
    ),
    Target(
        "bthome",
        lambda data: _bthome(None, data),
        (BleError,),
        lambda: [*_vectors("bthome-water"), bytes.fromhex("41cff34327e4443322113bc67b39")],
        bytes_max=300,
    ),
    Target(
        "bthome-encrypted",
        lambda data: _bthome(_KEY, data),
        (BleError,),
        seeds.hexes("41cff34327e4443322113bc67b39", "40000901"),
        bytes_max=300,
    ),
    *(
        Target(
            f"advert-{each}",
            partial(_advert, each),
            (BleError,),
            lambda each=each: _advert_seeds(each),  # type: ignore[misc]
            bytes_max=300,
        )
        for each in (RadioFormat.RUUVI_5, RadioFormat.ATC1441, RadioFormat.PVVX)
    ),
    Target(
        "gatt-climate", partial(_gatt, "environmental-sensing"), (BleError,), lambda: _vectors("environmental-sensing")
    ),
    Target("gatt-bicycle", partial(_gatt, "bicycle-csc"), (BleError,), lambda: _vectors("bicycle-csc"), bytes_max=300),
    Target("gatt-scale", _weighing, (BleError,), lambda: _vectors("waste-scale"), bytes_max=300),
    Target("shelly-answer", _shelly, (BleError,), seeds.texts(_ANSWER, _REFUSAL)),
    Target("shelly-device", lambda d: shelly.device_id(shelly.parse_answer(d, 1)), (BleError,), seeds.texts(_ANSWER)),
    Target(
        "charge-log-line",
        record_of,
        (ValueError,),  # JSON's own, which the driver tells as a fault; ProtocolError is one too
        lambda: [b'{"ocmf": "OCMF|{}|{}"}\n', b"[]\n"],
    ),
    Target(
        "modbus-frame",
        chosen(_tcp_frame, _rtu_frame, lambda data: _take(_RTU, data)),
        (ReadFailure, ModbusException),
        lambda: choosing(
            seeds.hexes("0001000000070b0404447a8000", "0001000000030b8402")(),
            seeds.hexes("0b0404447a8000", "0b8402", "0b0302000a")(),
            seeds.hexes("0b0404447a8000a1b2")(),
        ),
        bytes_max=300,
    ),
    Target(
        "modbus-registers",
        _registers,
        (ValueAbsent,),
        _register_seeds,
        ci=5_000,
    ),
    Target(
        "journal-rows",
        chosen(lambda data: decode_items(zlib.compress(data, 1)), decode_channel, decode_wash, decode_items),
        (JournalError,),
        _journal_seeds,
    ),
)
