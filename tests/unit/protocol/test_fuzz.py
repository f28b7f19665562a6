"""Random and bent input: decoders raise ProtocolError or return a value that encodes to what was sent, nothing else.
TALLYSTICK_FUZZ_EXAMPLES sets how many inputs each test tries."""

import json
import os
from collections.abc import Callable
from typing import Any

import cbor2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.protocol_readers import READERS
from support.protocol_vectors import FOLDER
from support.vector_case import plain
from tallystick_protocol import cbor
from tallystick_protocol.errors import ProtocolError

GOOD: dict[str, list[bytes]] = {}
for path in sorted(FOLDER.glob("*.json")):
    for case in json.loads(path.read_text(encoding="utf-8"))["cases"]:
        if case["expect"] == "ok" and not case.get("given") and len(case["hex"]) < 8_000:
            GOOD.setdefault(case["kind"], []).append(bytes.fromhex(case["hex"]))
TEXTUAL = {"claim", "tile-path"}  # these readers are given text, which is decoded before them
KINDS = sorted(GOOD.keys() - TEXTUAL - {"ids", "root"})
STRUCTURED = sorted(set(KINDS) - {"cbor", "checkpoint", "cosignature", "spki", "entries"})
EXAMPLES = int(os.environ.get("TALLYSTICK_FUZZ_EXAMPLES", "5"))
SETTINGS = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])

ints = st.integers(-(2**64), 2**64) | st.integers(-2, 40) | st.sampled_from([2**63 - 1, 2**63, -(2**63)])
scalars = st.none() | st.booleans() | ints | st.binary(max_size=40) | st.text(max_size=70) | st.floats()
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.integers(0, 70), inner))


def _survives(read: Callable[[bytes], Any], data: bytes) -> Any:
    try:
        return read(data)
    except ProtocolError as error:
        return None if error.field and error.reason and error.code else pytest.fail(f"{error!r} does not say enough")


def _read(kind: str, data: bytes) -> None:
    gives = _survives(lambda raw: READERS[kind](raw, {}), data)
    if gives and "again" in gives and kind != "cbor":
        assert plain(cbor2.loads(gives["again"])) == _without_ignorable(plain(cbor2.loads(data)))


def _without_ignorable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_ignorable(item) for key, item in value.items() if key < 64}
    return [_without_ignorable(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.binary(max_size=200))
@SETTINGS
def test_any_bytes_are_refused_or_read(kind: str, data: bytes) -> None:
    _read(kind, data)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@SETTINGS
def test_a_good_message_with_some_bytes_changed_is_refused_or_read(kind: str, data: st.DataObject) -> None:
    message = bytearray(data.draw(st.sampled_from(GOOD[kind])))
    for _ in range(data.draw(st.integers(1, 3))):
        message[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.integers(0, 255))
    _read(kind, bytes(message))


@pytest.mark.parametrize("kind", STRUCTURED)
@given(data=st.data())
@SETTINGS
def test_a_good_message_with_one_value_changed_is_refused_or_read(kind: str, data: st.DataObject) -> None:
    message = data.draw(st.sampled_from(GOOD[kind]))
    if kind == "envelope":
        message = message[1:]
    value = plain(cbor2.loads(message))
    target = value
    while True:
        keys = list(target) if isinstance(target, dict) else list(range(len(target)))
        key = data.draw(st.sampled_from(keys))
        inner = target[key]
        if not isinstance(inner, dict | list) or not inner or data.draw(st.booleans()):
            break
        target = inner
    target[key] = data.draw(values)
    changed = cbor2.dumps(value, canonical=True)
    _read(kind, b"\xd2" + changed if kind == "envelope" else changed)


@given(value=values)
@settings(max_examples=10 * EXAMPLES, deadline=None)
def test_what_encodes_decodes_to_itself_and_what_decodes_encodes_to_itself(value: Any) -> None:
    encoded = _survives(cbor.encode, value)
    if encoded is not None:
        assert plain(cbor.decode(encoded)) == plain(value)
        assert encoded == cbor2.dumps(value, canonical=True)
    raw = cbor2.dumps(value)
    decoded = _survives(lambda data: (cbor.decode(data),), raw)
    if decoded is not None:
        assert cbor.encode(decoded[0]) == raw


HEADS = b"".join(bytes((kind | size,)) for kind in range(0, 0xE0, 0x20) for size in range(24, 28))


@given(data=st.data())
@settings(max_examples=10 * EXAMPLES, deadline=None)
def test_only_what_another_encoder_writes_too_is_read(data: st.DataObject) -> None:
    """Heads that are longer than they need be and keys that do not rise: the walk measures what an encoder would."""
    message = bytearray(data.draw(st.sampled_from([one for kind in STRUCTURED for one in GOOD[kind]])))
    for _ in range(data.draw(st.integers(1, 2))):
        at = data.draw(st.integers(0, len(message) - 1))
        message[at : at + data.draw(st.integers(0, 1))] = data.draw(
            st.binary(max_size=3) | st.sampled_from(HEADS).map(lambda head: bytes((head,)) + bytes(1 << head % 32 - 24))
        )
    found = _survives(lambda raw: (cbor.decode(raw),), bytes(message))
    if found is not None:
        assert cbor2.dumps(found[0], canonical=True) == message


@pytest.mark.parametrize("hexed", ["1817", "190018", "1a00000100", "1b0000000000010000", "5801aa", "9801f6", "b8010000",
                                   "a201000000", "a2000102020103", "3817", "7801 61", "f8f4", "00 00"])  # fmt: skip
def test_a_value_in_another_than_its_shortest_form_is_refused(hexed: str) -> None:
    with pytest.raises(ProtocolError):
        cbor.decode(bytes.fromhex(hexed))
