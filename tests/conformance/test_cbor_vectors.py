"""RFC 8949 appendix A: which items a payload may hold."""

from support.vectors import outside_json
from tallystick_protocol import cbor
from tallystick_protocol.errors import ProtocolError

# What deterministic encoding and the payload's types leave over of appendix A: integers of 64 bits, strings, arrays,
# maps with unsigned keys, false, true and null. Written out by hand, so that a decoder that is too lax shows.
ALLOWED = {
    "00",
    "01",
    "0a",
    "17",
    "1818",
    "1819",
    "1864",
    "1903e8",
    "1a000f4240",
    "1b000000e8d4a51000",
    "20",
    "29",
    "3863",
    "3903e7",
    "f4",
    "f5",
    "f6",
    "40",
    "4401020304",
    "60",
    "6161",
    "6449455446",
    "62225c",
    "62c3bc",
    "63e6b0b4",
    "64f0908591",
    "80",
    "83010203",
    "8301820203820405",
    "98190102030405060708090a0b0c0d0e0f101112131415161718181819",
    "a0",
    "a201020304",
}


def _accepted(data: bytes) -> bool:
    try:
        cbor.decode(data)
    except ProtocolError:
        return False
    return True


def test_appendix_a_is_accepted_exactly_where_a_payload_may_hold_it() -> None:
    ((_, cases),) = outside_json("cbor", "appendix_a.json")
    wrong = [case["hex"] for case in cases if _accepted(bytes.fromhex(case["hex"])) != (case["hex"] in ALLOWED)]
    assert wrong == []


def test_what_is_accepted_has_the_value_that_the_vector_says() -> None:
    ((_, cases),) = outside_json("cbor", "appendix_a.json")
    checked = 0
    for case in cases:
        data = bytes.fromhex(case["hex"])
        if "decoded" in case and _accepted(data) and not isinstance(case["decoded"], dict):
            assert cbor.decode(data) == case["decoded"]
            checked += 1
    assert checked > 20


def test_every_item_that_does_not_round_trip_is_refused() -> None:
    ((_, cases),) = outside_json("cbor", "appendix_a.json")
    assert [case["hex"] for case in cases if not case["roundtrip"] and _accepted(bytes.fromhex(case["hex"]))] == []
