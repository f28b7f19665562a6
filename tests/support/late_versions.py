"""A second version of the laundry's contract, proposed and agreed, for tests of when it comes into force."""

from dataclasses import replace
from typing import Any

from support.books import DAY, T0, follows
from support.settled import World
from support.uploads import Randomness
from tallystick_cloud import schema
from tallystick_cloud.contracts.service import approve, propose
from tallystick_protocol import cose
from tallystick_protocol.ids import H32
from tallystick_protocol.money.contract import Contract
from tallystick_protocol.money.contract_toml import Draft
from tallystick_protocol.records import Approval

OTHERS = ("Repairer", "Bank", "Fund")


def washes(world: World) -> tuple[bytes, Contract]:
    row = next(row for row in world.books.rows(schema.contract_version) if row["name"] == "Washes")
    return row["h"], Contract.decode(row["payload"])  # type: ignore[arg-type, return-value]


def proposed(world: World, draft: Draft, now_ms: int) -> bytes:
    hosted = world.books.founded.hosted[world.ids["Coop"]]
    envelope = cose.sign(hosted, cose.ContentType.CONTRACT, draft.contract.encode())
    standing: Any = world.books.run(propose, world.books.aggregator.of("lindenhof"), envelope, now_ms, draft.openings)
    return bytes(standing.h)


def says_yes(world: World, h: bytes, name: str, now_ms: int) -> str:
    said = Approval(Randomness(f"{name} {h.hex()}").bytes(16), H32(h), world.ids[name], True)  # type: ignore[arg-type]
    signed = cose.sign(world.books.founded.hosted[world.ids[name]], cose.ContentType.APPROVAL, said.encode())
    standing: Any = world.books.run(approve, world.books.aggregator.of("lindenhof"), signed, now_ms)
    return str(standing.state.value)


def begins(world: World, before: bytes, contract: Contract, day: int, version: int = 2, **more: Any) -> Draft:
    return follows(world.books, before, contract, effective_from_ms=T0 + day * DAY, version=version, **more)


def agreed(world: World, draft: Draft, now_ms: int) -> bytes:
    """Proposed, and everybody says yes."""
    h = proposed(world, draft, now_ms)
    assert {says_yes(world, h, name, now_ms) for name in OTHERS} & {draft.contract.state.value}
    return h


def moves_in(world: World, name: str, day: int, now_ms: int, **more: Any) -> bytes:
    """From that day on the washer is somebody else's."""
    draft = begins(world, *washes(world), day, **more)
    (opening,) = draft.openings
    mine = replace(opening, party=world.ids[name])  # type: ignore[arg-type]
    assets = tuple(replace(one, user=mine.commitment) for one in draft.contract.assets)
    return agreed(world, Draft(replace(draft.contract, assets=assets), (mine,)), now_ms)
