"""OCMF records of real charging stations from the S.A.F.E. transparency software."""

import base64
import re
from xml.etree import ElementTree

import pytest
from support.vectors import outside
from tallystick_protocol.errors import ProtocolError, Unsupported
from tallystick_protocol.ocmf import read_ocmf


def _records(name: str) -> list[tuple[bytes, bytes]]:
    text = (outside("ocmf") / name).read_text(encoding="utf-8-sig")
    values = ElementTree.fromstring(text).iter("value")
    pairs = [(value.findtext("signedData") or "", value.findtext("publicKey") or "") for value in values]
    return [(data.strip().encode(), _key_bytes(key)) for data, key in pairs]


def _key_bytes(text: str) -> bytes:
    joined = re.sub(r"\s", "", text)
    return bytes.fromhex(joined) if re.fullmatch(r"[0-9A-Fa-f]+", joined) else base64.b64decode(joined)


def _verifies(record: bytes, spki: bytes) -> bool:
    try:
        read_ocmf(record).verify(spki)
    except ProtocolError:
        return False
    return True


@pytest.mark.parametrize("name", ["brainpoolP256r1.xml", "ocmf_tariff_1.xml", "test_ocmf_keba_kcp30.xml"])
def test_a_record_verifies_untouched_and_not_when_one_digit_is_altered(name: str) -> None:
    for record, spki in _records(name):
        read_ocmf(record).verify(spki)
        altered = re.sub(rb'"RV":(\d)', lambda m: b'"RV":' + bytes([m[1][0] ^ 1]), record, count=1)
        assert altered != record
        assert not _verifies(altered, spki)


def test_every_file_named_fail_holds_a_record_that_does_not_verify() -> None:
    names = sorted(path.name for path in outside("ocmf").glob("*fail*.xml"))
    assert names
    for name in names:
        assert not all(_verifies(record, spki) for record, spki in _records(name)), name


def test_a_192_bit_curve_is_named_as_not_accepted() -> None:
    for record, spki in _records("test_ocmf_transaction_two_values.xml"):
        with pytest.raises(Unsupported, match="secp192k1"):
            read_ocmf(record).verify(spki)
