"""A period beside what others say: own meters beside the grid's file, what was shared beside a scheme's statement."""

from collections.abc import Iterator
from zoneinfo import ZoneInfo

import pytest
from support.pools import GRID, HOUR, T0, Community, open_community, site
from support.uploads import SimGateway, money, segment
from tallystick_cloud.errors import BadInput
from tallystick_cloud.pools import compare, report, service
from tallystick_cloud.pools.compare import Pair

OWN = (8000, 5004, 2500, 4100, 1900)  # plant 2 counts four Wh more than the grid says


@pytest.fixture
def cer() -> Iterator[Community]:
    """Own meters read the hour that the grid's file speaks of, and the one after it."""
    found = open_community(more=site())
    gateway = SimGateway("street")
    found.books.enrol(gateway, "street", T0)
    found.books.hello(gateway, T0)
    parts = []
    for number, wh in enumerate(OWN, 1):
        readings = [(T0 + hour * HOUR, hour * wh) for hour in range(3)]
        parts.append(money(number, [segment(1, readings, serial=f"S{number}")]))
    found.books.seal_and_send(gateway, parts, found.now_ms)
    found.upload(GRID)
    yield found
    found.books.database.close()


def stated(cer: Community, text: str) -> list[Pair]:
    rows = compare.rows_of(text.encode(), cer.versions()[-1])
    return compare.statement(cer.look("2026-01-01"), rows)


def test_own_meters_stand_beside_the_grids_file(cer: Community) -> None:
    versions = cer.versions()
    period = service.span_of(versions[-1].contract, "2026-01-01").period
    pairs = cer.books.database.read_now(compare.meters, "cer", versions, period)
    assert {one.start_ms for one in pairs} == {T0}, "the grid has said nothing of the next hour"
    found = {one.what: (one.theirs, one.ours) for one in pairs}
    assert found["plant-2 injected"] == (5000, 5004)
    assert found["home-1 withdrawn"] == (2500, 2500)
    (plant,) = [one for one in compare.sums(pairs) if one.what == "plant-2 injected"]
    assert (plant.count, plant.differing, plant.theirs, plant.ours) == (1, 1, 5000, 5004)


def test_the_schemes_statement_stands_beside_what_was_shared(cer: Community) -> None:
    cer.prices()
    text = "start;shared_kwh\n2026-01-01T00:00;8,4\n2026-01-01T05:00;1\n2026-02-01T00:00;7\n"
    pairs = stated(cer, text.replace(",", "."))
    assert pairs == [Pair("shared", T0, 8400, 8500), Pair("shared", T0 + 5 * HOUR, 1000, None)]
    shown = report.pairs_text(pairs, ZoneInfo(cer.versions()[-1].contract.zone)).splitlines()
    assert shown[1].split() == ["2026-01-01", "00:00", "8400", "8500", "+100", "shared"]
    assert shown[2].split() == ["2026-01-01", "05:00", "1000", "-", "-1000", "shared"]
    assert shown[3].split()[:4] == ["sum", "9400", "8500", "-900"]
    assert shown[3].endswith("shared: 2 intervals, 2 differ")
    assert report.pairs_json(pairs)["intervals"][1]["ours_wh"] is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("start,wh\n", "line 1 has no column shared_wh or shared_kwh"),
        ("start,shared_wh\n2026-01-01T00:30,1\n", "line 2, start 2026-01-01T00:30 is not on an edge of 60 minutes"),
        ("start,shared_wh\n2026-01-01T00:00,-1\n", "line 2, shared_wh -1 is not a whole number of Wh"),
        ("start,shared_wh\n2026-01-01T00:00,1\n2026-01-01T00:00,2\n", "line 3 says 2 Wh"),
    ],
)
def test_a_statement_that_cannot_be_read_is_refused_by_line(cer: Community, text: str, says: str) -> None:
    with pytest.raises(BadInput) as refused:
        stated(cer, text)
    assert says in f"{refused.value.field} {refused.value.reason}"
