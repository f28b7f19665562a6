"""The bank file's XSD as an oracle: the one that the sepaxml package carries, checked by lxml.

It never reads our writer's own idea of the format.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lxml import etree

NAMESPACE = "{urn:iso:std:iso:20022:tech:xsd:pain.001.001.09}"


def schema() -> Any:
    spec = find_spec("sepaxml")
    assert spec is not None
    assert spec.origin is not None
    return etree.XMLSchema(etree.parse(str(Path(spec.origin).parent / "schemas" / "pain.001.001.09.xsd")))


def wrong_in(data: bytes) -> list[str]:
    """What the XSD says is wrong; empty for a valid file."""
    checked = schema()
    checked.validate(etree.fromstring(data))
    return [str(error) for error in checked.error_log]


def texts(data: bytes, tag: str) -> list[str]:
    """The text of every element of that name, in order."""
    return [str(found.text) for found in etree.fromstring(data).iter(f"{NAMESPACE}{tag}")]
