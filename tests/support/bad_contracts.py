"""Contract files with one fault each, as people make them, and the refusal that each must get, word for word.

Faults of one edit stand in tests/fixtures/bad_contracts.toml, faults of a whole file here.
"""

import tomllib
from dataclasses import dataclass

from support.books import ENERGY, TOWN, WASHES
from support.repository import ROOT

FILE = ROOT / "tests" / "fixtures" / "bad_contracts.toml"
_BASES = {"washes": WASHES, "energy": ENERGY}
_SHOP = """\
[[asset]]
id = "shop"
name = "Shop"
kind = "shop"
[[asset]]
id = "attic"
name = "Attic"
kind = "flat"
essential = true
[[site]]
id = "street"
name = "Street"
[[site.channel]]
number = 1
meter = "m-shop"
asset = "shop"
quantity = "1-0:1.8.0"
unit = "Wh"
form = "interval"
profile = "test"
[[site.channel]]
number = 2
meter = "m-attic"
asset = "attic"
quantity = "1-0:1.8.0"
unit = "Wh"
form = "interval"
profile = "test"
type_approval = "DE-1"
verified_until_ms = 1700000000000
"""
TOWN_OF_FAULTS = TOWN.partition("[[contract]]")[0] + _SHOP
"""Without contracts; with a meter that has no type approval and one past its verification."""


@dataclass(frozen=True, slots=True)
class Fault:
    """`refused`: everything after the file's name; `by`: the command that can know; `proposed`: what `propose` says."""

    name: str
    data: bytes
    refused: str
    by: str = "check"
    proposed: str = ""


def faults() -> list[Fault]:
    """The whole catalogue."""
    return [_edited(**row) for row in tomllib.loads(FILE.read_text())["fault"]] + list(WHOLE)


def _edited(name: str, base: str, old: str, new: str, refused: str, by: str = "check", proposed: str = "") -> Fault:
    if old not in _BASES[base]:
        raise AssertionError(f"{name}: {old!r} is not in the contract")
    return Fault(name, _BASES[base].replace(old, new, 1).encode(), refused, by, proposed or refused)


def _whole(name: str, text: str | bytes, refused: str) -> Fault:
    return Fault(name, text.encode() if isinstance(text, str) else text, refused, proposed=refused)


def _without(begin: str, end: str) -> str:
    """WASHES without its tables from `begin` up to `end`."""
    at = WASHES.index(begin)
    return WASHES[:at] + (WASHES[WASHES.index(end) :] if end else "")


