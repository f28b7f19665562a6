"""A pool on its own meters: signed readings cut by the hour, with the level of their gateway, until the grid speaks."""

from collections.abc import Iterator

import pytest
from support.pool_lives import agree
from support.pools import GRID, HOUR, T0, TAIL, Community, open_community, proof_of, site, toml
from support.uploads import SimGateway, money, segment
from tallystick_protocol.verify.pool import verify_pool

WORKED = (8000, 5000, 2500, 4100, 1900)


@pytest.fixture
def cer() -> Iterator[Community]:
    found = open_community(more=site())
    yield found
    found.books.database.close()


def read(cer: Community, rows: list[tuple[int, tuple[int, ...]]], gateway: SimGateway, first: int = 1) -> None:
    """(ms after T0, registers of the five meters), sealed and sent as one batch."""
    parts = []
    for number in range(5):
        readings = [(T0 + at, registers[number]) for at, registers in rows]
        parts.append(money(number + 1, [segment(first, readings, serial=f"S{number + 1}")]))
    cer.books.seal_and_send(gateway, parts, cer.now_ms)


def enrolled(cer: Community) -> SimGateway:
    gateway = SimGateway("street")
    cer.books.enrol(gateway, "street", T0)
    cer.books.hello(gateway, T0)
    return gateway


def test_signed_readings_are_shared_like_the_grids_data(cer: Community) -> None:
    gateway, begin = enrolled(cer), (100, 200, 300, 400, 500)
    ends = tuple(a + b for a, b in zip(begin, WORKED, strict=True))
    read(cer, [(0, begin), (HOUR, ends)], gateway)
    cer.prices()
    closed = cer.close()
    (one,) = closed.worked.intervals
    assert (one.sharing.shared, one.level) == (8500, 1)
    assert cer.balances()["receivable", "GSE"] == 1_105_000_000
    proof, policy = proof_of(cer, "Anna")
    assert verify_pool(proof.encode(), policy).verdict == "valid"
    assert proof.intervals[0].record.level == 1


def test_an_edge_between_readings_is_interpolated_and_a_hole_stays_open(cer: Community) -> None:
    gateway = enrolled(cer)
    zero, half, more = (0,) * 5, tuple(2 * wh for wh in WORKED), tuple(3 * wh for wh in WORKED)
    read(cer, [(0, zero), (2 * HOUR, half), (5 * HOUR, more)], gateway)
    cer.prices("start,price\n" + "".join(f"2026-01-01T0{hour}:00,100\n" for hour in range(5)))
    worked = cer.close().worked
    assert [(one.start_ms - T0) // HOUR for one in worked.intervals] == [0, 1]
    assert [one.sharing.shared for one in worked.intervals] == [8500, 8500]


def test_an_hour_stays_an_hour_when_quarters_are_agreed_for_later(cer: Community) -> None:
    """The readings of its first quarter stood for the whole hour when the month was closed again."""
    gateway, zero = enrolled(cer), (0,) * 5
    quarters = [(at * HOUR // 4, tuple(wh * at // 4 for wh in WORKED)) for at in range(5)]
    read(cer, [(0, zero), *quarters[1:]], gateway)
    cer.prices()
    cer.close()
    later = toml(tail=TAIL.replace('"1 h"', '"15 min"')).replace(
        "effective_from = 2026-01-01", "effective_from = 2026-02-01"
    )
    agree(cer, later)
    assert cer.close().again
    assert cer.balances()["receivable", "GSE"] == 1_105_000_000


def test_the_grids_data_stand_above_own_readings(cer: Community) -> None:
    gateway = enrolled(cer)
    read(cer, [(0, (0,) * 5), (HOUR, tuple(wh // 2 for wh in WORKED))], gateway)
    cer.prices()
    assert cer.close().worked.intervals[0].sharing.shared == 4250
    cer.upload(GRID)
    one = cer.close().worked.intervals[0]
    assert (one.sharing.shared, one.level) == (8500, 0)
    assert cer.books.audit() == []


def test_readings_in_several_batches_make_the_same_hours(cer: Community) -> None:
    gateway = enrolled(cer)
    for number in range(4):
        read(cer, [(number * HOUR // 2, tuple(number * wh // 2 for wh in WORKED))], gateway, number + 1)
    cer.prices()
    worked = cer.look()
    assert [one.sharing.shared for one in worked.intervals] == [8500]
