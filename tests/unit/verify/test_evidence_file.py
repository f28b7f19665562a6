"""The file around evidence: packed, guarded against damage, bounded when it is opened."""

import pytest
from tallystick_protocol.errors import BadEnvelope, ProtocolError, TooLarge
from tallystick_protocol.evidence import EVIDENCE_BYTES_MAX
from tallystick_protocol.evidence_file import MAGIC, pack, unpack
from tallystick_protocol.ids import sha256

MESSAGE = bytes(range(256)) * 40


def test_what_was_packed_is_unpacked() -> None:
    assert unpack(pack(MESSAGE)) == MESSAGE
    assert unpack(MESSAGE) == MESSAGE
    assert len(pack(MESSAGE)) < len(MESSAGE) // 4
    assert pack(MESSAGE) == pack(MESSAGE)


def test_any_changed_byte_of_a_file_is_refused_or_no_file_of_ours() -> None:
    file = pack(MESSAGE)
    for at in range(len(file)):
        changed = file[:at] + bytes([file[at] ^ 1]) + file[at + 1 :]
        if at < len(MAGIC):
            assert unpack(changed) == changed  # read as a message, which it is not
        else:
            with pytest.raises(BadEnvelope, match="damaged or changed"):
                unpack(changed)


@pytest.mark.parametrize("packed", [b"", pack(MESSAGE)[54:-1], pack(MESSAGE)[54:] + b"more", b"\xff" * 90])
def test_a_file_with_a_fitting_hash_and_a_bad_inside_is_refused(packed: bytes) -> None:
    with pytest.raises(ProtocolError):
        unpack(MAGIC + sha256(packed) + packed)


def test_a_small_file_cannot_become_a_huge_message() -> None:
    with pytest.raises(TooLarge, match="unpacks to more"):
        unpack(pack(bytes(EVIDENCE_BYTES_MAX + 1)))
