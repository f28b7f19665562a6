"""Every vector file: up to date, read as it expects, and seen by the CDDL as it should be."""

import json
import time
from typing import Any

import pytest
from support.cddl import Mismatch, Schema
from support.protocol_readers import CDDL_RULES, READERS
from support.protocol_vectors import FOLDER, all_files
from support.vectors import ROOT
from tallystick_protocol.errors import ErrorCode, ProtocolError

SECONDS_MAX = 3.0  # of the processor; a hostile vector takes below 5 ms; naive decoders took 8 s
SCHEMA = Schema((ROOT / "protocol" / "tallystick_protocol" / "tallystick.cddl").read_text(encoding="utf-8"))
CASES: list[Any] = [
    pytest.param(case, id=f"{path.stem}-{case['kind']}-{case['name']}")
    for path in sorted(FOLDER.glob("*.json"))
    for case in json.loads(path.read_text(encoding="utf-8"))["cases"]
]


def test_files_are_what_the_generator_writes() -> None:
    on_disk = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    assert on_disk.keys() == all_files().keys()
    assert [name for name, text in all_files().items() if on_disk[name] != text] == []


@pytest.mark.parametrize("case", CASES)
def test_vector_is_read_as_it_expects(case: dict[str, Any]) -> None:
    data = bytes.fromhex(case["hex"])
    started = time.process_time()
    try:
        gives = READERS[case["kind"]](data, case.get("given", {}))
        found, field = "ok", ""
    except ProtocolError as error:
        gives, found, field = {}, str(error.code), error.field
    assert time.process_time() - started < SECONDS_MAX
    assert (found, field) == (case["expect"], case.get("field", ""))
    assert {name: gives.get(name) for name in case.get("gives", {})} == case.get("gives", {})


@pytest.mark.parametrize("case", [case for case in CASES if case.values[0]["kind"] in CDDL_RULES])
def test_cddl_accepts_exactly_what_only_a_rule_can_refuse(case: dict[str, Any]) -> None:
    try:
        SCHEMA.validate(CDDL_RULES[case["kind"]], bytes.fromhex(case["hex"]))
        accepted = True
    except Mismatch:
        accepted = False
    assert accepted == (case["expect"] == "ok" or case.get("beyond_cddl", False))


def test_every_error_code_has_a_vector() -> None:
    assert {case.values[0]["expect"] for case in CASES} == {"ok", *ErrorCode}


def test_every_kind_has_good_and_bad_vectors() -> None:
    seen = {(case.values[0]["kind"], case.values[0]["expect"] == "ok") for case in CASES}
    both = READERS.keys() - {"ids", "root"}
    assert {kind for kind in both if (kind, True) not in seen or (kind, False) not in seen} == set()
