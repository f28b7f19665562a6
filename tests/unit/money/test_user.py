"""Users whom a contract does not name: the commitment's bytes, salts of their own, and files with a mistake in them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest
from support.protocol_samples import fixed
from tallystick_protocol.errors import BadValue
from tallystick_protocol.ids import PartyId
from tallystick_protocol.money.contract import Contract
from tallystick_protocol.money.contract_toml import ContractError, draft_contract, load_contract
from tallystick_protocol.money.user import UserOpening, commit_user

NAMES = ("Coop", "Marta Pichler", "Jonas Gruber")
IDS = {name: PartyId(fixed(name, 16)) for name in NAMES}
TEXT = """\
version = 1
name = "Washes"
community = "aurora"
unit = "EUR"
zone = "UTC"
effective_from = 2026-11-01
collector = "Coop"
[[party]]
name = "Coop"
role = "owner"
[[user]]
name = "Marta Pichler"
[[user]]
name = "Jonas Gruber"
[[asset]]
asset = "washer-1"
quantity = "cycles"
user = "Marta Pichler"
[[asset]]
asset = "washer-2"
quantity = "cycles"
user = "Jonas Gruber"
[[asset]]
asset = "washer-3"
quantity = "cycles"
user = "Marta Pichler"
[[asset]]
asset = "washer-4"
quantity = "cycles"
user = "Coop"
[tariff]
form = "event"
per = "cycle"
[[tariff.band]]
name = "all"
price = 1.20
[[split]]
to = "Coop"
[notice]
what = "uses"
why = "to price them"
keep = "365 d"
who = "nobody else"
"""


def randomness() -> Iterator[bytes]:
    number = 0
    while True:
        number += 1
        yield fixed(f"random {number}", 16)


def test_the_commitment_is_the_hash_of_label_version_salt_and_party() -> None:
    salt, party = bytes(range(16)), PartyId(bytes(range(16, 32)))
    canonical = b"\x84\x6ftallystick user\x01\x50" + salt + b"\x50" + party
    assert commit_user(salt, party) == hashlib.sha256(canonical).digest()


@pytest.mark.parametrize(("salt", "party"), [(bytes(15), bytes(16)), (bytes(16), bytes(32))])
def test_another_size_is_refused(salt: bytes, party: bytes) -> None:
    with pytest.raises(BadValue, match="must be 16"):
        commit_user(salt, PartyId(party))


def test_users_are_committed_to_and_only_the_openings_say_who_they_are() -> None:
    bits = randomness()
    draft = draft_contract(TEXT, IDS, lambda size: next(bits)[:size])
    data = draft.contract.encode()
    assert Contract.decode(data) == draft.contract
    for name in NAMES[1:]:
        assert name.encode() not in data
        assert IDS[name] not in data
    assert [party.name for party in draft.contract.parties] == ["Coop"]
    assert draft.contract.is_agreed([IDS["Coop"]])
    assert [(one.asset, one.party) for one in draft.openings] == [
        ("washer-1", IDS["Marta Pichler"]),
        ("washer-2", IDS["Jonas Gruber"]),
        ("washer-3", IDS["Marta Pichler"]),
    ]
    committed = [asset for asset in draft.contract.assets if asset.is_committed]
    assert [asset.user for asset in committed] == [one.commitment for one in draft.openings]
    assert len({asset.user for asset in committed}) == len({one.salt for one in draft.openings}) == 3
    assert draft.contract.assets[3].named_user == IDS["Coop"]


def test_the_next_version_has_other_commitments() -> None:
    bits = randomness()
    first, second = (draft_contract(TEXT, IDS, lambda size: next(bits)[:size]) for _ in range(2))
    assert not {a.user for a in first.contract.assets[:3]} & {a.user for a in second.contract.assets[:3]}


def test_an_opening_with_another_salt_or_party_fits_nothing() -> None:
    bits = randomness()
    opening = draft_contract(TEXT, IDS, lambda size: next(bits)[:size]).openings[0]
    others = (
        UserOpening(opening.asset, opening.quantity, bytes(16), opening.party),
        UserOpening(opening.asset, opening.quantity, opening.salt, IDS["Jonas Gruber"]),
    )
    assert opening.commitment not in {other.commitment for other in others}


@pytest.mark.parametrize(
    ("old", "new", "line", "field", "reason"),
    [
        ('user = "Coop"', 'user = "Nobody"', 30, "asset[3].user", "is neither a user nor a party of this contract"),
        ('"Jonas Gruber"\n[[asset]]', '"Coop"\n[[asset]]', 14, "user[1].name", "is a party of this contract already"),
        ('"Jonas Gruber"\n[[asset]]', '"Marta Pichler"\n[[asset]]', 14, "user[1].name", "is there twice"),
        ('user = "Jonas Gruber"', 'user = "Coop"', 14, "user[1].name", "pays for no asset"),
        ('name = "Jonas Gruber"', 'name = "Jonas"', 14, "user[1].name", "is not a party of the community"),
        (
            'name = "Jonas Gruber"',
            'name = "Jonas Gruber"\nrole = "user"',
            15,
            "user[1].role",
            "not a field of this table",
        ),
        ('to = "Coop"', 'to = "Jonas Gruber"', 38, "split[0].to", "not a party of this contract"),
        ('collector = "Coop"', 'collector = "Jonas Gruber"', 7, "collector", "not a party of this contract"),
    ],
)
def test_a_mistake_about_users_is_refused_with_its_line(old: str, new: str, line: int, field: str, reason: str) -> None:
    assert old in TEXT
    with pytest.raises(ContractError) as refused:
        load_contract(TEXT.replace(old, new, 1), IDS)
    assert (refused.value.field, refused.value.line) == (field, line)
    assert reason in refused.value.reason