WHOLE = (
    _whole(
        "long name",
        WASHES.replace('name = "Washes"', f'name = "{"W" * 2000}"', 1),
        "line 2: name: holds text of 2000 bytes, the limit is 64",
    ),
    _whole(
        "party 257",
        WASHES.replace(
            "[[user]]", "".join('[[party]]\nname = "Coop"\nrole = "x"\n' for n in range(257)) + "[[user]]", 1
        ),
        "line 9: party: holds 261 items, the limit is 256",
    ),
    _whole("no tariff", _without("[tariff]", "[[split]]"), "tariff.form: is missing: add it"),
    _whole("no band", _without("[[tariff.band]]", "[[split]]"), "line 28: tariff.band: is missing: add it"),
    _whole(
        "price long",
        WASHES.replace("price = 1.20", "price = 1." + "3" * 60, 1),
        "line 34: tariff.band[0].price: has more than 18 digits: round it, amounts have nine decimals",
    ),
    _whole(
        "price 5000 digits",
        WASHES.replace("price = 1.20", "price = 1" + "0" * 5000, 1),
        "file: holds a number that is too long to be meant",
    ),
    _whole(
        "tier 17",
        ENERGY.replace(
            "tiers = [{ up_to = 10, price = 0.30 }, { price = 0.20 }]",
            "tiers = [" + "".join(f"{{ up_to = {n}, price = 0.30 }}, " for n in range(1, 18)) + "{ price = 0.20 }]",
            1,
        ),
        "line 35: tariff.band[0].tiers: holds 18 items, the limit is 16",
    ),
    _whole("split none", _without("[[split]]", "[terms]"), "split: is missing: add it"),
    _whole(
        "17 steps",
        WASHES.replace(
            '[[split]]\nto = { "Coop"', '[[split]]\nto = "Fund"\nfixed = 0.01\n' * 15 + '[[split]]\nto = { "Coop"', 1
        ),
        "line 39: split: holds 18 items, the limit is 16",
    ),
    _whole("no notice", _without("[notice]", ""), "notice.what: is missing: add it"),
    _whole(
        "notice long",
        WASHES.replace('why = "to price them"', f'why = "{"x" * 5000}"', 1),
        "line 55: notice.why: holds text of 5000 bytes, the limit is 4096",
    ),
    _whole(
        "confusable everywhere",
        WASHES.replace('"Coop"', '"C\u043eop"'),
        "line 10: party[0].name: mixes alphabets in 'C\u043eop' (cyrillic and latin): type the word again",
    ),
    _whole(
        "nfd",
        WASHES.replace('"Coop"', '"Coo\u0301p"'),
        "line 10: party[0].name: holds letters put together from parts (not Unicode form NFC): type the text again",
    ),
    _whole(
        "all zero",
        WASHES.replace("price = 1.20", "price = 0").replace("price = 1.85", "price = 0.00"),
        "line 31: tariff.band: has only prices of 0 and no minimum or fee: nothing would ever be charged",
    ),
    _whole(
        "bom",
        b"\xef\xbb\xbf" + WASHES.encode(),
        "line 1: file: begins with a byte order mark: save it as UTF-8 without one",
    ),
    _whole(
        "cr",
        WASHES.replace("\n", "\r"),
        "line 1: file: is not TOML: Expected newline or end of document after a statement; "
        "a line has one field; decimals have a point (1.50), dates are written 2026-12-01",
    ),
    _whole("utf16", WASHES.encode("utf-16"), "line 1: file: is UTF-16; save it as UTF-8"),
    _whole(
        "latin1", WASHES.replace("Washes", "Wäsche").encode("latin-1"), "line 2: file: is not UTF-8; save it as UTF-8"
    ),
    _whole(
        "nul",
        WASHES + "\0",
        "line 59: file: is not TOML: Invalid statement; a line is a field (name = value), a [table] or a # comment",
    ),
    _whole("empty", "", "version: must be 1, the version of this file format"),
    _whole("binary", bytes(range(256)), "line 2: file: is not UTF-8; save it as UTF-8"),
    _whole(
        "json",
        '{"version": 1}',
        "line 1: file: is not TOML: Invalid statement; a line is a field (name = value), a [table] or a # comment",
    ),
    _whole(
        "huge",
        WASHES + "# " + "x" * 300_000,
        "file: is 300861 characters long, the limit is 262144: make two contracts of it",
    ),
    _whole(
        "deep list",
        WASHES + "a = " + "[" * 100_000 + "]" * 100_000,
        "file: is nested too deeply: a contract has tables, and lists in them",
    ),
    _whole(
        "deep unclosed",
        WASHES + "a = " + "[" * 100_000,
        "file: is nested too deeply: a contract has tables, and lists in them",
    ),
    _whole(
        "deep inline",
        WASHES + "a = " + "{a=" * 20_000 + "1" + "}" * 20_000,
        "file: is nested too deeply: a contract has tables, and lists in them",
    ),
    _whole(
        "deep dotted",
        WASHES + ".".join(["a"] * 100_000) + " = 1",
        "line 59: file: has more than 256 points: break the line",
    ),
    _whole(
        "many assets",
        WASHES.replace(
            "[tariff]",
            "".join(f'[[asset]]\nasset = "a{n}"\nquantity = "q"\nuser = "Anna"\n' for n in range(1100)) + "[tariff]",
        ),
        "line 24: asset: holds 1101 items, the limit is 1024",
    ),
)
