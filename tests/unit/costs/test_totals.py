"""What a flat's meter counted in a stay: from real uploads, over a changed meter; every kind of hole is refused."""

from dataclasses import replace
from datetime import date
from fractions import Fraction

import pytest
from support.books import DAY, ENERGY, HOUR, T0, TOWN, open_books
from support.uploads import SimGateway, money, segment
from tallystick_cloud import schema
from tallystick_cloud.costs import service
from tallystick_cloud.costs.errors import CostRefused
from tallystick_cloud.costs.totals import Counted, Span, check_units, used
from tallystick_protocol.money.cost import Charge, Flat, Stay
from tallystick_protocol.money.toml_cost import load_cost

FLAT = Flat("flat-01", "Coop")
STAY = Stay(FLAT, "Anna", 1, date(2026, 11, 2), date(2026, 11, 3))
LOW, HIGH = T0 + DAY, T0 + 3 * DAY
DAYS = tuple(Span(T0 + at * DAY, T0 + (at + 1) * DAY, 100 * at, 100 * (at + 1)) for at in range(5))
GOOD = Counted(DAYS, ("Wh", 0), 0, T0, None, T0 + 5 * DAY)


def total(*each: Counted) -> Fraction:
    return used(STAY, "q", each, "UTC")


def test_what_lies_inside_is_counted() -> None:
    assert total(GOOD) == 200
    assert total(GOOD, replace(GOOD, spans=DAYS[:2])) == 300
    nothing = replace(GOOD, spans=())
    assert total(nothing) == 0
    quiet = replace(GOOD, spans=(DAYS[0], replace(DAYS[4], start=100, end=150)))
    assert total(quiet) == 0, "no use between two equal totals is no hole"


def test_a_meter_that_was_changed_counts_with_its_successor() -> None:
    old = replace(GOOD, spans=DAYS[:2], over_ms=T0 + 2 * DAY, read_ms=T0 + 2 * DAY)
    new = Counted((Span(T0 + 2 * DAY, HIGH, 7, 37),), ("Wh", 0), 7, T0 + 2 * DAY, None, HIGH)
    assert total(old, new) == 130
    with pytest.raises(CostRefused, match="from 2026-11-02 12:00 to 2026-11-03 00:00"):
        total(replace(old, spans=DAYS[:1], read_ms=LOW + 12 * HOUR), new)


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (replace(GOOD, read_ms=HIGH - HOUR), "from 2026-11-03 23:00 to 2026-11-04 00:00"),
        (replace(GOOD, from_ms=LOW + HOUR, spans=()), "from 2026-11-02 00:00 to 2026-11-04 00:00"),
        (replace(GOOD, from_ms=None, spans=DAYS[2:], first=200), "from 2026-11-02 00:00 to 2026-11-03 00:00"),
        (replace(GOOD, spans=(DAYS[0], *DAYS[2:])), "from 2026-11-02 00:00 to 2026-11-03 00:00"),
        (replace(GOOD, spans=(*DAYS[:2], DAYS[3])), "from 2026-11-03 00:00 to 2026-11-04 00:00"),
        (
            replace(GOOD, spans=(DAYS[0], Span(LOW, HIGH + HOUR, 100, 300))),
            "from 2026-11-02 00:00 to 2026-11-04 01:00",
        ),
        (replace(GOOD, spans=(Span(T0, LOW + HOUR, 0, 100), *DAYS[2:])), "from 2026-11-01 00:00 to 2026-11-02 01:00"),
    ],
)
def test_a_hole_names_the_flat_and_from_when_to_when(broken: Counted, words: str) -> None:
    with pytest.raises(CostRefused, match=rf"flat flat-01: has no reading of q {words}; add a"):
        total(broken)


def test_different_units_do_not_add_up() -> None:
    with pytest.raises(CostRefused, match="flat b: counts q in another unit than a"):
        check_units({("a", "q"): [GOOD], ("b", "q"): [replace(GOOD, unit=("kWh", 0))]})


CHANNEL = "[[site.channel]]\nnumber = 2"
SECOND = """\
[[site.channel]]
number = 3
meter = "m-flat-2"
asset = "flat-2"
quantity = "1-0:1.8.0"
unit = "Wh"
form = "interval"
profile = "test"
"""
TWO_FLATS = TOWN.replace(CHANNEL, SECOND + CHANNEL).replace(
    '[[site]]\n', '[[asset]]\nid = "flat-2"\nname = "Flat 2"\nkind = "flat"\nuser = "Anna"\n[[site]]\n'
).replace('[[contract]]\nfile = "washes.toml"\nstate = "live"\n', "").replace(
    'file = "energy.toml"\nstate = "live"', 'file = "energy.toml"\nstate = "shadow"'
)  # fmt: skip
BOTH = ENERGY.replace(
    "[tariff]", '[[user]]\nname = "Anna"\n[[asset]]\nasset = "flat-2"\nquantity = "1-0:1.8.0"\nuser = "Anna"\n[tariff]'
)
POOL = """\
version = 1
[cost]
name = "Lights"
community = "lindenhof"
collector = "Coop"
decision_ref = "meeting"
[[cost.key]]
portion = 1
by = "use"
quantity = "1-0:1.8.0"
[[flat]]
asset = "flat"
owner = "Coop"
[[flat.lives]]
name = "Ben"
[[flat]]
asset = "flat-2"
owner = "Coop"
[[flat.lives]]
name = "Anna"
last_day = 2026-11-02
[bill]
id = "lights"
amount = 30.00
first_day = 2026-11-02
last_day = 2026-11-03
"""


def test_real_readings_of_two_meters_share_a_bill() -> None:
    books = open_books(town=TWO_FLATS, contracts={"energy.toml": BOTH})
    gateway = SimGateway("cellar")
    books.enrol(gateway, "cellar")

    def part(channel: int, per_hour: int, hours: int, serial: str | None):  # type: ignore[no-untyped-def]
        rows = [(T0 + at * HOUR, 1_000 + at * per_hour) for at in range(hours + 1)]
        return money(channel, [segment(1, rows, serial=serial)])

    def check() -> list[Charge]:
        return books.database.write_now(service.check, books.community, load_cost(POOL), None, T0 + 9 * DAY)

    books.seal_and_send(gateway, [part(1, 20, 80, "S1"), part(3, 10, 60, None)])
    with pytest.raises(
        CostRefused, match=r"flat flat-2: has no reading of 1-0:1\.8\.0 from 2026-11-03 12:00 to 2026-11-04"
    ):
        check()
    rows = [(T0 + at * HOUR, 1_000 + at * 10) for at in range(61, 80)]
    books.seal_and_send(gateway, [money(3, [segment(62, rows)])])
    before = len(books.rows(schema.access))
    stays = [(one.stay.flat.asset, one.stay.payer, one.parts[0].own, one.cents) for one in check()]
    assert stays == [("flat", "Ben", 960, 2000), ("flat-2", "Anna", 240, 500), ("flat-2", "Coop", 240, 500)]
    (row,) = books.rows(schema.access)[before:]
    assert (row["purpose"], row["basis"]) == ("to share bill lights", "meeting")
    assert isinstance(row["row_count"], int)
    assert row["row_count"] > 100
    books.database.close()
