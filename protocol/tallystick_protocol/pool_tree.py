"""Builds the tree of one interval of a pool: each meter's numbers cut by chance into pieces, salted, placed by chance.
It never makes a secret: whoever closes hands in one per meter, and erases it with the meter's numbers.
"""

import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

from tallystick_protocol import cbor
from tallystick_protocol.money.contract import Contract
from tallystick_protocol.money.pool_energy import Sharing
from tallystick_protocol.money.pool_money import Weights
from tallystick_protocol.money.split import Group
from tallystick_protocol.pool_settlement import PIECES, MeterPiece, OpenedPiece
from tallystick_protocol.salted_tree import SALT_BYTES
from tallystick_protocol.sum_tree import WIDTH, SumNode, leaf_node, path, root

SECRET_BYTES = 32
LAYOUTS_MAX = 500  # one of three to ten does, from four meters on
Secret = Callable[[int], bytes]
"""The secret of a meter by its place in the contract."""


@dataclass(frozen=True, slots=True)
class IntervalTree:
    """All leaves of an interval, in an order that is drawn anew each time. `pieces`: index of a leaf -> salt and piece,
    of the meters whose secret is there."""

    leaves: tuple[SumNode, ...]
    pieces: Mapping[int, tuple[bytes, MeterPiece]]

    @property
    def top(self) -> SumNode:
        return root(self.leaves)

    def opened(self, point: int) -> tuple[OpenedPiece, ...]:
        """The pieces of one meter, each with its way to the top."""
        return tuple(
            OpenedPiece(index, salt, piece, tuple(path(index, self.leaves)))
            for index, (salt, piece) in self.pieces.items()
            if piece.point == point
        )


def interval_tree(
    contract: Contract,
    start_ms: int,
    sharing: Sharing,
    weights: Weights,
    secret: Secret,
    erased: Mapping[int, SumNode] | None = None,
) -> IntervalTree:
    """The tree of an interval; the same secrets and numbers always give the same.

    `erased`: index -> leaf of the meters whose numbers are gone, which `sharing` does not hold any more.
    """
    gone = erased or {}
    by_group = [dict(weights.get(group, ())) for group in Group]
    rows = [(row, (row.injected, row.withdrawn, row.allocated, 0)) for row in sharing.plants]
    rows += [(row, (row.injected, row.withdrawn, 0, row.allocated)) for row in sharing.consumers]
    rows.sort(key=lambda one: _derive(secret(one[0].point), start_ms, "place"))
    cut: list[list[tuple[bytes, MeterPiece]]] = []
    for row, energy in rows:
        mine = secret(row.point)
        member = contract.assets[row.point].user
        parts = _cut(mine, start_ms, (*energy, *(group.get(row.point, 0) for group in by_group)))
        pieces = [MeterPiece(start_ms, row.point, number, member, part) for number, part in enumerate(parts)]
        salts = [_derive(mine, start_ms, f"salt {number}")[:SALT_BYTES] for number in range(PIECES)]
        cut.append(list(zip(salts, pieces, strict=True)))
    order = layout(len(cut) + len(gone) // PIECES)
    kept = dict(zip(sorted(set(order) - {order[index] for index in gone}), cut, strict=True))
    placed = {index: kept[meter].pop() for index, meter in enumerate(order) if index not in gone}
    leaves = {**gone, **{index: leaf_of(salt, piece) for index, (salt, piece) in placed.items()}}
    return IntervalTree(tuple(leaves[index] for index in range(len(order))), placed)


@lru_cache(maxsize=64)  # a pool has few sizes; the search takes milliseconds
def layout(meters: int) -> tuple[int, ...]:
    """Which meter each leaf is a piece of: an order in which no path shows all pieces of another meter by themselves.

    Of two or three meters there may be none; then the one that shows the least.
    """
    best: tuple[int, tuple[int, ...]] | None = None
    for seed in range(LAYOUTS_MAX):
        leaves = sorted(range(meters * PIECES), key=lambda at: sha256(f"{meters} {seed} {at}".encode()).digest())
        order = tuple(at // PIECES for at in leaves)
        shown = exposed(order)
        if best is None or shown < best[0]:
            best = shown, order
        if shown == 0:
            break
    return () if best is None else best[1]


def exposed(order: Sequence[int]) -> int:
    """How often the paths of one meter's leaves show another's numbers whole: as one subtree, or as single leaves.

    What the paths show are the subtrees beside them; one that holds an own leaf is shown in smaller ones by its path.
    """
    places: dict[int, list[int]] = {}
    for at, meter in enumerate(order):
        places.setdefault(meter, []).append(at)
    count = 0
    for own in places.values():
        beside = {span for at in own for span in _beside(at, 0, len(order))}
        shown = [span for span in beside if not any(span[0] <= at < span[1] for at in own)]
        singles = [order[low] for low, high in shown if high - low == 1]
        count += sum(singles.count(meter) == PIECES for meter in set(singles))
        wholes = [set(order[low:high]) for low, high in shown if high - low == PIECES]
        count += sum(len(whole) == 1 for whole in wholes)
    return count


def _beside(at: int, low: int, high: int) -> list[tuple[int, int]]:
    """The subtrees beside the path of a leaf, as [from, to) of leaves."""
    if high - low == 1:
        return []
    split = low + (1 << (high - low - 1).bit_length() - 1)
    if at < split:
        return [(split, high), *_beside(at, low, split)]
    return [(low, split), *_beside(at, split, high)]


def leaf_of(salt: bytes, piece: MeterPiece) -> SumNode:
    """The leaf of a piece."""
    return leaf_node(salt, piece.encode(), piece.sums)


def _cut(secret: bytes, start_ms: int, sums: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Each number as a part that is drawn from all that it can be, and the rest."""
    drawn = _derive(secret, start_ms, "cut") + _derive(secret, start_ms, "cut again")
    first = tuple(
        int.from_bytes(drawn[at * 8 : at * 8 + 8], "big") % (value + 1)
        for at, value in zip(range(WIDTH), sums, strict=True)
    )
    return [first, tuple(value - part for value, part in zip(sums, first, strict=True))]


def _derive(secret: bytes, start_ms: int, label: str) -> bytes:
    return hmac.digest(secret, cbor.encode([label, start_ms]), sha256)
