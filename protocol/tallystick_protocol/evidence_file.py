"""The file around an evidence message: a line that says what it is, a hash against damage, and the message, packed.
It proves nothing: whoever packs a changed message gets a file that reads well and does not verify.
"""

import lzma
from typing import Any

from tallystick_protocol.errors import BadEnvelope, TooLarge
from tallystick_protocol.evidence import EVIDENCE_BYTES_MAX
from tallystick_protocol.ids import H32_BYTES, sha256

MAGIC = b"tallystick evidence 1\n"
_FIELD = "evidence file"
_FILTERS: list[dict[str, Any]] = [
    {"id": lzma.FILTER_LZMA2, "preset": 9, "dict_size": 1 << 20}
]  # bounds a reader's memory
FILE_BYTES_MAX = EVIDENCE_BYTES_MAX + len(MAGIC) + H32_BYTES + EVIDENCE_BYTES_MAX // 1000  # what does not pack grows


def pack(message: bytes) -> bytes:
    """The file of an encoded evidence message: first line, SHA-256 of what follows, the message packed with LZMA2."""
    packed = lzma.compress(message, format=lzma.FORMAT_RAW, filters=_FILTERS)
    return MAGIC + sha256(packed) + packed


def unpack(file: bytes) -> bytes:
    """The message; TooLarge or BadEnvelope says what is wrong. Bytes without the first line are the message itself."""
    if not file.startswith(MAGIC):
        return file
    if len(file) > FILE_BYTES_MAX:
        raise TooLarge(_FIELD, f"is {len(file)} bytes long, the limit is {FILE_BYTES_MAX}")
    packed = file[len(MAGIC) + H32_BYTES :]
    if file[len(MAGIC) : len(MAGIC) + H32_BYTES] != sha256(packed):
        raise BadEnvelope(_FIELD, "was damaged or changed on its way; ask for it again")
    reader = lzma.LZMADecompressor(format=lzma.FORMAT_RAW, filters=_FILTERS)
    try:
        message = reader.decompress(packed, EVIDENCE_BYTES_MAX + 1)
    except (lzma.LZMAError, EOFError):
        raise BadEnvelope(_FIELD, "cannot be unpacked; ask for it again") from None
    if len(message) > EVIDENCE_BYTES_MAX:
        raise TooLarge(_FIELD, f"unpacks to more than {EVIDENCE_BYTES_MAX} bytes")
    if not reader.eof or reader.unused_data:
        raise BadEnvelope(_FIELD, "ends too early or too late; ask for it again")
    return message
