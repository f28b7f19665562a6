"""A member's proof of an hour: valid as it is, refused with any one value changed, and silent about the others."""

from collections.abc import Iterator
from typing import Any

import cbor2
import pytest
from support.cddl import Schema
from support.pools import CONSUMERS, MICRO, PLANTS, USERS, Community, open_community, proof_of
from support.repository import ROOT
from support.vector_case import plain
from tallystick_cloud.errors import NotFound
from tallystick_protocol import cose
from tallystick_protocol.policy import Policy
from tallystick_protocol.pool_settlement import PoolProof
from tallystick_protocol.verify.pool import verify_pool

AMOUNTS = {
    "School": 468_000,
    "Farm": 29_250,
    "Anna": 97_500,
    "Bakery": 159_900,
    "Carla": 74_100,
}


@pytest.fixture(scope="module")
def cer() -> Iterator[Community]:
    found = open_community()
    found.upload()
    found.prices()
    found.close()
    yield found
    found.books.database.close()


@pytest.mark.parametrize("name", USERS)
def test_every_member_can_check_own_energy_and_money(cer: Community, name: str) -> None:
    proof, policy = proof_of(cer, name)
    report = verify_pool(proof.encode(), policy)
    assert report.verdict == "valid", report.verdict
    figures = {check.name: check.figures for check in report.checks}
    assert figures["money"] == {"nano": AMOUNTS[name] * MICRO}
    assert figures["energy"]["bounded"] == 0
    assert PoolProof.decode(proof.encode()) == proof


def test_the_bytes_are_those_of_the_cddl(cer: Community) -> None:
    schema = Schema((ROOT / "protocol" / "tallystick_protocol" / "tallystick.cddl").read_text(encoding="utf-8"))
    proof, _ = proof_of(cer, "Anna")
    schema.validate("PoolProof", proof.encode())
    schema.validate("PoolSettlement", cose.parse(proof.settlement.envelope).payload)


def paths(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every value inside that is not a list or a map."""
    if isinstance(value, list | dict):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            yield from paths(item, (*at, key))
    else:
        yield at, value


def changed(value: Any) -> list[Any]:
    match value:
        case bool():
            return [not value]
        case int():
            return [value + 1]
        case bytes():
            middle = len(value) // 2  # of a contract the end is its proposer's signature: its hash stands for it
            return [value[:middle] + bytes([value[middle] ^ 1]) + value[middle + 1 :]]
        case str():
            return ["members" if value != "members" else "producers"]
    return [0]


@pytest.mark.parametrize("name", ["School", "Anna"])
def test_any_one_value_changed_is_refused(cer: Community, name: str) -> None:
    proof, policy = proof_of(cer, name)
    good = cbor2.loads(proof.encode())
    tried = 0
    for path, value in paths(good):
        for new in changed(value):
            bad = plain(good)
            target = bad
            for key in path[:-1]:
                target = target[key]
            target[path[-1]] = new
            report = verify_pool(cbor2.dumps(bad, canonical=True), policy)
            assert not report.ok, f"{path}: {value!r} -> {new!r} is taken"
            tried += 1
    assert tried > 100


def test_a_file_of_another_member_is_refused(cer: Community) -> None:
    proof, _ = proof_of(cer, "Anna")
    _, policy = proof_of(cer, "Bakery")
    assert not verify_pool(proof.encode(), policy).ok


@pytest.mark.parametrize("data", [b"", b"\x80", b"\xa0", b"nothing"])
def test_any_bytes_get_a_report(cer: Community, data: bytes) -> None:
    _, policy = proof_of(cer, "Anna")
    assert verify_pool(data, policy).verdict.startswith("file: cannot be checked")


@pytest.mark.parametrize("name", USERS)
def test_no_other_members_number_or_salt_is_in_a_file(cer: Community, name: str) -> None:
    """Of the others there are sums of pieces cut by chance, and not even a piece that is all of a meter's number."""
    proof, _ = proof_of(cer, name)
    own = {user for _, user, *_ in (*PLANTS, *CONSUMERS) if user == name}
    numbers = {"School": 8000, "Farm": 5000, "Anna": 2500, "Bakery": 4100, "Carla": 1900}
    others = {number for user, number in numbers.items() if user not in own}
    shown = {value for node in nodes(proof) for value in node}
    assert not others & shown
    assert len(proof.openings) == 1
    assert all(opened.piece.point == proof.intervals[0].pieces[0].piece.point for opened in proof.intervals[0].pieces)


def nodes(proof: PoolProof) -> Iterator[tuple[int, ...]]:
    for one in proof.intervals:
        for opened in one.pieces:
            yield from (node.sums for node in opened.path)


def test_a_close_by_a_key_that_may_not_settle_is_refused(cer: Community) -> None:
    proof, policy = proof_of(cer, "Anna")
    nobody = Policy(
        policy.community, policy.party, policy.log_origin, policy.log_key, policy.roots, contracts=policy.contracts
    )
    assert "does not let settle" in verify_pool(proof.encode(), nobody).verdict


def test_a_contract_that_the_policy_does_not_know_is_refused(cer: Community) -> None:
    proof, policy = proof_of(cer, "Anna")
    strange = Policy(policy.community, policy.party, policy.log_origin, policy.log_key, policy.roots, keys=policy.keys)
    assert "none that your policy knows" in verify_pool(proof.encode(), strange).verdict


def test_a_stranger_gets_no_file() -> None:
    zoe = open_community(more='[[party]]\nname = "Zoe"\nroles = ["user"]\nkey = "hosted"\n')
    zoe.upload()
    zoe.prices()
    zoe.close()
    with pytest.raises(NotFound, match="of this party is in no closed interval"):
        proof_of(zoe, "Zoe")
    zoe.books.database.close()
