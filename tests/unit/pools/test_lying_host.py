"""A host that signs and logs what is not so: the member whom it concerns sees it, whatever the signature says."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from support.cheats_page import rows_under
from support.pools import Community, open_community, proof_of
from tallystick_cloud.pools import keep, trees
from tallystick_cloud.pools.model import Interval, Worked
from tallystick_cloud.settlement.office import Office
from tallystick_protocol.errors import BadProof
from tallystick_protocol.ids import sha256
from tallystick_protocol.money.pool_energy import Row
from tallystick_protocol.money.pool_money import Part, Weights, Worth, weights_of
from tallystick_protocol.money.split import Group
from tallystick_protocol.pool_settlement import CloseKind, PoolSettlement
from tallystick_protocol.sum_tree import WIDTH, SumNode, leaf_node, path, root, verify_path
from tallystick_protocol.verify.pool import verify_pool

REST = (0,) * (WIDTH - 1)
Lie = Callable[[Interval], Interval]


def energy(plants: tuple[int, int], consumers: tuple[int, int, int], shared: int) -> Lie:
    """Other allocations of the same readings."""

    def lie(one: Interval) -> Interval:
        gave = tuple(replace(row, allocated=wh) for row, wh in zip(one.sharing.plants, plants, strict=True))
        used = tuple(replace(row, allocated=wh) for row, wh in zip(one.sharing.consumers, consumers, strict=True))
        return replace(one, sharing=replace(one.sharing, plants=gave, consumers=used, shared=shared))

    return lie


def a_meter_that_nobody_has(one: Interval) -> Interval:
    rows = (*one.sharing.consumers, Row(3, 0, 4500, 0))
    return replace(one, sharing=replace(one.sharing, consumers=rows))


def half_the_worth(one: Interval) -> Interval:
    half = [replace(part, amount=part.amount // 2) for part in one.divided.parts]
    groups = tuple(
        (group, amount // 2, weight // 2 if group is Group.PRODUCERS else weight)
        for group, amount, weight in one.divided.groups
    )
    worth = Worth(tuple(nano // 2 for nano in one.worth.plants))
    return replace(one, worth=worth, divided=replace(one.divided, parts=tuple(half), groups=groups))


def less_for_the_producers(one: Interval) -> Interval:
    groups = tuple(
        (group, amount // 2 if group is Group.PRODUCERS else amount, weight)
        for group, amount, weight in one.divided.groups
    )
    parts = [replace(p, amount=p.amount // 2) if p.group is Group.PRODUCERS else p for p in one.divided.parts]
    return replace(one, divided=replace(one.divided, groups=groups, parts=tuple(parts)))


def a_group_that_is_larger(one: Interval) -> Interval:
    groups = tuple(
        (group, amount, weight * 2 if group is Group.PRODUCERS else weight)
        for group, amount, weight in one.divided.groups
    )
    parts = [replace(p, amount=p.amount // 2) if p.group is Group.PRODUCERS else p for p in one.divided.parts]
    return replace(one, divided=replace(one.divided, groups=groups, parts=tuple(parts)))


def half_the_weight(one: Interval) -> Interval:
    """The worth of one plant counted as the other's: the sum is right."""
    first, second = one.worth.plants
    return replace(one, worth=Worth((first + second, 0)))


def above_a_threshold_that_is_not_there(one: Interval) -> Interval:
    return replace(one, above_wh=one.sharing.shared * 2)


def less_for_one(one: Interval) -> Interval:
    def less(part: Part) -> Part:
        return replace(part, amount=part.amount - 1) if part.point == 0 else part

    return replace(one, divided=replace(one.divided, parts=tuple(map(less, one.divided.parts))))


def another_price(one: Interval) -> Interval:
    return replace(one, series=None)


LIES: dict[str, tuple[Lie, str, str]] = {
    "less is shared than is": (energy((4000, 0), (1000, 2000, 1000), 4000), "School", "says 4000 Wh are shared"),
    "one side gave less": (energy((7000, 500), (2500, 4100, 1900), 8500), "School", "another amount on one side"),
    "the younger plant first": (energy((3500, 5000), (2500, 4100, 1900), 8500), "School", "its turn is 8000 to 8000"),
    "the younger plant too little": (energy((8000, 0), (2500, 3600, 1900), 8000), "Farm", "says 8000 Wh are shared"),
    "another's use instead of hers": (energy((8000, 500), (2000, 4100, 2400), 8500), "Anna", "its part is 2500"),
    "a meter that nobody has": (a_meter_that_nobody_has, "Anna", "counts 12 pieces, not those of 5 meters"),
    "half of what it is worth": (half_the_worth, "School", "another worth than what is shared at the price"),
    "less for the producers": (less_for_the_producers, "School", "gives the producers another amount than the split"),
    "a group that is larger": (a_group_that_is_larger, "School", "divides among other producers than are in its sums"),
    "a weight that is not its own": (half_the_weight, "Farm", "weighs meter 1 as"),
    "a threshold that is not there": (above_a_threshold_that_is_not_there, "School", "above the threshold"),
    "a nano less for one": (less_for_one, "School", "gives you 467999999 nano as producers"),
    "no price": (another_price, "School", "has no price of the series"),
}


def an_hour_twice(worked: Worked, _: pytest.MonkeyPatch) -> Worked:
    return replace(worked, intervals=worked.intervals * 2)


