"""The bank files' XSDs as an oracle: those that the sepaxml package carries, checked by lxml.

It never reads our writer's own idea of the format.
"""

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lxml import etree


@cache
def schema(message: str) -> Any:
    spec = find_spec("sepaxml")
    assert spec is not None
    assert spec.origin is not None
    return etree.XMLSchema(etree.parse(str(Path(spec.origin).parent / "schemas" / f"{message}.xsd")))


def wrong_in(data: bytes) -> list[str]:
    """What the XSD of the message it says it is says is wrong; empty for a valid file."""
    root = etree.fromstring(data)
    checked = schema(etree.QName(root).namespace.rpartition(":")[2])
    checked.validate(root)
    return [str(error) for error in checked.error_log]


def texts(data: bytes, tag: str) -> list[str]:
    """The text of every element of that name, in order."""
    return [str(found.text) for found in etree.fromstring(data).iter(f"{{*}}{tag}")]
