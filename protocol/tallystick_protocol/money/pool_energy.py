"""One interval of a pool: what its members shared, which plants it came from and who used it, in whole Wh.
It never reads a meter and never prices anything; the same readings give the same rows whoever computes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import lcm

from tallystick_protocol import cbor
from tallystick_protocol.errors import BadValue
from tallystick_protocol.ids import H32, sha256
from tallystick_protocol.money.pool import ConsumerRule, PlantRule, Pool
from tallystick_protocol.money.split import share

WH_MAX = 10**12  # a terawatt for an hour: more is a mistake, and products stay far below what anybody must fear


@dataclass(frozen=True, slots=True)
class Row:
    """One meter in one interval: `point` is its place among the contract's assets; `injected` is what was offered."""

    point: int
    injected: int
    withdrawn: int
    allocated: int


@dataclass(frozen=True, slots=True)
class Sharing:
    """Plants in order of seniority, then consumers in contract order; the allocated of either side sum to `shared`."""

    plants: tuple[Row, ...]
    consumers: tuple[Row, ...]
    shared: int

    @property
    def injected(self) -> int:
        return sum(row.injected for row in self.plants)

    @property
    def withdrawn(self) -> int:
        return sum(row.withdrawn for row in self.consumers)


def interval_id(chain: H32, start_ms: int) -> H32:
    """SHA-256(CBOR ["tallystick pool interval", chain, start]): decides how this interval is rounded."""
    return sha256(cbor.encode(["tallystick pool interval", chain, start_ms]))


def members(pool: Pool, start_ms: int) -> tuple[list[int], list[int]]:
    """Plants (oldest first) and consumers (contract order) that belong to the pool in the interval that starts then."""
    here = [index for index, point in enumerate(pool.points) if point.is_member(start_ms)]
    plants = [index for index in here if pool.points[index].is_plant]
    plants.sort(key=lambda index: (pool.points[index].since_ms or 0, index))
    return plants, [index for index in here if not pool.points[index].is_plant]


def share_energy(
    pool: Pool, start_ms: int, wh: Mapping[int, int], key: H32, weights: Mapping[int, int] | None = None
) -> Sharing:
    """The sharing of one interval. `wh` holds what every member's meter counted, by point.

    `weights`: the consumers' coefficients in this interval, which must be there when the contract names a file of
    them. Raises BadValue for a member without a reading, a negative one, or one that cannot be.
    """
    plants, consumers = members(pool, start_ms)
    for index in (*plants, *consumers):
        if not 0 <= wh.get(index, -1) <= WH_MAX:
            raise BadValue(f"points[{index}]", f"has no reading in 0..{WH_MAX} Wh for the interval at {start_ms} ms")
    offered = [_offered(pool, index, wh[index]) for index in plants]
    withdrawn = [wh[index] for index in consumers]
    if pool.consumers is ConsumerRule.COEFFICIENTS:
        used = _by_coefficients(pool, consumers, withdrawn, sum(offered), key, weights)
    else:
        used = _parts(min(sum(offered), sum(withdrawn)), withdrawn, key)
    shared = sum(used)
    given = _by_seniority(shared, offered) if pool.plants is PlantRule.SENIORITY else _parts(shared, offered, key)
    return Sharing(
        tuple(Row(index, has, 0, took) for index, has, took in zip(plants, offered, given, strict=True)),
        tuple(Row(index, 0, has, took) for index, has, took in zip(consumers, withdrawn, used, strict=True)),
        shared,
    )


def _offered(pool: Pool, index: int, wh: int) -> int:
    part = pool.points[index].part
    return wh if part is None else wh * part.n // part.d


def _parts(shared: int, own: Sequence[int], key: H32) -> list[int]:
    """`shared` by what each has: the floor or the ceiling of the exact part, so never more than `own`."""
    return share(shared, own, key) if shared else [0] * len(own)


def _by_seniority(shared: int, offered: Sequence[int]) -> list[int]:
    given = []
    for has in offered:
        given.append(min(has, shared))
        shared -= given[-1]
    return given


def _by_coefficients(
    pool: Pool,
    consumers: Sequence[int],
    withdrawn: Sequence[int],
    injected: int,
    key: H32,
    weights: Mapping[int, int] | None,
) -> list[int]:
    """Each consumer's fixed part of what was injected, as far as it was used; what one leaves is not passed on."""
    if not consumers:
        return []
    parts = _weights(pool, consumers) if pool.coefficients is None else [(weights or {}).get(i, -1) for i in consumers]
    if min(parts) < 0:
        raise BadValue("weights", "do not name every consumer: upload the coefficients of the interval")
    if not sum(parts):
        raise BadValue("weights", "are all 0: nobody would get anything")
    return [min(has, part) for has, part in zip(withdrawn, share(injected, parts, key), strict=True)]


def _weights(pool: Pool, consumers: Sequence[int]) -> list[int]:
    """The points' own coefficients as whole numbers; the contract's rules say that they make 1."""
    parts = [pool.points[index].part for index in consumers]
    scale = lcm(*(part.d for part in parts if part is not None))
    return [0 if part is None else part.n * (scale // part.d) for part in parts]