def between_two_hours(worked: Worked, _: pytest.MonkeyPatch) -> Worked:
    return replace(worked, intervals=tuple(replace(one, start_ms=one.start_ms + 1) for one in worked.intervals))


def a_use_of_nobody(worked: Worked, patch: pytest.MonkeyPatch) -> Worked:
    """Carla's weight among the consumers is twice what she used, and the group is as large as that."""

    def weights(*args: Any) -> Weights:
        found = weights_of(*args)
        return found | {Group.CONSUMERS: [(at, wh * 2 if at == CARLA else wh) for at, wh in found[Group.CONSUMERS]]}

    def lie(one: Interval) -> Interval:
        more = sum(row.allocated for row in one.sharing.consumers if row.point == CARLA)
        groups = [(g, nano, wh + more if g is Group.CONSUMERS else wh) for g, nano, wh in one.divided.groups]
        return replace(one, divided=replace(one.divided, groups=tuple(groups)))

    for module in (keep, trees):
        patch.setattr(module, "weights_of", weights)
    return replace(worked, intervals=tuple(map(lie, worked.intervals)))


def other_totals(worked: Worked, patch: pytest.MonkeyPatch) -> Worked:
    def signed(**fields: Any) -> PoolSettlement:
        *energy, fees = fields.pop("totals")
        return PoolSettlement(**fields, totals=(*energy, fees + 1))

    patch.setattr(keep, "PoolSettlement", signed)
    return worked


CARLA = 4
OF_A_CLOSE: dict[str, tuple[Callable[[Worked, pytest.MonkeyPatch], Worked], str]] = {
    "an hour shared twice": (an_hour_twice, "begins before the one in front of it has ended"),
    "an hour between two hours": (between_two_hours, "does not begin where an interval of its contract does"),
    "a use of nobody, so that there is less for each": (a_use_of_nobody, "of what it shares there are"),
    "other totals than the hours make": (other_totals, "has totals that its intervals do not make"),
}


def test_the_page_lists_them() -> None:
    rows = [(name, f"`{reason}`") for lies in (LIES, OF_A_CLOSE) for name, (*_, reason) in lies.items()]
    assert rows_under("In a pool: energy and money") == rows


@pytest.fixture(scope="module")
def cer() -> Community:
    found = open_community()
    found.upload()
    found.prices()
    return found


@pytest.mark.parametrize("name", LIES)
def test_a_lie_that_is_signed_and_logged_is_seen(cer: Community, name: str) -> None:
    lie, member, reason = LIES[name]
    worked = cer.look()
    told = replace(worked, intervals=tuple(map(lie, worked.intervals)))
    office = Office(cer.books.aggregator.of("cer"), cer.books.aggregator.entropy)
    close = keep.Close(cer.versions(), told, CloseKind.FINAL, 1, None, sha256(name.encode()))
    cer.books.database.write_now(keep.keep, office, close, cer.now_ms)
    proof, policy = proof_of(cer, member)
    report = verify_pool(proof.encode(), policy)
    assert not report.ok
    assert reason in report.verdict


@pytest.mark.parametrize("name", OF_A_CLOSE)
def test_a_lie_of_a_whole_close_is_seen(cer: Community, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lie, reason = OF_A_CLOSE[name]
    worked = lie(cer.look(), monkeypatch)
    office = Office(cer.books.aggregator.of("cer"), cer.books.aggregator.entropy)
    close = keep.Close(cer.versions(), worked, CloseKind.FINAL, 1, None, sha256(name.encode()))
    cer.books.database.write_now(keep.keep, office, close, cer.now_ms)
    proof, policy = proof_of(cer, "Anna", "2026-01")
    report = verify_pool(proof.encode(), policy)
    assert not report.ok
    assert reason in report.verdict


def test_a_node_is_bound_to_its_sums() -> None:
    """The same hashes under other sums are another tree, at every height."""
    leaves = [leaf_node(bytes([n]) * 16, b"leaf", (n, *REST)) for n in range(5)]
    top = root(leaves)
    for index, leaf in enumerate(leaves):
        beside = path(index, leaves)
        verify_path(index, 5, leaf, beside, top)
        for at, node in enumerate(beside):
            other = SumNode(node.hash, (node.sums[0] + 1, *node.sums[1:]))
            more = SumNode(top.hash, (top.sums[0] + 1, *top.sums[1:]))
            with pytest.raises(BadProof, match="does not follow"):
                verify_path(index, 5, leaf, [*beside[:at], other, *beside[at + 1 :]], more)
    assert leaf_node(bytes(16), b"leaf", (1, *REST)).hash != leaf_node(bytes(16), b"leaf", (2, *REST)).hash


@pytest.mark.parametrize(("index", "size", "cut"), [(0, 5, -1), (4, 5, -1), (0, 4, 0), (5, 5, 0), (-1, 5, 0)])
def test_a_path_of_another_place_or_size_is_refused(index: int, size: int, cut: int) -> None:
    leaves = [leaf_node(bytes([n]) * 16, b"leaf", (n, *REST)) for n in range(5)]
    beside = path(index % 5, leaves)
    with pytest.raises(BadProof):
        verify_path(index, size, leaves[index % 5], beside[: len(beside) + cut], root(leaves))
