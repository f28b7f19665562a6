"""Proofs of a real close and a real bill, with the policy of whom they are for; each is made once."""

from __future__ import annotations

from functools import cache

from support import shared_house
from support.pools import open_community
from support.pools import proof_of as pool_proof_of
from tallystick_protocol.policy import Policy


@cache
def pool() -> tuple[bytes, Policy]:
    """Of a close that is one hour, for a member with a meter."""
    cer = open_community()
    cer.upload()
    cer.prices()
    cer.close()
    proof, policy = pool_proof_of(cer, "Anna")
    cer.books.database.close()
    return proof.encode(), policy


@cache
def cost() -> tuple[bytes, Policy]:
    """Of a heating bill that was taken back, for one of its twelve payers."""
    house = shared_house.open_house()
    house.post(shared_house.house())
    house.reverse()
    shared_house.sign(house)
    proof, policy = shared_house.proof_of(house, "Anna")
    house.books.database.close()
    return proof.encode(), policy
