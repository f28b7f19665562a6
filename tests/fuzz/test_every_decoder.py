"""Every function that takes bytes or a file from outside, and every message, is reached by the seeds of some target:
a new decoder without one fails here. docs/how-to/fuzz-a-decoder.md says how to add one."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
import tallystick_protocol
from fuzz import reach
from fuzz.reach import PACKAGES, places
from fuzz.targets import TARGETS
from tallystick_protocol.schema import MapMessage, RowMessage

NAMES = r"_?(?:decode|load|open|parse|read|unpack|unseal|verify)(?:_\w+)?"
_DECODER = re.compile(rf"^ *def ({NAMES})\(\s*(?:self, |cls, )?\w+: (bytes|Path)\b", re.MULTILINE)
_OF_DATA = re.compile(
    r"^ *def (\w+_of)\(\s*(?:self, |cls, )?(?:data|payload|line|body|frame|raw): bytes\b", re.MULTILINE
)
_OF_TEXT = re.compile(r"^ *def ((?:decode|load|parse)(?:_\w+)?)\(\s*(?:self, |cls, )?\w+: str\b", re.MULTILINE)
BY_HAND = {
    "cloud/backup/sealed_keys.py unseal": "AEAD opens it first; each try costs a key derivation of a tenth of a second",
    "cloud/backup/sealed_keys.py read_keys": "copies the server's own key files",
    "cloud/ca.py load_authority": "the server's own key and certificate",
    "cloud/commands/contract_try.py _read": "opens a file for load_contract",
    "cloud/commands/pool.py _read": "opens a file for grid_file",
    "cloud/http/month.py parse": "text that the route's pattern has let through",
    "cloud/http/pages.py _read_manifest": "comes with the program",
    "cloud/invoices/content.py decode": "text that the books hold",
    "cloud/ingest/bench.py _open_row": "a row for the books, of a part that was decoded",
    "cloud/keys.py _load": "opens a key's file for load_signer",
    "cloud/keys.py load_keys": "the server's own keys, read by load_signer",
    "cloud/keys.py read_private": "looks at a file's mode",
    "edge/dump.py load_dump": "opens a file for parse_dump",
    "edge/identity.py load_identity": "the gateway's own keys, read by load_signer",
    "edge/journal.py open": "opens the journal; its rows have a target, and fsck its file",
    "edge/profile.py load_profile": "finds a profile by its name for parse_profile",
    "edge/profile.py read_own": "opens a file for parse_profile",
    "protocol/money/contract.py read_contract": "decodes, and says of what version; Contract.decode has targets",
    "protocol/verify_cli.py _read": "opens a file, up to a limit",
}
"""What looks like a decoder and needs no target, with the reason."""


@dataclass
class Reached:
    """What the seeds of all targets get into."""

    functions: set[str] = field(default_factory=set)
    messages: set[type] = field(default_factory=set)


@pytest.fixture(scope="module")
def reached() -> Reached:
    found = Reached()
    build = MapMessage._build.__func__  # type: ignore[attr-defined]

    def seen(cls: type, values: dict[str, Any], where: str) -> Any:
        message = build(cls, values, where)
        found.messages.add(cls)
        return message

    with pytest.MonkeyPatch.context() as patch:
        for base in (MapMessage, RowMessage):
            patch.setattr(base, "_build", classmethod(seen))
        found.functions = places(reach.reached(TARGETS.values()))
    return found


def decoders() -> set[str]:
    """`package/file.py function` of whatever looks like one."""
    found = set()
    for name, folder in PACKAGES.items():
        for path in folder.rglob("*.py"):
            if "migrations" in path.parts:
                continue
            text = path.read_text(encoding="utf-8")
            names = {match[1] for pattern in (_DECODER, _OF_DATA, _OF_TEXT) for match in pattern.finditer(text)}
            found |= {f"{name}/{path.relative_to(folder)} {one}" for one in names}
    return found


def named(messages: Iterable[type]) -> set[str]:
    """Those of the protocol by name: a class with slots is made twice, and both are subclasses."""
    return {f"{one.__module__} {one.__qualname__}" for one in messages if one.__module__.startswith("tallystick_")}


def messages() -> set[str]:
    """Every message of the protocol."""
    for module in pkgutil.walk_packages(tallystick_protocol.__path__, "tallystick_protocol."):
        importlib.import_module(module.name)
    return named([*MapMessage.__subclasses__(), *RowMessage.__subclasses__()])


def test_every_decoder_is_reached_by_a_target(reached: Reached) -> None:
    all_of_them = decoders()
    assert len(all_of_them) > 60
    missing = all_of_them - reached.functions - BY_HAND.keys()
    assert not missing, "add a fuzz target that reaches it, or say in BY_HAND why it needs none"


def test_what_needs_no_target_is_still_there_and_still_has_none(reached: Reached) -> None:
    assert set(BY_HAND) - decoders() == set()
    assert set(BY_HAND) & reached.functions == set()


def test_every_message_is_read_by_a_target(reached: Reached) -> None:
    all_of_them = messages()
    assert len(all_of_them) > 60
    assert all_of_them - named(reached.messages) == set()
