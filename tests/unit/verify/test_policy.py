"""A policy file is read strictly: whatever is wrong is named with field and reason."""

import json
from typing import Any

import pytest
from support import evidence_world as w
from tallystick_protocol.ids import H32
from tallystick_protocol.keys import public_key_of
from tallystick_protocol.policy import KnownVersion, OperatorKey, PartyKey, PolicyError, load_policy

FULL = w.policy(
    w.BANK,
    keys=(OperatorKey(public_key_of(w.OFFICE), frozenset({"settlement", "resolution"})),),
    witnesses_needed=2,
    party_keys=(PartyKey(w.OWNER, public_key_of(w.PARTY_KEYS[w.OWNER])),),
    contracts=(KnownVersion(H32(bytes(32)), H32(bytes(31) + b"\1"), 5),),
    subjects=(bytes(16),),
)


def _bent(path: list[Any], new: Any) -> bytes:
    value = json.loads(FULL.to_json())
    target = value
    for step in path[:-1]:
        target = target[step]
    if new is None:
        del target[path[-1]]
    else:
        target[path[-1]] = new
    return json.dumps(value).encode()


def test_a_policy_is_read_as_it_was_written() -> None:
    assert load_policy(FULL.to_json().encode()) == FULL


@pytest.mark.parametrize(
    ("path", "new", "field"),
    [
        (["version"], 2, "policy.version"),
        (["party"], "00", "policy.party"),
        (["party"], None, "policy.party"),
        (["party"], "ZZ" * 16, "policy.party"),
        (["community"], "", "policy.community"),
        (["log", "origin"], "a b", "policy.log.origin"),
        (["log", "key"], FULL.party_keys[0].key.spki.hex(), "policy.log.key"),
        (["log", "size"], 1, "policy.log.size"),
        (["log"], None, "policy.log"),
        (["roots", "needed"], 2, "policy.roots.needed"),
        (["roots", "needed"], True, "policy.roots.needed"),
        (["roots", "keys"], [], "policy.roots.keys"),
        (["roots", "keys", 0], "00", "policy.roots.keys[0]"),
        (["keys", 0, "may"], ["everything"], "policy.keys[0].may"),
        (["witnesses", "needed"], 4, "policy.witnesses.needed"),
        (["witnesses", "keys", 1, "name"], "witness-0", "policy.witnesses.keys"),
        (["parties", 0, "party"], "00", "policy.parties[0].party"),
        (["contracts", 0, "from_ms"], -1, "policy.contracts[0].from_ms"),
        (["subjects", 0], "00", "policy.subjects[0]"),
        (["anything"], 1, "policy.anything"),
    ],
)
def test_a_wrong_field_is_named(path: list[Any], new: Any, field: str) -> None:
    with pytest.raises(PolicyError) as caught:
        load_policy(_bent(path, new))
    assert caught.value.field == field
    assert caught.value.reason


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff", b"null", b'{"version": 1, "version": 1}', b"[" * 100_000])
def test_anything_else_is_no_policy(data: bytes) -> None:
    with pytest.raises(PolicyError):
        load_policy(data)
